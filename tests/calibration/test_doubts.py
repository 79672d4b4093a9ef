# SPDX-License-Identifier: Apache-2.0
"""What speaks against a calibration's figures is said, and what they cannot tell is not written."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from plain_camera import PlainCamera

from lrd_ext import fused_synth
from lrd_ext.calibration import calibrate, profile_of, verdict
from lrd_ext.calibration.current_apart import dark_electrons
from lrd_ext.calibration.sensor_noise import Body
from lrd_ext.estimators.intervals import from_error

pytestmark = pytest.mark.native


@pytest.fixture
def camera():
    return PlainCamera(1)


@pytest.mark.parametrize("seed", range(3))
def test_column_noise_that_is_not_there_is_not_drawn(seed):
    camera = PlainCamera(seed)
    camera.darks()
    camera.flats()
    profile = profile_of(calibrate(camera.kept), "x")
    assert "sigma_col" not in profile.rows[0].spread
    assert "sigma_row" in profile.rows[0].spread
    assert float(profile.sample(1000, iso=100, ratio=1, seed=1).sigma_col.max()) < 0.2
    assert not profile.branches[0].tukey_lambda


def test_copies_of_frames_are_left_out_and_equal_frames_without_noise_are_not(camera):
    camera.darks()
    camera.flats()
    whole = profile_of(calibrate(camera.kept), "x").rows
    for frame in camera.kept[:10]:
        camera.add(f"{frame.name}_copy", frame.kind, frame.load().mosaic.copy(), frame.load().exposure_s)
    found = calibrate(camera.kept)
    assert found.left_out["dark_3_copy"] == "the same pixels as dark_3"
    assert len(found.left_out) == 10
    assert profile_of(found, "x").rows == whole
    white = np.full(camera.shape, 16383, np.uint16)
    for k in range(2):
        camera.add(f"clipped_{k}", "flat", white, 1.0)
    assert len(calibrate(camera.kept).left_out) == 10


def doubted(found) -> set[str]:
    """Fields of the profile named doubtful."""
    return {entry.field for entry in profile_of(found, "x").doubtful}


def said(found, text: str) -> bool:
    return any(text in line for line in verdict(found))


def test_what_is_well_is_not_doubted(camera):
    camera.darks()
    camera.flats()
    found = calibrate(camera.kept)
    assert not doubted(found)
    assert said(found, "Nothing speaks against")


@pytest.mark.parametrize("electrons", [60.0, 300.0])
def test_darks_that_all_hold_light_are_doubted(camera, electrons):
    camera.darks(electrons=electrons)
    camera.flats()
    found = calibrate(camera.kept)
    assert said(found, f"ISO 100: darks lie +{electrons:.0f} DN off the black level: light, dark current or")
    assert {"bias", "sigma_gaussian", "sigma_tukey_lambda"} <= doubted(found)
    assert not said(found, "Nothing speaks against")


def test_darks_of_two_settings_in_halves_are_doubted(camera):
    camera.darks(4)
    camera.darks(4, name="other", sigma=6.0)
    camera.flats()
    found = calibrate(camera.kept)
    assert not found.left_out
    assert said(found, "only: the darks are not of one setting. Shoot them again.")
    assert {"sigma_gaussian", "sigma_tukey_lambda"} <= doubted(found)
    assert not said(found, "Nothing speaks against")


@pytest.mark.parametrize(("levels", "straight"), [((20, 80, 160), True), ((0, 63, 127), False)])
def test_light_in_darks_of_three_times_is_not_taken_for_dark_current(camera, levels, straight):
    for k, (exposure_s, electrons) in enumerate(zip((1.0, 4.0, 8.0), levels, strict=True)):
        camera.darks(8 if k == 0 else 2, exposure_s, f"dark_{k}", electrons=float(electrons))
    camera.flats()
    found = calibrate(camera.kept)
    text = "darks of 8 s lie"
    assert said(found, text) != straight
    assert ("dark_current" in doubted(found)) != straight
    if not straight:  # figures that are right stay, and are named doubtful: the rate would count besides
        row, bias = profile_of(found, "x").rows[0], profile_of(found, "x").bias[0].dn
        assert row.sigma_gaussian == pytest.approx(3.0, rel=0.02)
        assert np.mean(bias) == pytest.approx(0.0, abs=0.2)
        assert "sigma_gaussian" in doubted(found)
        assert said(found, "is not taken out: too uncertain")


@pytest.mark.filterwarnings("ignore:x. .* is doubtful here")
@pytest.mark.parametrize(("rate", "sigma"), [(5.0, 3.0), (0.15, 9.0)])
def test_dark_current_of_the_darks_does_not_count_twice(camera, rate, sigma):
    camera.darks(16, 10.0, "long", electrons=10 * rate, sigma=sigma)
    camera.darks(8, 0.1, "short", electrons=rate / 10, sigma=sigma)
    camera.flats(sigma=sigma)
    found = calibrate(camera.kept)
    profile = profile_of(found, "x")
    assert profile.rows[0].sigma_gaussian == pytest.approx(sigma, rel=0.04)
    low, high = profile.rows[0].interval95["sigma_gaussian"]
    assert low < sigma < high
    assert np.mean(profile.bias[0].dn) == pytest.approx(0.0, abs=0.15)
    for exposure_s in (0.1, 10.0):
        for read in ("gaussian", "tukey_lambda"):
            params = profile.at(100, exposure_s=exposure_s, read=read, bias=True)
            drawn = fused_synth(torch.zeros(256, 256), params, seed=1, output="dn_float").double()
            assert drawn.mean().item() == pytest.approx(rate * exposure_s, abs=0.2)
            truth = (sigma**2 + 0.6**2 + rate * exposure_s) ** 0.5
            assert drawn.std().item() == pytest.approx(truth, rel=0.02)
    assert ("sigma_gaussian" in doubted(found)) == (rate == 5.0)
    assert said(found, "85% of the variance of read noise, was taken out") == (rate == 5.0)
    assert not said(found, "off the black level")


@pytest.mark.parametrize(
    ("own", "reference", "doubling", "factor"),
    [(None, None, None, 1.0), (20.0, 20.0, None, 1.0), (26.0, 20.0, 6.0, 2.0)],
)
def test_electrons_of_dark_current_follow_the_temperature_of_the_darks(own, reference, doubling, factor):
    doublings = None if doubling is None else from_error(doubling, 0.1)
    body = Body(rate=from_error(3.0, 0.1), reference_c=reference, doubling_c=doublings)
    at = SimpleNamespace(currents=(), dark=SimpleNamespace(temperature_c=own, exposure_s=2.0))
    assert dark_electrons(body, at).value == pytest.approx(6.0 * factor)


@pytest.mark.parametrize("own", [None, 26.0])
def test_dark_current_at_an_unlike_temperature_cannot_be_told(own):
    body = Body(rate=from_error(3.0, 0.1), reference_c=20.0)
    at = SimpleNamespace(currents=(), dark=SimpleNamespace(temperature_c=own, exposure_s=2.0))
    assert dark_electrons(body, at) is None
