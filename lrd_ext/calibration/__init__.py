# SPDX-License-Identifier: Apache-2.0
"""From a folder of dark and flat frames to a camera profile with intervals."""

from .calibrate import calibrate
from .frames import Frame, Levels, Picture, find_frames
from .profile import check_write_quantiles, profile_of
from .results import Calibration
from .verdict import verdict

__all__ = [
    "Calibration",
    "Frame",
    "Levels",
    "Picture",
    "calibrate",
    "check_write_quantiles",
    "find_frames",
    "profile_of",
    "verdict",
]
