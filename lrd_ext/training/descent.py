# SPDX-License-Identifier: Apache-2.0
"""What steps of gradient descent have in common: over processes, with an average of the weights."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def mean_over(fabric: Fabric, value: Tensor) -> Tensor:
    """Average a tensor over all processes; with one process it is the tensor itself."""
    if fabric.world_size == 1:
        return value
    mean: Any = fabric.all_reduce(value, reduce_op="mean")
    return cast(Tensor, mean)


def descend(fabric: Fabric, module: nn.Module, optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    """Take one step down the mean of all processes' losses; every process comes to the same weights."""
    optimizer.zero_grad()
    loss.backward()
    for weight in module.parameters():
        if weight.grad is not None:
            weight.grad = mean_over(fabric, weight.grad)
    optimizer.step()


@torch.no_grad()
def follow(average: nn.Module, module: nn.Module, share: float, number: int) -> None:
    """Move an average of weights; it forgets its beginning as fast as it has seen steps.

    Args:
        average: moved in place.
        module: as it is now.
        share: of the old average that stays, in [0, 1).
        number: of the step, from 0.
    """
    share = min(share, (number + 1) / (number + 10))
    for kept, now in zip(average.parameters(), module.parameters(), strict=True):
        kept.lerp_(now, 1 - share)


def set_cosine_rate(
    optimizers: Iterable[torch.optim.Optimizer], rate: float, done: float, total: float
) -> None:
    """Set the learning rate to where a half cosine from ``rate`` to 0 over ``total`` is after ``done``."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = 0.5 * rate * (1 + math.cos(math.pi * done / total))
