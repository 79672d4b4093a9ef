# SPDX-License-Identifier: Apache-2.0
"""The residual's prediction against noise that was drawn, by chi-square and by spectra."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import chi2, gamma, poisson

from lrd_ext import NoiseParams, fused_synth
from lrd_ext.inspection import measure_residual
from lrd_ext.inspection.residual import predicted_shares
from lrd_ext.raw import Raw
from lrd_ext.reference.read_noise import UNIT_STDS

SIDE, WHITE, BLACK = 512, 16383.0, 2000.0
NOISES = {
    "few electrons, a comb": {"K": 20.0},
    "gaussian": {"K": 0.7, "read": "gaussian", "sigma_read": 3.0},
    "heavy tails": {"K": 2.0, "read": "tukey_lambda", "sigma_read": 2.0, "tukey_lambda": -0.15},
    "no light": {"K": 1.0, "read": "gaussian", "sigma_read": 5.0, "light": 0.0},
    "a whole sensor": {
        **{"K": 4.0, "read": "gaussian", "sigma_read": 2.0, "sigma_prnu": 0.05, "sigma_dsnu": 2.0},
        **{"dark_current": 6.0, "exposure_s": 0.5},
    },
}


def drawn(seed=1, light=400.0, ratio=10.0, **figures):
    """A ramp of light (DN of the noisy picture at its end), the same under noise, and the parameters."""
    params = NoiseParams(ratio=ratio, white=WHITE, black=BLACK, **figures)
    ramp = np.linspace(0, light * ratio, SIDE * SIDE).reshape(SIDE, SIDE)
    rng = np.random.default_rng(0)
    mosaic = (BLACK + rng.permutation(ramp.ravel()).reshape(SIDE, SIDE)).astype(np.uint16)
    clean = Raw(mosaic, "RGGB", BLACK, WHITE)
    noisy = fused_synth(torch.from_numpy(mosaic), params, seed=seed, output="dn").numpy()
    return clean, clean.replace(mosaic=noisy), ratio, params


@pytest.mark.parametrize("figures", NOISES.values(), ids=NOISES)
def test_the_histogram_is_the_predicted_one(figures):
    """At a level of 1e-4 each, over bins in which 20 pixels are expected at least."""
    r = measure_residual(*drawn(**figures))
    enough = r.predicted_counts >= 20
    miss = (r.counts - r.predicted_counts)[enough]
    assert enough.sum() > 20
    assert (miss**2 / r.predicted_counts[enough]).sum() < chi2.ppf(1 - 1e-4, enough.sum() - 1)
    assert r.noise.std() == pytest.approx(r.std, rel=0.02)


def test_another_prediction_misses():
    """5 % of the gain too much, or another model of read noise, shows in a quarter of a megapixel."""
    clean, noisy, ratio, _ = drawn(**NOISES["heavy tails"], light=20.0)
    std = 2.0 * UNIT_STDS["tukey_lambda"](-0.15)
    for change in ({"K": 2.1}, {"read": "gaussian", "sigma_read": std, "tukey_lambda": 0.0}):
        figures = NOISES["heavy tails"] | change
        r = measure_residual(clean, noisy, ratio, NoiseParams(ratio=10, white=WHITE, black=BLACK, **figures))
        enough = r.predicted_counts >= 20
        miss = (r.counts - r.predicted_counts)[enough]
        assert (miss**2 / r.predicted_counts[enough]).sum() > chi2.ppf(1 - 1e-4, enough.sum() - 1)


def test_shares_of_one_level_are_those_of_poisson():
    """Light of one level, K = 40 and no other noise: SciPy's probabilities, smeared by rounding alone."""
    K, electrons = 40.0, 3.0
    params = NoiseParams(K=K, ratio=1, white=WHITE, black=BLACK)
    edges = (np.arange(-4, 14) - 0.5) * K
    shares = predicted_shares(params, np.full(1000, K * electrons), edges)
    counts = np.arange(-4, 13) + 3
    expected = poisson.pmf(counts, electrons)
    expected[-1] += poisson.sf(counts[-1], electrons)
    assert shares == pytest.approx(expected, abs=1e-4)
    assert shares.sum() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("axis", ["rows", "columns"])
def test_spectra_of_line_means_are_the_predicted_ones(axis):
    """The mean power of 250 frequencies and more is gamma distributed; two-sided, at 1e-4."""
    line = {"rows": "sigma_row", "columns": "sigma_col"}[axis]
    r = measure_residual(*drawn(K=1.0, read="gaussian", sigma_read=2.0, **{line: 1.5}))
    for found, predicted in ((r.rows, r.predicted_rows), (r.columns, r.predicted_columns)):
        n = SIDE // 2 - 1  # the power at each frequency is exponential
        low, high = gamma.ppf([5e-5, 1 - 5e-5], n) / n
        assert low < (found / predicted).mean() < high
    assert getattr(r, f"predicted_{axis}").mean() > 5 * min(r.predicted_rows.min(), r.predicted_columns.min())


@pytest.mark.parametrize("axis", ["row", "col"])
def test_lines_of_a_colour_and_sinusoids_are_predicted_band_by_band(axis):
    """Means over 12 frames: each band's power within five standard errors, a wave's peak in its band."""
    lines = {f"sigma_{axis}": 1.5, f"{axis}_taps": [0.8, 0.48, 0.36], f"{axis}_waves": [[1.0, 12.5]]}
    figures = {"K": 1.0, "read": "gaussian", "sigma_read": 2.0, f"sigma_{axis}_fixed": 1.0} | lines
    reports = [measure_residual(*drawn(seed=seed, **figures)) for seed in range(12)]
    name = {"row": "rows", "col": "columns"}[axis]
    found = np.array([getattr(r, name) for r in reports])
    predicted = getattr(reports[0], f"predicted_{name}")
    error = found.std(0, ddof=1) / 12**0.5
    assert (np.abs(found.mean(0) - predicted) < 5 * error).all(), (found.mean(0) - predicted) / error
    assert predicted[2] > 2 * predicted[3]  # 1 / 12.5 cycles are in the third of 16 bands
    assert predicted[4] > 2 * predicted[-1]


def test_what_is_white_in_the_clean_picture_counts_nowhere():
    clean, noisy, ratio, params = drawn(K=1.0)
    mosaic = clean.mosaic.copy()
    mosaic[:, :100] = 16383
    r = measure_residual(clean.replace(mosaic=mosaic), noisy, ratio, params)
    assert not r.noise[:, :100].any()
    assert r.counts.sum() == SIDE * (SIDE - 100)
    with pytest.raises(ValueError, match="at its white level everywhere"):
        measure_residual(clean.replace(mosaic=np.full_like(mosaic, 16383)), noisy, ratio, params)


def test_the_black_level_error_is_taken_off():
    r = measure_residual(*drawn(K=1.0, read="gaussian", sigma_read=2.0, bias=[1.0, -2.0, 3.0, 5.0]))
    for row in (0, 1):
        for column in (0, 1):
            part = r.noise[row::2, column::2]
            assert abs(part.mean()) < 5 * part.std() / SIDE * 2
