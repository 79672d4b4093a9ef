# SPDX-License-Identifier: Apache-2.0
"""Row and column noise with a colour, and what drifts from frame to frame. Mirrors csrc/noise/lines.h."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .normal import normal_quantile
from .philox import Component, words

WORDS = 2**32


def coloured_lines(
    seed: Tensor,
    index: Tensor,
    components: tuple[Component, Component],
    cells: Tensor,
    sigma: Tensor,
    taps: Tensor,
    waves: Tensor,
) -> Tensor:
    """Draw lines: n(i) = sigma sum_j h_j e(i - j) + sum_k A_k sin(2 pi (i / P_k + phase_k)).

    Args:
        seed: () int64.
        index: (B,) int64.
        components: of the white draws e, by line, and of the phases.
        cells: (n,) int64, consecutive coordinates of cells along the axis, of two lines each.
        sigma: (B,), DN.
        taps: h, (B, T).
        waves: (B, 4, 2), amplitude A in DN and period P in lines, whole 2^-32 turns a line.

    Returns: (B, 2, n) float64, DN.
    """
    before = taps.shape[1] // 2
    drawn = torch.arange(-before, len(cells), device=cells.device) + cells[0]
    zero = torch.zeros(1, dtype=torch.int64, device=cells.device)
    along_rows = components[0] == Component.ROW
    word = words(seed, index, components[0], *((drawn, zero) if along_rows else (zero, drawn)))[:, :2]
    white = normal_quantile(word.flatten(2)).transpose(1, 2).flatten(1)  # by line
    lines = torch.zeros(white.shape[0], 2 * len(cells), dtype=torch.float64, device=cells.device)
    for j in range(taps.shape[1]):
        first = 2 * before - j
        lines = lines + taps.double()[:, j, None] * white[:, first : first + lines.shape[1]]
    lines = sigma.double()[:, None] * lines + _sinusoids(seed, index, components[1], cells, waves)
    return lines.unflatten(1, (-1, 2)).transpose(1, 2)


def _sinusoids(seed: Tensor, index: Tensor, component: Component, cells: Tensor, waves: Tensor) -> Tensor:
    zero = torch.zeros(1, dtype=torch.int64, device=cells.device)
    phase = words(seed, index, component, zero, zero)[:, :, 0, 0]  # (B, 4)
    amplitude, period = waves[..., 0].double(), waves[..., 1].float()
    step = torch.where(period >= 2, torch.tensor(2.0**32) / period, 0.0).long()
    line = (2 * cells[:, None] + torch.arange(2, device=cells.device)).flatten()
    turn = (phase[..., None] + step[..., None] * line) & (WORDS - 1)
    return (amplitude[..., None] * torch.sin(2 * math.pi * turn.double() / WORDS)).sum(1)


def drift(seed: Tensor, index: Tensor, sigma: Tensor) -> Tensor:
    """Draw the black level's drift of each frame by site, (B, 4) float64, DN."""
    zero = torch.zeros(1, dtype=torch.int64, device=index.device)
    return sigma.double()[:, None] * normal_quantile(
        words(seed, index, Component.DRIFT, zero, zero)[:, :, 0, 0]
    )
