# SPDX-License-Identifier: Apache-2.0
"""Noise a trained generator gives."""

from __future__ import annotations

import dataclasses

import numpy as np

from lrd_ext.generator import LiteGenerator
from lrd_ext.params import NoiseParams

from .model import draw_dark


@dataclasses.dataclass(frozen=True, eq=False)
class LearnedNoise:
    """A generator as fused_synth runs it."""

    generator: LiteGenerator
    name: str = "generator"

    def draw(self, shape: tuple[int, int], *, iso: float, seed: int, index: int = 0) -> np.ndarray:
        """Draw with fused_synth; see NoiseSource."""
        params = NoiseParams(K=1.0, ratio=1.0, black=0.0, white=65535.0, iso=iso, shot=False)
        return draw_dark(shape, params, seed, index, self.generator)
