# SPDX-License-Identifier: Apache-2.0
"""Every profile that ships: complete, permissive, self-consistent or honest about it."""

from __future__ import annotations

import itertools
import math
import re
import warnings
from pathlib import Path

import pytest
from scipy import stats

from lrd_ext.profiles import list_profiles, load_profile, self_test, to_noise_profile, tukey_lambda_std
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


def test_the_library_holds_sixteen_cameras():
    profiles = [load_profile(name) for name in list_profiles()]
    assert len({(profile.make, profile.model) for profile in profiles}) >= 16


# Published figures, worked out by hand: name, ISO, K in DN/e-, standard deviation of read noise in DN.
RECKONED = [
    # SFRN phones: K = S*(white-black), sigma = sqrt(O)*(white-black)
    ("apple_iphone_7", 400, 0.00116461 * 3567, math.sqrt(6.739473744228789e-07) * 3567),
    ("samsung_s6_edge", 3200, 0.01581424 * 959, math.sqrt(2.0652668477786836e-05) * 959),
    ("google_pixel", 800, 0.001866 * 959, math.sqrt(4.116405515789963e-06) * 959),
    # SFRN still cameras: DN and standard deviations
    ("sony_a7s2_sfrn", 3200, 3.246920234173119, 4.283115294604881),
    ("nikon_d850_sfrn", 1600, 6.688199969242411, 8.360429952584846),
    # HDRutils: K = k*g, sigma = k*sqrt((std_read*g)^2 + std_adc^2), k over R, G, G, B
    ("sony_a7r", 800, 0.3271765 * 8, 0.3271765 * math.hypot(0.699102 * 8, 0.0358603)),
    ("canon_500d", 400, 1.2203475 * 4, 1.2203475 * math.hypot(0.938028 * 4, 5.00525)),
    ("sony_a7r3", 900, 0.39489125 * 9, 0.39489125 * math.hypot(0.705127 * 9, 3.02845)),
    ("samsung_s9", 150, 0.31235025 * 1.5, 0.31235025 * math.hypot(1.06331 * 1.5, 2.3726)),
    # PMRID: polynomials of ISO, the second is a variance
    ("oppo_reno_10x", 1600, 0.96793133, math.sqrt(7.11772e-07 * 1600**2 + 6.514934e-4 * 1600 + 0.11492713)),
    (
        "oppo_reno_10x",
        225,
        0.0005995267 * 225 + 0.00868861,
        math.sqrt(7.11772e-07 * 225**2 + 6.514934e-4 * 225 + 0.11492713),
    ),
    # Handheld MFSR: variances on [0, 1]
    ("google_pixel_4", 800, 8 * 1.80710882e-4 * 959, 8 * math.sqrt(3.1937599182128e-6) * 959),
    # PMN: table of variances; law
    ("sony_imx385", 3200, 6.955588, math.sqrt(38.117816)),
    ("sony_imx686", 1600, 2.1856, math.exp(0.85187 * math.log(2.1856) + 0.67991)),
]


@pytest.mark.parametrize(("name", "iso", "K", "sigma"), RECKONED)
@pytest.mark.filterwarnings("ignore:.*doubtful")
def test_published_figures_in_our_units(name, iso, K, sigma):
    at = load_profile(name).at(iso)
    assert (at.read, at.sigma_col.item()) == ("gaussian", 0)
    assert at.K.item() == pytest.approx(K, rel=1e-6)
    assert at.sigma_read.item() == pytest.approx(sigma, rel=3e-3)  # log-log between third stops


def test_normalised_figures_come_back_as_published():
    pairs = to_noise_profile(load_profile("google_pixel").at(1600), "BGGR")
    assert pairs[:, 0] == pytest.approx(0.00366055, rel=1e-6)
    assert pairs[:, 1] == pytest.approx(7.569256436438246e-06 + 1 / 12 / 959**2, rel=1e-6)


def test_nikon_d850_of_pmn_agrees_with_the_other_two_but_for_its_gaussian_law():
    pmn, eld, sfrn = (load_profile(name) for name in ("nikon_d850_pmn", "nikon_d850", "nikon_d850_sfrn"))
    std = pmn.at(800).sigma_read.item() * tukey_lambda_std(-0.26)
    for other in (eld, sfrn):
        assert std == pytest.approx(other.at(800, read="gaussian").sigma_read.item(), rel=0.12)
    with pytest.warns(UserWarning, match="sigma_gaussian is doubtful here"):
        assert pmn.at(800, read="gaussian").sigma_read.item() < 0.6 * std


@pytest.mark.parametrize(
    ("name", "arguments", "field"),
    [
        ("sony_imx686", {"iso": 100}, "sigma_gaussian"),
        ("sony_imx686", {"iso": 1600, "read": "tukey_lambda"}, "sigma_tukey_lambda"),
        ("sony_imx385", {"iso": 1600, "read": "tukey_lambda"}, "sigma_tukey_lambda"),
        ("apple_iphone_7", {"iso": 800}, "K"),
        ("sony_a7s2_sfrn", {"iso": 2500}, "sigma_gaussian"),
        ("google_pixel_4", {"iso": 100}, "sigma_gaussian"),
    ],
)
def test_a_doubtful_published_figure_is_answered_with_a_warning(name, arguments, field):
    with pytest.warns(UserWarning, match="doubtful here") as caught:
        load_profile(name).at(**arguments)
    assert any(f"{name}: {field} is doubtful here" in str(entry.message) for entry in caught)


def test_imx686_between_iso_100_and_640_is_not_made_up():
    with pytest.raises(ValueError, match=r"ISO 100 .* and ISO 640 to 6400"):
        load_profile("sony_imx686").at(200)


def test_imx686_at_iso_6400_is_the_fit_to_dark_frames():
    at = load_profile("sony_imx686").at(6400, read="tukey_lambda")
    assert at.sigma_read.item() == pytest.approx(8.508, abs=0.001)
    assert at.tukey_lambda.item() == pytest.approx(0.1023, abs=1e-4)
    assert at.sigma_row.item() == pytest.approx(0.8295, abs=1e-4)


# Kmin and Kmax as published, and the K a profile answers with at the ends of its ISO range.
ELD_KMAX = {
    "canon_5d4": (0.218190, 13.9641),
    "canon_70d": (0.407497, 26.0798),
    "canon_700d": (0.447629, 28.6482),
    "nikon_d850": (0.415039, 26.5625),
    "sony_a7s2_eld": (0.0939161, 6.01063),
}


@pytest.mark.parametrize("name", ELD_KMAX)
def test_gain_range_of_eld_is_linear(name):
    profile = load_profile(name)
    assert [profile.at(iso).K.item() for iso in (100, 6400)] == pytest.approx(ELD_KMAX[name], rel=1e-5)


@pytest.mark.parametrize(
    ("name", "kmin", "kmax", "isos"),
    [
        ("nikon_d850_pmn", 1.2, 2.4828, (800, 2885)),
        ("sony_imx686", -0.19118, 2.1682, (605, 6400)),
        ("sony_a7s2", -1.67214, 0.42228, (196.4, 1596)),
        ("sony_a7s2", 0.64567, 2.51606, (1994, 12943)),
    ],
)
def test_gain_range_of_pmn_is_a_natural_logarithm(name, kmin, kmax, isos):
    """exp(Kmin) and exp(Kmax) over the profile's K/ISO give the ISOs the law is published for."""
    per_iso = load_profile(name).branches[-1].K.per_iso
    assert [math.exp(k) / per_iso for k in (kmin, kmax)] == pytest.approx(isos, rel=1e-3)


def test_gain_of_the_a7s2_switches_between_iso_1600_and_2000():
    """Read noise in electrons falls steadily over each branch and by two thirds at the switch."""
    profile = load_profile("sony_a7s2")
    assert [branch.iso for branch in profile.branches] == [(50, 1600), (2000, 25600)]
    read_e = {row.iso: row.sigma_gaussian / row.K for row in profile.rows}
    isos = sorted(read_e)
    steps = {pair: read_e[pair[1]] / read_e[pair[0]] for pair in itertools.pairwise(isos)}
    assert min(steps, key=steps.get) == (1600, 2000)
    assert steps[1600, 2000] < 0.35
    assert all(step > 0.65 for pair, step in steps.items() if pair != (1600, 2000))


# ELD's and PMN's, worked out by hand: name, ISO, K, Tukey-lambda scale, shape, row, bias by site.
# ELD: exp(slope ln K + bias), the mean of the list of shapes, mean of two frames of color_bias with columns
# R, G1, B, G2. PMN: the row of the ISO, black-level error of the ISO.
RECKONED_TUKEY_LAMBDA = [
    ("canon_5d4", 100, 0.2181895, math.exp(0.6558756 * math.log(0.2181895) + 1.0926868), 1.67143 / 18,
     math.exp(0.4712798 * math.log(0.2181895) - 0.8078959), (0.0352741, 0.7424442, -0.0230611, 0.7143634)),
    ("sony_a7s2", 3200, 3.06016, 2.0417721, -0.034863412, 0.44543457, (-1.7262970,) * 4),
    ("sony_a7s2", 160, 0.153008, 0.7258587, 0.094135, 0.19755602, (-1.5113430,) * 4),
    ("sony_a7s2", 12800, 12.24064, 7.038261, -0.06495205, 1.2749791, (0.7096288,) * 4),
    ("sony_a7s2", 25600, 24.48128, 12.175712, -0.09089118, 2.2760193, (2.9039073,) * 4),
]  # fmt: skip


@pytest.mark.parametrize(("name", "iso", "K", "scale", "shape", "row", "bias"), RECKONED_TUKEY_LAMBDA)
def test_published_tukey_lambda_figures_in_our_units(name, iso, K, scale, shape, row, bias):
    at = load_profile(name).at(iso)
    assert at.read == "tukey_lambda"
    found = (at.K, at.sigma_read, at.tukey_lambda, at.sigma_row)
    assert [v.item() for v in found] == pytest.approx((K, scale, shape, row), rel=1e-5)
    assert at.bias[0].tolist() == pytest.approx(bias, rel=1e-5)
