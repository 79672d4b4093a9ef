# SPDX-License-Identifier: Apache-2.0
"""What a sensor adds, planted in made-up cameras and found again; what frames do not allow is said."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import pytest
from sensor_camera import SensorCamera
from sensor_study import CORRELATION_ERROR, MEAN_ERRORS, study_of

from lrd_ext.calibration import Frame, Levels, calibrate, find_frames, profile_of, verdict
from lrd_ext.calibration.sensor_profile import HOT, shares
from lrd_ext.profiles import load_profile
from lrd_ext.report.calibration_page import report_files

pytestmark = pytest.mark.native

SHORT, LONG = (0.002, 8), (30.0, 8)


@pytest.fixture(scope="module")
def camera():
    return SensorCamera(1)


@pytest.fixture(scope="module")
def found(camera):
    return calibrate(camera.frames())


def at_temperature(frame: Frame, temperature_c: float) -> Frame:
    picture = dataclasses.replace(frame.load(), temperature_c=temperature_c)
    name = f"{temperature_c:g}_{frame.name}"
    return Frame(name, name, functools.partial(lambda p: p, picture), frame.kind)


def test_ten_runs_cover_the_truth_within_the_accepted_errors():
    study = study_of(10, first=500)
    assert 0.91 < study.coverage < 0.98
    for name, limit in MEAN_ERRORS.items():
        assert np.abs(study.figures[name].errors).mean() <= limit, name
    assert np.mean(study.correlation, axis=0).max() <= CORRELATION_ERROR
    assert study.missed_waves == 0
    assert study.steps_right == 10


def test_the_profile_gives_the_sensor_back(found, camera, tmp_path):
    profile_of(found, "made_up").save(tmp_path / "made_up.json")
    profile = load_profile(str(tmp_path / "made_up.json"))
    params = profile.at(camera.iso, 1.0, exposure_s=30.0)
    for name, within in (
        ("sigma_prnu", 0.02),
        ("dark_current", 0.02),
        ("hot_fraction", 0.12),
        ("hot_current", 0.12),
        ("sigma_dsnu", 0.04),
        ("sigma_row_fixed", 0.25),
    ):
        assert float(getattr(params, name)[0]) == pytest.approx(camera.truth[name], rel=within), name
    assert float(params.step[0]) == camera.step
    assert params.row_waves[0, 0].tolist() == pytest.approx(camera.waves["row"], rel=0.05)
    low, high = profile.sensor.interval95["dark_current.rate"]
    assert low < profile.sensor.dark_current.rate < high


def test_one_exposure_time_tells_no_dark_current_and_says_so(camera):
    found = calibrate(camera.frames(darks=(SHORT,)))
    assert found.body.rate is None
    assert found.body.hot_fraction is None
    assert any("not measured: that needs darks of two exposure times" in text for text in verdict(found))
    assert profile_of(found, "x").sensor.dark_current is None


def test_darks_at_several_temperatures_tell_the_doubling():
    frames = SensorCamera(4).frames(darks=(SHORT,))
    for celsius in (20.0, 26.0, 32.0):
        warm = SensorCamera(4)
        for name in ("dark_current", "hot_current"):
            warm.truth[name] *= 2 ** ((celsius - 26) / 6)
        darks = [f for f in warm.frames(darks=(SHORT, LONG)) if f.kind == "dark"]
        frames += [at_temperature(f, celsius) for f in darks]
    found = calibrate(frames)
    assert found.body.doubling_c.low < 6 < found.body.doubling_c.high
    truth = SensorCamera(4).truth["dark_current"] * 2 ** ((found.body.reference_c - 26) / 6)
    assert found.body.rate.value == pytest.approx(truth, rel=0.02)
    sensor = profile_of(found, "x").sensor
    assert sensor.dark_current.doubling_c == pytest.approx(6, rel=0.03)


def test_a_sensor_that_adds_nothing_gets_nothing_written():
    camera = SensorCamera(0)
    for name in camera.truth:
        if name not in ("K", "sigma_read", "sigma_row", "sigma_col"):
            camera.truth[name] = 0.0
    camera.waves = {"row": (0.0, 8.0), "col": (0.0, 8.0)}
    camera.taps = {"row": [1.0], "col": [1.0]}
    sensor = profile_of(calibrate(camera.frames()), "x").sensor
    assert sensor is None or sensor.describe() == "nothing known"


def test_shares_are_those_of_the_planted_variances(found, camera):
    t, own = camera.truth, {s.name: s for s in shares(found, found.isos[0])}
    for what in ("dark", "longest", "grey"):
        assert sum(getattr(s, what) for s in own.values() if s.name != HOT) == pytest.approx(1)
    ratio = own["fixed pixels (DSNU)"].dark / own["read noise"].dark
    assert ratio == pytest.approx((t["sigma_dsnu"] / t["sigma_read"]) ** 2, rel=0.1)
    signal = 0.18 * (16383 - 512)
    ratio = own["photo response (PRNU)"].grey / own["shot noise"].grey
    assert ratio == pytest.approx(t["sigma_prnu"] ** 2 * signal / t["K"], rel=0.05)


def test_the_report_shows_the_sensor(found, tmp_path):
    files = report_files(tmp_path / "r.html", found, profile_of(found, "x"))
    page = files[tmp_path / "r.html"].decode()
    for text in (
        "Which components matter for this camera",
        "hot pixels [per million]",
        "Dark current and drift",
    ):
        assert text in page
    assert any(path.name == "sensor_iso800.png" for path in files)


def test_temperatures_are_read_from_the_table_of_frames(tmp_path):
    np.save(tmp_path / "a.npy", np.full((32, 32), 64, np.uint16))
    table = tmp_path / "frames.csv"
    table.write_text("file,kind,iso,exposure_s,temperature_c\na.npy,dark,100,1,-12.5\n")
    (frame,) = find_frames(tmp_path, Levels(white=4095.0))
    assert frame.load().temperature_c == -12.5
    table.write_text("file,kind,iso,exposure_s,temperature_c\na.npy,dark,100,1,warm\n")
    with pytest.raises(ValueError, match="line 2: temperature_c must be a number of degrees Celsius"):
        find_frames(tmp_path, Levels(white=4095.0))
