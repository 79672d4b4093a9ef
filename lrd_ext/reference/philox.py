# SPDX-License-Identifier: Apache-2.0
"""Philox4x32-10 random words, addressed by (seed, sample index, sensor cell, noise component).

Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011. Mirrors csrc/noise/philox.h.
"""

from __future__ import annotations

import enum

import torch
from torch import Tensor

#: Version of the map from (seed, index, position, component) to noise: random words and what is made of them.
#: Seeded results change with it.
STREAM_VERSION = 2

ROUNDS = 10
_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)
_MASK = 0xFFFFFFFF


class Component(enum.IntEnum):
    """What a random word is drawn for: the low byte of the fourth counter word. Numbers are never reused."""

    SHOT = 0
    READ = 1
    ROW = 2
    COLUMN = 3
    QUANTIZE = 4
    GENERATOR = 5
    GENERATOR_ROW = 6
    GENERATOR_COLUMN = 7
    PARAMETERS = 8
    # Of the body, by sensor and not by index: PATTERN, FIXED_ROW, FIXED_COLUMN, DARK_CURRENT, BLINKING_PIXEL.
    PATTERN = 9
    FIXED_ROW = 10
    FIXED_COLUMN = 11
    DARK_CURRENT = 12
    BLINKING_PIXEL = 13
    BLINK_STATE = 14
    DRIFT = 15
    ROW_WAVES = 16
    COLUMN_WAVES = 17


def philox4x32(
    counter: tuple[Tensor, ...], key: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Run Philox4x32-10 on broadcastable int64 tensors that hold 32-bit values.

    Args:
        counter: four tensors, values in [0, 2^32).
        key: two tensors, values in [0, 2^32).

    Returns: four int64 tensors of the broadcast shape, values in [0, 2^32).
    """
    c0, c1, c2, c3 = torch.broadcast_tensors(*counter)
    k0, k1 = key
    for _ in range(ROUNDS):
        high0, low0 = _multiply(c0, _MULTIPLIERS[0])
        high1, low1 = _multiply(c2, _MULTIPLIERS[1])
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
        k0, k1 = (k0 + _WEYL[0]) & _MASK, (k1 + _WEYL[1]) & _MASK
    return c0, c1, c2, c3


def _multiply(a: Tensor, b: int) -> tuple[Tensor, Tensor]:
    # The int64 product wraps at 2^64; its bits are still those of the unsigned product.
    product = a * b
    return (product >> 32) & _MASK, product & _MASK


def words(seed: Tensor, index: Tensor, component: int, cell_row: Tensor, cell_col: Tensor) -> Tensor:
    """Draw the four words of each cell, one per CFA site.

    Args:
        seed: () int64, taken mod 2^64.
        index: (B,) int64, identity of each sample, taken mod 2^56.
        component: a :class:`Component` number.
        cell_row: (h,) int64, cell coordinate on the sensor, taken mod 2^32.
        cell_col: (w,) int64, likewise.

    Returns: (B, 4, h, w) int64, values in [0, 2^32), sites in the order (0,0), (0,1), (1,0), (1,1).
    """
    key = (seed & _MASK, (seed >> 32) & _MASK)
    index = index[:, None, None]
    counter = (
        cell_col[None, None, :] & _MASK,
        cell_row[None, :, None] & _MASK,
        index & _MASK,
        component + 256 * ((index >> 32) & 0xFFFFFF),
    )
    return torch.stack(philox4x32(counter, key), dim=1)
