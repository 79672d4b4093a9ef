# SPDX-License-Identifier: Apache-2.0
"""What LowLightNoise is called with, checked and brought to one value for each sample."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from lrd_ext.call_form import Layout
from lrd_ext.datasets.crops import EPOCH, LIMIT


def batch_of(clean: Tensor, layout: Layout) -> int:
    """Return how many samples a picture or batch holds, as fused_synth reads its shape."""
    if clean.ndim == 4:
        return clean.shape[0]
    return clean.shape[0] if clean.ndim == 3 and layout != "packed" else 1


def identities_of(index: int | Tensor, epoch: int, many: int) -> Tensor:
    """Return the identity of each sample, (many,) int64 on the CPU.

    Raises:
        ValueError: there are not as many, or an index or the epoch is out of range.
    """
    first = torch.as_tensor(index, dtype=torch.int64).cpu()
    if first.ndim == 0:
        first = first + torch.arange(many)
    if first.shape != (many,):
        raise ValueError(f"index must be an int or ({many},), got shape {tuple(first.shape)}")
    if not 0 <= epoch < LIMIT // EPOCH:
        raise ValueError(f"epoch must be in [0, {LIMIT // EPOCH}), got {epoch}")
    if bool(((first < 0) | (first >= LIMIT)).any()):
        raise ValueError(f"index must be in [0, 2^56), got {first.tolist()[:8]}")
    return first + epoch * EPOCH


def origins_of(
    given: tuple[int, int] | Sequence[tuple[int, int]] | None, many: int
) -> list[tuple[int, int]] | None:
    """Return the place of each picture on the sensor, None where none was given."""
    if given is None:
        return None
    places = np.broadcast_to(np.array(given, dtype=np.int64), (many, 2)).tolist()
    return [(row, column) for row, column in places]


def one_each(given: float | Sequence[float] | None, many: int) -> Sequence[float] | None:
    """Return an ISO or ratio for each sample, None where none was given.

    Raises:
        ValueError: there are not as many.
    """
    if given is None or isinstance(given, (int, float)):
        return None if given is None else [float(given)] * many
    if len(given) != many:
        raise ValueError(
            f"iso and ratio must be numbers or hold one for each of {many} samples, got {len(given)}"
        )
    return [float(v) for v in given]
