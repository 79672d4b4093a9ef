# SPDX-License-Identifier: Apache-2.0
"""Quantile of the normal distribution from 32-bit words. Mirrors csrc/noise/normal.h."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def lower_tail(word: Tensor) -> tuple[Tensor, Tensor]:
    """Split u = (word + 1/2) / 2^32 by symmetry about 1/2.

    Args:
        word: int64, values in [0, 2^32).

    Returns: (p, sign), float64: p = min(u, 1 - u), exact, and sign -1 where u < 1/2, else +1.
    """
    folded = torch.minimum(word, 0xFFFFFFFF - word)
    return (folded.double() + 0.5) * 2.0**-32, torch.where(word < 2**31, -1.0, 1.0).double()


def normal_quantile(word: Tensor) -> Tensor:
    """Map words to standard normal deviates by inverse CDF.

    Args:
        word: int64 of any shape, values in [0, 2^32).

    Returns: float64 of the same shape, within +-6.34.
    """
    p, sign = lower_tail(word)
    return -sign * torch.special.ndtri(p)


def two_normals(word: Tensor) -> tuple[Tensor, Tensor]:
    """Map each word to two independent standard normal deviates, within +-5.4.

    The upper 20 bits draw the radius, the next two signs, and the lower 10 the angle between them.

    Args:
        word: int64 of any shape, values in [0, 2^32).

    Returns: two float64 tensors of the same shape.

    Source: Box and Muller, Ann. Math. Stat. 29(2), 1958. Mirrors csrc/noise/sine.h.
    """
    radius = torch.sqrt(-2 * torch.log(((word >> 12).double() + 0.5) * 2.0**-20))
    angle = 2 * math.pi * ((word & 0x3FF).double() + 0.5) * 2.0**-12
    first, second = 1 - (word >> 10 & 2), 1 - (word >> 9 & 2)
    return first * radius * torch.cos(angle), second * radius * torch.sin(angle)
