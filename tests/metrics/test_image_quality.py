# SPDX-License-Identifier: Apache-2.0
"""PSNR, SSIM and illuminance correction against their formulas, written out, and against scikit-image."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
import torch

from lrd_ext import metrics

skimage = pytest.importorskip("skimage.metrics")


def images(batch=(), seed=0, size=(4, 24, 30)):
    draw = np.random.default_rng(seed)
    target = draw.random((*batch, *size), np.float32)
    return np.clip(target + draw.normal(0, 0.05, target.shape), 0, 1).astype(np.float32), target


def uniform_ssim(p, t):
    """SSIM of one channel by its formula: every whole 7 x 7 window, sample covariance."""
    a, b = (np.lib.stride_tricks.sliding_window_view(255 * v.astype(np.float64), (7, 7)) for v in (p, t))
    a, b = a.reshape(*a.shape[:2], 49), b.reshape(*b.shape[:2], 49)
    covariance = ((a - a.mean(-1, keepdims=True)) * (b - b.mean(-1, keepdims=True))).sum(-1) / 48
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    above = (2 * a.mean(-1) * b.mean(-1) + c1) * (2 * covariance + c2)
    below = (a.mean(-1) ** 2 + b.mean(-1) ** 2 + c1) * (a.var(-1, ddof=1) + b.var(-1, ddof=1) + c2)
    return (above / below).mean()


def test_psnr_is_its_formula():
    pred, target = images()
    error = np.mean((pred.astype(np.float64) - target) ** 2)
    assert metrics.psnr(pred, target) == pytest.approx(-10 * math.log10(error), abs=1e-5)


def test_ssim_is_its_formula():
    pred, target = images()
    expected = np.mean([uniform_ssim(p, t) for p, t in zip(pred, target, strict=True)])
    assert metrics.ssim(pred, target) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy])
def test_numbers_are_scikit_images(kind):
    pred, target = images()
    options = {"data_range": 255}
    given = kind(pred), kind(target)
    expected = skimage.peak_signal_noise_ratio(255 * target, 255 * pred, **options)
    assert metrics.psnr(*given) == pytest.approx(expected, abs=1e-5)
    expected = skimage.structural_similarity(255 * target, 255 * pred, channel_axis=0, **options)
    assert metrics.ssim(*given) == pytest.approx(expected, abs=1e-5)
    expected = skimage.structural_similarity(
        *(255 * target, 255 * pred),
        channel_axis=0,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        **options,
    )
    assert metrics.ssim(*given, gaussian=True) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("measure", [metrics.psnr, metrics.ssim])
def test_a_batch_gives_the_mean_over_its_images(measure):
    pred, target = images((3,))
    each = [measure(p, t) for p, t in zip(pred, target, strict=True)]
    assert measure(pred, target) == pytest.approx(np.mean(each), abs=1e-6)  # SSIM sums in float32
    assert np.std(each) > 0


def test_values_outside_the_range_are_cut_first():
    pred, target = images()
    wild = np.where(target > 0.9, 7, np.where(target < 0.1, -3, pred)).astype(np.float32)
    assert metrics.psnr(wild, target) == metrics.psnr(wild.clip(0, 1), target)


def test_equal_images():
    _, target = images()
    assert metrics.psnr(target, target) == math.inf
    assert metrics.ssim(target, target) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy])
def test_illuminance_correction_is_its_formula(kind):
    pred, target = images((2,), seed=3)
    target[:, :, :4] = 1  # saturated: these do not count
    pred[1] = 0.4 * pred[1] - 0.01  # darker, and below 0 in places
    corrected = metrics.illuminance_correct(kind(pred), kind(target))
    assert type(corrected) is type(kind(pred))
    assert corrected.dtype == kind(pred).dtype
    for p, t, got in zip(pred.clip(0, 1).astype(np.float64), target, np.asarray(corrected), strict=True):
        counts = t != 1
        scale = (p[counts] * t[counts]).sum() / (p[counts] ** 2).sum()
        np.testing.assert_allclose(got, scale * p, rtol=1e-6)


def test_a_black_prediction_is_not_scaled():
    _, target = images()
    assert not metrics.illuminance_correct(np.zeros_like(target), target).any()


@pytest.mark.parametrize(
    ("pred", "target", "says"),
    [
        (np.zeros((4, 8, 8)), np.zeros((4, 8, 9)), r"\(C, H, W\) or \(B, C, H, W\), got \(4, 8, 8\) and"),
        (np.zeros((8, 8)), np.zeros((8, 8)), r"got \(8, 8\)"),
        (np.full((4, 8, 8), np.nan), np.zeros((4, 8, 8)), "pred must be finite"),
    ],
)
def test_what_is_no_pair_of_images_is_refused(pred, target, says):
    for measure in (metrics.psnr, metrics.ssim, metrics.illuminance_correct):
        with pytest.raises(ValueError, match=says):
            measure(pred, target)


def test_images_below_the_window_are_refused():
    small = np.zeros((4, 8, 6))
    with pytest.raises(ValueError, match=r"at least 7 x 7 pixels, got shape \(4, 8, 6\)"):
        metrics.ssim(small, small)


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(ModuleNotFoundError, match="pip install scikit-image"):
        metrics.psnr(*images())
