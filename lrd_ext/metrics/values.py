# SPDX-License-Identifier: Apache-2.0
"""What the metrics accept: arrays and tensors of finite numbers."""

from __future__ import annotations

from typing import Any

import numpy as np


def as_array(given: Any, what: str) -> np.ndarray:
    """Return numbers as float32, or as float64 where they are that or wide integers.

    Args:
        given: array, sequence of numbers, or tensor on any device, taken without its gradient.
        what: names it in errors.

    Raises:
        TypeError: it does not hold numbers.
        ValueError: there are none, or some are not finite.
    """
    if hasattr(given, "detach"):
        given = given.detach().cpu()
        half = given.is_floating_point() and given.element_size() == 2  # NumPy has no bfloat16
        given = (given.float() if half else given).numpy()
    values = np.asarray(given)
    if values.dtype.kind not in "iuf":
        raise TypeError(f"{what} must hold numbers, got {values.dtype}")
    narrow = values.dtype.itemsize <= 2 or values.dtype == np.float32
    values = values.astype(np.float32 if narrow else np.float64, copy=False)
    if not values.size:
        raise ValueError(f"{what} must hold at least one value, got shape {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError(f"{what} must be finite, got NaN or infinity")
    return values


def as_values(given: Any, what: str) -> np.ndarray:
    """Return numbers in one row, (n,)."""
    return as_array(given, what).ravel()


def as_planes(given: Any, what: str) -> np.ndarray:
    """Return numbers as (..., H, W).

    Raises:
        ValueError: there are fewer than two dimensions.
    """
    planes = as_array(given, what)
    if planes.ndim < 2:
        raise ValueError(f"{what} must be (..., H, W), got shape {planes.shape}")
    return planes
