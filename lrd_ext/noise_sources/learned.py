# SPDX-License-Identifier: Apache-2.0
"""Noise a trained generator gives."""

from __future__ import annotations

import dataclasses
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from lrd_ext.cfa import unpack
from lrd_ext.generator import LiteGenerator
from lrd_ext.params import NoiseParams

from .physics import draw_dark


class Generator(Protocol):
    """What a generator must answer to: LiteGenerator, and any net that draws and uses N_init like it."""

    def sigma_init(self, iso: float) -> float:
        """Return sigma_init at an ISO, DN."""

    def n_init(self, seed: int | Tensor, index: int | Tensor, cell_rows: int, cell_cols: int) -> Tensor:
        """Draw the input of so many 2 x 2 cells of noise, or more down and to the right."""

    def __call__(self, n_init: Tensor, sigma_init: float | Tensor) -> Tensor:
        """Return noise (B, 4, cell_rows, cell_cols), DN, in site order."""


@dataclasses.dataclass(frozen=True, eq=False)
class LearnedNoise:
    """A generator's noise: a LiteGenerator's as fused_synth runs it, another's in plain torch."""

    generator: Generator
    name: str = "generator"

    def draw(self, shape: tuple[int, int], *, iso: float, seed: int, index: int = 0) -> np.ndarray:
        """Draw one frame; see NoiseSource."""
        if isinstance(self.generator, LiteGenerator):
            params = NoiseParams(K=1.0, ratio=1.0, black=0.0, white=65535.0, iso=iso, shot=False)
            return draw_dark(shape, params, seed, index, self.generator)
        with torch.no_grad():
            n_init = self.generator.n_init(seed, index, shape[0] // 2, shape[1] // 2)
            noise = unpack(self.generator(n_init, self.generator.sigma_init(iso)))[0].float().cpu().numpy()
            return np.asarray(noise[: shape[0], : shape[1]])
