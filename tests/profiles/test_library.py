# SPDX-License-Identifier: Apache-2.0
"""Every profile that ships: complete, permissive, self-consistent or honest about it."""

from __future__ import annotations

import math
import re
import warnings
from pathlib import Path

import pytest
from scipy import stats

from lrd_ext.profiles import list_profiles, load_profile, self_test, tukey_lambda_std
from lrd_ext.profiles.self_test import undeclared

NOTICE = Path(__file__).parents[2] / "NOTICE"


@pytest.mark.parametrize(
    "shape", [-0.49, -0.28, -0.0051, -0.0049, -1e-9, 0.0, 1e-12, 0.0049, 0.0051, 0.14, 1.0, 3.7]
)
def test_tukey_lambda_std_is_scipys(shape):
    # SciPy's own rational approximation near 0 is good to about 1e-9.
    assert tukey_lambda_std(shape) == pytest.approx(math.sqrt(stats.tukeylambda.var(shape)), rel=1e-8)


def test_tukey_lambda_std_has_no_seam():
    steps = [tukey_lambda_std(0.005 + k * 1e-9) for k in (-2, -1, 1, 2)]
    slope = (steps[1] - steps[0]) / 1e-9
    assert steps[2] - steps[1] == pytest.approx(2e-9 * slope, abs=1e-10)


@pytest.mark.parametrize("shape", [-0.5, math.nan, math.inf])
def test_tukey_lambda_std_refuses_shapes_without_variance(shape):
    with pytest.raises(ValueError, match=r"above -0\.5"):
        tukey_lambda_std(shape)


@pytest.mark.parametrize("name", list_profiles())
def test_profile_is_named_sourced_and_permissive(name):
    profile = load_profile(name)
    assert profile.name == name
    assert profile.licence in ("MIT", "Apache-2.0", "BSD-3-Clause")
    for source in profile.sources:
        assert source.url
        assert re.fullmatch("[0-9a-f]{40}", source.commit or "")
        assert source.path
        assert source.licence
        assert source.url in NOTICE.read_text("utf-8")


@pytest.mark.parametrize("name", list_profiles())
def test_figures_agree_with_each_other_or_are_named_doubtful(name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert undeclared(load_profile(name)) == ()


def test_rows_of_the_a7s2_pass_every_check():
    profile = load_profile("sony_a7s2")
    assert len(profile.rows) == 28
    assert self_test(profile) == ()
    for row in profile.rows:  # the same by SciPy: at most 1.1 % off, as the field knows
        std = row.sigma_tukey_lambda * stats.tukeylambda.std(row.tukey_lambda)
        assert std == pytest.approx(row.sigma_gaussian, rel=0.012)


def test_gain_per_iso_of_the_a7s2_agrees_between_the_two_calibrations():
    assert load_profile("sony_a7s2_eld").at(3200).K.item() == pytest.approx(
        load_profile("sony_a7s2").at(3200).K.item(), rel=0.02
    )
