# SPDX-License-Identifier: Apache-2.0
"""A hundred thousand draws of every published law: its slope, intercept and spread come back."""

from __future__ import annotations

import functools
import math

import numpy as np
import pytest

from lrd_ext.profiles import list_profiles, load_profile

N = 100_000
FIGURES = {"sigma_gaussian": ("gaussian", "sigma_read"), "sigma_row": ("gaussian", "sigma_row")}
FIGURES["sigma_tukey_lambda"] = ("tukey_lambda", "sigma_read")


def law_cases():
    """Name, branch and figure of each law that answers over its whole branch: no rows there to go first."""
    for name in list_profiles():
        profile = load_profile(name)
        for i, branch in enumerate(profile.branches):
            rows = [row for row in profile.rows if branch.iso[0] <= row.iso <= branch.iso[1]]
            for figure in branch.laws:
                if not any(getattr(row, figure) is not None for row in rows):
                    yield name, i, figure


@functools.lru_cache(maxsize=2)
def draws(name, index, read):
    profile = load_profile(name)
    return profile.sample(N, iso=profile.branches[index].iso, ratio=(100, 300), seed=11, read=read)


@pytest.mark.parametrize(("name", "index", "figure"), list(law_cases()))
@pytest.mark.filterwarnings("ignore:.*doubtful")
def test_slope_intercept_and_spread_are_the_published_ones(name, index, figure):
    """Each within four standard errors of a straight line through N points."""
    profile = load_profile(name)
    branch, (read, field) = profile.branches[index], FIGURES[figure]
    law = branch.laws[figure]
    drawn = draws(name, index, read)
    x, y = (np.log(getattr(drawn, v).double().numpy()) for v in ("K", field))
    slope, intercept = np.polyfit(x, y, 1)
    spread = float(np.std(y - slope * x - intercept, ddof=2))
    # float32 figures leave 1e-7 of a logarithm where the law has no spread.
    floor = 1e-6
    assert slope == pytest.approx(law.slope, abs=4 * law.spread / (x.std() * math.sqrt(N)) + floor)
    error = law.spread * math.sqrt((1 + (x.mean() / x.std()) ** 2) / N)
    assert intercept == pytest.approx(law.intercept, abs=4 * error + floor)
    assert spread == pytest.approx(law.spread, abs=4 * law.spread / math.sqrt(2 * N) + floor)


def test_every_released_law_is_among_them():
    cases = set(law_cases())
    for name in ("canon_5d4", "canon_70d", "canon_700d", "nikon_d850", "sony_a7s2_eld", "nikon_d850_pmn"):
        assert {(name, 0, figure) for figure in FIGURES} <= cases


def test_independent_calibrations_of_the_a7s2_agree_on_its_gain():
    """K/ISO of PMN and ELD within 2 %, of SFRN at ISO 3200 within 7 %; SFRN's other rows are doubtful."""
    pmn, eld, sfrn = (load_profile(name) for name in ("sony_a7s2", "sony_a7s2_eld", "sony_a7s2_sfrn"))
    assert len({profile.sources[0].url for profile in (pmn, eld, sfrn)}) == 3
    gain = {row.iso: row.K for row in sfrn.rows}
    assert eld.at(3200).K.item() / pmn.at(3200).K.item() == pytest.approx(1, abs=0.02)
    assert gain[3200] / pmn.at(3200).K.item() == pytest.approx(1, abs=0.07)
    assert gain[3200] / eld.at(3200).K.item() == pytest.approx(1, abs=0.09)
    assert gain[800] / pmn.at(800).K.item() > 1.3
    assert any(entry.field == "K" for entry in sfrn.doubtful)
