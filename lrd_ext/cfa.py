# SPDX-License-Identifier: Apache-2.0
"""The colour filter array: its patterns, the order of per-site figures, and packing into planes."""

from __future__ import annotations

import dataclasses
import itertools
import math
import sys
from collections.abc import Collection, Sequence
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

    @property
    def cell(self) -> int:
        """Side of the smallest square after which colours and sites both repeat, pixels."""
        return math.lcm(2, *self.size)

    def at(self, row: int, column: int) -> str:
        """Return the colour of a pixel."""
        height, width = self.size
        return self.colours[row % height][column % width]

    def shifted(self, rows: int, columns: int) -> Pattern:
        """Return the pattern as seen from pixel (``rows``, ``columns``)."""
        height, width = self.size
        block = (tuple(self.at(r + rows, c + columns) for c in range(width)) for r in range(height))
        return Pattern(tuple(block))

    def letters(self, height: int, width: int) -> np.ndarray:
        """Return the colour of every pixel of a mosaic, (height, width), as the letter R, G, B or Y."""
        block = np.array([[colour[0] for colour in row] for row in self.colours])
        return tiled(block, height, width)


def _phases(name: str, pattern: Pattern) -> dict[str, Pattern]:
    """Return a pattern as seen from each of its pixels, each by the first pixel it is seen from."""
    height, width = pattern.size
    found: dict[Pattern, str] = {}
    for row, column in itertools.product(range(height), range(width)):
        found.setdefault(pattern.shifted(row, column), f"{name}@{row},{column}" if row or column else name)
    return {own: seen for seen, own in found.items()}


Cfa = Literal["RGGB", "GRBG", "GBRG", "BGGR", "MONO", "XTRANS", "QUAD"]

BAYER = ("RGGB", "GRBG", "GBRG", "BGGR")
"""The four Bayer phases, each the colours of sites (0,0), (0,1), (1,0), (1,1)."""

MONO = "MONO"
"""Stands in place of a Bayer phase for a sensor without colour filters."""

XTRANS = "XTRANS"
"""Fujifilm's X-Trans from the pixel at which the 9 planes of Chen et al. begin; "XTRANS@r,c" from another."""

QUAD = "QUAD"
"""Quad-Bayer, 2x2 pixels of each colour, from the first red one in rows R, Gr; "QUAD@r,c" from another."""

#: Every pattern by name; Gr is the green of the red rows, Gb the green of the blue rows, Y no filter.
PATTERNS: dict[str, Pattern] = {
    "RGGB": Pattern((("R", "Gr"), ("Gb", "B"))),
    "GRBG": Pattern((("Gr", "R"), ("B", "Gb"))),
    "GBRG": Pattern((("Gb", "B"), ("R", "Gr"))),
    "BGGR": Pattern((("B", "Gb"), ("Gr", "R"))),
    MONO: Pattern((("Y",),)),
    **_phases(
        XTRANS, Pattern(tuple(map(tuple, ("RBGBRG", "GGRGGB", "GGBGGR", "BRGRBG", "GGBGGR", "GGRGGB"))))
    ),
    **_phases(QUAD, Pattern((("R", "R", "Gr", "Gr"),) * 2 + (("Gb", "Gb", "B", "B"),) * 2)),
}

BY_SITE = (*BAYER, MONO)
"""Patterns whose four sites have one colour each."""

SITES = ((0, 0), (0, 1), (1, 0), (1, 1))
"""(row, column) of the four sites of a 2x2 cell, in the order every per-site figure of the library has."""

Order = Literal["site", "rgbg", "rggb"]

ORDERS: tuple[str, ...] = get_args(Order)
"""Orders of packed planes: by site; R, G of the red rows, B, G of the blue rows; R, those two greens, B."""

# Chen et al. pack each 3x3 square of X-Trans so: which of its places, and the colours they go out by.
_XTRANS_PLANES = (
    (((0, 0), (0, 1), (0, 2)), "RGB"),
    (((1, 2), (2, 2)), "RB"),
    *((place, "G") for place in (((1, 0),), ((1, 1),), ((2, 0),), ((2, 1),))),
)


def tiled(block: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return the first (height, width) of a block, (h, w), that repeats without end."""
    rows, columns = block.shape
    return np.tile(block, (-(-height // rows), -(-width // columns)))[:height, :width]


def check_cfa(cfa: str, *, among: Collection[str] = PATTERNS.keys(), what: str = "cfa") -> Cfa:
    """Return ``cfa`` if it names a pattern of ``among``, by default of :data:`PATTERNS`.

    Raises:
        ValueError: it does not.
    """
    if cfa not in among:
        raise ValueError(f"{what} must be one of {listed(among)}, got {cfa!r}")
    return cast(Cfa, cfa)


def listed(names: Collection[str] = PATTERNS.keys()) -> str:
    """List names of patterns for a message, without every phase of the large ones."""
    phases = next((f", or a phase such as {name}" for name in names if "@" in name), "")
    return ", ".join(name for name in names if "@" not in name) + phases


def name_of_filters(letters: Sequence[Sequence[str]]) -> str:
    """Return the name of the pattern of a block of filters as a file tells them.

    Args:
        letters: rows of the block, a letter a filter: R, G, B, and others, such as W for none.

    Raises:
        ValueError: no such pattern is known; the text says what sensor it is.
    """
    block = np.array([list(row) for row in letters])
    height, width = (_period(block, axis) for axis in (0, 1))
    block = block[:height, :width]
    for name, pattern in PATTERNS.items():
        if name != MONO and pattern.size == block.shape and (pattern.letters(*block.shape) == block).all():
            return name
    kind = "an RGBW sensor, with pixels without filter:" if (block == "W").any() else "a sensor with"
    spelled = "/".join("".join(row) for row in block[:8, :8])
    raise ValueError(f"{kind} the {height} x {width} CFA pattern {spelled}")


def _period(block: np.ndarray, axis: int) -> int:
    """Return after how many rows (columns) a block that repeats is the same again."""
    whole = (n for n in range(1, block.shape[axis] + 1) if block.shape[axis] % n == 0)
    return next(n for n in whole if (np.roll(block, n, axis) == block).all())


def shift_cfa(cfa: str, rows: int, columns: int) -> str:
    """Return the pattern seen from pixel (``rows``, ``columns``) of a mosaic whose pixel (0, 0) has ``cfa``.

    A shift of a Bayer phase is its own inverse, since it repeats every two pixels; that of a larger pattern
    is not. "MONO" stays "MONO".
    """
    seen = PATTERNS[check_cfa(cfa)].shifted(rows, columns)
    return next(name for name, pattern in PATTERNS.items() if pattern == seen)


def site_colours(cfa: str) -> tuple[str, str, str, str]:
    """Name the colours at the four sites: R, Gr, Gb, B, or Y everywhere for "MONO".

    Raises:
        ValueError: ``cfa`` is none of :data:`BY_SITE`: a site of a larger pattern has several colours.
    """
    pattern = PATTERNS[check_cfa(cfa, among=BY_SITE)]
    a, b, c, d = (pattern.at(*site) for site in SITES)
    return a, b, c, d


def site_labels(cfa: str) -> tuple[str, str, str, str]:
    """Name the four sites for tables and plots: by colour, or 00, 01, 10, 11 where none has its own."""
    return site_colours(cfa) if check_cfa(cfa) in BAYER else ("00", "01", "10", "11")


def rgbg_sites(cfa: str) -> tuple[int, int, int, int]:
    """Return the site numbers 0..3 of R, the green in R's row, B, and the green in B's row.

    Raises:
        ValueError: ``cfa`` is not a Bayer phase.
    """
    colours = site_colours(check_cfa(cfa, among=BAYER))
    return colours.index("R"), colours.index("Gr"), colours.index("B"), colours.index("Gb")


def to_phase(values: np.ndarray, given: str, wanted: str) -> np.ndarray:
    """Reorder per-site values from one CFA phase to another.

    Values that are the same at all four sites fit every pattern. Others follow their colours from one Bayer
    phase to another; a site of a larger pattern has no colour of its own, so they fit that pattern alone.

    Args:
        values: (..., 4), sites of the phase ``given``.
        given: a key of :data:`PATTERNS`; values of "MONO" are given back as they are.
        wanted: a key of :data:`PATTERNS`; for "MONO" every site gets the mean of the four.

    Returns: (..., 4), sites of the phase ``wanted``.

    Raises:
        ValueError: one of the phases is not known, or the values contradict the wanted one.
    """
    check_cfa(wanted)
    if given in (wanted, MONO):
        return values
    if wanted == MONO:
        return np.broadcast_to(values.mean(-1, keepdims=True), values.shape).copy()
    if (values == values[..., :1]).all():
        return values
    if given in BAYER and wanted in BAYER:
        colours = site_colours(given)
        return values[..., [colours.index(colour) for colour in site_colours(wanted)]]
    odd = values[(values != values[..., :1]).any(-1)].reshape(-1, 4)[0]
    shown = " ".join(f"{v:.4g}" for v in odd)
    raise ValueError(
        f"black level or bias by site of {given} ({shown} DN) has no place on {wanted}: leave the bias out, "
        f"or take figures that are of {wanted} or the same at all sites"
    )


def pack(mosaic: Any, order: str = "site", *, cfa: str | None = None) -> Any:
    """Pack a mosaic into planes of one colour each.

    Args:
        mosaic: (..., H, W) array or torch tensor of any dtype, or a ``Raw``; H and W multiples of 2, of 4 for
            quad-Bayer, of 6 for X-Trans.
        order: "site" gives the sites (0,0), (0,1), (1,0), (1,1), and of a quad-Bayer pattern its 16 places
            row by row; "rgbg" gives R, the green of the red rows, B, the green of the blue rows, as ELD and
            SID pack (LibRaw's colours 0, 1, 2, 3), in every phase; "rggb" gives R, the two greens likewise,
            B. X-Trans has the 9 planes of Chen et al., R, G, B, R, B, G, G, G, G, from phase "XTRANS" on,
            which is their "site".
        cfa: pattern of ``mosaic`` at its first pixel, not needed for "site" of a 2x2 one; a ``Raw`` brings
            its own.

    Returns:
        (..., 4, H/2, W/2), (..., 16, H/4, W/4) or (..., 9, H/3, W/3), of the kind and dtype of ``mosaic``, a
        copy.

    Raises:
        TypeError: ``mosaic`` is neither array, tensor nor Raw.
        ValueError: a dimension is missing or no such multiple, or an unknown order or phase.

    Source: Wei et al., CVPR 2020 (ELD), and Chen et al., CVPR 2018 (SID), for R, G, B, G and for X-Trans.
    """
    if cfa is None:
        cfa = getattr(mosaic, "cfa", None)
    mosaic = getattr(mosaic, "mosaic", mosaic)
    places = _places(order, cfa, "raw.pack")
    planes, step, _ = places.shape
    cell = step * math.isqrt(planes)
    *batch, height, width = _shape_of(mosaic, 2, "raw.pack: mosaic", "(..., H, W)")
    if height % cell or width % cell:
        rule = "even height and width" if cell == 2 else f"height and width in multiples of {cell}"
        raise ValueError(f"raw.pack: mosaic must have {rule}, got {height} x {width}. Crop it first")
    packed = _empty_like(mosaic, (*batch, planes, height * step // cell, width * step // cell))
    for (plane, i, j), place in np.ndenumerate(places):
        row, column = divmod(int(place), cell)
        packed[..., plane, i::step, j::step] = mosaic[..., row::cell, column::cell]
    return packed


def unpack(packed: Any, order: str = "site", *, cfa: str | None = None) -> Any:
    """Lay planes out as a mosaic again: the inverse of :func:`pack`.

    Args:
        packed: (..., 4, h, w) array or torch tensor of any dtype; 16 planes for quad-Bayer, 9 for X-Trans.
        order: the order of the planes, "site", "rgbg" or "rggb".
        cfa: pattern the mosaic shall have, not needed for "site" of a 2x2 one.

    Returns:
        (..., 2h, 2w), (..., 4h, 4w) or (..., 3h, 3w), of the kind and dtype of ``packed``.

    Raises:
        TypeError: ``packed`` is neither array nor tensor.
        ValueError: there are not so many planes, h or w of X-Trans is odd, or an unknown order or phase.
    """
    places = _places(order, cfa, "raw.unpack")
    planes, step, _ = places.shape
    side = math.isqrt(planes)
    *batch, given, height, width = _shape_of(packed, 3, "raw.unpack: packed", f"(..., {planes}, h, w)")
    if given != planes or height % step or width % step:
        even = ", h and w even" if step == 2 else ""
        raise ValueError(
            f"raw.unpack: packed must be (..., {planes}, h, w){even}, got shape {tuple(packed.shape)}"
        )
    mosaic = _empty_like(packed, (*batch, side * height, side * width))
    cell = step * side
    for (plane, i, j), place in np.ndenumerate(places):
        row, column = divmod(int(place), cell)
        mosaic[..., row::cell, column::cell] = packed[..., plane, i::step, j::step]
    return mosaic


def _places(order: str, cfa: str | None, op: str) -> np.ndarray:
    """Return where in the pattern's cell each plane takes its values from.

    Returns: (planes, n, n) places of the cell, counted row by row: one value of a plane and cell for n = 1;
        of X-Trans, whose cell has four 3x3 squares, 2x2 of them.
    """
    if cfa is None or cfa in BY_SITE:
        return np.array(plane_sites(order, cfa, op)).reshape(4, 1, 1)
    check_cfa(cfa, what=f"{op}: cfa")
    if order != "site":
        raise ValueError(f'{op}: order must be "site" for {cfa}, got {order!r}')
    if cfa.startswith(QUAD):
        return np.arange(16).reshape(16, 1, 1)
    if cfa != XTRANS:
        rows, columns = _to_corner(cfa)
        raise ValueError(
            f"{op}: X-Trans planes begin at phase {XTRANS}, got {cfa}. Leave out the first {rows} rows and "
            f"{columns} columns of the mosaic"
        )
    return _xtrans_places()


def _xtrans_places() -> np.ndarray:
    at, corners = PATTERNS[XTRANS].at, list(itertools.product((0, 3), repeat=2))
    planes = [
        [next(6 * (i + r) + j + c for r, c in places if at(i + r, j + c) == colour) for i, j in corners]
        for places, colours in _XTRANS_PLANES
        for colour in colours
    ]
    return np.array(planes).reshape(9, 2, 2)


def _to_corner(cfa: str) -> tuple[int, int]:
    """Return how many rows and columns lie before the first pixel that the 9 planes can begin at."""
    shifts = sorted(((row, column) for row in range(6) for column in range(6)), key=sum)
    return next(shift for shift in shifts if shift_cfa(cfa, *shift) == XTRANS)


def remosaic(mosaic: Any, cfa: str) -> tuple[Any, str]:
    """Reorder a quad-Bayer mosaic as a Bayer mosaic of the same size, or such a one back.

    The two inner rows of each 2x2 block of blocks change places, and the two inner columns: no pixel moves
    more than one row and column, none is mixed with another, so the noise of each stays its own. (What a
    phone's own remosaic interpolates is not published.) Done twice it gives back what was given.

    Args:
        mosaic: (..., H, W) array or torch tensor, H and W multiples of 4.
        cfa: its pattern: a phase of "QUAD".

    Returns: the mosaic, a copy, and its Bayer phase.

    Raises:
        TypeError: ``mosaic`` is neither array nor tensor.
        ValueError: a dimension is no multiple of 4, or ``cfa`` no phase of "QUAD".
    """
    check_cfa(cfa, among=[name for name in PATTERNS if name.startswith(QUAD)], what="raw.remosaic: cfa")
    height, width = _shape_of(mosaic, 2, "raw.remosaic: mosaic", "(..., H, W)")[-2:]
    if height % 4 or width % 4:
        raise ValueError(
            f"raw.remosaic: mosaic must have height and width in multiples of 4, got {height} x {width}"
        )
    letters = PATTERNS[cfa].letters(4, 4)
    rows, columns = _alternating(letters[:, 0]), _alternating(letters[0])
    y, x = (np.arange(n).reshape(-1, 4)[:, own].ravel() for n, own in ((height, rows), (width, columns)))
    return mosaic[..., y[:, None], x], name_of_filters(letters[np.ix_(rows, columns)].tolist())


def _alternating(line: np.ndarray) -> list[int]:
    """Return the order of four lines in which colours alternate: pairs of equal ones are parted."""
    return [0, 2, 1, 3] if line[0] == line[1] else [1, 0, 2, 3]


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
        check_cfa(cfa, among=BAYER, what=f'{op}: cfa for order "{order}"')
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


def _empty_like(data: Any, shape: tuple[int, ...]) -> Any:
    return np.empty(shape, data.dtype) if isinstance(data, np.ndarray) else data.new_empty(shape)
