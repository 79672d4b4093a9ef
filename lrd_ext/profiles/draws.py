# SPDX-License-Identifier: Apache-2.0
"""Random draws of parameters: a function of (seed, identity of the draw) alone."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from lrd_ext.reference.normal import normal_quantile
from lrd_ext.reference.philox import Component, words

from .answers import Answer, branch_index

if TYPE_CHECKING:
    from .camera_profile import CameraProfile

#: Above any ISO or ratio, and still a float32: tells apart what is finite without overflow on huge integers.
MAX_VALUE = 1e30

#: What :meth:`CameraProfile.sample` accepts for iso and ratio.
Choice = float | tuple[float, float] | list[float]

# Place of each word among the eight of a draw (cells (0, 0) and (0, 1)); 0 and 1 are ISO and ratio.
# Part of the seeded stream: never reordered.
_GAIN, _READ, _ROW, _COL, _SHAPE = 2, 3, 4, 5, 6


class Draws:
    """Eight 32-bit words for each of n draws.

    Raises:
        TypeError: n, seed or index is not made of integers.
        ValueError: n is below 1, index has another length, or an index is outside [0, 2^56).
    """

    def __init__(self, n: int, seed: int, index: int | Sequence[int] | Tensor = 0) -> None:
        for name, value in (("n", n), ("seed", seed)):
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
                raise TypeError(f"{name} must be an int, got {value!r}")
        if n < 1:
            raise ValueError(f"n must be at least 1, got {n}")
        wrapped = (int(seed) + 2**63) % 2**64 - 2**63  # same bits as a signed 64-bit integer
        cells = torch.arange(2)
        drawn = words(torch.tensor(wrapped), _identities(n, index), Component.PARAMETERS, cells[:1], cells)
        self._words = drawn.permute(0, 3, 1, 2).reshape(n, 8)  # cell by cell, each in site order

    def uniform(self, word: int) -> np.ndarray:
        """(n,) float64 uniforms in (0, 1)."""
        return (self._words[:, word].double().numpy() + 0.5) * 2.0**-32

    def normal(self, word: int) -> np.ndarray:
        """(n,) float64 standard normal deviates."""
        return normal_quantile(self._words[:, word]).numpy()

    def scatter(self, profile: CameraProfile, mean: Answer, isos: np.ndarray, read: str) -> Answer:
        """Put the joint law's spread on the mean answers at ``isos``."""
        index = branch_index(profile, isos)
        jitter = np.array([branch.K.jitter if branch.K else 0.0 for branch in profile.branches])
        shapes = mean.tukey_lambda.copy()
        for i, branch in enumerate(profile.branches):
            if branch.tukey_lambda and read == "tukey_lambda":
                here = index == i
                chosen = (self.uniform(_SHAPE)[here] * len(branch.tukey_lambda)).astype(int)
                shapes[here] = np.array(branch.tukey_lambda)[chosen]
        return dataclasses.replace(
            mean,
            K=mean.K * (1 + jitter[index] * (2 * self.uniform(_GAIN) - 1)),
            sigma_read=mean.sigma_read * np.exp(mean.spread_read * self.normal(_READ)),
            sigma_row=mean.sigma_row * np.exp(mean.spread_row * self.normal(_ROW)),
            sigma_col=mean.sigma_col * np.exp(mean.spread_col * self.normal(_COL)),
            tukey_lambda=shapes,
        )


@dataclasses.dataclass(frozen=True)
class _Range:
    low: float
    high: float

    def all(self) -> np.ndarray:
        return np.array([self.low, self.high])

    def draw(self, u: np.ndarray, *, log: bool) -> np.ndarray:
        if log:
            drawn = np.exp(math.log(self.low) + u * (math.log(self.high) - math.log(self.low)))
        else:
            drawn = self.low + u * (self.high - self.low)
        return drawn.clip(self.low, self.high)  # rounding must not leave the range


@dataclasses.dataclass(frozen=True)
class _List:
    values: tuple[float, ...]

    def all(self) -> np.ndarray:
        return np.array(self.values, dtype=np.float64)

    def draw(self, u: np.ndarray, *, log: bool) -> np.ndarray:
        return self.all()[(u * len(self.values)).astype(int)]


def read_choice(name: str, given: Any) -> _Range | _List:
    """Read a number (fixed), a tuple (range) or a list (choices).

    Raises:
        TypeError: it is none of these.
        ValueError: a value is not above 0 and below 1e30, a tuple is not (low, high), or a list is empty.
    """
    values = list(given) if isinstance(given, (tuple, list)) else [given]
    for value in values:
        if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
            raise TypeError(
                f"{name} must be a number, a tuple (low, high) or a list of numbers, got {given!r}"
            )
        if not 0 < value < MAX_VALUE:
            raise ValueError(f"{name} must be above 0 and below {MAX_VALUE:g}, got {value!r}")
    if isinstance(given, tuple):
        if len(values) != 2 or values[0] > values[1]:
            raise ValueError(f"{name} as a tuple must be (low, high) with low <= high, got {given!r}")
        return _Range(float(values[0]), float(values[1]))
    if not values:
        raise ValueError(f"{name} as a list must hold at least one choice, got []")
    return _List(tuple(values))


def _identities(n: int, index: int | Sequence[int] | Tensor) -> Tensor:
    if isinstance(index, (int, np.integer)) and not isinstance(index, bool):
        if not 0 <= index <= 2**56 - n:
            raise ValueError(f"index must be in [0, 2^56), got {index} for {n} draws")
        return torch.arange(int(index), int(index) + n)
    try:
        found = torch.as_tensor(index)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(f"index must be an int or a sequence of n ints, got {index!r}") from error
    if found.is_floating_point() or found.is_complex() or found.dtype == torch.bool:
        raise TypeError(f"index must be integers, got {found.dtype}")
    if found.shape != (n,):
        raise ValueError(f"index must be an int or have shape ({n},), got {tuple(found.shape)}")
    found = found.to("cpu", torch.int64)
    if bool(((found < 0) | (found >= 2**56)).any()):
        raise ValueError(f"index must be in [0, 2^56), got {found.tolist()[:8]}")
    return found
