# SPDX-License-Identifier: Apache-2.0
"""Row and column noise without bias."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lrd_ext.estimators.line_noise import (
    FrameLines,
    as_deviation,
    between_variance,
    line_noise,
    two_way,
)


def noise(rng, height, width, *, pixel, row=0.0, col=0.0):
    """Pixel noise of a deviation per row (height,) or for all, and offsets per row and column."""
    made = rng.normal(0, 1, (height, width)) * np.reshape(pixel, (-1, 1))
    return made + rng.normal(0, row, (height, 1)) + rng.normal(0, col, (1, width))


def test_row_and_column_noise_are_told_apart():
    residual = noise(np.random.default_rng(1), 3000, 2000, pixel=5.0, row=0.5, col=0.3)
    weight = np.full(residual.shape, 1 / 25)
    for axis, sigma, n in ((1, 0.5, 3000), (0, 0.3, 2000)):
        found = line_noise(residual, weight, axis)
        assert found.value == pytest.approx(sigma, abs=4 * found.error)
        assert found.error == pytest.approx(sigma / np.sqrt(2 * n), rel=0.15)


def test_few_pixels_a_row_bring_no_bias():
    """The deviation of row means alone is 41 % too high here: sqrt(0.5^2 + 4^2/64) = 0.707."""
    rng, found = np.random.default_rng(2), []
    for _ in range(40):
        residual = noise(rng, 1000, 64, pixel=4.0, row=0.5)
        found.append(line_noise(residual, np.full(residual.shape, 1 / 16), 1).value)
    assert np.mean(found) == pytest.approx(0.5, abs=4 * np.std(found) / np.sqrt(40))
    assert np.std(residual.mean(1)) > 0.65


def test_rows_of_unequal_noise_keep_their_worth_and_the_error_is_honest():
    rng, pixel = np.random.default_rng(3), np.repeat([3.0, 40.0], 500)
    found = []
    for _ in range(60):
        residual = noise(rng, 1000, 400, pixel=pixel, row=0.6)
        found.append(line_noise(residual, np.broadcast_to(1 / pixel[:, None] ** 2, residual.shape), 1))
    values = np.array([f.value for f in found])
    assert values.mean() == pytest.approx(0.6, abs=4 * values.std() / np.sqrt(60))
    assert values.std() == pytest.approx(np.mean([f.error for f in found]), rel=0.35)


def test_no_row_noise_is_none_within_the_error():
    residual = noise(np.random.default_rng(4), 1000, 400, pixel=3.0)
    found = line_noise(residual, np.full(residual.shape, 1 / 9), 1)
    assert found.value <= 3 * found.error
    assert found.error < 0.1


def test_pixels_of_no_weight_do_not_count():
    residual = noise(np.random.default_rng(5), 800, 300, pixel=2.0, row=0.5)
    residual[:, 100:200] = 1e6
    weight = np.full(residual.shape, 1 / 4)
    weight[:, 100:200] = 0
    assert line_noise(residual, weight, 1).value == pytest.approx(0.5, rel=0.12)


def test_two_lines_tell_nothing():
    assert np.isnan(line_noise(np.ones((2, 50)), np.ones((2, 50)), 1).value)


@pytest.mark.parametrize(("variance", "error"), [(0.0, 0.04), (0.01, 0.04), (0.04, 0.04), (9.0, 0.04)])
def test_error_of_the_square_is_the_one_a_deviation_was_made_of(variance, error):
    assert as_deviation(variance, error).square_error == pytest.approx(error)


def frame_rows(darks: np.ndarray) -> FrameLines:
    """Variance of the row means of frames (n, H, W) without a fixed pattern."""
    n, h, w = darks.shape
    found = []
    for dark in darks:
        rows, _, rest = two_way(dark.copy())
        own = (rest**2).sum() / ((h - 1) * (w - 1)) / w
        found.append([between_variance(rows, np.full(h, own))[0], own])
    return FrameLines(*np.array(found).T, h, w, n)


def test_naive_estimate_at_800_columns_is_biased_as_the_field_says_and_ours_is_not():
    # A7S2 at ISO 25600 (field-notes 5.9): naive 2.276 DN, true 2.085 DN, read noise 25.853 DN, W = 800.
    rng = np.random.default_rng(5)
    true, read, shape = 2.085, 25.853, (400, 800)
    darks = rng.normal(0, read, (40, *shape)) + rng.normal(0, true, (40, shape[0], 1))
    found = frame_rows(darks)
    assert found.naive == pytest.approx(math.hypot(true, read / math.sqrt(800)), rel=0.01)
    assert found.naive == pytest.approx(2.276, rel=0.01)
    ours = found.noise()
    assert ours.value == pytest.approx(true, rel=0.015)
    assert ours.low < true < ours.high


def test_no_row_noise_gives_an_interval_from_zero():
    darks = np.random.default_rng(2).normal(0, 3, (10, 100, 120))
    ours = frame_rows(darks).noise()
    assert ours.low == 0
    assert ours.value < 0.1


def test_one_frame_by_weights_is_one_frame_by_analysis_of_variance():
    residual = noise(np.random.default_rng(6), 600, 300, pixel=4.0, row=0.5)
    residual -= residual.mean()
    by_frames = frame_rows(residual[None])
    weight = np.full(residual.shape, 1 / (300 * by_frames.own[0]))
    weighted = line_noise(residual, weight, 1)
    assert weighted.value == pytest.approx(by_frames.noise().value, rel=1e-9)
    assert weighted.error == pytest.approx(by_frames.noise().error, rel=0.02)
