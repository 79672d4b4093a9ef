# SPDX-License-Identifier: Apache-2.0
"""What a profile is asked: numbers, sequences or tensors, read as arrays of one length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from .draws import MAX_VALUE
from .sensor import COLDEST, HOTTEST

Numbers = float | Sequence[float] | Tensor


class Asked(NamedTuple):
    """ISOs and ratios, and where they are told exposures [s] and temperatures [degrees C]; (n,) float64."""

    iso: np.ndarray
    ratio: np.ndarray
    exposure_s: np.ndarray | None
    temperature_c: np.ndarray | None


def read_asked(
    iso: Numbers, ratio: Numbers, exposure_s: Numbers | None, temperature_c: Numbers | None
) -> Asked:
    """Read each as (n,), n the longest; one alone stands for all.

    Raises:
        TypeError: one is not a number and holds none.
        ValueError: a value is out of range, or they differ in length.
    """
    given = {"iso": _numbers("iso", iso), "ratio": _numbers("ratio", ratio)}
    if exposure_s is not None:
        given["exposure_s"] = _numbers("exposure_s", exposure_s)
    if temperature_c is not None:
        given["temperature_c"] = _numbers("temperature_c", temperature_c, COLDEST, HOTTEST)
    n = max(map(len, given.values()))
    if any(len(values) not in (1, n) for values in given.values()):
        names, counts = ", ".join(given), ", ".join(str(len(values)) for values in given.values())
        raise ValueError(f"{names} must be as many, or one for all of the others, got {counts}")
    if n > 1:
        given = {name: np.broadcast_to(values, n) for name, values in given.items()}
    return Asked(given["iso"], given["ratio"], given.get("exposure_s"), given.get("temperature_c"))


def _numbers(name: str, given: Any, above: float = 0.0, below: float = MAX_VALUE) -> np.ndarray:
    """Read a number or (n,) numbers as (n,) float64, all above one limit and below the other."""
    if isinstance(given, (bool, str)) or given is None:
        values = np.array(given, dtype=object)
    elif isinstance(given, (int, float)):
        if not above < given < below:  # before conversion: an int may be beyond any float
            raise _out_of_range(name, above, below, repr(given))
        return np.array([given], dtype=np.float64)
    else:
        values = np.asarray(given.detach().cpu() if isinstance(given, Tensor) else given)
    if values.dtype.kind not in "iuf":
        raise TypeError(f"{name} must be a number, a sequence of numbers or a tensor, got {given!r}")
    if values.ndim > 1 or not values.size:
        raise ValueError(f"{name} must be a number or (n,) numbers, got shape {values.shape}")
    values = np.atleast_1d(values).astype(np.float64)
    bad = ~((values > above) & (values < below))
    if bad.any():
        raise _out_of_range(name, above, below, f"{values[bad][0]:g}")
    return values


def _out_of_range(name: str, above: float, below: float, shown: str) -> ValueError:
    return ValueError(f"{name} must be above {above:g} and below {below:g}, got {shown}")
