# SPDX-License-Identifier: Apache-2.0
"""A profile's quantiles of read noise: held, interpolated inside a gain branch, refused where malformed."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from quantile_tables import HUMP, SKEWED

from lrd_ext import NoiseParams
from lrd_ext.profiles import ProfileError, load_profile, profile_from_dict
from lrd_ext.read_models import standard_table

TABLES = {100: HUMP, 400: SKEWED, 800: HUMP[::-1] * -1}


def data(**changes):
    made = load_profile("google_pixel").to_dict() | {"name": "made up", "read": "empirical", "doubtful": []}
    made["units"]["read_quantiles"] = "sigma_empirical"
    made["rows"] = [
        {"iso": iso, "K": iso / 1000, "sigma_empirical": math.sqrt(iso), "sigma_row": 0.5} for iso in TABLES
    ]
    made["branches"] = [
        {"name": "low", "iso": [100, 400], "K": {"per_iso": 1e-3}},
        {"name": "high", "iso": [800, 800], "K": {"per_iso": 1e-3}},
    ]
    made["read_quantiles"] = [{"iso": iso, "quantiles": table.tolist()} for iso, table in TABLES.items()]
    return made | changes


@pytest.fixture(scope="module")
def profile():
    return profile_from_dict(data())


def test_a_calibrated_iso_gives_its_table_to_the_last_bit(profile):
    at = profile.at([100, 800, 400])
    assert at.sigma_read.tolist() == [10.0, np.float32(math.sqrt(800)), 20.0]
    for row, iso in zip(at.read_table.numpy(), (100, 800, 400), strict=True):
        assert np.array_equal(row, TABLES[iso])


def test_between_isos_quantiles_are_mixed_after_scaling(profile):
    """At the middle of the octaves half of each, brought to standard deviation 1, sigma log-log."""
    at = profile.at(200)
    expected = standard_table((HUMP.astype(np.float64) + SKEWED.astype(np.float64)) / 2)
    assert at.sigma_read.item() == pytest.approx(math.sqrt(200), rel=1e-6)
    np.testing.assert_allclose(at.read_table[0].numpy(), expected, rtol=1e-6)
    NoiseParams(K=1, ratio=1, white=9, black=0, sigma_read=1, read="empirical", read_table=at.read_table)


def test_nothing_is_mixed_across_a_gain_switch(profile):
    assert np.array_equal(profile.at(799.0).read_table[0].numpy(), SKEWED)


def test_draws_have_the_tables_of_their_isos(profile):
    drawn = profile.sample(8, iso=[100, 400], ratio=(1, 9), seed=3)
    assert drawn.read == "empirical"
    for iso, row in zip(drawn.iso.tolist(), drawn.read_table.numpy(), strict=True):
        assert np.array_equal(row, TABLES[int(iso)])


def test_the_file_holds_them(profile, tmp_path):
    profile.save(tmp_path / "camera.json")
    again = load_profile(tmp_path / "camera.json")
    assert again == profile
    assert torch.equal(again.at(250).table, profile.at(250).table)


def test_a_profile_without_them_writes_what_it_always_wrote():
    told = load_profile("sony_a7s2").to_dict()
    assert "read_quantiles" not in told
    assert "read_quantiles" not in told["units"]


@pytest.mark.parametrize(
    ("quantiles", "message"),
    [
        (HUMP[:900].tolist(), r"read_quantiles\[0\].quantiles must hold 929 numbers, got 900"),
        ([math.nan] * 929, r"read_quantiles\[0\].quantiles\[0\] must be a number in .*, got nan"),
        ("929", r"read_quantiles\[0\].quantiles must be a list, got '929'"),
        (HUMP[::-1].tolist(), r"read_quantiles\[0\].quantiles must not fall, got .* at knot 1"),
        ((2 * HUMP).tolist(), r"read_quantiles\[0\].quantiles must have standard deviation 1, got 2"),
        ((HUMP + 0.5).tolist(), r"read_quantiles\[0\].quantiles must have mean 0, got 0.5"),
    ],
)
def test_a_malformed_table_is_named(quantiles, message):
    with pytest.raises(ProfileError, match=message):
        profile_from_dict(data(read_quantiles=[{"iso": 100, "quantiles": quantiles}]))


def test_a_scale_without_its_quantiles_is_refused():
    with pytest.raises(ProfileError, match=r"branches\[1\]: read_quantiles is missing: sigma_empirical"):
        profile_from_dict(data(read_quantiles=data()["read_quantiles"][:2]))
    with pytest.raises(ProfileError, match=r"read_quantiles\[1\].iso must be above the one before"):
        profile_from_dict(data(read_quantiles=data()["read_quantiles"][::-1]))
