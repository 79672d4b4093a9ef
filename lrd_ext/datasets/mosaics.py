# SPDX-License-Identifier: Apache-2.0
"""What a data set knows of a mosaic, and the item that a crop of it becomes."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lrd_ext.cfa import Order, plane_sites
from lrd_ext.native import NATIVE
from lrd_ext.raw import Raw

from .crops import EPOCH, crop_corner

#: Gives the values of a window (row, column, height, width) of a mosaic, uint16.
Cut = Callable[[int, int, int, int], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Mosaic:
    """One mosaic.

    Args:
        source: name of the raw file it is from.
        height, width: even.
        origin: (row, column) of its first site in the active area of the source, even.
        cfa: phase of its first site.
        black: black level by site, raw DN; white: white level, raw DN.
        iso, exposure_s, camera: None where the source does not tell.
    """

    source: str
    height: int
    width: int
    origin: tuple[int, int]
    cfa: str
    black: tuple[float, float, float, float]
    white: float
    iso: float | None
    exposure_s: float | None
    camera: str | None


def check_arguments(size: int | None, samples: int | None, order: str) -> None:
    """Refuse sizes of crops, numbers of samples and orders of channels that make no sense.

    Raises:
        ValueError: size or samples is below 1, or the order is not known.
    """
    plane_sites(order, "RGGB", "data set")
    if size is not None and size < 1:
        raise ValueError(f"size must be at least 1 cell, got {size}")
    if samples is not None and samples < 1:
        raise ValueError(f"samples must be at least 1, got {samples}")


def black_by_site(black: float | Sequence[float] | None) -> list[float] | None:
    """Return four levels for the one or four that a caller gave, None for None.

    Raises:
        ValueError: they are not one or four numbers of at least 0.
    """
    if black is None:
        return None
    levels = np.ravel(np.asarray(black, float)).tolist()
    if len(levels) not in (1, 4) or not all(0 <= level < math.inf for level in levels):
        raise ValueError(f"black must be one number or four by site, at least 0, got {black}")
    return levels * (4 // len(levels))


def with_black(raw: Raw, black: Sequence[float] | None, path: Path) -> Raw:
    """Return a picture with the black level given, or with its own.

    Raises:
        ValueError: it has none, or the one given makes no sense; the file is named.
    """
    if black is not None:
        try:
            return raw.replace(black=black, black_known=True)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
    if not raw.black_known:
        raise ValueError(
            f"{path}: gives no black level, and with 0 in its place black would be light; say --black "
            "(black=)"
        )
    return raw


def mosaic_of(identity: int, samples: int, mosaics: int) -> int:
    """Return the number of the mosaic that an identity, index + epoch * 2^40, is cut from.

    Epochs go on where the one before ended: every mosaic has its turn, however many samples an epoch has.

    Raises:
        IndexError: the index is not below ``samples``, or the identity is below 0.
    """
    epoch, index = divmod(identity, EPOCH)
    if identity < 0 or index >= samples:
        raise IndexError(f"identity must be index + epoch * 2^40, index below {samples}, got {identity}")
    return (index + epoch * samples) % mosaics


def item_of(
    mosaic: Mosaic,
    cut: Cut,
    size: int | None,
    seed: int,
    identity: int,
    order: Order = "site",
    planes: torch.Tensor | None = None,
) -> dict[str, Any]:
    """Make the item of an identity: its own crop of ``size`` cells a side, or with None the whole mosaic.

    ``planes``: memory for its ``clean``, or None.
    """
    shape = (mosaic.height, mosaic.width)
    height, width = shape if size is None else (2 * size, 2 * size)
    row, column = crop_corner(seed, identity, shape, (height, width))
    sites = plane_sites(order, mosaic.cfa, mosaic.source)
    return {
        "clean": packed(cut(row, column, height, width), sites, planes),
        "order": order,
        "black": torch.tensor(mosaic.black),
        "white": mosaic.white,
        "cfa": mosaic.cfa,
        "origin": (mosaic.origin[0] + row, mosaic.origin[1] + column),
        "iso": math.nan if mosaic.iso is None else mosaic.iso,
        "exposure_s": math.nan if mosaic.exposure_s is None else mosaic.exposure_s,
        "index": identity,
        "id": mosaic.source,
    }


def packed(mosaic: np.ndarray, sites: Sequence[int], planes: torch.Tensor | None = None) -> torch.Tensor:
    """Pack (H, W) uint16 into (4, H/2, W/2), plane i from site ``sites[i]``; ``planes``: where, or None."""
    height, width = mosaic.shape
    if planes is None:
        planes = torch.empty((4, height // 2, width // 2), dtype=torch.uint16)
    if NATIVE is not None and mosaic.strides[-1] == 2:  # in a third of the time
        NATIVE.pack(mosaic, planes.numpy(), sites)
        return planes
    for plane, site in zip(planes.numpy(), sites, strict=True):
        plane[...] = mosaic[site // 2 :: 2, site % 2 :: 2]
    return planes
