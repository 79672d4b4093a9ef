# SPDX-License-Identifier: Apache-2.0
"""What the converter's rounding to whole DN adds to noise: cumulants of the uniform distribution."""

from __future__ import annotations

#: Variance of rounding to whole DN, DN^2, and its fourth cumulant, DN^4.
ROUNDING = 1 / 12
ROUNDING_C4 = -1 / 120
