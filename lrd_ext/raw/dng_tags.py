# SPDX-License-Identifier: Apache-2.0
"""What a DNG's own tags say of levels, filters, area, colour and exposure.

LibRaw rounds an odd ActiveArea to even pixels, takes the phase of a BlackLevel pattern from the rounded
corner, drops fractions of BlackLevel and reads 4x4 filter patterns and float samples as plain Bayer integers:
so for a DNG the tags are read here and win, and LibRaw only decodes the pixels.

A tag without which the pixels mean nothing (size, filters, area) refuses the file when it makes no sense; any
other is left out, and a remark names it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import Any, BinaryIO, TypeVar

import numpy as np

from lrd_ext import cfa as _cfa

from .completeness import claimed_end
from .exif import iso_of
from .layout import read_layout
from .model import OPCODE_TAGS, UNKNOWN_CAMERA, RawFileError, split_black
from .tiff import CODES, Ifd, TagError, Tiff, read_tiff

_CFA, _LINEAR_RAW = 32803, 34892
_COLOURS = "RGBCMYW"  # CFAPattern codes 0..6 (TIFF/EP; DNG 1.6, CFAPlaneColor)
_D65 = 21
#: Side of the largest block of black levels that is kept, pixels: 6x6 against 4x4 repeats after 12.
_LARGEST_BLOCK = 16
#: Compressions that neither LibRaw nor this library undoes, by name.
_CLOSED = {
    8: "a deflate compressed DNG (Compression 8)",
    9: "a GoPro GPR (Compression 9, VC-5)",
    52546: "a JPEG XL compressed DNG (Compression 52546)",
}
T = TypeVar("T")


def read_dng_tags(path: str | os.PathLike[str]) -> dict[str, Any] | None:
    """Read a DNG's figures as keyword arguments of ``Raw`` (all but ``mosaic``), and what decoding needs.

    That is "shape", the picture's (H, W), "layout", where its pixels lie, "table" its LinearizationTable.

    Returns None for a file that is not a DNG (another raw format, or no TIFF at all).

    Raises:
        RawFileError: a plain TIFF, a truncated file, broken tags, or a DNG that is not a Bayer, quad-Bayer,
            X-Trans or monochrome mosaic of at most 16 bits.
    """
    with open(path, "rb") as file:
        tiff = read_tiff(file)
        try:
            if tiff is None or 50706 not in tiff.ifds[0]:  # DNGVersion
                _check_other(path, file, tiff)
                return None
            return _read(path, file, tiff)
        except TagError as error:
            raise RawFileError(f"{path}: {error}; the file is damaged, or its writer at fault") from error


def _read(path: Any, file: BinaryIO, tiff: Tiff) -> dict[str, Any]:
    first, raw = tiff.ifds[0], _main_ifd(tiff, path)
    _refuse_unsupported(raw, path)
    layout = read_layout(raw, file, tiff.size)
    remarks: list[str] = []
    exif = next(iter(first.sub(34665, 1)), first)
    levels = _levels(raw, path, layout.shape, remarks)
    return {
        "shape": layout.shape,
        "layout": layout,
        "table": _table(raw),
        **levels,
        **_color(first, remarks),
        **_exposure(first, exif, remarks),
        **_extras(first, raw, remarks),
        "remarks": tuple(remarks),
    }


def _optional(remarks: list[str], read: Callable[..., T | None], *arguments: Any) -> T | None:
    """Return what ``read(*arguments)`` gives; None, and a remark naming the tag, where it makes no sense."""
    try:
        return read(*arguments)
    except TagError as error:
        remarks.append(f"{error}: left out")
        return None


def _table(raw: Ifd) -> np.ndarray | None:
    """Return the LinearizationTable, (n,) uint16; LibRaw applies it whatever it is made of."""
    table = raw.numbers(50712)
    if table is not None and not (table.min() >= 0 and table.max() <= 65535):
        raise TagError(f"{raw.tags[50712].name} must hold 0..65535: {raw.tags[50712].shown()}")
    return None if table is None else table.astype(np.uint16)


def _main_ifd(tiff: Tiff, path: Any) -> Ifd:
    # DNG 1.6, NewSubFileType: 0 marks the one full-resolution raw image.
    main = [ifd for ifd in tiff.ifds if ifd.integer(254, 0) == 0]
    if not main:
        raise RawFileError(f"{path}: DNG without a main image (NewSubfileType 0)")
    return max(main, key=lambda ifd: ifd.integer(256, 0) * ifd.integer(257, 0))


def _refuse_unsupported(raw: Ifd, path: Any) -> None:
    photometric, samples = raw.integer(262, -1), raw.integer(277, 1)
    formats, bits = (_largest(raw, code, 1) for code in (339, 258))
    if (compression := raw.integer(259, 1)) in _CLOSED:
        raise unsupported(
            path, _CLOSED[compression], cure="; convert it to a DNG of lossless JPEG or no compression"
        )
    elif photometric == _LINEAR_RAW and samples > 1:
        found = f"a LinearRaw DNG ({samples} samples a pixel, already demosaiced)"
    elif photometric not in (_CFA, _LINEAR_RAW) or samples != 1:
        found = f"a DNG with PhotometricInterpretation {photometric} and {samples} samples a pixel"
    elif formats not in (1, 4):
        found = f"a floating-point DNG (SampleFormat {formats})"
    elif not 8 <= bits <= 16:
        found = f"a DNG of {bits} bits a sample"
    elif photometric == _CFA and raw.integer(50711, 1) != 1:
        found = f"a DNG with a staggered sensor (CFALayout {raw.integer(50711, 1)})"
    else:
        return
    raise unsupported(path, found)


def _largest(ifd: Ifd, code: int, default: int) -> int:
    values = ifd.numbers(code)
    return default if values is None else int(values.max())


def unsupported(path: Any, found: str, cure: str = "") -> RawFileError:
    """Make the error for a file of a known kind that this library does not read."""
    return RawFileError(
        f"{path}: {found} is not supported; accepted are 2x2 Bayer (RGGB, GRBG, GBRG, BGGR), 4x4 quad-Bayer, "
        f"6x6 X-Trans and monochrome mosaics of integer samples, up to 16 bits{cure}"
    )


def _check_other(path: Any, file: BinaryIO, tiff: Tiff | None) -> None:
    if tiff is not None and tiff.magic == "TIFF":
        photometric = [_optional([], ifd.integer, 262, -1) for ifd in tiff.ifds]
        # LibRaw opens any 16-bit grey TIFF as a Bayer mosaic; a camera's raw TIFF names its maker.
        if 271 not in tiff.ifds[0] and all(value in range(9) for value in photometric):
            raise RawFileError(f"{path}: a plain TIFF image, not a raw file (no DNGVersion, no Make)")
    size = os.fstat(file.fileno()).st_size
    end = claimed_end(file, size, tiff)
    if end is not None and end > size:
        raise RawFileError(f"{path}: truncated: its image data end at byte {end}, the file at byte {size}")


def check_told(path: str | os.PathLike[str]) -> None:
    """Refuse a TIFF raw of a camera LibRaw does not know whose tags do not tell filters, size and bits.

    LibRaw takes for what is missing whatever its memory holds, another answer at each reading.
    """
    with open(path, "rb") as file:
        tiff = read_tiff(file)
        if tiff is None or tiff.magic != "TIFF":
            return
        try:
            mosaics = [ifd for ifd in tiff.ifds if ifd.integer(262, -1) == _CFA]
            for ifd in mosaics:
                if _pattern(ifd) is None:
                    raise TagError("no CFAPattern (33422) tells its filters")
                if not 8 <= _largest(ifd, 258, 1) <= 16:
                    raise TagError(f"BitsPerSample (258) must be in 8..16, got {_largest(ifd, 258, 1)}")
                read_layout(ifd, file, tiff.size)
        except TagError as error:
            raise RawFileError(f"{path}: {error}, and LibRaw does not know the camera") from error


def _levels(raw: Ifd, path: Any, shape: tuple[int, int], remarks: list[str]) -> dict[str, Any]:
    area = raw.numbers(50829, 4)
    top, left, bottom, right = (0, 0, *shape) if area is None else (int(v) for v in area)
    if not (0 <= top < bottom <= shape[0] and 0 <= left < right <= shape[1]):
        raise RawFileError(
            f"{path}: ActiveArea {[top, left, bottom, right]} does not lie inside its {shape[0]} x "
            f"{shape[1]} image"
        )
    black = _optional(remarks, _black_pattern, raw, remarks)
    deltas = [
        _optional(remarks, raw.numbers, code, count)
        for code, count in ((50716, bottom - top), (50715, right - left))
    ]
    return {
        "active_area": (top, left, bottom, right),
        "cfa": _cfa.shift_cfa(_active_cfa(raw, path), -top, -left),
        **_blacks(np.zeros((1, 1)) if black is None else black, deltas, top, left, remarks),
        "black_known": black is not None,
        "white": _white(raw, remarks),
    }


def _white(raw: Ifd, remarks: list[str]) -> float:
    def told() -> float | None:
        values = raw.numbers(50717)
        if values is not None and not 0 < values[0] <= 65535:
            raise TagError(f"{raw.tags[50717].name} is {values[0]:g}, which 16 bits do not hold")
        return None if values is None else float(values[0])

    white = _optional(remarks, told)
    return 2.0 ** _largest(raw, 258, 16) - 1 if white is None else white


def _active_cfa(raw: Ifd, path: Any) -> str:
    """Return the phase at the active area's corner, where CFAPattern starts."""
    if raw.integer(262, -1) == _LINEAR_RAW:
        return _cfa.MONO
    found = _pattern(raw)
    if found is None:
        raise RawFileError(f"{path}: DNG without CFAPattern")
    try:
        return _cfa.name_of_filters(found)
    except ValueError as error:
        raise unsupported(path, f"a DNG of {error}") from error


def _pattern(ifd: Ifd) -> list[str] | None:
    """Return the letters of CFAPattern, a string a row, None where there is none."""
    codes, dim = ifd.numbers(33422), ifd.numbers(33421, 2)
    if codes is None:
        return None
    rows, columns = (2, 2) if dim is None else (int(v) for v in dim)
    if min(rows, columns) < 1 or rows * columns != len(codes):
        raise TagError(
            f"{ifd.tags[33422].name} has {len(codes)} values; CFARepeatPatternDim says {rows} x {columns}"
        )
    letters = "".join(_COLOURS[int(c)] if 0 <= c < 7 else "?" for c in codes)
    return [letters[at : at + columns] for at in range(0, len(letters), columns)]


def _black_pattern(raw: Ifd, remarks: list[str]) -> np.ndarray | None:
    """Return BlackLevel as (rows, columns) of its repeat pattern, from the active area's corner on."""
    levels, dim = raw.numbers(50714), _optional(remarks, raw.numbers, 50713)
    if levels is None:
        return None
    tag, said = (
        raw.tags[50714],
        f"BlackLevelRepeatDim (50713) {'is missing' if dim is None else dim.tolist()}",
    )
    if (levels < 0).any():
        raise TagError(f"{tag.name} is below 0: {tag.shown()}")
    if dim is not None and len(dim) == 1:  # as monochrome cameras write it
        dim = np.repeat(dim, 2)
    if dim is not None and len(dim) == 2 and min(dim) >= 1 and dim[0] * dim[1] == len(levels):
        return levels.reshape(int(dim[0]), int(dim[1]))
    if len(levels) == 1 and dim is None:
        return levels.reshape(1, 1)
    if not np.ptp(levels):
        remarks.append(
            f"{tag.name} has {len(levels)} values, and {said}: all are {levels[0]:g}, which is taken"
        )
        return levels[:1].reshape(1, 1)
    if len(levels) == 4 and dim is None:
        remarks.append(f"{tag.name} has 4 values, and {said}: taken as 2 x 2")
        return levels.reshape(2, 2)
    raise TagError(f"{tag.name} has {len(levels)} values, and {said}")


def _blacks(
    pattern: np.ndarray, deltas: list[np.ndarray | None], top: int, left: int, remarks: list[str]
) -> dict[str, np.ndarray | None]:
    """Return BlackLevel and its deltas as mean levels per site of the whole mosaic, and offsets from them.

    Rows and columns of the deltas count by their mean at a site; a pattern larger than 2x2 is kept, but for
    one larger than any filter pattern, which counts by its means too.

    Source: DNG 1.6, BlackLevelRepeatDim, BlackLevel, BlackLevelDeltaH and BlackLevelDeltaV: all four start
    at the top-left corner of ActiveArea.
    """
    sides = (math.lcm(2, n) for n in pattern.shape)
    block = np.roll(_cfa.tiled(pattern, *sides), (top, left), (0, 1))
    black, offsets = split_black(block)
    if offsets is not None and max(block.shape) > _LARGEST_BLOCK:
        rows, columns = block.shape
        remarks.append(
            f"BlackLevel (50714) repeats over {rows} x {columns} pixels: its means by site are taken"
        )
        offsets = None
    for site, (row, column) in enumerate(_cfa.SITES):
        for delta, start in zip(deltas, ((row - top) % 2, (column - left) % 2), strict=True):
            if delta is not None and delta[start::2].size:
                black[site] += delta[start::2].mean()
    return {"black": np.maximum(black, 0).astype(np.float32), "black_offsets": offsets}


def _color(first: Ifd, remarks: list[str]) -> dict[str, Any]:
    matrix = _optional(remarks, _color_matrix, first)
    neutral = _optional(remarks, _neutral, first, matrix)
    return {"color_matrix": matrix, "as_shot_neutral": neutral}


def _neutral(first: Ifd, matrix: np.ndarray | None) -> np.ndarray | None:
    neutral, white_xy = first.numbers(50728), first.numbers(50729, 2)
    if neutral is None and matrix is not None and white_xy is not None and white_xy[1] > 0:
        x, y = white_xy
        neutral = matrix @ np.array([x / y, 1, (1 - x - y) / y])  # AsShotWhiteXY, DNG 1.6 chapter 6
    if neutral is None or neutral.shape != (3,) or not (neutral > 0).all():
        return None
    return neutral / neutral[1]


def _color_matrix(first: Ifd) -> np.ndarray | None:
    """Return AnalogBalance x CameraCalibration x ColorMatrix for D65, else for the last illuminant given.

    Source: DNG 1.6, chapter 6, "Mapping camera color space to CIE XYZ space".
    """
    sets = [(50778, 50721, 50723), (50779, 50722, 50724), (52529, 52531, 52530)]
    sets = [s for s in sets if (m := first.numbers(s[1])) is not None and m.size == 9]
    if not sets:
        return None
    _, matrix_tag, calibration_tag = next((s for s in sets if first.integer(s[0], 0) == _D65), sets[-1])
    matrix = first.numbers(matrix_tag).reshape(3, 3)  # type: ignore[union-attr]
    calibration, balance = first.numbers(calibration_tag), first.numbers(50727)
    if calibration is not None and calibration.size == 9:
        matrix = calibration.reshape(3, 3) @ matrix
    return matrix if balance is None or balance.size != 3 else balance[:, None] * matrix


def _exposure(first: Ifd, exif: Ifd, remarks: list[str]) -> dict[str, Any]:
    """Return ISO and exposure time of the Exif IFD, else of the first IFD (TIFF/EP).

    "exposure_tag" is True where there is an ExposureTime, be it 0.
    """

    def read(code: int) -> list[float]:
        ifd = exif if code in exif else first
        values = _optional(remarks, ifd.numbers, code)
        return [] if values is None else values.tolist()

    time = read(33434)
    if time and time[0] < 0:
        remarks.append(f"ExposureTime (33434) is below 0 ({time[0]:g} s): left out")
    return {
        "iso": iso_of(lambda name: read(CODES[name])),
        "exposure_s": time[0] if time and time[0] > 0 else None,
        "exposure_tag": 33434 in exif or 33434 in first,
    }


def _extras(first: Ifd, raw: Ifd, remarks: list[str]) -> dict[str, Any]:
    baseline = _optional(remarks, first.numbers, 50730, 1)
    orientation = _optional(remarks, first.integer, 274, 1)
    opcodes = {code: _optional(remarks, raw.data, code) for code in OPCODE_TAGS}
    return {
        "orientation": orientation if orientation in range(1, 9) else 1,
        "make": printable(_optional(remarks, first.text, 271)),
        "model": printable(_optional(remarks, first.text, 272)) or _unique_model(first, remarks),
        "description": _optional(remarks, first.text, 270),
        "noise_profile": _optional(remarks, _noise_profile, raw if 51041 in raw else first),
        "baseline_exposure": 0.0 if baseline is None else float(baseline[0]),
        "opcode_lists": {code: data for code, data in opcodes.items() if data is not None},
    }


def _noise_profile(ifd: Ifd) -> np.ndarray | None:
    """Return NoiseProfile as (planes, 2); variance S*x + O has to be one, for x in [0, 1]."""
    values = ifd.numbers(51041, 2, 6, 8)
    if values is None:
        return None
    pairs = values.reshape(-1, 2)
    if (pairs[:, 0] <= 0).any() or (pairs[:, 1] < 0).any():
        shown = "; ".join(f"S {s:.6g} O {o:.6g}" for s, o in pairs)
        raise TagError(f"{ifd.tags[51041].name} must have S > 0 and O >= 0, a variance: {shown}")
    return pairs


def _unique_model(first: Ifd, remarks: list[str]) -> str | None:
    model = printable(_optional(remarks, first.text, 50708))
    return None if model == UNKNOWN_CAMERA else model


def printable(text: str | None) -> str | None:
    """Return a name without characters that do not print, which a camera's name has no use for."""
    return None if text is None else "".join(c for c in text if c.isprintable()).strip() or None
