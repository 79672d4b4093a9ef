# SPDX-License-Identifier: Apache-2.0
"""The masked border of ordinary pictures."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from lrd_ext import raw
from lrd_ext.estimators.masked_border import (
    StripStatistics,
    estimate_border,
    measure_border,
    strip_statistics,
)
from lrd_ext.profiles import tukey_lambda_std

CHART = Path(__file__).parents[1] / "data" / "canon550d_ml_colorchart.dng"


def picture(mosaic, **fields):
    given = {"cfa": "RGGB", "black": 64, "white": 1023} | fields
    return raw.Raw(mosaic=np.asarray(mosaic, np.uint16), **given)


def test_border_gives_back_what_it_was_made_of():
    rng = np.random.default_rng(2)
    mosaic = np.full((2000, 700), 900.0)
    dark = rng.normal(0, 4, (2000, 200)) + rng.normal(0, 1.0, (2000, 1)) + rng.normal(0, 0.5, (1, 200))
    mosaic[:, :200] = 64 + dark
    mosaic[0::2, 1:200:2] += 3
    strip = measure_border(picture(mosaic.round(), active_area=(0, 200, 2000, 700)))["left"]
    assert (strip.height, strip.width) == (2000, 196)
    np.testing.assert_allclose(strip.mean, [64, 67, 64, 64], atol=0.2)
    assert strip.row.value == pytest.approx(1.0, abs=4 * strip.row.error)
    assert strip.column.value == pytest.approx(0.5, abs=4 * strip.column.error)
    assert strip.read.value == pytest.approx(4, abs=4 * strip.read.error)


def test_odd_area_keeps_the_sites_of_the_mosaic():
    mosaic = np.zeros((101, 203), np.uint16)
    for site, (r, c) in enumerate(raw.SITES):
        mosaic[r::2, c::2] = 50 + site
    found = measure_border(picture(mosaic, active_area=(33, 31, 70, 151)))
    assert set(found) == {"left", "top", "right", "bottom"}
    for strip in found.values():
        np.testing.assert_array_equal(strip.mean, [50, 51, 52, 53])


def test_no_border_or_a_narrow_one_gives_nothing():
    assert measure_border(picture(np.full((40, 60), 70))) == {}
    assert measure_border(picture(np.full((40, 60), 70), active_area=(0, 10, 40, 60))) == {}


def test_border_of_the_canon_550d():
    found = measure_border(raw.read(CHART))
    assert list(found) == ["left", "top"]
    left, top = found.values()
    np.testing.assert_allclose(left.mean, [2047.4, 2047.4, 2050.5, 2050.3], atol=0.3)
    # The top strip is 22 rows of it: row noise there rests on 22 draws.
    assert top.row.error > 1


def test_masked_border_gives_levels_and_noise_with_intervals():
    rng = np.random.default_rng(8)
    hits = []
    for _ in range(60):
        noise = rng.normal(0, 4, (400, 60)) + rng.normal(0, 1, (400, 1)) + 500
        noise[1::2, ::2] += 2
        strip = strip_statistics(np.round(noise).astype(np.uint16))
        found = estimate_border(100.0, [strip], np.full((1, 4), 500.0))
        truths = ((found.read, 4), (found.row, 1), (found.bias[0], 0), (found.bias[2], 2))
        hits.append([e.low <= truth <= e.high for e, truth in truths])
    # Binomial: 95 % of 60 lies at 51 or more in 999 of 1000 cases.
    assert np.sum(hits, axis=0).min() >= 51


def strips(rng: np.random.Generator, shape: float | None, pictures: int) -> list[StripStatistics]:
    """Measured strips, 128 x 40: read noise 4 DN (normal, or Tukey-lambda of this shape), rows 1 DN."""
    size = (pictures, 128, 40)
    if shape is None:
        read = rng.normal(0, 4, size)
    else:
        read = stats.tukeylambda.ppf(rng.uniform(size=size), shape) * 4 / tukey_lambda_std(shape)
    noise = read + rng.normal(0, 1, (pictures, 128, 1)) + 500
    return [strip_statistics(strip) for strip in np.round(noise).astype(np.uint16)]


@pytest.mark.parametrize(("shape", "pictures"), [(None, 1), (None, 3), (None, 16), (-0.1, 1)])
def test_intervals_from_borders_of_any_number_of_pictures_hold_the_truth(shape, pictures):
    rng, hits = np.random.default_rng(9), []
    for _ in range(300):
        found = estimate_border(100.0, strips(rng, shape, pictures), np.full((pictures, 4), 500.0))
        truths = ((found.read, 4), (found.row, 1), (found.bias[0], 0), (found.bias[3], 0))
        hits.append([e.low <= truth <= e.high for e, truth in truths])
    # Binomial: 95 % of 300 lies between 272 and 296 in 998 of 1000 cases.
    assert np.sum(hits, axis=0).min() >= 272
    assert np.sum(hits, axis=0).max() <= 296


def test_pictures_with_light_on_the_border_do_not_count():
    measured = strips(np.random.default_rng(3), None, 12)
    for i in range(2):
        own = measured[i]
        measured[i] = dataclasses.replace(own, mean=own.mean + 40, pixel=own.pixel * 3)
    found = estimate_border(100.0, measured, np.full((12, 4), 500.0))
    assert found.read.low < 4 < found.read.high < 4.1
    assert all(b.low < 0 < b.high < 0.5 for b in found.bias)


def test_border_that_is_clipped_to_one_value_has_no_noise():
    found = estimate_border(100.0, [strip_statistics(np.zeros((64, 40), np.uint16))], np.zeros((1, 4)))
    assert (found.read.value, found.row.value) == (0, 0)


def test_numbers_of_a_strip_survive_being_kept():
    strip = strips(np.random.default_rng(1), None, 1)[0]
    again = StripStatistics.from_array(strip.to_array())
    for a, b in zip(dataclasses.astuple(strip), dataclasses.astuple(again), strict=True):
        np.testing.assert_array_equal(a, b)
