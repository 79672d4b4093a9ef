# SPDX-License-Identifier: Apache-2.0
"""The program with a camera whose profile knows its sensor."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from rose_picture import rose

from lrd_ext import fused_synth, load_profile, raw
from lrd_ext.profiles.records import UNITS

SENSOR = {
    "sigma_prnu": 0.006,
    "dark_current": {"rate": 8.0, "spread": 0.4, "reference_c": 25.0, "doubling_c": 6.5},
    "hot_pixels": {"fraction": 1e-3, "current": 40.0, "blink_fraction": 0.1},
    "rows": [
        {"iso": 3200, "sigma_dsnu": 1.0, "sigma_row_fixed": 0.5, "row_taps": [0.8, 0.6],
         "row_waves": [[0.4, 12.5]]}
    ],
}  # fmt: skip


@pytest.fixture
def camera(tmp_path):
    """A profile file, by its sensor."""

    def write(**sensor):
        data = load_profile("sony_a7s2").to_dict() | {
            "name": "body",
            "units": UNITS,
            "sensor": SENSOR | sensor,
        }
        path = tmp_path / "body.json"
        path.write_text(json.dumps(data))
        return path

    return write


def noisy_and_recipe(path):
    found = raw.read(path)
    return found, json.loads(found.description)


def test_synth_draws_the_body_at_the_files_exposure(lrd, tmp_path, rose_dng, camera):
    target = tmp_path / "noisy.dng"
    args = ("--camera", camera(), "--iso", 3200, "--ratio", 20, "--sensor", 9)
    code, out, err = lrd("synth", rose_dng, "-o", target, *args)
    assert (code, err) == (0, "")
    noisy, recipe = noisy_and_recipe(target)
    exposure = 0.5 * 100 / (3200 * 20)  # the light of ISO 100 and 0.5 s, a twentieth, at ISO 3200
    assert recipe["params"]["exposure_s"] == pytest.approx([exposure])
    assert recipe["sensor"] == 9
    assert noisy.exposure_s == pytest.approx(exposure)
    params = load_profile(camera()).at(3200, 20, exposure_s=exposure, black=600, white=15520)
    clean = torch.from_numpy(rose("RGGB").mosaic)
    np.testing.assert_array_equal(
        noisy.mosaic, fused_synth(clean, params, seed=0, sensor=9, output="dn").numpy()
    )
    assert "sensor 9: sigma_prnu 0.006, sigma_dsnu 0.94 DN" in out
    assert "exposure_s 0.000781 s, row_taps, row_waves" in " ".join(out.split())
    said = " ".join(lrd("inspect", rose_dng, target)[1].split())
    assert "The noise is that of body at ISO 3200, as written in the file: K, read" in said


def test_synth_at_a_stated_exposure_and_temperature(lrd, tmp_path, rose_dng, camera):
    target = tmp_path / "noisy.dng"
    args = ("--camera", camera(), "--iso", 3200, "--exposure-s", 2, "--temperature-c", 38, "--overwrite")
    assert lrd("synth", rose_dng, "-o", target, *args)[0] == 0
    noisy, recipe = noisy_and_recipe(target)
    assert recipe["params"]["dark_current"] == pytest.approx([32.0])
    assert noisy.exposure_s == 2
    warmer = lrd("inspect", rose_dng, target, *args[:4], "--temperature-c", 38, "--json")[1]
    colder = lrd("inspect", rose_dng, target, *args[:4], "--json")[1]  # exposure by the file
    bias = [
        next(f["predicted"] for f in json.loads(out)["figures"] if f["figure"] == "bias R")
        for out in (warmer, colder)
    ]
    K = load_profile(camera()).at(3200, exposure_s=1, black=600, white=15520).K.item()
    lit = 1e-3 * 40 * 0.95
    assert bias[0] - bias[1] == pytest.approx(K * 2 * 3 * (8 + lit), rel=1e-4)


def test_a_profiles_step_is_the_files(lrd, tmp_path, rose_dng, camera):
    target = tmp_path / "noisy.dng"
    assert lrd("synth", rose_dng, "-o", target, "--camera", camera(step=8), "--iso", 3200)[0] == 0
    noisy, recipe = noisy_and_recipe(target)
    (step,) = recipe["params"]["step"]
    assert step == pytest.approx(8 * 14920 / 15871)
    values = np.unique(noisy.mosaic[noisy.mosaic < noisy.white]).astype(np.float64)
    np.testing.assert_array_equal(values, np.rint(np.rint(values / step) * step))  # multiples, in whole DN


def test_without_a_known_exposure_it_says_what_is_off(lrd, tmp_path, camera):
    source, target = tmp_path / "in.dng", tmp_path / "noisy.dng"
    raw.write_dng(source, rose("RGGB", iso=None, exposure_s=None))
    args = ("--camera", camera(), "--iso", 3200, "--ratio", 20)
    code, _, err = lrd("synth", source, "-o", target, *args)
    assert code == 0
    assert "lrd synth: note: body: dark current and hot pixels are left off: exposure_s (--exposure-s)" in err
    assert noisy_and_recipe(target)[1]["params"]["exposure_s"] == [0]
    code, _, err = lrd("synth", source, "-o", tmp_path / "b.dng", *args, "--temperature-c", 30)
    assert (code, (tmp_path / "b.dng").exists()) == (2, False)
    assert "temperature_c changes the dark current and needs exposure_s" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--exposure-s", 0), "exposure_s must be above 0"),
        (("--temperature-c", 151), "temperature_c must be above -100 and below 150, got 151"),
        (("--sensor", -1), "--sensor must be in [0, 2^56), got -1"),
        (("--camera", "sony_a7s2", "--temperature-c", 20), "sony_a7s2: temperature_c needs a profile that"),
    ],
)
def test_synth_refuses_by_name_before_it_writes(lrd, tmp_path, rose_dng, camera, arguments, said):
    code, _, err = lrd(
        "synth", rose_dng, "-o", tmp_path / "x.dng", "--camera", camera(), "--iso", 3200, *arguments
    )
    assert (code, (tmp_path / "x.dng").exists()) == (2, False)
    assert said in err


def test_inspect_takes_conditions_with_a_camera_only(lrd, rose_dng):
    for option in ("--exposure-s", "--temperature-c"):
        assert f"{option} needs two files" in lrd("inspect", rose_dng, option, 1)[2]
        assert f"{option} chooses a profile's figures" in lrd("inspect", rose_dng, rose_dng, option, 1)[2]


def test_profile_commands_tell_of_the_sensor(lrd, camera, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    path = camera()
    shown = lrd("profile", "show", path)[1]
    told = (
        "sensor: photo response 0.006; dark current 8 e-/s at 25 °C, doubling with 6.5 °C; hot pixels 0.001"
    )
    assert told in " ".join(shown.split())
    assert "3200 1.00 0.500 - - 2/- 0.400 at 12.5" in " ".join(shown.split())
    assert max(map(len, shown.splitlines())) <= 80
    assert f"body: {told}" in " ".join(lrd("profile", "compare", path)[1].split())
    compared = json.loads(lrd("profile", "compare", path, "--json")[1])["cameras"][0]
    assert compared["noise"][-2:] == ["bias", "sensor"]
    assert json.loads(lrd("profile", "show", path, "--json")[1])["profile"]["sensor"] == SENSOR
    args = ("-n", 3, "--iso", 3200, "--exposure-s", "2", "--temperature-c", 38)
    assert "2.00 64.0" in " ".join(lrd("profile", "sample", path, *args)[1].split())
    (first, *_) = json.loads(lrd("profile", "sample", path, *args, "--json")[1])
    assert first["dark_current"] == pytest.approx(32.0)
