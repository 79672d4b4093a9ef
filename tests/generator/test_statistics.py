# SPDX-License-Identifier: Apache-2.0
"""What stage 1 compares, against NumPy and against the simulated sensor's own figures."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import simulated_sensor
import torch

from lrd_ext.cfa import SITES, pack
from lrd_ext.generator import statistics
from lrd_ext.generator.dark_store import Darks
from lrd_ext.generator.even_noise import even_n_init
from lrd_ext.generator.targets import in_common_unit, measure


def levels_of(frames):
    return np.stack([[frame[r::2, c::2].mean() for r, c in SITES] for frame in frames])


@pytest.fixture(scope="module")
def target():
    frames = simulated_sensor.darks(3200, 24, (512, 256), 3)
    darks = Darks(3200.0, frames, levels_of(frames))
    return measure(darks, simulated_sensor.read_sigma(3200), "3200")


def test_second_order_statistics_against_numpy():
    noise = np.random.default_rng(1).standard_normal((2, 48, 64)).astype(np.float32)
    packed = torch.from_numpy(pack(noise))
    lines, sites, _ = statistics.second_order(packed)
    rows, columns = noise.mean(2), noise.mean(1)
    for k in (0, 1, 7):
        assert lines[0, k] == pytest.approx((rows[:, k:] * rows[:, : 48 - k]).mean(), rel=1e-4, abs=1e-6)
        assert lines[1, k] == pytest.approx(
            (columns[:, k:] * columns[:, : 64 - k]).mean(), rel=1e-4, abs=1e-6
        )
    at = statistics.OFFSETS.index((1, -1))
    here, there = packed[:, :, :-1, 1:], packed[:, :, 1:, :-1]
    assert sites[at, 2, 1] == pytest.approx(float((here[:, 2] * there[:, 1]).mean()), rel=1e-3, abs=1e-6)


def test_white_noise_has_one_power_at_every_frequency():
    noise = torch.randn(400, 4, 32, 32, generator=torch.Generator().manual_seed(2)) * 3
    power = statistics.power_in_bands(noise)
    assert power.shape == (12, 12)
    assert torch.allclose(power, torch.full_like(power, 9.0), rtol=0.13)  # 4 deviations of a band
    assert float(power.mean()) == pytest.approx(9.0, rel=0.01)


def test_power_of_lines_is_the_same_cut_out_of_a_frame_and_periodic():
    draw = torch.Generator().manual_seed(2)
    lines = torch.randn(400, 128, 1, generator=draw).expand(400, 128, 128)
    packed = torch.from_numpy(pack(lines.numpy()))
    cut, periodic = (statistics.power_in_bands(packed, wraps) for wraps in (False, True))
    assert torch.allclose(cut[:, 0], periodic[:, 0], rtol=0.1)
    assert float(periodic[:, 1:].max()) < 1e-5


def test_quantiles_of_normal_noise_are_the_scores():
    noise = torch.randn(64, 4, 64, 64, generator=torch.Generator().manual_seed(2))
    scores = torch.linspace(-3.2, 3.2, 193, dtype=torch.float64)
    found = statistics.quantiles(noise, torch.special.ndtr(scores).expand(4, -1))
    assert (found - scores)[:, 60:-60].abs().max() < 0.01
    assert (found - scores).abs().max() < 0.12  # 5 deviations of the outermost


def test_targets_are_the_sensors_figures(target):
    s2 = 1.0 / simulated_sensor.read_sigma(3200) ** 2
    rows = simulated_sensor.row_autocovariance(3200, 8) * s2
    error = target.error.lines[0, 1:8].numpy()
    off = (target.mean.lines[0, 1:8].numpy() - rows[1:]) / error
    assert np.abs(off).max() < 4.5
    zero = statistics.OFFSETS.index((0, 1))  # the leak goes one cell, two columns, on
    leak = target.mean.sites[zero].diagonal().numpy() - rows[0]
    assert leak == pytest.approx([simulated_sensor.LEAK] * 4, abs=0.02)


def test_errors_are_those_of_repeated_measurements(target):
    means = []
    for seed in range(12):
        frames = simulated_sensor.darks(3200, 24, (128, 128), 100 + seed)
        darks = Darks(3200.0, frames, levels_of(frames))
        found = measure(darks, simulated_sensor.read_sigma(3200), "3200")
        means.append((found.mean, found.error))
    for field in ("lines", "sites", "spectrum"):
        scatter = torch.stack([getattr(m, field) for m, _ in means]).std(0)
        told = torch.stack([getattr(e, field) for _, e in means]).mean(0)
        assert 0.75 < float((scatter / told).median()) < 1.3, field


def test_the_common_unit_centres_the_logarithms(target):
    others = [dataclasses.replace(target, sigma_init=s) for s in (2.0, 8.0)]
    scaled, unit = in_common_unit(others)
    assert unit == pytest.approx(4.0)
    assert [t.sigma_init for t in scaled] == pytest.approx([0.5, 2.0])


def test_even_noise_is_normal_white_and_periodic():
    halo, side = 3, 32
    draw = even_n_init(2, side, side, halo, torch.Generator().manual_seed(1))
    assert draw.shape == (2, 8, side + 2 * halo, side + 2 * halo)
    assert torch.equal(draw[:, :, :halo], draw[:, :, side : side + halo])
    inside = draw[:, :, halo:-halo, halo:-halo]
    values = inside[0, 2].flatten().sort().values
    n = len(values)
    scores = torch.special.ndtri((torch.arange(n, dtype=torch.float64) + 0.5) / n)
    assert (values - scores).abs().max() < 4e-3
    mosaic = torch.nn.functional.pixel_shuffle(inside[:, :4], 2)[:, 0]
    independent = 1 / (2 * side)  # deviation of a covariance of independent pixels
    for down, across in ((0, 1), (1, 0), (0, 2), (3, 5)):
        covariance = (mosaic * mosaic.roll((down, across), (1, 2))).mean((1, 2))
        assert float(covariance.abs().max()) < independent / 4
    assert torch.equal(inside[:, 4, :, 0], inside[:, 4, :, 5])
    assert torch.equal(inside[:, 6, 0], inside[:, 6, 9])


def test_lines_of_four_crops_have_no_mean_and_each_has_power_at_frequency_0():
    draw = even_n_init(4, 16, 16, 0, torch.Generator().manual_seed(1))
    rows = draw[:, 4:6, :, 0].transpose(1, 2).reshape(4, 32)
    assert rows.mean().abs() < 1e-6
    assert torch.allclose(rows.mean(1).square() * 32, torch.ones(4), atol=1e-4)
    parities = rows.view(4, 16, 2).mean((0, 1))
    assert parities.abs().max() < 1e-6
