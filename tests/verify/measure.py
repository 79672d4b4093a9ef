# SPDX-License-Identifier: Apache-2.0
"""Noise of one component at a time, as any synthesiser with fused_synth's arguments gives it."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch

from lrd_ext import NoiseParams

#: Black 0 and white 1: DN above black are what the model adds up, and clean is the signal in DN.
BARE = {"K": 1.0, "ratio": 1.0, "white": 1.0, "black": 0.0}
OPEN = {"output": "dn_float", "clip": "none", "layout": "mosaic"}


@dataclasses.dataclass(frozen=True)
class Result:
    """One line of the table: passes where p >= the corrected level or, without p, statistic <= limit."""

    test: str
    statistic: float
    p: float | None = None
    limit: float | None = None
    count: int = 0


def field(synth, shape, *, level=0.0, seed=1, index=0, quantize="none", **fields):
    """Noise frames (B, H, W) as float64 for a constant clean signal of ``level`` DN."""
    fields = {"shot": False} | fields
    clean = torch.tensor(level, dtype=torch.float32).expand(shape)
    noise = synth(clean, NoiseParams(**(BARE | fields)), seed=seed, index=index, quantize=quantize, **OPEN)
    return noise.numpy().astype(np.float64)


def draws(synth, count, *, side=1024, **options):
    """About ``count`` draws in frames of side x side, one array per frame."""
    side = min(side, 2 * max(1, int(np.sqrt(count)) // 2))
    first = options.pop("index", 0)
    for i in range(max(1, count // side**2)):
        yield field(synth, (1, side, side), index=first + i, **options)[0]


def two_sided(z):
    """P value of a standard normal statistic."""
    from scipy import special

    return float(2 * special.ndtr(-abs(z)))
