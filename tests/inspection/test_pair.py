# SPDX-License-Identifier: Apache-2.0
"""The noise between two files against the parameters it was drawn with."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from scipy import stats

from lrd_ext import NoiseParams, fused_synth, load_profile, raw
from lrd_ext.inspection import (
    expected_signal,
    find_ratio,
    findings,
    in_one_sentence,
    inspect_pair,
    predict,
    predict_from_noise_profile,
    read_recipe,
    step_of_values,
)
from lrd_ext.profiles import to_noise_profile

SITES = ("R", "Gr", "Gb", "B")


def clean_picture(height=1024, width=512, *, cfa="RGGB", black=512, white=16383, top=16000):
    """Half black, half rising in steps of 32 rows."""
    steps = np.linspace(black, top, height // 64).astype(int).repeat(32)
    levels = np.r_[np.full(height - len(steps), black), steps].astype(np.uint16)
    mosaic = np.broadcast_to(levels[:, None], (height, width)).copy()
    return raw.Raw(mosaic=mosaic, cfa=cfa, black=black, white=white)


def noisy_of(clean, params, seed=1):
    drawn = fused_synth(torch.from_numpy(clean.mosaic), params, seed=seed, output="dn")
    return clean.replace(mosaic=drawn.numpy())


def by_name(found):
    return {f.figure: f for f in found}


@pytest.mark.parametrize("iso", [100, 800, 3200, 25600])
def test_parameters_are_recovered_without_bias(iso):
    """Over eight seeds the mean lies within 5.5 of its standard errors, each draw within five of its own."""
    clean, params = clean_picture(), load_profile("sony_a7s2").at(iso, 8.0)
    p = predict(params, "")
    figures = []
    for seed in range(8):
        r = inspect_pair(clean, noisy_of(clean, params, seed), 8.0)
        pairs = ((r.K, p.K), (r.sigma_read, p.read_std), (r.sigma_row, p.sigma_row), (r.scale, 1.0))
        assert all(abs(m.value - t) < 5 * m.error for m, t in pairs)
        figures.append([m.value / t - 1 for m, t in pairs])
    means, errors = np.mean(figures, 0), np.std(figures, 0, ddof=1) / math.sqrt(8)
    assert (np.abs(means) < 5.5 * errors).all()


def test_bias_by_site_column_noise_and_kurtosis():
    params = NoiseParams(
        K=2.0, ratio=10, white=4095, black=[100, 120, 110, 90], bias=[1.5, -2.0, 0.5, 3.0],
        sigma_read=3.0, tukey_lambda=-0.08, read="tukey_lambda", sigma_row=0.5, sigma_col=0.8,
    )  # fmt: skip
    clean = clean_picture(2048, 1024, cfa="GBRG", black=120, white=4095, top=4000)
    clean = clean.replace(black=np.array([100, 120, 110, 90]))
    report = inspect_pair(clean, noisy_of(clean, params, seed=4), 10.0)
    found = by_name(findings(report, predict(params, ""), SITES))
    assert [f.figure for f in found.values() if f.agrees is not True] == []
    for i, bias in enumerate((1.5, -2.0, 0.5, 3.0)):
        assert found[f"bias {SITES[i]}"].measured.value == pytest.approx(bias, abs=0.15)
    assert found["column"].measured.value == pytest.approx(0.8, rel=0.1)
    assert found["dark kurtosis"].predicted > 1


@pytest.mark.parametrize("step", [4, 16])
def test_values_in_steps_agree_with_what_predicts(step):
    """Noise little above the step: rounding adds step^2/12 to its variance, which is no read noise."""
    clean = clean_picture(2048, 512)
    params = NoiseParams(K=step, ratio=8, white=16383, black=512, sigma_read=0.9 * step, read="gaussian")
    fine = noisy_of(clean, params, seed=6)
    between = np.random.default_rng(7).uniform(-0.5, 0.5, fine.mosaic.shape)  # whole DN would tie
    noisy = clean.replace(mosaic=(step * np.rint((fine.mosaic + between) / step)).astype(np.uint16))
    report = inspect_pair(clean, noisy, 8.0)
    found = by_name(findings(report, predict(params, "", step_of_values(noisy)), SITES))
    assert report.sigma_read.value == pytest.approx(0.9 * step, rel=0.02)
    told = [found[name].agrees for name in ("K", "read", "zero light", "dark kurtosis")]
    assert told == [True] * 4


def test_predicted_kurtosis_is_that_of_the_sum():
    """Cumulants of independent sources add: simulated with SciPy, shot noise of even light included."""
    rng = np.random.default_rng(3)
    params = NoiseParams(
        K=4.0,
        ratio=1,
        white=4095,
        black=512,
        sigma_read=2.0,
        tukey_lambda=0.05,
        read="tukey_lambda",
        sigma_row=1.0,
    )
    n, signal = 4_000_000, 8.0
    drawn = 4 * rng.poisson(signal / 4, n) + 2 * stats.tukeylambda.rvs(0.05, size=n, random_state=rng)
    drawn = (drawn + rng.normal(0, 1, n)).round()
    p = predict(params, "")
    c4 = p.read_c4 - 1 / 120 + p.K**3 * signal
    assert c4 / (p.offset + p.K * signal) ** 2 == pytest.approx(stats.kurtosis(drawn), abs=0.03)


def test_another_iso_is_told_from_the_right_one():
    clean, profile = clean_picture(), load_profile("sony_a7s2")
    report = inspect_pair(clean, noisy_of(clean, profile.at(3200, 8.0)), 8.0)
    right, wrong = (predict(profile.at(iso, 8.0), f"sony_a7s2 at ISO {iso}") for iso in (3200, 4000))
    told = in_one_sentence(findings(report, right, SITES), right)
    assert told.startswith("The noise is that of sony_a7s2 at ISO 3200: K, read, row")
    found = by_name(findings(report, wrong, SITES))
    assert (found["K"].agrees, found["read"].agrees) == (False, False)
    assert found["K"].difference == pytest.approx(-0.2, abs=0.01)
    assert found["K"].verdict == "20.0% below" or found["K"].verdict.endswith("% below")
    told = in_one_sentence(findings(report, wrong, SITES), wrong)
    assert told.startswith("The noise is not that of sony_a7s2 at ISO 4000: K ")


def test_a_wrong_ratio_shows_as_brightness():
    clean, params = clean_picture(), load_profile("sony_a7s2").at(3200, 8.0)
    found = by_name(findings(inspect_pair(clean, noisy_of(clean, params), 8.8), predict(params, ""), SITES))
    assert found["brightness"].measured.value == pytest.approx(1.1, abs=0.005)
    assert found["brightness"].agrees is False


def test_noise_profile_predicts_gain_and_noise_at_zero_light():
    clean, params = clean_picture(), load_profile("sony_a7s2").at(3200, 8.0)
    p = predict_from_noise_profile(to_noise_profile(params), clean.black, clean.white)
    full = predict(params, "")
    assert (p.K, p.offset) == (pytest.approx(full.K, rel=1e-6), pytest.approx(full.offset, rel=1e-6))
    found = by_name(findings(inspect_pair(clean, noisy_of(clean, params), 8.0), p, SITES))
    assert (found["K"].agrees, found["zero light"].agrees) == (True, True)
    assert (found["read"].agrees, found["row"].predicted) == (None, None)


def test_textured_scene_in_another_range():
    """A picture of its own texture, levels other than the profile's, half of its figures."""
    rng = np.random.default_rng(5)
    mosaic = (64 + 900 * rng.beta(0.5, 3, (1024, 1024))).astype(np.uint16)
    clean = raw.Raw(mosaic=mosaic, cfa="BGGR", black=64, white=1023)
    params = load_profile("sony_a7s2").at(6400, 4.0, black=64, white=1023, cfa="BGGR")
    report = inspect_pair(clean, noisy_of(clean, params), 4.0)
    assert report.K.value == pytest.approx(float(params.K), abs=4 * report.K.error)
    assert report.K.error < 0.01 * report.K.value


def test_only_one_level_of_light_gives_no_gain():
    clean = raw.Raw(mosaic=np.full((400, 300), 512, np.uint16), cfa="RGGB", black=512, white=16383)
    params = load_profile("sony_a7s2").at(3200, 8.0)
    report = inspect_pair(clean, noisy_of(clean, params), 8.0)
    assert math.isnan(report.K.value)
    found = by_name(findings(report, predict(params, ""), SITES))
    assert found["K"].verdict == "cannot be measured"
    assert found["zero light"].agrees is True


def test_clipped_levels_are_left_out():
    clean = clean_picture(black=0, top=16000)
    params = NoiseParams(K=2.0, ratio=8, white=16383, black=0, sigma_read=4.0, read="gaussian")
    report = inspect_pair(clean, noisy_of(clean, params), 8.0)
    assert report.left_out > 0.4  # the dark half is cut at 0
    assert report.K.value == pytest.approx(2.0, abs=4 * report.K.error)


def test_saturated_clean_pixels_do_not_count():
    clean, params = clean_picture(), load_profile("sony_a7s2").at(3200, 8.0)
    noisy = noisy_of(clean, params)
    burnt = clean.mosaic.copy()
    burnt[600:700] = 16383
    r = inspect_pair(clean.replace(mosaic=burnt), noisy, 8.0)
    assert r.scale.value == pytest.approx(1, abs=5 * r.scale.error)


def test_expected_signal_between_two_ranges():
    clean = raw.Raw(
        mosaic=np.full((2, 2), 1000, np.uint16), cfa="RGGB", black=[0, 100, 200, 1001], white=4000
    )
    noisy = raw.Raw(mosaic=np.zeros((2, 2), np.uint16), cfa="RGGB", black=64, white=1023)
    expected = [959 * 1000 / 4000 / 10, 959 * 900 / 3900 / 10, 959 * 800 / 3800 / 10, 0]
    np.testing.assert_allclose(expected_signal(clean, noisy, 10).ravel(), expected, rtol=1e-5)
    burnt = clean.replace(mosaic=np.full((2, 2), 4000, np.uint16))
    assert np.isnan(expected_signal(burnt, noisy, 10)).all()


def test_what_does_not_fit_is_refused():
    clean = clean_picture()
    with pytest.raises(ValueError, match=r"same sensor area, got 512 x 1024 RGGB and 512 x 1024 BGGR"):
        inspect_pair(clean, clean.replace(cfa="BGGR"), 1.0)
    with pytest.raises(ValueError, match="at its white level everywhere"):
        inspect_pair(clean.replace(mosaic=np.full((1024, 512), 16383, np.uint16)), clean, 1.0)
    with pytest.raises(ValueError, match="no level of light has 200 pixels a site without clipping"):
        inspect_pair(clean, clean.replace(mosaic=np.zeros((1024, 512), np.uint16)), 1.0)


def test_ratio_is_what_is_said_else_the_recipe_else_the_exposure():
    clean, params = clean_picture(64, 64), load_profile("sony_a7s2").at(800, 30.0)
    dark = clean.replace(iso=800, exposure_s=0.01)
    bright = clean.replace(iso=100, exposure_s=1.6)
    assert find_ratio(bright, dark, 7.0)[0] == 7
    assert find_ratio(bright, dark)[0] == pytest.approx(20)
    recipe = {"camera": "sony_a7s2", "iso": 800, "ratio": 30, "seed": 1, "source_sha256": "0"}
    recipe["params"] = params.to_dict()
    told = dark.replace(description=json.dumps(recipe))
    assert find_ratio(bright, told) == (30, "as written in the noisy file")
    assert read_recipe(told).params.to_dict() == params.to_dict()
    with pytest.raises(ValueError, match="ratio must be given"):
        find_ratio(clean, clean)
    with pytest.raises(ValueError, match="ratio must be finite and above 0, got nan"):
        find_ratio(clean, clean, math.nan)


@pytest.mark.parametrize(
    "text",
    [
        "a holiday",
        "[]",
        "{}",
        '{"camera": 1}',
        "[" * 100_000,
        '{"params": {"K": "x"}, "camera": "a"}',
        "null",
        '{"camera": "a", "iso": 1e400, "ratio": 1, "seed": 1e400, "source_sha256": "", "params": {}}',
        '{"camera": "a", "iso": 1' + "0" * 400 + "}",
        '{"camera": "a", "iso": 1, "ratio": 1, "seed": 1, "source_sha256": "", "params": 3}',
    ],
)
def test_other_descriptions_are_no_recipe(text):
    assert read_recipe(clean_picture(64, 64).replace(description=text)) is None
