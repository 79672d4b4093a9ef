# SPDX-License-Identifier: Apache-2.0
"""Random draws of parameters: a function of (seed, identity of the draw) alone."""

from __future__ import annotations

import dataclasses
import enum
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lrd_ext.native import NATIVE
from lrd_ext.read_models import read_model
from lrd_ext.reference.philox import ROUNDS, Component

from .answers import Answer, Answers

#: Above any ISO or ratio, and still a float32: tells apart what is finite without overflow on huge integers.
MAX_VALUE = 1e30

#: What :meth:`CameraProfile.sample` accepts for iso and ratio.
Choice = float | tuple[float, float] | list[float]


class Word(enum.IntEnum):
    """Which random word of component PARAMETERS decides what; cell (0, i) holds the words 4 i ... 4 i + 3.

    Part of the seeded stream: numbers are never reused.
    """

    ISO = 0
    RATIO = 1
    GAIN = 2
    READ = 3
    ROW = 4
    COLUMN = 5
    SHAPE = 6
    CAMERA = 7
    GAIN_JITTER = 8
    READ_JITTER = 9
    DARK_FRAME = 10
    DARK_FRAME_ROW = 11
    DARK_FRAME_COLUMN = 12
    SHAKE_ROW = 13
    SHAKE_COLUMN = 14
    EXPOSURE = 15
    #: The first of a made-up camera's, which are many.
    VIRTUAL_CAMERA = 16
    TEMPERATURE = 128


_FACTORS = (0xD2511F53, 0xCD9E8D57)
_STEPS = (0x9E3779B9, 0xBB67AE85)
_MASK = 0xFFFFFFFF


def parameter_words(seed: int, identities: np.ndarray, cells: range = range(2)) -> np.ndarray:
    """Draw words of component PARAMETERS of each identity.

    The words of :func:`lrd_ext.reference.philox.words` for cells (0, i) of ``cells``, also where there is no
    compiled module.

    Args:
        seed: any int, bits taken mod 2^64.
        identities: (n,) int64 in [0, 2^56).
        cells: columns of the cells.

    Returns: (n, 4 * len(cells)) int64, values in [0, 2^32), cell by cell.
    """
    if NATIVE is not None:
        key = seed & 0xFFFFFFFFFFFFFFFF
        return NATIVE.words(key, identities, int(Component.PARAMETERS), cells.start, len(cells))
    columns = np.broadcast_to(np.array(cells, dtype=np.uint64), (len(identities), len(cells)))
    drawn = _philox(seed, columns, identities.astype(np.uint64)[:, None])
    return np.stack(drawn, axis=-1).reshape(len(identities), -1).astype(np.int64)


def parameter_uniform(seed: int, identities: np.ndarray, word: Word) -> np.ndarray:
    """Draw one word of each identity as a uniform deviate in (0, 1), (n,) float64."""
    cell, place = divmod(word, 4)
    return (parameter_words(seed, identities, range(cell, cell + 1))[:, place] + 0.5) * 2.0**-32


def _philox(seed: int, cell: np.ndarray, index: np.ndarray) -> tuple[np.ndarray, ...]:
    """Run Philox4x32-10 on uint64 arrays."""
    c0, c1, c2 = cell, cell & 0, cell & 0 | index & _MASK
    c3 = c1 | (int(Component.PARAMETERS) + ((index >> 32) << 8))
    low, high = seed & _MASK, (seed >> 32) & _MASK
    for i in range(ROUNDS):
        k0, k1 = (low + i * _STEPS[0]) & _MASK, (high + i * _STEPS[1]) & _MASK
        a, b = c0 * _FACTORS[0], c2 * _FACTORS[1]
        c0, c1, c2, c3 = (b >> 32) ^ c1 ^ k0, b & _MASK, (a >> 32) ^ c3 ^ k1, a & _MASK
    return c0, c1, c2, c3


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
        self._seed, self._identities = int(seed), _identities(n, index)
        self._uniforms = (parameter_words(self._seed, self._identities) + 0.5) * 2.0**-32

    def uniform(self, word: Word) -> np.ndarray:
        """(n,) float64 uniforms in (0, 1)."""
        if word >= self._uniforms.shape[1]:
            return parameter_uniform(self._seed, self._identities, word)
        return self._uniforms[:, word]

    def normals(self) -> np.ndarray:
        """(n, 3) float64 standard normal deviates, for read, row and column noise."""
        # As lrd_ext.reference.normal.normal_quantile, with fewer calls: by symmetry, fine in both tails.
        u = self._uniforms[:, Word.READ : Word.COLUMN + 1]
        below = torch.special.ndtri(torch.from_numpy(np.minimum(u, 1.0 - u))).numpy()  # 1 - u is exact
        return np.copysign(below, u - 0.5)

    def scatter(self, answers: Answers, mean: Answer, read: str) -> Answer:
        """Put the joint law's spread on the mean answers."""
        spreads = np.array((mean.spread_read, mean.spread_row, mean.spread_col))
        read_factor, row_factor, column_factor = np.exp(spreads * self.normals().T)
        jitter, shapes = self._branch_draws(answers, mean, read)
        return Answer(
            branch=mean.branch,
            K=mean.K * (1 + jitter * (2 * self.uniform(Word.GAIN) - 1)),
            sigma_read=mean.sigma_read * read_factor,
            sigma_row=mean.sigma_row * row_factor,
            sigma_col=mean.sigma_col * column_factor,
            tukey_lambda=shapes,
            bias=mean.bias,
            spread_read=mean.spread_read,
            spread_row=mean.spread_row,
            spread_col=mean.spread_col,
            quantiles=mean.quantiles,
        )

    def _branch_draws(self, answers: Answers, mean: Answer, read: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the jitter of K, relative, and the shapes, both (n,), by the branches the draws lie in."""
        shaped = read_model(read).shaped
        jitter, shapes = np.empty(len(mean.branch)), mean.tukey_lambda.copy()
        for i in set(mean.branch.tolist()):
            own, here = answers.branches[i], mean.branch == i
            jitter[here] = own.jitter
            if shaped and own.shapes.size:
                shapes[here] = own.shapes[(self.uniform(Word.SHAPE)[here] * own.shapes.size).astype(int)]
        return jitter, shapes


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
        return np.minimum(np.maximum(drawn, self.low), self.high)  # rounding must not leave the range


@dataclasses.dataclass(frozen=True)
class _List:
    values: tuple[float, ...]

    def all(self) -> np.ndarray:
        return np.array(self.values, dtype=np.float64)

    def draw(self, u: np.ndarray, *, log: bool) -> np.ndarray:
        return self.all()[(u * len(self.values)).astype(int)]


def read_choice(name: str, given: Any, above: float = 0.0, below: float = MAX_VALUE) -> _Range | _List:
    """Read a number (fixed), a tuple (range) or a list (choices).

    Raises:
        TypeError: it is none of these.
        ValueError: a value is not between the limits, a tuple is not (low, high), or a list is empty.
    """
    values = list(given) if isinstance(given, (tuple, list)) else [given]
    for value in values:
        if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
            raise TypeError(
                f"{name} must be a number, a tuple (low, high) or a list of numbers, got {given!r}"
            )
        if not above < value < below:
            raise ValueError(f"{name} must be above {above:g} and below {below:g}, got {value!r}")
    if isinstance(given, tuple):
        if len(values) != 2 or values[0] > values[1]:
            raise ValueError(f"{name} as a tuple must be (low, high) with low <= high, got {given!r}")
        return _Range(float(values[0]), float(values[1]))
    if not values:
        raise ValueError(f"{name} as a list must hold at least one choice, got []")
    return _List(tuple(values))


def _identities(n: int, index: int | Sequence[int] | Tensor) -> np.ndarray:
    if isinstance(index, (int, np.integer)) and not isinstance(index, bool):
        if not 0 <= index <= 2**56 - n:
            raise ValueError(f"index must be in [0, 2^56), got {index} for {n} draws")
        return np.arange(int(index), int(index) + n)
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
    return found.numpy()
