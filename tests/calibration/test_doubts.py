# SPDX-License-Identifier: Apache-2.0
"""What speaks against a calibration's figures is said, and what they cannot tell is not written."""

from __future__ import annotations

import numpy as np
import pytest
from plain_camera import PlainCamera

from lrd_ext.calibration import calibrate, profile_of, verdict

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
