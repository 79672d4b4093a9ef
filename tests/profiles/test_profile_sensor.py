# SPDX-License-Identifier: Apache-2.0
"""What a profile knows of its sensor: read, written, refused, and answered as NoiseParams."""

from __future__ import annotations

import copy
import json
import warnings

import numpy as np
import pytest
import torch
from scipy import stats

from lrd_ext import fused_synth
from lrd_ext.params import NoiseParams
from lrd_ext.profiles import ProfileError, load_profile, profile_from_dict
from lrd_ext.profiles.records import UNITS
from lrd_ext.sensor_figures import SENSOR_FIGURES

TAPS = [0.8, 0.6]
SENSOR = {
    "sigma_prnu": 0.006,
    "step": 2,
    "dark_current": {"rate": 0.8, "spread": 0.4, "reference_c": 25.0, "doubling_c": 6.5},
    "hot_pixels": {"fraction": 1e-4, "current": 40.0, "blink_fraction": 0.1},
    "rows": [
        {"iso": 100, "sigma_dsnu": 0.25, "sigma_row_fixed": 0.125, "sigma_drift": 0.5, "row_taps": TAPS,
         "row_waves": [[0.5, 12.5], [0.25, 60]], "col_waves": [[0.125, 32]]},
        {"iso": 400, "sigma_dsnu": 1.0, "sigma_col_fixed": 0.25, "sigma_drift": 0.0,
         "spread": {"sigma_dsnu": 0.01}, "interval95": {"sigma_dsnu": [0.9, 1.1]}},
        {"iso": 800, "sigma_dsnu": 3.0, "col_taps": [1.0]},
    ],
    "interval95": {"sigma_prnu": [0.0055, 0.0065], "dark_current.rate": [0.7, 0.9]},
}  # fmt: skip


@pytest.fixture
def camera(minimal):
    """Two gain branches: ISO 100 to 400 and ISO 800, and all that a sensor may add."""
    minimal["rows"] = [{"iso": iso, "K": iso / 200, "sigma_gaussian": 1.5} for iso in (100, 200, 400, 800)]
    minimal["branches"] = [{"name": "low", "iso": [100, 400]}, {"name": "high", "iso": [800, 800]}]
    return minimal | {"sensor": copy.deepcopy(SENSOR)}


@pytest.fixture
def profile(camera):
    return profile_from_dict(camera)


def test_it_is_written_as_it_was_read(camera, profile, tmp_path):
    assert profile.to_dict()["sensor"] == SENSOR
    profile.save(tmp_path / "a.json")
    assert load_profile(tmp_path / "a.json") == profile
    assert profile.to_dict()["units"] == {name: UNITS[name] for name in UNITS if name != "read_quantiles"}
    del camera["sensor"]
    without = profile_from_dict(camera).to_dict()
    assert "sensor" not in without
    assert not {"sigma_prnu", "dark_current", "temperature", "period"} & set(without["units"])


@pytest.mark.parametrize("unit", ["sigma_prnu", "dark_current", "temperature", "period"])
def test_units_of_what_is_held_are_needed(camera, unit):
    camera["units"] = {name: UNITS[name] for name in UNITS if name != unit}
    with pytest.raises(ProfileError, match=f"units.{unit} is missing: the profile holds figures in it"):
        profile_from_dict(camera)


def test_old_files_and_sensors_of_one_figure_are_valid(camera):
    for name, part in SENSOR.items():
        assert profile_from_dict(camera | {"sensor": {name: part}}).to_dict()["sensor"] == {name: part}
    assert profile_from_dict(camera | {"sensor": {}}).at(100).has_sensor is False


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (("sigma_prnu",), 1.5, r"sensor.sigma_prnu must be a number in \[0, 1\], got 1.5"),
        (("sigma_prnu",), -0.1, r"sensor.sigma_prnu must be a number in \[0, 1\], got -0.1"),
        (("step",), 0.5, r"sensor.step must be a number in \[1, 1e\+06\], got 0.5"),
        (("dark_current", "rate"), -1, r"sensor.dark_current.rate must be a number in \[0, 1e\+06\], got -1"),
        (("dark_current", "spread"), 4, r"sensor.dark_current.spread must be a number in \[0, 3\], got 4"),
        (("dark_current", "doubling_c"), 0, r"doubling_c must be a number in \[1, 100\], got 0"),
        (("dark_current",), {"rate": 1, "doubling_c": 6}, "sensor.dark_current.doubling_c needs reference_c"),
        (("dark_current",), {"spread": 1}, "sensor.dark_current.rate is missing"),
        (("hot_pixels", "fraction"), 0.3, r"hot_pixels.fraction must be a number in \[0, 0.25\], got 0.3"),
        (("hot_pixels", "blink_fraction"), 2, r"blink_fraction must be a number in \[0, 1\], got 2"),
        (("rows", 1, "iso"), 100, r"sensor.rows\[1\].iso must be above the one before, got 100 after 100"),
        (("rows", 2, "iso"), 900, r"sensor.rows\[2\].iso must be inside one of the branches \(ISO 100"),
        (("rows", 0, "sigma_dsnu"), -1, r"rows\[0\].sigma_dsnu must be a number in \[0, 1e\+06\], got -1"),
        (("rows", 0, "row_taps"), [1, 0.3], r"must have energy 1, the sum of their squares, got 1.09; "
                                            "multiply each by 0.957826"),
        (("rows", 0, "row_taps"), [0, 0], "row_taps must have energy 1, the sum of their squares, got 0$"),
        (("rows", 0, "row_taps"), [], "row_taps must hold 1 to 33 numbers, got 0"),
        (("rows", 0, "col_taps"), [0.1] * 34, "col_taps must hold 1 to 33 numbers, got 34"),
        (("rows", 0, "row_waves"), [[0.4, 1.5]], r"sensor.rows\[0\].row_waves\[0\] must be a pair: amplitude "
                                                 "in DN, not below 0, and period in mosaic lines, from 2 on"),
        (("rows", 0, "row_waves"), [[1, 9]] * 5, "row_waves must hold up to 4 waves, got 5"),
        (("rows", 0, "sigma_prnu"), 0.1, r"rows\[0\].sigma_prnu is not a field of the schema; accepted: iso"),
        (("hot",), {}, "sensor.hot is not a field of the schema; accepted: sigma_prnu, step, dark_current"),
        (("interval95",), {"rate": [0, 1]}, "sensor.interval95.rate is not a field of the schema"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(camera, place, value, message):
    target = camera["sensor"]
    for key in place[:-1]:
        target = target[key]
    target[place[-1]] = value
    with pytest.raises(ProfileError, match=message):
        profile_from_dict(camera)


@pytest.mark.parametrize("name", ["dark_current", "hot_pixels"])
def test_electrons_need_a_gain(camera, name):
    camera["sensor"] = {name: SENSOR[name]}
    for row in camera["rows"]:
        del row["K"]
    with pytest.raises(ProfileError, match=f"sensor.{name} is in e-/s and needs K"):
        profile_from_dict(camera)


def only(**figures):
    """Figures of a sensor by hand, the others off."""
    off = NoiseParams(K=1, ratio=1, white=2, black=0, sigma_dsnu=1).with_figures(sigma_dsnu=torch.zeros(1))
    return {name: getattr(off, name)[0] for name in SENSOR_FIGURES} | {
        name: torch.as_tensor(value, dtype=torch.float32) for name, value in figures.items()
    }


def filled(values, width):
    return [*values, *([0] * (width - len(values)))]


LINES_AT_100 = {
    "row_taps": filled(TAPS, 33),
    "row_waves": [[0.5, 12.5], [0.25, 60], [0, 0], [0, 0]],
    "col_waves": [[0.125, 32], [0, 0], [0, 0], [0, 0]],
}
RATES = {"dark_current_spread": 0.4, "hot_fraction": 1e-4, "blink_fraction": 0.1}
BODY = {"sigma_prnu": 0.006, "step": 2.0, "sigma_row_fixed": 0.125, "sigma_col_fixed": 0.25}


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        # A row as it stands; a figure one row has only is that everywhere in its branch.
        ({"iso": 100, "exposure_s": 0.5},
         BODY | RATES | LINES_AT_100 | {"sigma_dsnu": 0.25, "sigma_drift": 0.5, "exposure_s": 0.5,
                                       "dark_current": 0.8, "hot_current": 40.0}),
        # Log-log between rows: 0.25 to 1 over two stops. Linear where one is 0. Lines of the nearest.
        ({"iso": 190, "exposure_s": 2.0, "temperature_c": 38.0},
         BODY | RATES | LINES_AT_100 | {"sigma_dsnu": 0.25 * 4 ** (np.log(1.9) / np.log(4)),
                                       "sigma_drift": 0.5 * (1 - np.log(1.9) / np.log(4)), "exposure_s": 2.0,
                                       "dark_current": 0.8 * 4, "hot_current": 40.0 * 4}),
        ({"iso": 210, "exposure_s": 1.0, "temperature_c": 18.5},
         BODY | RATES | {"sigma_dsnu": 0.25 * 4 ** (np.log(2.1) / np.log(4)),
                         "sigma_drift": 0.5 * (1 - np.log(2.1) / np.log(4)), "exposure_s": 1.0,
                         "dark_current": 0.4, "hot_current": 20.0}),
        # Nothing crosses the gain switch. Without exposure there are no electrons.
        ({"iso": 800}, {"sigma_prnu": 0.006, "step": 2.0, "sigma_dsnu": 3.0}),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:.*hot pixels are left off")
def test_answers_by_hand(profile, asked, expected):
    found = profile.at(ratio=10, **asked)
    for name, values in only(**expected).items():
        torch.testing.assert_close(getattr(found, name)[0], values, rtol=1e-6, atol=0, msg=name)


def test_the_other_figures_are_those_of_a_profile_without(camera, profile):
    del camera["sensor"]
    plain = profile_from_dict(camera)
    columns = plain.at(200, 10).table.shape[1]
    assert torch.equal(profile.at(200, 10, exposure_s=1).table[:, :columns], plain.at(200, 10).table)
    drawn = {"n": 5, "iso": (100, 400), "ratio": (1, 9), "seed": 3}
    assert torch.equal(profile.sample(exposure_s=1, **drawn).table[:, :columns], plain.sample(**drawn).table)
    assert torch.equal(plain.at(200, 10, exposure_s=1).table, plain.at(200, 10).table)


def test_in_the_range_of_another_file(profile):
    own = profile.at(100, exposure_s=1)
    factor = (16000 - 600) / (4095 - 64)
    other = profile.at(100, exposure_s=1, black=600, white=16000)
    for name in ("sigma_dsnu", "sigma_row_fixed", "sigma_drift", "step"):
        torch.testing.assert_close(getattr(other, name), getattr(own, name) * factor)
    for name in ("sigma_prnu", "dark_current", "hot_current", "row_taps"):
        assert torch.equal(getattr(other, name), getattr(own, name))
    assert torch.equal(other.row_waves[..., 1], own.row_waves[..., 1])


@pytest.mark.parametrize("make", [list, tuple, np.array, torch.tensor])
def test_a_batch_of_exposures_is_the_single_answers(profile, make):
    isos, exposures, temperatures = [100, 250, 800], [0.1, 1.0, 8.0], [0.0, 25.0, 40.0]
    batch = profile.at(make(isos), 5.0, exposure_s=make(exposures), temperature_c=make(temperatures))
    singles = [
        profile.at(iso, 5.0, exposure_s=t, temperature_c=c)
        for iso, t, c in zip(isos, exposures, temperatures, strict=True)
    ]
    assert batch.to_dict() == NoiseParams.cat(singles).to_dict()
    assert profile.at(100, exposure_s=make(exposures)).exposure_s.tolist() == pytest.approx(exposures)


def test_without_exposure_dark_current_is_off_and_that_is_said_once(profile):
    with pytest.warns(
        UserWarning, match="test camera: dark current and hot pixels are left off: exposure_s "
    ):
        found = profile.at(100, 10)
    assert float(found.dark_current) == float(found.hot_fraction) == float(found.exposure_s) == 0
    assert float(found.sigma_prnu) == pytest.approx(0.006)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        profile.at(100, 10)
        profile.sample(2, iso=100, ratio=10, seed=1)


@pytest.mark.parametrize(
    ("asked", "error", "message"),
    [
        ({"exposure_s": 0}, ValueError, "exposure_s must be above 0 and below 1e"),
        ({"exposure_s": -1.0}, ValueError, "exposure_s must be above 0"),
        ({"exposure_s": "1/30"}, TypeError, "exposure_s must be a number, a sequence"),
        ({"exposure_s": [1, 2], "ratio": [1, 2, 3]}, ValueError, "iso, ratio, exposure_s must be as many"),
        ({"exposure_s": 2e6}, ValueError, r"exposure_s must be finite and in \[0, 1e\+06\] s, got 2e\+06"),
        ({"temperature_c": 30}, ValueError, "temperature_c changes the dark current and needs exposure_s"),
        ({"temperature_c": 200, "exposure_s": 1}, ValueError, "must be above -100 and below 150, got 200"),
        ({"temperature_c": np.nan, "exposure_s": 1}, ValueError, "temperature_c must be above -100"),
    ],
)
def test_conditions_that_make_no_sense_are_refused(profile, asked, error, message):
    with pytest.raises(error, match=message):
        profile.at(iso=100, **asked)


@pytest.mark.parametrize("name", ["rate", "no doubling", "no dark current", "no sensor"])
def test_a_temperature_without_a_model_is_refused(camera, name):
    dark = {"rate": 0.8, "reference_c": 25.0} if name == "no doubling" else {"rate": 0.8}
    camera["sensor"] = {"hot_pixels": SENSOR["hot_pixels"]}
    camera["sensor"] |= {} if name == "no dark current" else {"dark_current": dark}
    if name == "no sensor":
        del camera["sensor"]
    profile = profile_from_dict(camera)
    for ask in (profile.at, lambda iso, **more: profile.sample(1, iso=iso, ratio=1, seed=1, **more)):
        with pytest.raises(ValueError, match="test camera: temperature_c needs a profile that knows what"):
            ask(100, exposure_s=1.0, temperature_c=20)


def test_a_current_beyond_what_the_model_takes_is_named(camera):
    camera["sensor"]["dark_current"] = {"rate": 10.0, "reference_c": 20.0, "doubling_c": 5.0}
    with pytest.raises(
        ValueError, match=r"temperature_c must leave dark_current at 1e\+06 e-/s at most, got "
    ):
        profile_from_dict(camera).at(100, exposure_s=1, temperature_c=140)


def test_draws_of_exposure_and_temperature(profile):
    n, choices = 4000, [10.0, 20.0]
    drawn = profile.sample(n, iso=100, ratio=10, seed=5, exposure_s=(0.01, 1.0), temperature_c=(12.0, 38.0))
    place = np.log(drawn.exposure_s.numpy() / 0.01) / np.log(100)
    warmth = np.log2(drawn.dark_current.numpy() / 0.8) * 6.5 + 25
    assert stats.kstest(place, "uniform").pvalue > 1e-3
    assert stats.kstest((warmth - 12) / 26, "uniform").pvalue > 1e-3
    assert stats.spearmanr(place, warmth).pvalue > 1e-3
    other = profile.sample(4, iso=100, ratio=10, seed=5, index=7, exposure_s=(0.01, 1.0))
    assert torch.equal(other.exposure_s, drawn.exposure_s[7:11])
    listed = profile.sample(n, iso=100, ratio=10, seed=5, exposure_s=choices)
    assert sorted(set(listed.exposure_s.tolist())) == choices
    with pytest.raises(ValueError, match="temperature_c must be above -100 and below 150, got 151"):
        profile.sample(1, iso=100, ratio=10, seed=5, exposure_s=1.0, temperature_c=151)


PLAIN = {"seed": 11, "output": "dn_float", "quantize": "none", "clip": "none", "layout": "mosaic"}


def test_noise_of_a_profile_has_its_figures(profile):
    """Dark current in electrons, offsets, photo response and lines, each alone against SciPy."""
    answered = profile.at(100, 10, exposure_s=2.0, temperature_c=38.0)
    black = torch.zeros(1, 512, 512)

    def noise_of(*names, clean=black):
        figures = {name: getattr(answered, name) for name in names}
        p = NoiseParams(K=0.5, ratio=1, white=4095, black=64, shot=False, **figures)
        return fused_synth(clean, p, **PLAIN)[0].double().numpy()

    electrons = noise_of("dark_current", "dark_current_spread", "exposure_s") / 0.5
    law = stats.lognorm(0.4, scale=6.4 * np.exp(-0.08))  # 0.8 e-/s, two doublings, 2 s; a mean
    assert stats.kstest(electrons.ravel(), law.cdf).pvalue > 1e-4
    assert stats.kstest(noise_of("sigma_dsnu").ravel() / 0.25, "norm").pvalue > 1e-4
    bright = noise_of("sigma_prnu", clean=black + 1000 / (4095 - 64))
    assert stats.kstest(((bright / 1000 - 1) / 0.006).ravel(), "norm").pvalue > 1e-4
    tall = torch.zeros(1, 8192, 2)
    rows = NoiseParams(
        K=0.5, ratio=1, white=4095, black=64, shot=False, sigma_row=2, row_taps=answered.row_taps
    )
    lines = fused_synth(tall, rows, **PLAIN)[0, :, 0].double().numpy() / 2
    assert lines[1:] @ lines[:-1] / len(lines) == pytest.approx(0.8 * 0.6, abs=4 / len(lines) ** 0.5)


def test_a_doubtful_part_is_answered_with_a_warning(camera):
    camera["doubtful"] = [{"field": "dark_current", "reason": "darks of one exposure", "iso": [400, 800]}]
    profile = profile_from_dict(camera)
    with pytest.warns(UserWarning, match="dark_current is doubtful here: darks of one exposure"):
        profile.at(400, exposure_s=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        profile.at(100, exposure_s=1)


def test_it_is_told_in_words(profile):
    assert repr(profile).splitlines()[-1] == (
        "  sensor: photo response 0.006; step 2 DN; dark current 0.8 e-/s at 25 °C, doubling with 6.5 °C; "
        "hot pixels 0.0001, 40 e-/s more; sigma_dsnu, sigma_row_fixed, sigma_col_fixed, sigma_drift, "
        "row_taps, col_taps, row_waves, col_waves at 3 ISOs"
    )


def test_json_keeps_what_floats_hold(profile):
    assert profile_from_dict(json.loads(profile.to_bytes())) == profile
