# SPDX-License-Identifier: Apache-2.0
"""One file: levels by site, and the masked border."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lrd_ext import raw
from lrd_ext.inspection import site_levels, step_of_values

CHART = Path(__file__).parents[1] / "data" / "canon550d_ml_colorchart.dng"


def picture(mosaic, **fields):
    given = {"cfa": "RGGB", "black": 64, "white": 1023} | fields
    return raw.Raw(mosaic=np.asarray(mosaic, np.uint16), **given)


@pytest.mark.parametrize("area", [(0, 0, 40, 60), (3, 5, 37, 58), (1, 0, 40, 59)])
@pytest.mark.parametrize("cfa", raw.BAYER)
def test_levels_are_those_of_their_sites_whatever_the_area(cfa, area):
    mosaic = np.zeros((40, 60), np.uint16)
    for site, (r, c) in enumerate(raw.SITES):
        mosaic[r::2, c::2] = 100 * (site + 1)
    found = site_levels(picture(mosaic, cfa=cfa, black=[1, 2, 3, 4], active_area=area))
    assert [s.label for s in found] == list(raw.site_labels(cfa))
    for site, s in enumerate(found):
        assert (s.minimum, s.permille, s.median, s.permille_999, s.maximum) == (100 * (site + 1),) * 5
        assert s.black == site + 1


def test_percentiles_and_ends_against_numpy():
    rng = np.random.default_rng(1)
    mosaic = np.clip(rng.normal(300, 260, (200, 300)).round(), 0, 1023)
    found = site_levels(picture(mosaic))
    for s, (r, c) in zip(found, raw.SITES, strict=True):
        values = mosaic[r::2, c::2].ravel()
        expected = np.quantile(values, (0.001, 0.5, 0.999), method="inverted_cdf")
        assert [s.permille, s.median, s.permille_999] == expected.tolist()
        assert (s.at_zero, s.at_white) == ((values == 0).mean(), (values >= 1023).mean())
        assert s.below_black == (values < 64).mean()


def test_masked_pixels_are_no_levels_of_the_picture():
    mosaic = np.full((40, 60), 500)
    mosaic[:, :20] = 7
    assert min(s.minimum for s in site_levels(picture(mosaic, active_area=(0, 20, 40, 60)))) == 500


@pytest.mark.parametrize(
    ("values", "step"), [([64, 68, 80], 4), ([64, 65], 1), ([500], 1), ([0, 16, 48], 16)]
)
def test_step_of_values(values, step):
    mosaic = np.resize(values, (20, 30))
    assert step_of_values(picture(mosaic)) == step
