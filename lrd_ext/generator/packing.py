# SPDX-License-Identifier: Apache-2.0
"""A generator's weights as the one tensor the compiled op takes. Mirrors Stack in csrc/noise/conv_tile.h.

Orders are worked out once, as numbers of elements of all weights and biases in a row; packing gathers them.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from . import fragments


class Order(NamedTuple):
    """Which elements go where: each of ``sums`` is that of nine, then come ``tiles``.

    Of the first layer sites (C / 4, 4, 3, 3, 4), mosaic rows (2, 3, C), mosaic columns (2, 3, C), log sigma
    (C,); then its bias (C,) and of each other layer weights (C_out / 4, C_in, 3, 3, 4) and bias. A line
    channel is the same for all taps along its line and log sigma for all nine, so their sums serve; all else
    is one element and eight of nothing, so that packing takes few kernels of a GPU.
    """

    sums: Tensor  # (N, 9)
    tiles: Tensor  # for tensor cores; none where the layers differ in width


def order_of(channels: Sequence[int], log_sigma: bool, width: int | None = None) -> Order:
    """Work out the order of a stack's weights.

    Args:
        channels: of the input, 8, or 9 with ``log_sigma``, of each hidden layer, and 4.
        log_sigma: whether the ninth input channel is there.
        width: fill hidden layers up to this many channels with weights of 0, which change no result.
    """
    weights, biases, nothing = _numbered(channels, width)
    first = weights[0]
    rows = _filled(first[:, 4:6].permute(2, 3, 1, 0), nothing)  # (down, across, line, C): summed across
    columns = _filled(first[:, 6:8].permute(3, 2, 1, 0), nothing)
    ninth = first[:, 8].flatten(1) if log_sigma else first.new_full((first.shape[0], 9), nothing)
    rest = [biases[0].reshape(-1)]
    for weight, bias in zip(weights[1:], biases[1:], strict=True):
        rest += [_by_fours(weight).reshape(-1), bias]
    tiles = fragments.order(weights, nothing) if width is not None else first.new_empty(0)
    sites, others = (_alone(part, nothing) for part in (_by_fours(first[:, :4]).reshape(-1), torch.cat(rest)))
    return Order(torch.cat([sites, rows, columns, ninth, others]), tiles)


def pack(weights: Sequence[Tensor], biases: Sequence[Tensor], order: Order) -> Tensor:
    """Lay weights out as ``order`` says, without a gradient.

    Args:
        weights: (C_out, C_in, 3, 3) each, float32 or bfloat16.
        biases: (C_out,) each.
        order: where each goes.

    Returns: 1-D float32. Sums are made in float64 and rounded once. Weights for tensor cores, if any, follow
        as pairs of bfloat16.
    """
    parts = [w.detach().reshape(-1) for w in (*weights, *biases)]
    row = torch.cat([*parts, parts[0].new_zeros(1)])
    packed = row[order.sums].sum(1, dtype=torch.float64).to(torch.float32)
    if not order.tiles.numel():
        return packed
    return torch.cat([packed, row.to(torch.bfloat16)[order.tiles].view(torch.float32)])


def _numbered(channels: Sequence[int], width: int | None) -> tuple[list[Tensor], list[Tensor], int]:
    """Number all elements; return numbers in weights' and biases' shapes, and that of a 0 behind them."""
    shapes = [(b, a, 3, 3) for a, b in itertools.pairwise(channels)]
    sizes = [torch.Size(s).numel() for s in shapes] + list(channels[1:])
    nothing = sum(sizes)
    parts = torch.arange(nothing).split(sizes)
    weights = [p.view(s) for p, s in zip(parts, shapes, strict=False)]
    biases = list(parts[len(shapes) :])
    if width is None:
        return weights, biases, nothing
    last = len(shapes) - 1
    for i, (outputs, inputs, *_) in enumerate(shapes):
        more_out, more_in = (width - outputs) * (i < last), (width - inputs) * (i > 0)
        weights[i] = functional.pad(weights[i], (0, 0, 0, 0, 0, more_in, 0, more_out), value=nothing)
        biases[i] = functional.pad(biases[i], (0, more_out), value=nothing)
    return weights, biases, nothing


def _filled(taps: Tensor, nothing: int) -> Tensor:
    """(kept, summed, line, C) to (line kept C, 9): three numbers to sum, the others of nothing."""
    summed = taps.permute(2, 0, 3, 1).reshape(-1, 3)
    return functional.pad(summed, (0, 6), value=nothing)


def _alone(elements: Tensor, nothing: int) -> Tensor:
    """(N,) to (N, 9): each with eight numbers of nothing."""
    return functional.pad(elements[:, None], (0, 8), value=nothing)


def _by_fours(weight: Tensor) -> Tensor:
    """(C_out, C_in, 3, 3) to (C_out / 4, C_in, 3, 3, 4): four outputs share what is read of the input."""
    return weight.unflatten(0, (-1, 4)).permute(0, 2, 3, 4, 1)
