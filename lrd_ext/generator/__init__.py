# SPDX-License-Identifier: Apache-2.0
"""Learned signal-independent noise: nets, their training from a camera's darks, and two that ship.

A LiteGenerator is small enough to run inside the noise kernel; a fresh one gives Gaussian noise.
"""

from .camera_sigma import for_camera
from .lite import LiteGenerator
from .shipped import list_generators, load_generator, open_generator
from .unet import UNetGenerator

__all__ = [
    "LiteGenerator",
    "UNetGenerator",
    "for_camera",
    "list_generators",
    "load_generator",
    "open_generator",
]
