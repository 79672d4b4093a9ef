# SPDX-License-Identifier: Apache-2.0
"""What a DNG's own tags say of levels, filters, area, colour and exposure.

LibRaw rounds an odd ActiveArea to even pixels, takes the phase of a BlackLevel pattern from the rounded
corner, drops fractions of BlackLevel and reads 4x4 filter patterns and float samples as plain Bayer integers:
so for a DNG the tags are read here (with tifffile) and win, and LibRaw only decodes the pixels.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from lrd_ext import cfa as _cfa

from .model import OPCODE_TAGS, UNKNOWN_CAMERA, RawFileError
from .quiet import silenced

_CFA, _LINEAR_RAW = 32803, 34892
_JPEG_XL = 52546
_COLOURS = "RGBCMYW"  # CFAPattern codes 0..6 (TIFF/EP; DNG 1.6, CFAPlaneColor)
_D65 = 21


def read_dng_tags(path: str | os.PathLike[str]) -> dict[str, Any] | None:
    """Read a DNG's figures as keyword arguments of ``Raw`` (all but ``mosaic``), and "shape", its (H, W).

    Returns None for a file that is not a DNG (another raw format, or no TIFF at all).

    Raises:
        RawFileError: a plain TIFF, a truncated file, broken tags, or a DNG that is not a 2x2 Bayer or
            monochrome mosaic of at most 16 bits.
    """
    import tifffile

    try:
        with silenced("tifffile"), tifffile.TiffFile(path) as tiff:
            if 50706 not in tiff.pages[0].tags:  # DNGVersion
                _check_other_tiff(tiff, path)
                return None
            first, raw = tiff.pages[0], _main_ifd(tiff, path)
            _refuse_unsupported(raw, path)
            _check_extent(raw, path)
            return _levels(raw, path) | _color(first) | _exposure(first) | _extras(first, raw)
    except tifffile.TiffFileError:
        return None
    except RawFileError:
        raise
    except Exception as error:  # whatever tifffile trips over in broken tags
        raise RawFileError(f"{path}: broken TIFF/DNG tags ({type(error).__name__}: {error})") from error


def _ifds(tiff: Any) -> list[Any]:
    pages = list(tiff.pages[:64])
    return pages + [sub for page in pages if page.subifds for sub in page.pages[:64]]


def _main_ifd(tiff: Any, path: Any) -> Any:
    # DNG 1.6, NewSubFileType: 0 marks the one full-resolution raw image.
    main = [ifd for ifd in _ifds(tiff) if _value(ifd, 254, 0) == 0]
    if not main:
        raise RawFileError(f"{path}: DNG without a main image (NewSubfileType 0)")
    return max(main, key=lambda ifd: ifd.imagelength * ifd.imagewidth)


def _refuse_unsupported(raw: Any, path: Any) -> None:
    photometric, samples = int(_value(raw, 262, -1)), int(_value(raw, 277, 1))
    if _value(raw, 259, 1) == _JPEG_XL:
        found = "a JPEG XL compressed DNG (Compression 52546)"
    elif photometric == _LINEAR_RAW and samples > 1:
        found = f"a LinearRaw DNG ({samples} samples a pixel, already demosaiced)"
    elif photometric not in (_CFA, _LINEAR_RAW) or samples != 1:
        found = f"a DNG with PhotometricInterpretation {photometric} and {samples} samples a pixel"
    elif int(np.max(_value(raw, 339, 1))) not in (1, 4):
        found = f"a floating-point DNG (SampleFormat {_value(raw, 339, 1)})"
    elif int(np.max(_value(raw, 258, 1))) > 16:
        found = f"a DNG of {_value(raw, 258, 1)} bits a sample"
    elif photometric == _CFA and int(_value(raw, 50711, 1)) != 1:
        found = f"a DNG with a staggered sensor (CFALayout {_value(raw, 50711, 1)})"
    else:
        return
    raise unsupported(path, found)


def unsupported(path: Any, found: str) -> RawFileError:
    """Make the error for a file of a known kind that this library does not read."""
    return RawFileError(
        f"{path}: {found} is not supported; accepted are 2x2 Bayer (RGGB, GRBG, GBRG, BGGR) and monochrome "
        f"mosaics of integer samples, up to 16 bits"
    )


def _check_extent(ifd: Any, path: Any) -> None:
    end = max((o + n for o, n in zip(ifd.dataoffsets, ifd.databytecounts, strict=False)), default=0)
    size = os.path.getsize(path)
    if not ifd.dataoffsets or end > size:
        raise RawFileError(f"{path}: truncated: its image data end at byte {end}, the file at byte {size}")


def _check_other_tiff(tiff: Any, path: Any) -> None:
    ifds = _ifds(tiff)
    # LibRaw opens any 16-bit grey TIFF as a Bayer mosaic; a camera's raw TIFF names its maker.
    if 271 not in ifds[0].tags and all(int(_value(ifd, 262, -1)) in range(9) for ifd in ifds):
        raise RawFileError(f"{path}: a plain TIFF image, not a raw file (no DNGVersion, no Make)")
    _check_extent(max(ifds, key=lambda ifd: sum(ifd.databytecounts)), path)


def _value(ifd: Any, code: int, default: Any) -> Any:
    tag = ifd.tags.get(code)
    return default if tag is None or tag.value is None else tag.value


def _numbers(ifd: Any, code: int) -> np.ndarray | None:
    """Return a numeric tag as (n,) float64, rationals divided; None if absent, empty or undefined (n/0)."""
    tag = ifd.tags.get(code)
    if tag is None or tag.value is None:
        return None
    numbers = np.atleast_1d(
        np.array(list(tag.value) if isinstance(tag.value, bytes) else tag.value, np.float64)
    )
    if tag.dtype in (5, 10):  # RATIONAL, SRATIONAL: numerator, denominator in turn
        pairs = numbers.reshape(-1, 2)
        if not pairs[:, 1].all():
            return None
        numbers = pairs[:, 0] / pairs[:, 1]
    return numbers if numbers.size else None


def _levels(raw: Any, path: Any) -> dict[str, Any]:
    shape = (int(raw.imagelength), int(raw.imagewidth))
    area = _numbers(raw, 50829)
    area = np.array([0, 0, *shape]) if area is None else area
    top, left, bottom, right = (int(v) for v in area)
    if not (0 <= top < bottom <= shape[0] and 0 <= left < right <= shape[1]):
        raise RawFileError(
            f"{path}: ActiveArea {area.tolist()} does not lie inside its {shape[0]} x {shape[1]} image"
        )
    white = _numbers(raw, 50717)
    return {
        "shape": shape,
        "active_area": (top, left, bottom, right),
        "cfa": _cfa.shift_cfa(_active_cfa(raw, path), top, left),
        "black": _black(raw, top, left),
        "black_known": raw.tags.get(50714) is not None,
        "white": 2.0 ** int(np.max(_value(raw, 258, 16))) - 1 if white is None else float(white[0]),
    }


def _active_cfa(raw: Any, path: Any) -> str:
    """Return the phase at the active area's corner, where CFAPattern starts."""
    if int(_value(raw, 262, -1)) == _LINEAR_RAW:
        return _cfa.MONO
    rows, columns = (int(v) for v in _value(raw, 33421, (2, 2)))
    codes = _numbers(raw, 33422)
    if codes is None:
        raise RawFileError(f"{path}: DNG without CFAPattern")
    colours = "".join(_COLOURS[int(c)] if 0 <= c < 7 else "?" for c in codes[:64])
    if (rows, columns) == (6, 6):
        raise unsupported(path, "an X-Trans DNG (CFA pattern 6 x 6)")
    if (rows, columns) != (2, 2) or colours not in _cfa.BAYER:
        raise unsupported(path, f"a DNG with the {rows} x {columns} CFA pattern {colours}")
    return colours


def _black(raw: Any, top: int, left: int) -> np.ndarray:
    """Return BlackLevel with its row and column deltas as one mean level per site of the whole mosaic.

    Source: DNG 1.6, BlackLevelRepeatDim, BlackLevel, BlackLevelDeltaH and BlackLevelDeltaV: all four start
    at the top-left corner of ActiveArea.
    """
    rows, columns = (int(v) for v in _value(raw, 50713, (1, 1)))
    levels = _numbers(raw, 50714)
    pattern = np.zeros((rows, columns)) if levels is None else levels.reshape(rows, columns)
    delta_columns, delta_rows = _numbers(raw, 50715), _numbers(raw, 50716)
    black = np.zeros(4)
    for site, (row, column) in enumerate(_cfa.SITES):
        # A period of rows (columns) of this site, counted from the active area's corner.
        r = (row - top + 2 * np.arange(rows)) % rows
        c = (column - left + 2 * np.arange(columns)) % columns
        black[site] = pattern[np.ix_(r, c)].mean()
        for deltas, start in ((delta_rows, (row - top) % 2), (delta_columns, (column - left) % 2)):
            if deltas is not None and deltas[start::2].size:
                black[site] += deltas[start::2].mean()
    return np.maximum(black, 0).astype(np.float32)


def _color(first: Any) -> dict[str, Any]:
    matrix, neutral, white_xy = _color_matrix(first), _numbers(first, 50728), _numbers(first, 50729)
    if neutral is None and matrix is not None and white_xy is not None:
        x, y = white_xy
        neutral = matrix @ np.array([x / y, 1, (1 - x - y) / y])  # AsShotWhiteXY, DNG 1.6 chapter 6
    usable = neutral is not None and neutral.shape == (3,) and (neutral > 0).all()
    return {"color_matrix": matrix, "as_shot_neutral": neutral / neutral[1] if usable else None}  # type: ignore[index]


def _color_matrix(first: Any) -> np.ndarray | None:
    """Return AnalogBalance x CameraCalibration x ColorMatrix for D65, else for the last illuminant given.

    Source: DNG 1.6, chapter 6, "Mapping camera color space to CIE XYZ space".
    """
    sets = [(50778, 50721, 50723), (50779, 50722, 50724), (52529, 52531, 52530)]
    sets = [s for s in sets if (m := _numbers(first, s[1])) is not None and m.size == 9]
    if not sets:
        return None
    _, matrix_tag, calibration_tag = next((s for s in sets if _value(first, s[0], 0) == _D65), sets[-1])
    matrix = _numbers(first, matrix_tag).reshape(3, 3)  # type: ignore[union-attr]
    calibration, balance = _numbers(first, calibration_tag), _numbers(first, 50727)
    if calibration is not None and calibration.size == 9:
        matrix = calibration.reshape(3, 3) @ matrix
    return matrix if balance is None or balance.size != 3 else balance[:, None] * matrix


def _exposure(first: Any) -> dict[str, Any]:
    """Return ISO and exposure time of the Exif IFD, else of the first IFD (TIFF/EP).

    "exposure_tag" is True where there is an ExposureTime, be it 0.

    Source: Exif 2.32, section 4.6.5 and annex G: PhotographicSensitivity 65535 means "see ISOSpeed".
    """
    exif = _value(first, 34665, {})
    exif = exif if isinstance(exif, dict) else {}
    iso = _scalar(exif.get("ISOSpeedRatings", exif.get("PhotographicSensitivity", _value(first, 34855, 0))))
    if iso in (0, 65535):
        larger = ("ISOSpeed", "RecommendedExposureIndex", "StandardOutputSensitivity")
        iso = next((_scalar(exif[name]) for name in larger if _scalar(exif.get(name, 0)) > 0), iso)
    time = exif.get("ExposureTime", _value(first, 33434, None))
    seconds = 0.0 if time is None or not np.ravel(time)[1] else float(np.ravel(time)[0] / np.ravel(time)[1])
    return {"iso": iso or None, "exposure_s": seconds or None, "exposure_tag": time is not None}


def _scalar(value: Any) -> float:
    flat = np.ravel(value)
    return float(flat[0]) if flat.size else 0.0


def _extras(first: Any, raw: Any) -> dict[str, Any]:
    profile = _numbers(raw, 51041) if 51041 in raw.tags else _numbers(first, 51041)
    baseline = _numbers(first, 50730)
    orientation = _value(first, 274, 1)
    return {
        "orientation": int(orientation) if orientation in range(1, 9) else 1,
        "make": _text(first, 271),
        "model": _text(first, 272) or _unique_model(first),
        "description": _text(first, 270),
        "noise_profile": None if profile is None or profile.size % 2 else profile.reshape(-1, 2),
        "baseline_exposure": 0.0 if baseline is None else float(baseline[0]),
        "opcode_lists": {code: bytes(_value(raw, code, b"")) for code in OPCODE_TAGS if code in raw.tags},
    }


def _unique_model(first: Any) -> str | None:
    model = _text(first, 50708)
    return None if model == UNKNOWN_CAMERA else model


def _text(ifd: Any, code: int) -> str | None:
    value = _value(ifd, code, "")
    text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
    return text.strip("\0 \t\r\n") or None
