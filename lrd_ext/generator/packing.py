# SPDX-License-Identifier: Apache-2.0
"""A generator's weights as the one tensor the compiled op takes. Mirrors Stack in csrc/noise/conv_tile.h."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def pack(weights: Sequence[Tensor], biases: Sequence[Tensor], log_sigma: bool) -> Tensor:
    """Lay weights out in the order they are read, the first layer split by what its inputs vary along.

    A line channel is the same for all taps along its line and log sigma for all nine, so the sums of those
    taps serve; they are made in float64 and rounded once.

    Args:
        weights: (C_out, C_in, 3, 3) each, the first with C_in 8, or 9 with ``log_sigma``.
        biases: (C_out,) each.
        log_sigma: whether the ninth input channel is there.

    Returns: 1-D float32: of the first layer sites (C / 4, 4, 3, 3, 4), mosaic rows (2, 3, C), mosaic columns
        (2, 3, C), log sigma (C,), bias (C,); of each other layer weights (C_out / 4, C_in, 3, 3, 4), bias.
    """
    first = weights[0].detach().double()
    rows, columns = first[:, 4:6].sum(3), first[:, 6:8].sum(2)
    constant = first[:, 8].sum((1, 2)) if log_sigma else torch.zeros_like(first[:, 0, 0, 0])
    parts = [_by_fours(first[:, :4]), rows.permute(1, 2, 0), columns.permute(1, 2, 0), constant]
    parts.append(biases[0].detach())
    for weight, bias in zip(weights[1:], biases[1:], strict=True):
        parts += [_by_fours(weight.detach()), bias.detach()]
    return torch.cat([part.to(torch.float32).reshape(-1) for part in parts])


def _by_fours(weight: Tensor) -> Tensor:
    """(C_out, C_in, 3, 3) to (C_out / 4, C_in, 3, 3, 4): four outputs share what is read of the input."""
    return weight.unflatten(0, (-1, 4)).permute(0, 2, 3, 4, 1)
