# SPDX-License-Identifier: Apache-2.0
"""Electrons that come without light. Mirrors csrc/noise/dark_current.h.

A pixel's dark current is log-normal over pixels, drawn once for a body; some words of the same draw are
hot pixels, whose current is higher by an exponential deviate, and of these some blink from frame to frame.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .normal import normal_quantile
from .philox import Component

if TYPE_CHECKING:
    from ..params import NoiseParams
    from .body import BodyWords

WORDS = 2**32
#: Times this, mod 2^32, is the order in which words become hot pixels: each stretch is spread over all words.
HOT_ORDER = 0x9E3779B1


def words_of_share(share: Tensor) -> Tensor:
    """How many of all words are a share of them, int64."""
    return (share.double() * WORDS).long().clamp(0, WORDS - 1)


def dark_electrons(p: NoiseParams, draw: BodyWords) -> Tensor:
    """Mean electrons of each site in the exposure, (B, 4, h, w) float64."""
    exposure = _sample(p.exposure_s.double())
    mean, hot = _sample(p.dark_current.double()) * exposure, _sample(p.hot_current.double()) * exposure
    spread = _sample(p.dark_current_spread.double())
    word = draw.of_body(Component.DARK_CURRENT)
    electrons = mean * torch.exp(spread * normal_quantile(word) - spread * spread / 2)
    order, hot_words = word * HOT_ORDER & (WORDS - 1), _sample(words_of_share(p.hot_fraction))
    is_hot = order < hot_words
    rank = (order.double() + 0.5) / hot_words.clamp_min(1)
    blinks = draw.of_body(Component.BLINKING_PIXEL) < _sample(words_of_share(p.blink_fraction))
    off = draw.of_frame(Component.BLINK_STATE) < WORDS // 2
    tail = torch.where(blinks & off, 0.0, -torch.log(torch.where(is_hot, rank, 1.0)))
    return torch.where(is_hot, mean + hot * tail, electrons)


def _sample(values: Tensor) -> Tensor:
    return values[:, None, None, None]
