# SPDX-License-Identifier: Apache-2.0
"""What speaks against a calibration's figures is said, and what they cannot tell is not written."""

from __future__ import annotations

import numpy as np
import pytest
from plain_camera import PlainCamera

from lrd_ext.calibration import calibrate, profile_of

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
