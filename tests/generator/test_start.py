# SPDX-License-Identifier: Apache-2.0
"""What training starts from: maps of scores, moving averages of lines, and both as a stack's weights."""

from __future__ import annotations

import numpy as np
import pytest
import simulated_sensor
import torch
from scipy import stats
from test_statistics import levels_of

from lrd_ext.generator import LiteGenerator, line_filter, point_map
from lrd_ext.generator.dark_store import Darks
from lrd_ext.generator.start import start
from lrd_ext.generator.targets import in_common_unit, measure
from lrd_ext.metrics import kld
from lrd_ext.profiles import tukey_lambda_std


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_a_moving_average_has_the_power_of_coloured_lines():
    autocovariance = simulated_sensor.row_autocovariance(3200, 20)
    average = line_filter.moving_average(autocovariance, 3)
    frequency = np.linspace(0, 0.5, 33)
    own = np.abs(np.exp(-2j * np.pi * np.outer(frequency, np.arange(len(average)))) @ average) ** 2
    wanted = simulated_sensor.row_spectrum(3200, 33)
    counts = wanted > 0.02 * wanted.sum()
    assert np.abs(own / wanted - 1)[counts].max() < 0.08


@pytest.mark.parametrize("layers", [2, 3, 4])
def test_factors_make_up_the_average_and_keep_the_variance(layers):
    average = np.random.default_rng(layers).standard_normal(4 * layers + 1)
    whole = np.ones(1)
    for k, part in enumerate(line_filter.factors(average, layers)):
        assert len(part) == 5
        whole = np.convolve(whole, part)
        if k < layers - 1:
            assert np.sum(whole**2) == pytest.approx(1.0)
    assert whole == pytest.approx(average, abs=1e-6)
    assert not np.any(line_filter.factors(np.zeros(4 * layers + 1), layers))


def test_a_map_of_scores_gives_the_histogram_it_was_fitted_to():
    lam, spread = -0.1, 0.3
    score = torch.linspace(-4.6, 4.6, 93, dtype=torch.float64)
    grid = np.linspace(-8, 8, 4001)
    density = stats.tukeylambda.pdf(grid * tukey_lambda_std(lam), lam) * tukey_lambda_std(lam)
    window = stats.norm.pdf(grid, scale=spread)
    below = np.cumsum(np.convolve(density, window, "same")) * (grid[1] - grid[0]) ** 2
    edges = np.interp(stats.norm.cdf(score.numpy()), below, grid)
    wanted = point_map.histogram(0.0, torch.special.ndtr(score), torch.from_numpy(edges))
    found = point_map.fit([wanted], spread, (6,), seeded())
    z = torch.from_numpy(np.random.default_rng(1).standard_normal((2, 400_000)))
    made = found.at(z[0], 0.0) + spread * z[1]
    levels = np.searchsorted(np.sort(made.numpy()), edges[20:-20]) / made.shape[0]
    assert levels == pytest.approx(stats.norm.cdf(score.numpy())[20:-20], abs=4e-3)  # 5 deviations


def test_a_start_has_the_darks_values_rows_and_leak():
    targets = []
    for iso in (1600, 3200):
        frames = simulated_sensor.darks(iso, 16, (512, 256), 3)
        sigma = simulated_sensor.read_sigma(iso)
        targets.append(measure(Darks(float(iso), frames, levels_of(frames)), sigma, str(iso)))
    scaled, unit = in_common_unit(targets)
    generator = LiteGenerator((16, 16))
    start(generator, scaled, seeded())
    generator = generator.to_range(unit)
    for target in targets:
        n_init = generator.n_init(3, torch.arange(16), 256, 128)
        with torch.no_grad():
            noise = torch.nn.functional.pixel_shuffle(generator(n_init, target.sigma_init), 2)[:, 0].numpy()
        real = simulated_sensor.darks(round(target.iso), 16, (512, 256), 8).astype(np.float32) - 512
        assert kld(np.rint(real), np.rint(noise), "adu") < 0.0015
        for lag in (1, 4):
            rows = [frames.mean(2) for frames in (real, noise)]
            found = [np.mean(r[:, lag:] * r[:, :-lag]) / np.mean(r * r) for r in rows]
            assert found[0] == pytest.approx(found[1], abs=0.06), lag
        leak = [np.mean(f[:, :, 2:] * f[:, :, :-2]) / np.mean(f * f) for f in (real, noise)]
        assert leak[1] == pytest.approx(leak[0], abs=0.03)  # 0.09 without
