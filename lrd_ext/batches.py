# SPDX-License-Identifier: Apache-2.0
"""Joining samples that hold NoiseParams into batches, as a DataLoader does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .params import NoiseParams


def collate(samples: Sequence[Any]) -> Any:
    """Join samples into one batch: a DataLoader's ``collate_fn`` for data sets with NoiseParams in them.

    Samples are alike: NoiseParams, or dicts, tuples or lists (named tuples too) of them and of tensors,
    arrays, numbers and strings, at any depth. NoiseParams are joined by :meth:`NoiseParams.cat`, all else as
    ``torch.utils.data.default_collate`` does: tensors are stacked, numbers become a tensor, strings a list.

    Args:
        samples: what the data set gave, one element per sample.

    Returns: the same structure, each leaf a batch.

    Raises:
        TypeError: something that neither of the two joins.
        ValueError: NoiseParams that disagree in device or ``shot``.
    """
    from torch.utils.data._utils import (
        collate as torchs,  # its table of types is documented, its place is not
    )

    return torchs.collate(list(samples), collate_fn_map={**torchs.default_collate_fn_map, NoiseParams: _join})


def _join(samples: Sequence[NoiseParams], *, collate_fn_map: Any = None) -> NoiseParams:
    return NoiseParams.cat(samples)
