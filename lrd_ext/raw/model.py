# SPDX-License-Identifier: Apache-2.0
"""Raw: a sensor's mosaic with the figures needed to read it as light, and the error of refused files."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from lrd_ext import cfa as _cfa

OPCODE_TAGS = (51008, 51009, 51022)
"""DNG tags OpcodeList1, OpcodeList2 and OpcodeList3."""

UNKNOWN_CAMERA = "Unknown camera"
"""UniqueCameraModel, which DNG demands, of a camera without a name."""


class RawFileError(ValueError):
    """A file that is not a raw picture this project reads; the text names the file and why."""


@dataclasses.dataclass(frozen=True, eq=False)
class Raw:
    """One exposure as the sensor gave it.

    Args:
        mosaic: (H, W) uint16, raw DN, the whole sensor area with its masked border.
        cfa: pattern of the mosaic from its first pixel on, a key of :data:`lrd_ext.cfa.PATTERNS`: "RGGB",
            "GRBG", "GBRG", "BGGR", "MONO", "XTRANS", "QUAD", or another phase of the last two, "XTRANS@1,2".
        black: black level per 2x2 site of the mosaic (not per colour), (4,) float32, raw DN, >= 0; a number
            serves all four.
        white: white level, raw DN, above every black level.
        iso: ISO speed, None where unknown.
        exposure_s: exposure time, seconds, None where unknown.
        active_area: (top, left, bottom, right) of the unmasked pixels, as DNG's ActiveArea; None means all.
        orientation: TIFF/EXIF orientation 1..8.
        make: maker of the camera, None where unknown.
        model: name of the camera, None where unknown.
        color_matrix: (3, 3) float64, CIE XYZ (D65) to camera colours, as DNG's ColorMatrix; None if unknown.
        as_shot_neutral: (3,) float64, camera R, G, B of a neutral surface, green = 1; None where unknown.
        black_offsets: (h, w) float32, h and w even, DN: how far black levels lie from ``black`` in a block
            larger than 2x2 that repeats from the first pixel on; None where ``black`` tells all.
        black_known: False where the file gives no black level; ``black`` is then 0.
        opcode_lists: DNG tags 51008, 51009, 51022 (OpcodeList1..3) as they stood in the file.
        noise_profile: (planes, 2) float64, pairs S, O of DNG's NoiseProfile; None where the file has none.
        baseline_exposure: DNG's BaselineExposure, EV.
        description: ImageDescription of the file; None where it has none.
        remarks: what of the file made no sense and was left out, one line each, with the tag's name.

    Raises:
        TypeError: ``mosaic`` is not a uint16 array, or a number is of the wrong kind.
        ValueError: a shape, phase, level, area or orientation is out of range.

    Source: Adobe DNG Specification 1.6, chapter 4, for the tags the fields are named after.
    """

    mosaic: np.ndarray = dataclasses.field(repr=False)
    cfa: str
    black: np.ndarray
    white: float
    iso: float | None = None
    exposure_s: float | None = None
    active_area: tuple[int, int, int, int] = None  # type: ignore[assignment]
    orientation: int = 1
    make: str | None = None
    model: str | None = None
    color_matrix: np.ndarray | None = None
    as_shot_neutral: np.ndarray | None = None
    black_offsets: np.ndarray | None = None
    black_known: bool = True
    opcode_lists: Mapping[int, bytes] = dataclasses.field(default_factory=dict)
    noise_profile: np.ndarray | None = None
    baseline_exposure: float = 0.0
    description: str | None = None
    remarks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check every field and bring numbers to their declared kinds."""
        _check_mosaic(self.mosaic)
        _cfa.check_cfa(self.cfa, what="Raw: cfa")
        if self.active_area is None:
            object.__setattr__(self, "active_area", (0, 0, *self.mosaic.shape))
        object.__setattr__(self, "active_area", _area(self.active_area, self.mosaic.shape))
        object.__setattr__(self, "white", _number("white", self.white, above=0))
        object.__setattr__(self, "black", _black(self.black))
        object.__setattr__(self, "black_offsets", _black_offsets(self.black_offsets))
        _check_levels(self.black_block, self.white)
        for name in ("iso", "exposure_s"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, _number(name, getattr(self, name), above=0))
        if self.orientation not in range(1, 9):
            raise ValueError(f"Raw: orientation must be 1..8 (TIFF), got {self.orientation!r}")
        for name, shape in (
            ("color_matrix", (3, 3)),
            ("as_shot_neutral", (3,)),
            ("noise_profile", (None, 2)),
        ):
            object.__setattr__(self, name, _array(name, getattr(self, name), shape))
        if self.as_shot_neutral is not None and not (self.as_shot_neutral > 0).all():
            raise ValueError(f"Raw: as_shot_neutral must be above 0, got {self.as_shot_neutral.tolist()}")
        if set(self.opcode_lists) - set(OPCODE_TAGS):
            raise ValueError(f"Raw: opcode_lists accepts {OPCODE_TAGS}, got {sorted(self.opcode_lists)}")

    def pack(self, order: str = "site") -> np.ndarray:
        """Return the mosaic as planes of one colour each, see :func:`lrd_ext.raw.pack`."""
        return _cfa.pack(self, order)

    def replace(self, **changes: Any) -> Raw:
        """Return a copy with the named fields changed; everything is checked again."""
        return dataclasses.replace(self, **changes)

    def check_black(self, name: str) -> None:
        """Refuse black levels that :attr:`black` does not tell in full, for readers that know no other.

        Raises:
            ValueError: there are such; the text names the picture as ``name``.
        """
        if self.black_offsets is not None:
            height, width = self.black_offsets.shape
            raise ValueError(
                f"{name}: its black level differs over {height} x {width} pixels; figures of a profile are "
                "by 2x2 site"
            )

    @property
    def black_block(self) -> np.ndarray:
        """Black levels of the block that repeats over the mosaic from its first pixel on, (h, w) raw DN."""
        sites = self.black.reshape(2, 2)
        if self.black_offsets is None:
            return sites
        return _cfa.tiled(sites, *self.black_offsets.shape) + self.black_offsets

    @property
    def black_frame(self) -> np.ndarray:
        """Black level of every pixel of the mosaic, (H, W) float32, raw DN."""
        return _cfa.tiled(self.black_block, *self.mosaic.shape)

    @property
    def camera(self) -> str | None:
        """Maker and model, the maker not twice; None where neither is known."""
        make, model = self.make or "", self.model or ""
        return (model if model.startswith(make) else f"{make} {model}").strip() or None

    @property
    def active(self) -> np.ndarray:
        """The unmasked pixels, (bottom-top, right-left) uint16, a view; its phase is :attr:`active_cfa`."""
        top, left, bottom, right = self.active_area
        return self.mosaic[top:bottom, left:right]

    @property
    def cell(self) -> int:
        """Side of the smallest square after which pattern and black levels repeat, pixels."""
        offsets = () if self.black_offsets is None else self.black_offsets.shape
        return math.lcm(_cfa.PATTERNS[self.cfa].cell, *offsets)

    @property
    def whole_cells(self) -> np.ndarray:
        """The unmasked pixels in whole cells, a view: so their pattern is :attr:`cfa`."""
        return self.mosaic[self.whole_cell_area]

    @property
    def whole_cell_area(self) -> tuple[slice, slice]:
        """Rows and columns of :attr:`whole_cells` in the mosaic, for arrays of its size."""
        cell = self.cell
        top, left, bottom, right = self.active_area
        top, left = top + -top % cell, left + -left % cell
        return slice(top, bottom - (bottom - top) % cell), slice(left, right - (right - left) % cell)

    @property
    def active_cfa(self) -> str:
        """Phase of the active area's first pixel."""
        return _cfa.shift_cfa(self.cfa, *self.active_area[:2])


def split_black(block: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Split black levels of a block, (h, w) both even, in (4,) means by site and offsets (h, w) from them.

    The offsets are None where each site has one level.
    """
    sites = [block[row::2, column::2] for row, column in _cfa.SITES]
    if not any(np.ptp(values) for values in sites):
        return block[:2, :2].ravel().astype(np.float64), None
    black = np.array([values.mean() for values in sites], np.float32).astype(np.float64)  # as it will be held
    return black, block - _cfa.tiled(black.reshape(2, 2), *block.shape)


def _check_mosaic(mosaic: Any) -> None:
    if not isinstance(mosaic, np.ndarray) or mosaic.dtype != np.uint16:
        kind = mosaic.dtype if isinstance(mosaic, np.ndarray) else type(mosaic).__name__
        raise TypeError(
            f"Raw: mosaic must be a uint16 array of raw DN in 0..65535, got {kind}. Round and clip first"
        )
    if mosaic.ndim != 2 or not mosaic.size:
        raise ValueError(f"Raw: mosaic must be (H, W) and not empty, got shape {mosaic.shape}")


def _number(name: str, value: Any, *, above: float) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise TypeError(f"Raw: {name} must be a number, got {value!r}") from error
    if not (math.isfinite(number) and number > above):
        raise ValueError(f"Raw: {name} must be finite and above {above:g}, got {number:g}")
    return number


def _array(name: str, value: Any, shape: tuple[int | None, ...]) -> np.ndarray | None:
    if value is None:
        return None
    array = np.array(value, np.float64)
    fits = array.ndim == len(shape) and all(
        want in (None, got) for want, got in zip(shape, array.shape, strict=True)
    )
    if not fits or not np.isfinite(array).all():
        raise ValueError(f"Raw: {name} must be finite numbers of shape {shape}, got {value!r}")
    return array


def _black(value: Any) -> np.ndarray:
    black = np.array(value, np.float32)
    if black.shape not in ((), (4,)):
        raise ValueError(f"Raw: black must be a number or (4,), one per site, got shape {black.shape}")
    return np.array(np.broadcast_to(black, (4,)))


def _black_offsets(value: Any) -> np.ndarray | None:
    if value is None:
        return None
    offsets = np.array(value, np.float32)
    if offsets.ndim != 2 or not offsets.size or any(n % 2 for n in offsets.shape):
        raise ValueError(f"Raw: black_offsets must be (h, w), both even, got shape {offsets.shape}")
    return offsets


def _check_levels(black: np.ndarray, white: float) -> None:
    if not (np.isfinite(black).all() and (black >= 0).all() and (black < white).all()):
        raise ValueError(f"Raw: black must be >= 0 and below white {white:g}, got {black.ravel().tolist()}")


def _area(value: Any, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    top, left, bottom, right = (int(v) for v in value)
    if not (0 <= top < bottom <= shape[0] and 0 <= left < right <= shape[1]):
        raise ValueError(
            f"Raw: active_area must be (top, left, bottom, right) inside {shape[0]} x {shape[1]} "
            f"and not empty, got {(top, left, bottom, right)}"
        )
    return top, left, bottom, right
