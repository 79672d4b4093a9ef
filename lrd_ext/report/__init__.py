# SPDX-License-Identifier: Apache-2.0
"""Plots, drawn with matplotlib without a display; matplotlib is imported only where one is drawn."""

from .cameras import draw_cameras
from .mean_variance import draw_pair
from .png import write_png

__all__ = ["draw_cameras", "draw_pair", "write_png"]
