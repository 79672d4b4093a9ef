# SPDX-License-Identifier: Apache-2.0
"""Real dark frames as they were recorded."""

from __future__ import annotations

import dataclasses

import numpy as np

from .source import Darks, at_iso, random_generator


@dataclasses.dataclass(frozen=True, eq=False)
class RecordedNoise:
    """Gives frames of real noise: every one once, in an order of the seed's, then again.

    Source: Zhang et al., ICCV 2021 (SFRN), without its recovery of bits.
    """

    darks: Darks
    name: str = "darks"

    def draw(self, shape: tuple[int, int], *, iso: float, seed: int, index: int = 0) -> np.ndarray:
        """Return the top left of a frame; see NoiseSource."""
        frames = at_iso(self.darks, iso, self.name)
        turn, place = divmod(index, len(frames))
        frame = frames[random_generator(seed, turn).permutation(len(frames))[place]]
        if frame.shape[0] < shape[0] or frame.shape[1] < shape[1]:
            raise ValueError(f"noise source {self.name}: shape must fit into {frame.shape}, got {shape}")
        return frame[: shape[0], : shape[1]]
