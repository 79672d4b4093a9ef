# SPDX-License-Identifier: Apache-2.0
"""Noise on the fly: what turns clean samples into pairs for training."""

from .burst import burst
from .dark_frame_bank import DarkFrameBank
from .low_light_noise import LowLightNoise
from .virtual_cameras import CameraRanges, LawRange, virtual_cameras

__all__ = ["CameraRanges", "DarkFrameBank", "LawRange", "LowLightNoise", "burst", "virtual_cameras"]
