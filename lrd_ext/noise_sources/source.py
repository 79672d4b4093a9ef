# SPDX-License-Identifier: Apache-2.0
"""What every source of noise answers to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeVar

import numpy as np

#: Frames of noise by ISO, (H, W) float32 each, DN about 0: what sources are fitted to.
Darks = Mapping[float, Sequence[np.ndarray]]

T = TypeVar("T")


class NoiseSource(Protocol):
    """Draws signal-independent noise: dark frames less black, bias and, by choice, their fixed pattern."""

    @property
    def name(self) -> str:
        """What tables call it."""

    def draw(self, shape: tuple[int, int], *, iso: float, seed: int, index: int = 0) -> np.ndarray:
        """Draw one frame of noise; equal arguments give equal noise.

        Args:
            shape: (H, W) of the mosaic, even.
            iso: ISO speed.
            seed: taken mod 2^64.
            index: identity of the frame, in [0, 2^56).

        Returns: (H, W) float32, DN, not rounded.

        Raises:
            ValueError: the source knows nothing of that ISO, or cannot draw that shape.
        """


def at_iso(table: Mapping[float, T], iso: float, name: str) -> T:
    """Return what a source holds for an ISO.

    Raises:
        ValueError: it holds nothing; the text names the ISOs it has.
    """
    if iso not in table:
        known = ", ".join(f"{known:g}" for known in sorted(table))
        raise ValueError(f"noise source {name}: iso must be one of those fitted, {known}, got {iso:g}")
    return table[iso]


def random_generator(seed: int, index: int) -> np.random.Generator:
    """Return a generator of its own for each seed and index."""
    return np.random.default_rng([seed % 2**64, index])
