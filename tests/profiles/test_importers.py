# SPDX-License-Identifier: Apache-2.0
"""Importers: from names and units as published to ours."""

from __future__ import annotations

import math

import pytest

from lrd_ext.profiles import ProfileError, to_noise_profile
from lrd_ext.profiles.importers import import_eld, import_pmn_law, import_pmn_table, import_sfrn
from lrd_ext.profiles.importers.pmn import gain_range

LAW = {"slope": 0.5, "bias": 0.7, "sigma": 0.25}
ELD = {
    "Kmin": 0.1,
    "Kmax": 6.4,
    "G_shape": {"data": [0.1, 0.2, -0.1, -0.2]},
    "color_bias": {"data": [[1, 2, 3, 4], [3, 4, 5, 6], [0, 0, 1, 0], [0, 0, 0, 0]]},
    "Profile-1": {"g_scale": LAW, "G_scale": LAW | {"bias": 0.1}, "R_scale": LAW | {"bias": -1.0}},
}
PMN = {"Kmin": math.log(0.8), "Kmax": math.log(8.0), "lam": 0.1, "wp": 1023, "bl": 64}
PMN |= {
    f"{name}{key}": value for name in ("sigGs", "sigTL", "sigR") for key, value in (("k", 0.8), ("b", 0.1))
}
PMN |= {"sigGssig": 0.01, "sigTLsig": 0.02, "sigRsig": 0.03}
ABOUT = {"name": "x", "make": "x", "model": "x", "bits": 14}


def eld(**changed):
    return import_eld(
        ELD | changed, name="x", make="x", model="x", black=512, white=16383, commit="0" * 40, file="x.npy"
    )


def test_eld_names_and_orders():
    profile = eld()
    branch = profile.branches[0]
    assert profile.iso_range == (100, 6400)
    assert branch.K.per_iso == pytest.approx(1e-3)
    assert branch.tukey_lambda == (0.1, 0.2, -0.1, -0.2)
    law = branch.laws["sigma_tukey_lambda"]
    assert (law.slope, law.intercept, law.spread) == (0.5, 0.1, 0.25)
    assert branch.laws["sigma_row"].intercept == -1.0
    assert [(row.iso, row.dn) for row in profile.bias] == [(100, (2, 3, 5, 4)), (200, (0, 0, 0, 0.5))]
    assert profile.at(100).tukey_lambda.item() == pytest.approx(0.0, abs=1e-9)


def test_eld_figures_that_are_no_numbers_are_refused_by_name():
    with pytest.raises(ProfileError, match=r"branches\[0\]\.laws\.sigma_row\.slope must be a number"):
        eld(**{"Profile-1": ELD["Profile-1"] | {"R_scale": LAW | {"slope": math.nan}}})


def test_pmn_laws_are_over_natural_logarithms_like_ours():
    profile = import_pmn_law(PMN, iso=(800, 8000), per_iso=1e-3, commit="0" * 40, paths=["x"], **ABOUT)
    assert gain_range(PMN) == pytest.approx((0.8, 8.0))
    at = profile.at(4000)
    assert at.K.item() == pytest.approx(4.0)
    assert at.sigma_row.item() == pytest.approx(math.exp(0.8 * math.log(4.0) + 0.1), rel=1e-6)
    assert (at.white.item(), at.black.unique().item()) == (1023, 64)
    assert profile.branches[0].laws["sigma_row"].spread == 0.03


def test_pmn_table_sorts_its_isos_and_spreads_the_error_over_all_sites():
    row = {"Kmax": 0.2, "lam": 0.0, "sigGs": 1.8, "sigTL": 1.0, "sigR": 0.1}
    row |= {"sigGssig": 0.1, "sigTLsig": 0.2, "sigRsig": 0.3}
    profile = import_pmn_table(
        {200: row, 100: row | {"Kmax": 0.1}}, [("all", (100, 200), PMN)], {200: -1.5, 100: 2.0},
        per_iso=1e-3, jitter=0.01, black=512, white=16383, commit="0" * 40, paths=["x"], **ABOUT,
    )  # fmt: skip
    assert [row.iso for row in profile.rows] == [100, 200]
    assert profile.rows[0].spread == {"sigma_gaussian": 0.1, "sigma_tukey_lambda": 0.2, "sigma_row": 0.3}
    assert profile.at(200).bias.tolist() == [[-1.5] * 4]
    assert profile.at(100).K.item() == pytest.approx(0.1)


def test_sfrn_variances_are_what_a_noise_profile_tag_holds():
    profile = import_sfrn(
        [100, 200], [1e-3, 2e-3], [4e-6, 9e-6], normalised=True, branches=[(100, 200)],
        black=64, white=1023, commit="0" * 40, cfa="RGGB", **ABOUT | {"bits": 10},
    )  # fmt: skip
    shot, offset = to_noise_profile(profile.at(200))[0]
    assert (shot, offset - 1 / 12 / 959**2) == (pytest.approx(2e-3), pytest.approx(9e-6))
