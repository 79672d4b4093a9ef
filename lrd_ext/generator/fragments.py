# SPDX-License-Identifier: Apache-2.0
"""Weights in the order in which tensor cores take them. Mirrors csrc/cuda/layers_bfloat16.cuh.

A product multiplies 16 positions x 16 channels by 16 channels x 8 outputs; of the second matrix each of 32
threads holds four elements in two registers (PTX ISA, mma.m16n8k16).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional


def order(weights: Sequence[Tensor], nothing: int) -> Tensor:
    """Put numbers of weights into the order of the threads' registers.

    Args:
        weights: of each convolution (C_out, C_in, 3, 3); hidden layers all 16 or all 32 wide.
        nothing: number of a weight of 0.

    Returns: 1-D, two numbers for each register: of the first convolution (down 3, C / 8, 32, 2) registers, of
        each further hidden layer (groups, tap 9, 32, 4), of the last (tap 9, 32, C / 8).
    """
    width = weights[0].shape[0]
    taps = functional.pad(weights[0][:, :4], (0, 1), value=nothing)  # a fourth tap across
    first = _registers(taps.permute(0, 2, 3, 1).reshape(width, 48))
    parts = [first]
    for weight in weights[1:-1]:
        by_tap = _registers_of_taps(weight)
        # What one thread reads at once: both blocks of outputs, or both halves of the inputs.
        parts.append(by_tap.permute(1, 0, 3, 2, 4) if width == 16 else by_tap.permute(2, 0, 3, 1, 4))
    last = functional.pad(weights[-1], (0, 0, 0, 0, 0, 0, 0, 4), value=nothing)  # 4 outputs of 8
    parts.append(_registers_of_taps(last).permute(0, 3, 1, 2, 4))
    return torch.cat([part.reshape(-1) for part in parts])


def _registers_of_taps(weight: Tensor) -> Tensor:
    """(N, K, 3, 3) to (9, K / 16, N / 8, 32, 4)."""
    return torch.stack([_registers(weight[:, :, tap // 3, tap % 3]) for tap in range(9)])


def _registers(matrix: Tensor) -> Tensor:
    """(N outputs, K inputs) to (K / 16, N / 8, 32 threads, 4 elements)."""
    thread = torch.arange(32)
    output = thread[:, None] // 4
    inputs = 2 * (thread[:, None] % 4) + torch.tensor([0, 1, 8, 9])
    blocks = matrix.unflatten(1, (-1, 16)).unflatten(0, (-1, 8)).permute(2, 0, 1, 3)
    return blocks[..., output, inputs]
