# SPDX-License-Identifier: Apache-2.0
"""What CameraProfile.at answers, against the figures as published."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import torch

from lrd_ext.cfa import site_colours
from lrd_ext.profiles import load_profile, profile_from_dict

# PMN, data_process/process.py, get_camera_noisy_params_max: ISO, K, lambda, sigma Gaussian, TL, row.
PMN_A7S2 = [
    (50, 0.047815, 0.1474653, 1.0164667, 0.70727646, 0.13997398),
    (100, 0.09563, 0.14875287, 1.0067395, 0.70181876, 0.1391465),
    (800, 0.76504, -0.008199721, 3.5475867, 1.9346539, 0.5723769),
    (1600, 1.53008, -0.0441045, 6.29925, 3.2283993, 0.988786),
    (2000, 1.9126, -0.012963797, 2.653871, 1.4356787, 0.33124214),
    (3200, 3.06016, -0.034863412, 3.9193838, 2.0417721, 0.44543457),
    (25600, 24.48128, -0.09089118, 25.853043, 12.175712, 2.2760193),
]
# PMN, resources/darkshading_BLE.pkl, DN.
PMN_A7S2_BIAS = {
    100: 1.6903477907,
    160: -1.5113430023,
    1600: 2.4281754494,
    8000: -2.4592945576,
    10000: 0.2932147980,
}


@pytest.fixture(scope="module")
def a7s2():
    return load_profile("sony_a7s2")


@pytest.mark.parametrize(("iso", "K", "shape", "gaussian", "scale", "row"), PMN_A7S2)
def test_calibrated_iso_gives_the_published_row_to_the_last_float32_bit(
    a7s2, iso, K, shape, gaussian, scale, row
):
    tukey, normal = a7s2.at(iso), a7s2.at(iso, read="gaussian")
    f32 = np.float32
    assert (tukey.K.item(), tukey.tukey_lambda.item()) == (f32(K), f32(shape))
    assert (tukey.sigma_read.item(), tukey.sigma_row.item()) == (f32(scale), f32(row))
    assert (tukey.read, normal.read, normal.sigma_read.item()) == ("tukey_lambda", "gaussian", f32(gaussian))
    assert normal.tukey_lambda.item() == 0
    assert (len(tukey), tukey.iso.item(), tukey.shot, tukey.sigma_col.item()) == (1, iso, True, 0)
    assert (tukey.white.item(), tukey.black.unique().item()) == (16383, 512)


def test_bias_is_the_table_and_not_a_fit(a7s2):
    for iso, dn in PMN_A7S2_BIAS.items():
        assert a7s2.at(iso).bias.tolist() == [[np.float32(dn)] * 4]


def test_between_rows_log_log_inside_a_branch(a7s2):
    # ISO 2828.43 lies half way between 2500 and 3200 in no simple way: take the exact weight of 2800.
    weight = math.log(2800 / 2500) / math.log(3200 / 2500)
    at = a7s2.at(2800)
    assert at.K.item() == pytest.approx(9.563e-4 * 2800, rel=1e-6)
    assert at.sigma_read.item() == pytest.approx(1.6897862 ** (1 - weight) * 2.0417721**weight, rel=1e-6)
    assert at.tukey_lambda.item() == pytest.approx(
        (1 - weight) * -0.027097283 + weight * -0.034863412, rel=1e-6
    )
    assert at.bias[0, 2].item() == pytest.approx((1 - weight) * -1.66816545 + weight * -1.72629702, rel=1e-6)


def test_dual_gain_is_a_step_between_iso_1600_and_2000(a7s2):
    read_e = {
        iso: (a7s2.at(iso, read="gaussian").sigma_read / a7s2.at(iso).K).item() for iso in (1600, 1999, 2000)
    }
    assert read_e[1600] == pytest.approx(4.12, abs=0.005)
    assert read_e[2000] == pytest.approx(1.39, abs=0.005)
    # The gap belongs to the low branch: its law, K = 9.563e-4 * ISO.
    K = 9.563e-4 * 1999
    assert a7s2.at(1999).sigma_read.item() == pytest.approx(
        math.exp(0.74043 * math.log(K) + 0.86182), rel=1e-6
    )
    assert a7s2.at(1999).tukey_lambda.item() == np.float32(-0.0441045)
    assert read_e[1999] > 2.5 * read_e[2000]


@pytest.mark.parametrize("iso", [49.9, 25601, 1e7])
def test_outside_the_range_the_error_names_it(a7s2, iso):
    with pytest.raises(ValueError, match=r"iso .*ISO 50 to 1600 \(low gain\) and ISO 2000 to 25600 .*got "):
        a7s2.at(iso)


@pytest.mark.parametrize(
    ("name", "iso", "K", "scale", "row"),
    [  # K = Kmin*ISO/100; sigma = exp(a ln K + b) with ELD's a, b
        ("sony_a7s2_eld", 100, 0.0939161, (0.46210, 0.56571), (0.52754, -0.59170)),
        ("nikon_d850", 1600, 0.415039 * 16, (0.47739, -0.09044), (0.44829, -1.79771)),
        ("canon_5d4", 800, 0.218190 * 8, (0.65588, 1.09269), (0.47128, -0.80790)),
        ("canon_70d", 3200, 0.407497 * 32, (0.48681, 1.46427), (0.72922, -0.93706)),
        ("canon_700d", 6400, 28.6482, (0.59824, 1.53704), (0.62206, -0.77565)),
    ],
)
def test_a_camera_published_as_a_law_answers_with_its_mean(name, iso, K, scale, row):
    at = load_profile(name).at(iso)
    assert at.K.item() == pytest.approx(K, rel=1e-5)
    assert at.sigma_read.item() == pytest.approx(math.exp(scale[0] * math.log(K) + scale[1]), rel=1e-4)
    assert at.sigma_row.item() == pytest.approx(math.exp(row[0] * math.log(K) + row[1]), rel=1e-4)


def test_eld_bias_columns_are_reordered_from_r_g1_b_g2():
    # Canon 5D4, first two released rows (ISO 100): R, G1, B, G2 of each frame, averaged.
    first, second = (
        (0.0319037, 0.7472504, 0.7182117, -0.0303760),
        (0.0386445, 0.7376380, 0.7105151, -0.0157461),
    )
    red, green_red, blue, green_blue = np.add(first, second) / 2
    got = load_profile("canon_5d4").at(100).bias[0]
    np.testing.assert_allclose(got, [red, green_red, green_blue, blue], rtol=1e-5)


def test_eld_bias_of_the_a7s2_confirms_the_inferred_isos(a7s2):
    # Two groups, two copies of the camera model: the sign pattern over ISO is that of one sensor.
    eld = load_profile("sony_a7s2_eld")
    isos = [100 * 2**i for i in range(7)]
    pairs = np.array([(eld.at(iso).bias.mean().item(), a7s2.at(iso).bias.mean().item()) for iso in isos])
    assert np.corrcoef(pairs.T)[0, 1] > 0.98


@pytest.mark.parametrize("phase", ["RGGB", "GRBG", "GBRG", "BGGR"])
def test_bias_and_black_follow_the_colours_into_another_phase(minimal, phase):
    minimal |= {"black": [1, 2, 3, 4], "bias": [{"iso": 100, "dn": [10, 20, 30, 40]}]}  # R, Gr, Gb, B
    at = profile_from_dict(minimal).at(100, cfa=phase)
    colour = {"R": 1, "Gr": 2, "Gb": 3, "B": 4}
    assert at.black[0].tolist() == [colour[c] for c in site_colours(phase)]
    assert at.bias[0].tolist() == [10 * colour[c] for c in site_colours(phase)]


def test_mono_file_gets_the_mean_of_the_four_sites(minimal):
    minimal["bias"] = [{"iso": 100, "dn": [1, 2, 3, 6]}]
    assert profile_from_dict(minimal).at(100, cfa="MONO").bias.tolist() == [[3.0] * 4]


def test_levels_of_the_file_rescale_every_figure(a7s2):
    own, other = a7s2.at(3200), a7s2.at(3200, black=64, white=1023)
    factor = (1023 - 64) / (16383 - 512)
    for name in ("K", "sigma_read", "sigma_row"):
        assert getattr(other, name).item() == pytest.approx(getattr(own, name).item() * factor, rel=1e-6)
    torch.testing.assert_close(other.bias, own.bias * factor)
    assert (other.white.item(), other.black[0].tolist()) == (1023, [64] * 4)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"iso": "3200"}, TypeError, "iso must be a number"),
        ({"iso": math.nan}, ValueError, "iso must be above 0"),
        ({"iso": 10**400}, ValueError, "iso must be above 0"),
        ({"iso": 3200, "ratio": 0}, ValueError, "ratio must be above 0 and below"),
        ({"iso": 3200, "ratio": math.inf}, ValueError, "ratio must be above 0"),
        ({"iso": 3200, "read": "laplace"}, ValueError, "read must be one of none, gaussian, tukey_lambda"),
        ({"iso": 3200, "cfa": "RGBW"}, ValueError, "cfa must be one of RGGB"),
        ({"iso": 3200, "white": 100}, ValueError, "white must be above black"),
    ],
)
def test_bad_arguments_are_named(a7s2, arguments, error, message):
    with pytest.raises(error, match=message):
        a7s2.at(**arguments)


def test_read_model_the_profile_lacks_is_refused(minimal):
    with pytest.raises(ValueError, match=r"read must be one of gaussian, none .* got 'tukey_lambda'"):
        profile_from_dict(minimal).at(100, read="tukey_lambda")


def test_dark_only_profile_has_no_shot_noise_and_says_so_once(minimal):
    minimal["rows"][0]["K"] = None
    profile = profile_from_dict(minimal)
    with pytest.warns(UserWarning, match="shot noise is off"):
        at = profile.at(100)
    assert (at.K.item(), at.shot) == (1.0, False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not profile.at(100).shot


def test_an_answer_from_a_doubtful_figure_warns(minimal):
    minimal["rows"].append({"iso": 200, "K": 0.8, "sigma_gaussian": 2.0})
    minimal["branches"][0]["iso"] = [100, 200]
    minimal["doubtful"] = [{"field": "sigma_gaussian", "iso": [150, 200], "reason": "a light leak"}]
    profile = profile_from_dict(minimal)
    with pytest.warns(UserWarning, match="sigma_gaussian is doubtful here: a light leak"):
        profile.at(200)
    with pytest.warns(UserWarning, match="a light leak"):
        profile.sample(64, iso=(100, 200), ratio=1, seed=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        profile.at(100)
        profile.at(200, read="none")


def test_gap_above_a_branch_of_one_iso_is_not_answered(minimal):
    minimal["rows"] = [{"iso": iso, "K": iso / 1000, "sigma_gaussian": 1.0} for iso in (100, 400, 800)]
    minimal["branches"] = [{"name": "a", "iso": [100, 100]}, {"name": "b", "iso": [400, 800]}]
    profile = profile_from_dict(minimal)
    assert profile.at(100).K.item() == pytest.approx(0.1)
    with pytest.raises(ValueError, match=r"ISO 100 \(a\) and ISO 400 to 800 \(b\), got 200"):
        profile.at(200)


def test_without_a_law_the_gap_goes_on_along_the_last_two_rows(minimal):
    minimal["rows"] = [
        {"iso": 100, "K": 0.1, "sigma_gaussian": 1.0, "sigma_row": 0.0},
        {"iso": 200, "K": 0.2, "sigma_gaussian": 3.0, "sigma_row": 0.5},
        {"iso": 800, "K": 0.8, "sigma_gaussian": 1.0, "sigma_row": 0.1},
    ]
    minimal["branches"] = [{"name": "a", "iso": [100, 200]}, {"name": "b", "iso": [800, 800]}]
    at = profile_from_dict(minimal).at(400)
    assert at.sigma_read.item() == pytest.approx(9.0, rel=1e-6)
    assert at.sigma_row.item() == pytest.approx(0.5)  # a zero has no logarithm: held
    assert at.K.item() == pytest.approx(0.4, rel=1e-6)


@pytest.mark.parametrize("make", [list, tuple, np.array, torch.tensor])
def test_a_batch_of_isos_and_ratios_is_the_single_answers(a7s2, make):
    isos, ratios = [100, 1999, 3200, 25600], [1.0, 2.5, 100.0, 300.0]
    batch = a7s2.at(make(isos), make(ratios))
    singles = [a7s2.at(iso, ratio) for iso, ratio in zip(isos, ratios, strict=True)]
    assert batch.to_dict() == type(batch).cat(singles).to_dict()
    assert a7s2.at(make(isos), 7.0).ratio.tolist() == [7.0] * 4
    assert len(a7s2.at(3200, make(ratios))) == 4
    assert a7s2.at(3200, bias=False).bias.tolist() == [[0.0] * 4]


@pytest.mark.parametrize(
    ("iso", "ratio", "error", "message"),
    [
        (
            [100, 200],
            [1, 2, 3],
            ValueError,
            "iso, ratio must be as many, or one for all of .*, got 2, 3",
        ),
        ([100, 49], 1, ValueError, r"iso must be in the range .*got 49"),
        ([[100]], 1, ValueError, r"iso must be a number or \(n,\) numbers, got shape \(1, 1\)"),
        ([], 1, ValueError, r"iso must be a number or \(n,\) numbers"),
        (["a"], 1, TypeError, "iso must be a number, a sequence of numbers or a tensor"),
        ([100], [True], TypeError, "ratio must be a number, a sequence"),
        ([100, math.nan], 1, ValueError, "iso must be above 0"),
    ],
)
def test_bad_batches_are_named(a7s2, iso, ratio, error, message):
    with pytest.raises(error, match=message):
        a7s2.at(iso, ratio)


def test_a_profile_prints_in_three_lines(a7s2):
    lines = repr(a7s2).splitlines()
    assert len(lines) == 3
    assert "bias moves the mean by -2.46 to +2.9 DN" in lines[2]
