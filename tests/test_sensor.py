# SPDX-License-Identifier: Apache-2.0
"""What a sensor adds: each component against SciPy, each check with a planted fault that turns it red.

Every check gives p values of a perfect synthesiser. FAMILY is the chance that one of all of them fails such a
one (Bonferroni); seeds are fixed, so a result never changes.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from lrd_ext import NoiseParams, fused_synth

FAMILY = 1e-3
SIDE = 512
CAMERA = {"K": 2.0, "ratio": 1.0, "white": 16000.0, "black": 0.0, "shot": False}
#: No rounding and no clipping: what is drawn, as it is.
PLAIN = {"seed": 11, "output": "dn_float", "quantize": "none", "clip": "none", "layout": "mosaic"}


def params(**figures):
    return NoiseParams(**(CAMERA | figures))


def frame(synth, p, level=0.0, shape=(1, SIDE, SIDE), **options):
    """Noise over a flat field of ``level`` DN, float64."""
    clean = torch.full(shape, level / float(p.white[0]))
    return synth(clean, p, **(PLAIN | options)).double().numpy()


def is_normal(values):
    return stats.kstest(np.ravel(values), "norm").pvalue


def correlation(one, other):
    return stats.pearsonr(np.ravel(one), np.ravel(other)).pvalue


def photo_response(synth):
    p = params(sigma_prnu=0.02)
    gain = (frame(synth, p, 1000.0) / 1000 - 1) / 0.02
    yield is_normal(gain)
    yield correlation(gain[0, :, 1:], gain[0, :, :-1])
    yield correlation(gain[0, 1:], gain[0, :-1])
    other = (frame(synth, p, 4000.0) / 4000 - 1) / 0.02
    yield float(np.abs(other - gain).max() < 1e-3)  # linear in the signal


def offsets(synth):
    level = frame(synth, params(sigma_dsnu=3.0)) / 3
    yield is_normal(level)
    response = frame(synth, params(sigma_prnu=0.02), 1000.0) / 1000 - 1
    yield correlation(level, response)
    yield correlation(level**2, response**2)  # both are of one word


def fixed_lines(synth):
    shape = (1, 8192, 2)
    rows = frame(synth, params(sigma_row_fixed=2.0), shape=shape)[0, :, 0] / 2
    columns = frame(synth, params(sigma_col_fixed=2.0), shape=(1, 2, 8192))[0, 0] / 2
    yield is_normal(rows)
    yield is_normal(columns)
    yield correlation(rows, columns)


def dark_current(synth):
    figures = {"dark_current": 5.0, "dark_current_spread": 0.8}
    short, long = (frame(synth, params(**figures, exposure_s=t)) / 2 for t in (0.5, 4.0))  # electrons
    yield stats.kstest(short.ravel(), stats.lognorm(0.8, scale=2.5 * np.exp(-0.32)).cdf).pvalue
    yield float(np.abs(long / short - 8).max() < 1e-5)  # linear in time


def hot_pixels(synth):
    hot = frame(synth, params(hot_fraction=0.01, hot_current=40.0, exposure_s=2.0)) / 2
    yield stats.binomtest(int((hot > 0).sum()), hot.size, 0.01).pvalue
    yield stats.kstest(hot[hot > 0], stats.expon(scale=80.0).cdf).pvalue
    p = params(hot_fraction=0.05, dark_current=5.0, dark_current_spread=0.8, exposure_s=1.0)
    both = frame(synth, p) / 2
    others = both[np.abs(both - 5) > 1e-5]  # hot pixels have the mean, exactly
    yield stats.kstest(others, stats.lognorm(0.8, scale=5 * np.exp(-0.32)).cdf).pvalue
    yield stats.binomtest(both.size - others.size, both.size, 0.05).pvalue


def blinking(synth):
    p = params(hot_fraction=0.02, hot_current=40.0, exposure_s=1.0, blink_fraction=0.4)
    frames = frame(synth, p, shape=(8, SIDE, SIDE)) > 0
    ever, count = frames.any(0), frames.sum(0)
    blinks = ever & (count < 8)
    share = 0.4 * (1 - 2 * 0.5**8)  # not always on, nor always off
    yield stats.binomtest(int(blinks.sum()), frames[0].size, 0.02 * share).pvalue
    expected = np.array([stats.binom.pmf(k, 8, 0.5) for k in range(1, 8)])
    seen = np.bincount(count[blinks], minlength=8)[1:8]
    if seen.sum():
        yield stats.chisquare(seen, seen.sum() * expected / expected.sum()).pvalue


def dark_shot_noise(synth):
    p = params(dark_current=7.0, exposure_s=1.0, shot=True)
    counts = frame(synth, p)[0] / 2
    yield 2 * min(
        stats.chi2.sf(((counts - 7) ** 2).sum() / 7, counts.size),
        stats.chi2.cdf(((counts - 7) ** 2).sum() / 7, counts.size),
    )
    both = frame(synth, p, level=6.0)[0] / 2  # 3 electrons of light and 7 without
    most = 24
    expected = stats.poisson(10).pmf(np.arange(most))
    seen = np.bincount(np.minimum(np.rint(both).astype(int).ravel(), most), minlength=most + 1)
    yield stats.chisquare(seen, seen.sum() * np.append(expected, 1 - expected.sum())).pvalue


def drift(synth):
    level = frame(synth, params(sigma_drift=3.0), shape=(16384, 2, 2)).reshape(-1, 4) / 3
    yield is_normal(level)
    yield correlation(level[:, 0], level[:, 3])
    yield correlation(level[1:], level[:-1])


TAPS = np.array([1.0, 0.8, -0.5, 0.3, 0, 0, 0, 0.4])
TAPS /= np.sqrt((TAPS**2).sum())


def coloured_lines(synth):
    expected = np.array([(TAPS[: len(TAPS) - k] * TAPS[k:]).sum() if k < 8 else 0.0 for k in range(17)])
    for axis, sigma, taps in (("row", "sigma_row", "row_taps"), ("col", "sigma_col", "col_taps")):
        p = params(**{sigma: 2.0, taps: TAPS.tolist()})
        shape = (512, 512, 2) if axis == "row" else (512, 2, 512)
        noise = frame(synth, p, shape=shape) / 2
        lines = noise[:, :, 0] if axis == "row" else noise[:, 0]
        for lag in range(17):  # of each frame, which are independent: a t test of their mean
            covariance = (lines[:, : 512 - lag] * lines[:, lag:]).mean(1)
            yield stats.ttest_1samp(covariance, expected[lag]).pvalue
        yield is_normal(lines[::8, ::16])


def sinusoids(synth):
    lines, period = 2048, 12.8
    for axis, waves in (("row", "row_waves"), ("col", "col_waves")):
        p = params(**{waves: [[3.0, period], [1.0, 51.2]]})
        noise = frame(synth, p, shape=(256, lines, 2) if axis == "row" else (256, 2, lines))
        signal = noise[:, :, 0] if axis == "row" else noise[:, 0]
        spectrum = np.fft.rfft(signal) / (lines / 2)
        peak = np.abs(spectrum).argmax(1)
        yield float((peak == lines / period).all())
        yield float(np.abs(np.abs(spectrum[:, [160, 40]]) - [3, 1]).max() < 1e-3)
        turn = np.angle(spectrum[:, [160, 40]]) / (2 * np.pi) % 1
        yield stats.kstest(turn[:, 0], "uniform").pvalue
        yield stats.kstest((turn[:, 0] - turn[:, 1]) % 1, "uniform").pvalue


def steps(synth):
    p = params(read="gaussian", sigma_read=40.0, step=8.0)
    exact, whole, smeared = (frame(synth, p, 1000.0, quantize=mode) for mode in ("none", "round", "uniform"))
    yield float((whole % 8 == 0).all())
    yield stats.kstest(((whole - exact) / 8).ravel(), stats.uniform(-0.5, 1).cdf).pvalue
    yield stats.kstest(((smeared - exact) / 8).ravel(), stats.uniform(-0.5, 1).cdf).pvalue


def photon_transfer(synth):
    """The knee: variance K y + (sigma_prnu y)^2 + 1/12."""
    p = params(sigma_prnu=0.02, shot=True)
    for level in (30.0, 500.0, 5000.0, 12000.0):
        noise = frame(synth, p, level, quantize="round")
        expected = 2 * level + (0.02 * level) ** 2 + 1 / 12
        ratio = noise.var(ddof=1) / expected
        # Of nearly normal noise the sample variance is a chi square; Poisson's kurtosis widens it.
        yield 2 * stats.norm.sf(abs(ratio - 1) / np.sqrt((2 + 2 / level) / noise.size))


def one_body(synth):
    """Two frames of a body share what is fixed and nothing else; another body shares nothing."""
    fixed = params(
        sigma_prnu=0.02, sigma_dsnu=3.0, sigma_row_fixed=1.0, sigma_col_fixed=1.0, dark_current=5.0,
        dark_current_spread=0.8, hot_fraction=0.01, hot_current=40.0, exposure_s=1.0,
    )  # fmt: skip
    pair = frame(synth, fixed, 100.0, shape=(2, SIDE, SIDE), index=40)
    yield float((pair[0] == pair[1]).all())
    other = frame(synth, fixed, 100.0, index=40, sensor=1)[0]
    yield stats.spearmanr(pair[0].ravel(), other.ravel()).pvalue
    temporal = params(
        shot=True, read="gaussian", sigma_read=4.0, sigma_row=2.0, row_taps=TAPS.tolist(), sigma_drift=2.0,
        **{k: getattr(fixed, k) for k in ("sigma_prnu", "sigma_dsnu", "dark_current", "exposure_s")},
    )  # fmt: skip
    still = params(
        **{k: getattr(fixed, k) for k in ("sigma_prnu", "sigma_dsnu", "dark_current", "exposure_s")}
    )
    moving = frame(synth, temporal, 100.0, shape=(2, SIDE, SIDE)) - frame(synth, still, 100.0)
    yield correlation(*(m - m.mean(1, keepdims=True) for m in moving))
    yield correlation(*(m.mean(1)[::8] for m in moving))


CHECKS = [
    photo_response, offsets, fixed_lines, dark_current, hot_pixels, blinking, dark_shot_noise, drift,
    coloured_lines, sinusoids, steps, photon_transfer, one_body,
]  # fmt: skip
LEVEL = FAMILY / 110  # p values of all checks together


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_component(check):
    values = list(check(fused_synth))
    assert min(values) >= LEVEL, values


def test_level_counts_every_value():
    assert sum(1 for check in CHECKS for _ in check(fused_synth)) <= FAMILY / LEVEL


def changed(**factors):
    """A synthesiser whose figures are others by these factors."""

    def synth(clean, p, **options):
        new = {name: (getattr(p, name) * factor) for name, factor in factors.items()}
        return fused_synth(clean, p.with_figures(**new), **options)

    return synth


def tap_of_other_sign(clean, p, **options):
    taps = p.row_taps.clone()
    taps[:, 1] *= -1
    return fused_synth(clean, p.with_figures(row_taps=taps), **options)


def other_period(clean, p, **options):
    waves = p.row_waves.clone()
    waves[..., 1] *= 1.01
    return fused_synth(clean, p.with_figures(row_waves=waves), **options)


def body_of_the_frame(clean, p, *, index=0, sensor=0, **options):
    """Fault: the body is keyed by index."""
    bodies = torch.arange(clean.shape[0]) + index
    return fused_synth(clean, p, index=index, sensor=bodies, **options)


def frame_of_the_body(clean, p, *, index=0, sensor=0, **options):
    """Fault: what is temporal is drawn once."""
    return fused_synth(
        clean, p, index=torch.zeros(clean.shape[0], dtype=torch.int64), sensor=sensor, **options
    )


def one_body_for_all(clean, p, *, sensor=0, **options):
    return fused_synth(clean, p, **options)


FAULTS = [
    (photo_response, changed(sigma_prnu=1.03)),
    (offsets, changed(sigma_dsnu=1.03)),
    (fixed_lines, changed(sigma_row_fixed=1.2)),
    (dark_current, changed(dark_current_spread=1.03)),
    (dark_current, changed(dark_current=1.02)),
    (hot_pixels, changed(hot_fraction=1.15)),
    (hot_pixels, changed(hot_current=1.2)),
    (blinking, changed(blink_fraction=1.3)),
    (blinking, frame_of_the_body),
    (dark_shot_noise, changed(dark_current=1.03)),
    (drift, changed(sigma_drift=1.05)),
    (coloured_lines, tap_of_other_sign),
    (sinusoids, other_period),
    (sinusoids, frame_of_the_body),
    (steps, changed(step=0.5)),
    (photon_transfer, changed(sigma_prnu=1.03)),
    (one_body, body_of_the_frame),
    (one_body, frame_of_the_body),
    (one_body, one_body_for_all),
]


@pytest.mark.parametrize(("check", "fault"), FAULTS, ids=lambda f: f.__name__)
def test_planted_fault_turns_the_check_red(check, fault):
    assert min(check(fault)) < LEVEL
