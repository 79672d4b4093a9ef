# SPDX-License-Identifier: Apache-2.0
"""Offsets of rows and columns that are the same in every frame."""

from __future__ import annotations

import math

import numpy as np

from .intervals import Estimate, from_error, root

#: A line less the mean of four neighbours of its sites: slow shading and what sites differ by cancel.
_STENCIL = np.array([-0.25, 0, -0.25, 0, 1, 0, -0.25, 0, -0.25])


def fixed_lines(profile: np.ndarray, temporal: np.ndarray, own: float) -> Estimate:
    """Estimate the deviation of fixed offsets of lines, DN.

    Args:
        profile: (L,) row or column means of the mean of n frames, DN.
        temporal: (n, L) means of the same lines in each frame about the mean of the frames, DN.
        own: variance that fixed offsets of pixels put into a line's mean, DN^2.
    """
    n, gain = len(temporal), float(np.square(_STENCIL).sum())
    seen = float(np.square(np.convolve(profile, _STENCIL, "valid")).mean()) / gain
    changing = np.apply_along_axis(np.convolve, 1, temporal, _STENCIL, "valid")
    # Residuals about the mean of n frames have (n - 1)/n of the variance, and the mean has 1/n of it.
    left = float(np.square(changing).mean()) / gain / (n - 1)
    correlation = np.correlate(_STENCIL, _STENCIL, "full") / gain
    squares = 2 * float(np.square(correlation).sum()) / (len(profile) - len(_STENCIL) + 1)
    error = math.sqrt(squares * (seen**2 + left**2 / (n - 1)))
    return root(from_error(seen - left - own, error))
