# SPDX-License-Identifier: Apache-2.0
"""The colour filter array: its patterns, the order of per-site figures, and packing into planes."""

from __future__ import annotations

import dataclasses
import sys
from typing import Any, Literal, cast, get_args

import numpy as np


@dataclasses.dataclass(frozen=True)
class Pattern:
    """Colours of the smallest block of pixels that repeats over a sensor, row by row."""

    colours: tuple[tuple[str, ...], ...]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the block, pixels."""
        return len(self.colours), len(self.colours[0])

    def at(self, row: int, column: int) -> str:
        """Return the colour of a pixel."""
        height, width = self.size
        return self.colours[row % height][column % width]

    def shifted(self, rows: int, columns: int) -> Pattern:
        """Return the pattern as seen from pixel (``rows``, ``columns``)."""
        height, width = self.size
        block = (tuple(self.at(r + rows, c + columns) for c in range(width)) for r in range(height))
        return Pattern(tuple(block))


Cfa = Literal["RGGB", "GRBG", "GBRG", "BGGR", "MONO"]

#: Every pattern by name; Gr is the green of the red rows, Gb the green of the blue rows, Y no filter.
PATTERNS: dict[str, Pattern] = {
    "RGGB": Pattern((("R", "Gr"), ("Gb", "B"))),
    "GRBG": Pattern((("Gr", "R"), ("B", "Gb"))),
    "GBRG": Pattern((("Gb", "B"), ("R", "Gr"))),
    "BGGR": Pattern((("B", "Gb"), ("Gr", "R"))),
    "MONO": Pattern((("Y",),)),
}

BAYER = ("RGGB", "GRBG", "GBRG", "BGGR")
"""The four Bayer phases, each the colours of sites (0,0), (0,1), (1,0), (1,1)."""

MONO = "MONO"
"""Stands in place of a Bayer phase for a sensor without colour filters."""

SITES = ((0, 0), (0, 1), (1, 0), (1, 1))
"""(row, column) of the four sites of a 2x2 cell, in the order every per-site figure of the library has."""

Order = Literal["site", "rgbg", "rggb"]

ORDERS: tuple[str, ...] = get_args(Order)
"""Orders of packed planes: by site; R, G of the red rows, B, G of the blue rows; R, those two greens, B."""


def check_cfa(cfa: str, *, mono: bool = True, what: str = "cfa") -> Cfa:
    """Return ``cfa`` if it names a Bayer phase (or, where ``mono`` allows it, "MONO").

    Raises:
        ValueError: it does not.
    """
    accepted = (*BAYER, MONO) if mono else BAYER
    if cfa not in accepted:
        raise ValueError(f"{what} must be one of {', '.join(accepted)}, got {cfa!r}")
    return cast(Cfa, cfa)


def shift_cfa(cfa: str, rows: int, columns: int) -> str:
    """Return the pattern seen from pixel (``rows``, ``columns``) of a mosaic whose pixel (0, 0) has ``cfa``.

    A shift of a Bayer phase is its own inverse, since it repeats every two pixels. "MONO" stays "MONO".
    """
    seen = PATTERNS[check_cfa(cfa)].shifted(rows, columns)
    return next(name for name, pattern in PATTERNS.items() if pattern == seen)


def site_colours(cfa: str) -> tuple[str, str, str, str]:
    """Name the colours at the four sites: R, Gr, Gb, B, or Y everywhere for "MONO"."""
    pattern = PATTERNS[check_cfa(cfa)]
    a, b, c, d = (pattern.at(*site) for site in SITES)
    return a, b, c, d


def site_labels(cfa: str) -> tuple[str, str, str, str]:
    """Name the four sites for tables and plots: by colour, or 00, 01, 10, 11 where all have the same."""
    return site_colours(cfa) if check_cfa(cfa) != MONO else ("00", "01", "10", "11")


def rgbg_sites(cfa: str) -> tuple[int, int, int, int]:
    """Return the site numbers 0..3 of R, the green in R's row, B, and the green in B's row.

    Raises:
        ValueError: ``cfa`` is not a Bayer phase.
    """
    colours = site_colours(check_cfa(cfa, mono=False))
    return colours.index("R"), colours.index("Gr"), colours.index("B"), colours.index("Gb")


def to_phase(values: np.ndarray, given: str, wanted: str) -> np.ndarray:
    """Reorder per-site values from one CFA phase to another.

    Args:
        values: (..., 4), sites of the phase ``given``.
        given: a key of :data:`PATTERNS`; values of "MONO" are given back as they are.
        wanted: a key of :data:`PATTERNS`; for "MONO" every site gets the mean of the four.

    Returns: (..., 4), sites of the phase ``wanted``.

    Raises:
        ValueError: one of the phases is not known.
    """
    check_cfa(wanted)
    if given in (wanted, MONO):
        return values
    if wanted == MONO:
        return np.broadcast_to(values.mean(-1, keepdims=True), values.shape).copy()
    colours = site_colours(given)
    return values[..., [colours.index(colour) for colour in site_colours(wanted)]]


def pack(mosaic: Any, order: str = "site", *, cfa: str | None = None) -> Any:
    """Pack a mosaic into four planes of half its height and width.

    Args:
        mosaic: (..., H, W) array or torch tensor of any dtype, or a ``Raw``; H and W even.
        order: "site" gives the sites (0,0), (0,1), (1,0), (1,1); "rgbg" gives R, the green of the red
            rows, B, the green of the blue rows, as ELD and SID pack (LibRaw's colours 0, 1, 2, 3), in
            every phase; "rggb" gives R, the two greens likewise, B.
        cfa: phase of ``mosaic[..., 0, 0]``, not needed for "site"; a ``Raw`` brings its own.

    Returns:
        (..., 4, H/2, W/2), of the kind and dtype of ``mosaic``, a copy.

    Raises:
        TypeError: ``mosaic`` is neither array, tensor nor Raw.
        ValueError: an odd or missing dimension, or an unknown order or phase.

    Source: Wei et al., CVPR 2020 (ELD), and Chen et al., CVPR 2018 (SID), for the order R, G, B, G.
    """
    if cfa is None:
        cfa = getattr(mosaic, "cfa", None)
    mosaic = getattr(mosaic, "mosaic", mosaic)
    sites = plane_sites(order, cfa, "raw.pack")
    height, width = _shape_of(mosaic, 2, "raw.pack: mosaic", "(..., H, W)")[-2:]
    if height % 2 or width % 2:
        raise ValueError(
            f"raw.pack: mosaic must have even height and width, got {height} x {width}. Crop it first"
        )
    planes = [mosaic[..., SITES[s][0] :: 2, SITES[s][1] :: 2] for s in sites]
    if isinstance(mosaic, np.ndarray):
        return np.stack(planes, axis=-3)
    return sys.modules["torch"].stack(planes, dim=-3)


def unpack(packed: Any, order: str = "site", *, cfa: str | None = None) -> Any:
    """Lay four planes out as a mosaic again: the inverse of :func:`pack`.

    Args:
        packed: (..., 4, h, w) array or torch tensor of any dtype.
        order: the order of the planes, "site", "rgbg" or "rggb".
        cfa: phase the mosaic shall have, not needed for "site".

    Returns:
        (..., 2h, 2w), of the kind and dtype of ``packed``.

    Raises:
        TypeError: ``packed`` is neither array nor tensor.
        ValueError: there are not four planes, or an unknown order or phase.
    """
    sites = plane_sites(order, cfa, "raw.unpack")
    *batch, planes, height, width = _shape_of(packed, 3, "raw.unpack: packed", "(..., 4, h, w)")
    if planes != 4:
        raise ValueError(f"raw.unpack: packed must be (..., 4, h, w), got shape {tuple(packed.shape)}")
    shape = (*batch, 2 * height, 2 * width)
    mosaic = np.empty(shape, packed.dtype) if isinstance(packed, np.ndarray) else packed.new_empty(shape)
    for plane, site in enumerate(sites):
        row, column = SITES[site]
        mosaic[..., row::2, column::2] = packed[..., plane, :, :]
    return mosaic


def plane_sites(order: str, cfa: str | None, op: str = "plane_sites") -> tuple[int, int, int, int]:
    """Return the site number 0..3 that each packed plane holds.

    Raises:
        ValueError: an unknown order, or no Bayer phase where the order goes by colour; begins with ``op``.
    """
    if order not in ORDERS:
        raise ValueError(f"{op}: order must be one of {', '.join(ORDERS)}, got {order!r}")
    if order == "site":
        return 0, 1, 2, 3
    if cfa is None:
        raise ValueError(f'{op}: order "{order}" needs cfa, one of {", ".join(BAYER)}')
    red, red_green, blue, blue_green = rgbg_sites(
        check_cfa(cfa, mono=False, what=f'{op}: cfa for order "{order}"')
    )
    if order == "rgbg":
        return red, red_green, blue, blue_green
    return red, red_green, blue_green, blue


def _shape_of(data: Any, least: int, what: str, rule: str) -> tuple[int, ...]:
    # Asked of sys.modules, so that arrays can be packed where torch is not even loaded.
    torch = sys.modules.get("torch")
    if not isinstance(data, np.ndarray) and not (torch and isinstance(data, torch.Tensor)):
        raise TypeError(f"{what} must be a NumPy array or a torch tensor, got {type(data).__name__}")
    if data.ndim < least:
        raise ValueError(f"{what} must be {rule}, got shape {tuple(data.shape)}")
    return tuple(data.shape)
