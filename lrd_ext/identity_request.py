# SPDX-License-Identifier: Apache-2.0
"""What fused_synth and reference_synth accept as seed, index, sensor and origin: who a sample is, and where.

Values are checked where that neither waits for a device nor breaks a graph.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .torch_state import may_look


def _integer(name: str, value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value  # before anything is asked of it: torch.compile traces a number as a symbol
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"fused_synth: {name} must be an int or an int64 tensor, got {value!r}")
    return int(value)


def _int64_tensor(name: str, value: Tensor, device: torch.device) -> Tensor:
    if value.dtype != torch.int64:
        raise TypeError(
            f"fused_synth: {name} must be an int64 tensor or an int, got a tensor of {value.dtype}"
        )
    return value if value.device == device else value.to(device)


def checked_seed(seed: int | Tensor, device: torch.device) -> int | Tensor:
    """Return the seed as an int in [-2^63, 2^63) or as () int64.

    Raises:
        TypeError: it is no integer.
        ValueError: a tensor of more or less than one number.
    """
    if not isinstance(seed, int) and isinstance(seed, Tensor):  # an int is seen faster
        if seed.numel() != 1:
            raise ValueError(f"fused_synth: seed must hold one number, got shape {tuple(seed.shape)}")
        seed = _int64_tensor("seed", seed, device)
        return seed if seed.ndim == 0 else seed.reshape(())
    number = _integer("seed", seed)
    if -(2**63) <= number <= 2**63 - 1:
        return number
    return (number + 2**63) % 2**64 - 2**63


def checked_index(index: int | Tensor, batch: int, device: torch.device) -> int | Tensor:
    """Return the first index, or all as (batch,) int64.

    Raises:
        TypeError: it is no integer.
        ValueError: a shape that does not fit, or a value out of range.
    """
    if not isinstance(index, int) and isinstance(index, Tensor):  # an int is seen faster
        if index.shape not in ((batch,), ()) or (index.ndim == 0 and batch > 1):
            raise ValueError(
                f"fused_synth: index must be an int or hold one number per sample, ({batch},), "
                f"got shape {tuple(index.shape)}"
            )
        return _identities("index", index, batch, device)
    first = _integer("index", index)
    if not 0 <= first <= 2**56 - max(batch, 1):
        raise ValueError(f"fused_synth: index must be in [0, 2^56 - batch size], got {first}")
    return first


def _identities(name: str, value: Tensor, batch: int, device: torch.device) -> Tensor:
    value = _int64_tensor(name, value, device)
    value = value if value.ndim == 1 else value.reshape(batch)
    if may_look(value) and bool((value >> 56).any()):
        raise ValueError(f"fused_synth: {name} must be in [0, 2^56), got {value[value >> 56 != 0][0].item()}")
    return value


def checked_sensor(sensor: int | Tensor, batch: int, device: torch.device) -> int | Tensor:
    """Return the body of all samples, or of each as (batch,) int64.

    Raises:
        TypeError: it is no integer.
        ValueError: a shape that does not fit, or a value out of range.
    """
    if not isinstance(sensor, int) and isinstance(sensor, Tensor):  # an int is seen faster
        if tuple(sensor.shape) not in ((batch,), (), (1,)):
            raise ValueError(
                f"fused_synth: sensor must be an int, one body for all, or hold one number per sample, "
                f"({batch},), got shape {tuple(sensor.shape)}"
            )
        return _identities("sensor", sensor.expand(batch), batch, device)
    number = _integer("sensor", sensor)
    if not 0 <= number < 2**56:
        raise ValueError(f"fused_synth: sensor must be in [0, 2^56), got {number}")
    return number


def cell_origin(origin: tuple[int, int]) -> tuple[int, int]:
    """Return the origin in cells.

    Raises:
        TypeError: it is not a pair of integers.
        ValueError: a number is odd or too large.
    """
    if not isinstance(origin, (tuple, list)) or len(origin) != 2:
        raise TypeError(f"fused_synth: origin must be (row, col), got {origin!r}")
    row, col = _integer("origin", origin[0]), _integer("origin", origin[1])
    if row % 2 or col % 2 or not (-(2**32) < row < 2**32 and -(2**32) < col < 2**32):
        raise ValueError(
            f"fused_synth: origin must be two even numbers within 2^32 (an odd one changes the CFA phase), "
            f"got {origin}"
        )
    return row // 2, col // 2
