# SPDX-License-Identifier: Apache-2.0
"""Distances of values, against SciPy and against code that bins by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats

from lrd_ext import metrics
from lrd_ext.metrics.noise_distance import kld_of_counts


def quantised_normal(sigma, size=60_000):
    """Whole numbers whose empirical distribution is as near to a rounded normal as their number allows."""
    return np.rint(sigma * stats.norm.ppf((np.arange(size) + 0.5) / size))


def by_hand(p_values, q_values, place, bins):
    """Forward KLD with bins found one value at a time; ``place`` gives a bin's number or None."""
    p, q = np.zeros(bins), np.zeros(bins)
    for counts, values in ((p, p_values), (q, q_values)):
        for value, many in zip(*np.unique(values, return_counts=True), strict=True):
            at = place(value)
            if at is not None:
                counts[at] += many / len(values)
    return sum(a * math.log(a / b) for a, b in zip(p, q, strict=True) if a > 0 and b > 0)


@pytest.fixture(scope="module")
def pair():
    """Noise of 3 and 4 DN of a range of 800 DN, and a grid that meets no bin's edge."""
    return quantised_normal(30.0) / 8000 + 1e-7, quantised_normal(40.0) / 8000 + 1e-7


def noiseflow_bin(value):
    at = math.floor((value + 0.1) / 0.003125)
    return 0 if at < 0 else min(at, 64) + 1


def test_noiseflow(pair):
    expected = by_hand(*pair, noiseflow_bin, 66)
    assert metrics.kld(*pair, "noiseflow") == pytest.approx(expected, rel=1e-12)
    assert metrics.kld(*pair) == metrics.kld(*pair, "noiseflow")


def test_noiseflow_counts_what_lies_beyond_in_two_bins():
    wide, wider = (quantised_normal(s) / 1000 + 1e-7 for s in (100.0, 150.0))
    assert metrics.kld(wide, wider) == pytest.approx(by_hand(wide, wider, noiseflow_bin, 66), rel=1e-12)


def test_lrd_is_the_mean_of_both_directions(pair):
    expected = (metrics.kld(*pair) + metrics.kld(*pair[::-1])) / 2
    assert metrics.kld(*pair, "lrd") == pytest.approx(expected, rel=1e-12)
    assert metrics.kld(*pair[::-1], "lrd") == pytest.approx(expected, rel=1e-12)


def test_starlight_leaves_out_what_no_bin_holds(pair):
    images = [values + 0.005 for values in pair]  # black at 0.005: a part lies below 0
    expected = by_hand(*images, lambda v: math.floor(v * 1000) if 0 <= v <= 1 else None, 1000)
    assert metrics.kld(*images, "starlight") == pytest.approx(expected, rel=1e-12)


def test_adu_has_one_bin_a_dn():
    p, q = quantised_normal(3.0), quantised_normal(4.0)
    expected = by_hand(p, q, lambda v: int(v) + 100, 200)
    assert metrics.kld(p + 512, q + 512, "adu") == pytest.approx(expected, rel=1e-12)
    assert metrics.kld(p + 0.3, q - 0.3, "adu") == pytest.approx(expected, rel=1e-12)


def test_adu_of_two_normals_is_the_closed_form():
    expected = math.log(40 / 30) + 30**2 / (2 * 40**2) - 0.5
    found = metrics.kld(quantised_normal(30.0, 1_000_000), quantised_normal(40.0, 1_000_000), "adu")
    # Bins of 1/30 standard deviation; the far tail holds less than one value of a million.
    assert found == pytest.approx(expected, abs=1e-4)


def test_two_shots_takes_densities_of_what_lies_inside():
    p, q = (quantised_normal(s) * 1e-6 for s in (200.0, 700.0))
    width = 0.002 / 499
    densities = []
    for values in (p, q):
        inside = values[np.abs(values) <= 0.001]
        place = np.minimum(np.floor((inside + 0.001) / width + 1e-9).astype(int), 498)
        densities.append(np.bincount(place, minlength=499) / inside.size / width + 1e-10)
    expected = float(np.sum(densities[0] * np.log(densities[0] / densities[1])) * width)
    assert metrics.kld(p, q, "2shots") == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("preset", metrics.KLD_PRESETS)
def test_no_distance_from_itself(pair, preset):
    values = pair[0] * (8000 if preset == "adu" else 0.01 if preset == "2shots" else 1)
    assert metrics.kld(values, values, preset) == 0


@pytest.mark.parametrize("preset", metrics.KLD_PRESETS)
def test_counts_by_dn_give_the_same(preset):
    p, q = quantised_normal(3.0), quantised_normal(4.0)
    dn = np.arange(-40, 41)
    counts = [np.bincount((v + 40).astype(int), minlength=81) for v in (p, q)]
    scale = 1 if preset == "adu" else 16000
    assert kld_of_counts(dn, *counts, 16000, preset) == pytest.approx(
        metrics.kld(p / scale, q / scale, preset), rel=1e-9
    )


def test_ks_is_scipys():
    g = np.random.default_rng(1)
    a, b = g.normal(size=(30, 40)), g.normal(0.1, 1.1, 900)
    assert metrics.ks(a, b) == pytest.approx(stats.ks_2samp(a.ravel(), b).statistic, abs=1e-12)
    assert metrics.ks(np.rint(a), np.rint(b)) == pytest.approx(
        stats.ks_2samp(np.rint(a).ravel(), np.rint(b)).statistic, abs=1e-12
    )


def test_akld_of_noise_of_another_strength():
    # With variances in a ratio c, d = c u, u the ratio of two blurred squares: constant fields make u 1.
    flat = np.full((9, 11), 0.01)
    expected = (-math.log(4) + 4 - 1) / 2
    assert metrics.akld(flat, 2 * flat) == pytest.approx(expected, rel=1e-6)
    assert metrics.akld(flat, 100 * flat) == pytest.approx((-math.log(10) + 10 - 1) / 2, rel=1e-6)


def test_akld_blurs_with_opencvs_kernel_and_mirrors():
    g = np.random.default_rng(2)
    real, fake = g.normal(0, 0.01, (2, 20, 24))
    kernel = np.outer(*[np.array([2, 7, 14, 18, 14, 7, 2]) / 64] * 2)
    blurred = []
    for noise in (real, fake):
        padded = np.pad(noise**2, 3, mode="reflect")
        windows = np.lib.stride_tricks.sliding_window_view(padded, (7, 7))
        blurred.append(np.einsum("ijkl,kl->ij", windows, kernel))
    d = np.clip(blurred[1] / blurred[0], 0.1, 10)
    assert metrics.akld(real, fake) == pytest.approx(float(np.mean(np.log(1 / d) + d - 1)) / 2, rel=1e-9)


def test_akld_averages_draws():
    g = np.random.default_rng(3)
    real, draws = g.normal(0, 0.01, (16, 16)), g.normal(0, 0.012, (5, 16, 16))
    assert metrics.akld(real, draws) == pytest.approx(np.mean([metrics.akld(real, d) for d in draws]))


@pytest.mark.parametrize("reach", [2, 4, 5])
def test_tail_mass_is_scipys_survival_function(reach):
    t = stats.t(5)
    size = 2_000_000
    values = t.ppf((np.arange(size) + 0.5) / size)
    assert metrics.tail_mass(values, reach, t.std()) == pytest.approx(2 * t.sf(reach * t.std()), abs=1 / size)


def test_tail_mass_by_its_own_deviation():
    values = [0.0] * 99 + [10.0]
    assert metrics.tail_mass(values, 4) == pytest.approx(0.01)
    assert metrics.tail_mass(values, 10.1) == 0


def test_tensors_and_whole_numbers_are_accepted():
    values = torch.randn(6, 8, generator=torch.Generator().manual_seed(4))
    assert metrics.ks(values.bfloat16(), values.bfloat16().float().numpy()) == 0
    assert metrics.kld(values.requires_grad_(), values, "noiseflow") == 0
    assert metrics.kld(np.array([1, 2, 2], np.uint16), torch.tensor([1, 2, 2]), "adu") == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.kld([1.0], [1.0], "nf"), "preset must be one of noiseflow, starlight, adu"),
        (lambda: metrics.kld([], [1.0]), "kld: real must hold at least one value"),
        (lambda: metrics.ks([1.0], [math.nan]), "ks: fake must be finite"),
        (lambda: metrics.kld([1.0], [2.0], "2shots"), "preset 2shots has bins from -0.001 to 0.001"),
        (lambda: metrics.akld(np.ones((6, 9)), np.ones((6, 9))), "akld: real must be at least 7 x 7"),
        (lambda: metrics.akld(np.ones((8, 9)), np.ones((9, 8))), "must have shapes that fit"),
        (lambda: metrics.tail_mass([0.0, 0.0], 4), "std must be above 0, got 0"),
    ],
)
def test_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_what_holds_no_numbers_is_refused():
    with pytest.raises(TypeError, match="ks: real must hold numbers"):
        metrics.ks(["a"], [1.0])
