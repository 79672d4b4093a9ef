# SPDX-License-Identifier: Apache-2.0
"""Noise on the fly: what turns clean samples into pairs for training."""

from .dark_frame_bank import DarkFrameBank
from .low_light_noise import LowLightNoise

__all__ = ["DarkFrameBank", "LowLightNoise"]
