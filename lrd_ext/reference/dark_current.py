# SPDX-License-Identifier: Apache-2.0
"""Electrons that come without light. Mirrors csrc/noise/dark_current.h.

A pixel's dark current is log-normal over pixels, drawn once for a body; the upper words of the same draw are
hot pixels, whose current is higher by an exponential deviate, and of these some blink from frame to frame.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .philox import Component
from .quantile_table import knot_probabilities, table_quantile

if TYPE_CHECKING:
    from ..params import NoiseParams
    from .body import BodyWords

WORDS = 2**32


def log_normal_table(spread: Tensor) -> Tensor:
    """Return the quantiles of log-normal distributions of mean 1, (B, KNOTS) float64.

    Args:
        spread: standard deviation of the logarithm, (B,).
    """
    s = spread.double()[:, None]
    return torch.exp(s * torch.special.ndtri(knot_probabilities().to(s.device)) - s * s / 2)


def words_of_share(share: Tensor) -> Tensor:
    """How many of all words are a share of them, int64."""
    return (share.double() * WORDS).long().clamp(0, WORDS - 1)


def dark_electrons(p: NoiseParams, draw: BodyWords) -> Tensor:
    """Mean electrons of each site in the exposure, (B, 4, h, w) float64."""
    exposure = _sample(p.exposure_s.double())
    mean, hot = _sample(p.dark_current.double()) * exposure, _sample(p.hot_current.double()) * exposure
    word = draw.of_body(Component.DARK_CURRENT)
    hot_words = _sample(words_of_share(p.hot_fraction))
    stretch = (hot_words << 32) // (WORDS - hot_words)
    stretched = (word + (word * stretch >> 32)) & (WORDS - 1)
    table = log_normal_table(p.dark_current_spread)
    electrons = mean * table_quantile(stretched, table)
    from_end = WORDS - 1 - word
    is_hot = from_end < hot_words
    rank = (from_end.double() + 0.5) / hot_words.clamp_min(1)
    blinks = draw.of_body(Component.BLINKING_PIXEL) < _sample(words_of_share(p.blink_fraction))
    off = draw.of_frame(Component.BLINK_STATE) < WORDS // 2
    tail = torch.where(blinks & off, 0.0, -torch.log(torch.where(is_hot, rank, 1.0)))
    return torch.where(is_hot, mean + hot * tail, electrons)


def _sample(values: Tensor) -> Tensor:
    return values[:, None, None, None]
