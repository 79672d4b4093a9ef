# SPDX-License-Identifier: Apache-2.0
"""What the analogue-to-digital converter does: rounding and clipping. Mirrors csrc/noise/quantize.h."""

from __future__ import annotations

import torch
from torch import Tensor


def quantize(raw: Tensor, mode: str, word: Tensor | None, step: Tensor) -> Tensor:
    """Round to steps, half to even ("round"), or add U(-1/2, 1/2) steps ("uniform"), or neither ("none").

    Args:
        raw: raw DN, floating point.
        mode: "round", "uniform" or "none".
        word: int64 words of raw's shape, needed for "uniform".
        step: DN, broadcastable to raw.
    """
    if mode == "round":
        return step * torch.round(raw / step)
    if mode == "uniform":
        assert word is not None
        return raw + step * ((word.double() + 0.5) * 2.0**-32 - 0.5)
    return raw


def clip(raw: Tensor, mode: str, black: Tensor, white: Tensor) -> Tensor:
    """Clip raw DN to [0, white] ("adc"), [black, white] ("black") or not at all ("none"); NaN stays NaN."""
    if mode == "none":
        return raw
    low = black if mode == "black" else torch.zeros_like(black)
    return torch.minimum(torch.maximum(raw, low), white)


def to_uint16(raw: Tensor) -> Tensor:
    """Round to uint16, saturating at 0 and 65535; NaN gives 0."""
    whole = torch.round(torch.nan_to_num(raw, nan=0.0, posinf=65535.0, neginf=0.0)).clamp(0, 65535)
    return whole.to(torch.int32).to(torch.uint16)
