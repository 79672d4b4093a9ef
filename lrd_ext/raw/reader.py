# SPDX-License-Identifier: Apache-2.0
"""Reading raw files: LibRaw (rawpy) decodes; its account is put in terms of sites of the whole mosaic."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np

from lrd_ext import cfa as _cfa

from .dng_tags import check_told, printable, read_dng_tags, unsupported
from .exif import ELSEWHERE, iso_of
from .layout import read_plain
from .model import Raw, RawFileError, split_black
from .quiet import libraw_silenced, silenced
from .tiff import CODES

_SIGNATURES = {
    b"\xff\xd8\xff": "a JPEG picture",
    b"\x89PNG": "a PNG picture",
    b"PK\x03\x04": "a ZIP archive",
    b"\x93NUMPY": "a NumPy array",
    b"FOVb": "a Foveon X3F file (three colours at each pixel)",
}
# LibRaw's flip is a sum of 1 (mirror columns), 2 (mirror rows), 4 (swap axes).
_ORIENTATION_OF_FLIP = {0: 1, 1: 2, 2: 4, 3: 3, 4: 5, 5: 8, 6: 6, 7: 7}


def read(path: str | os.PathLike[str]) -> Raw:
    """Read a raw file: a DNG or camera format of a Bayer, quad-Bayer, X-Trans or monochrome mosaic.

    LibRaw decodes it. A DNG's levels, area, filters, colour and exposure come from its tags. BlackLevelDeltaH
    and BlackLevelDeltaV are merged into one mean per site, the LinearizationTable is applied, opcode lists
    are kept but not applied. Other formats are described by LibRaw, which knows no black level of some
    cameras (``black_known`` is False then). rawpy does not tell the camera's name: that, and an ISO or
    exposure time LibRaw lacks, come from Exif where there is any.

    Args:
        path: the file.

    Returns:
        The whole mosaic, (H, W) uint16, raw DN, a copy of its own, and what the file says of it.

    Raises:
        RawFileError: the file is missing, a folder, empty, not a raw file, truncated, broken or of a kind
            that is not supported (LinearRaw, RGBW and other filter patterns, Foveon, JPEG XL, float).
        OSError: the system refuses to read the file.
    """
    _check_source(path)
    tags = read_dng_tags(path)
    if tags is not None and tags["layout"].scattered:
        mosaic, decoded = _read_scattered(path, tags), {"iso": None, "exposure_s": None}
    else:
        mosaic, decoded = _decode(path, described=tags is not None)
    try:
        if tags is None:
            return Raw(mosaic=mosaic, **_fill_from_exif(path, decoded))
        return Raw(mosaic=mosaic, **_merge(path, tags, decoded, mosaic.shape))
    except RawFileError:
        raise
    except ValueError as error:
        raise RawFileError(f"{path}: its levels or area make no sense ({error})") from error


def _check_source(path: str | os.PathLike[str]) -> None:
    source = Path(path)
    if source.is_dir():
        raise RawFileError(f"{path}: a folder; a raw file is needed")
    if not source.exists():
        raise RawFileError(f"{path}: no such file")
    with open(source, "rb") as file:
        head = file.read(512)
    if not head:
        raise RawFileError(f"{path}: an empty file")
    kind = next((kind for magic, kind in _SIGNATURES.items() if head.startswith(magic)), None)
    if kind is None and head.isascii() and b"\0" not in head:
        kind = "a text file"
    if kind is not None:
        raise unsupported(path, kind)


def _read_scattered(path: str | os.PathLike[str], tags: dict[str, Any]) -> np.ndarray:
    """Read uncompressed strips that do not lie one after the other, and apply the LinearizationTable."""
    with open(path, "rb") as file:
        mosaic = read_plain(tags["layout"], file)
    if tags["table"] is None:
        return mosaic
    return tags["table"][np.minimum(mosaic, len(tags["table"]) - 1)]


def _decode(path: str | os.PathLike[str], *, described: bool) -> tuple[np.ndarray, dict[str, Any]]:
    """Return a copy of the mosaic and LibRaw's account, short if tags have ``described`` it."""
    import rawpy

    try:
        with libraw_silenced(), rawpy.imread(_for_libraw(path)) as raw:
            _check_size(raw, path)
            if raw.raw_type != rawpy.RawType.Flat:
                raise unsupported(path, "a raw file with several samples a pixel (Foveon, sRAW or LinearRaw)")
            fields = _exposure_of(raw) | ({} if described else _description_of(raw, path))
            if not described and fields["iso"] is None and fields["exposure_s"] is None:
                _refuse_guess(path)
            return np.array(raw.raw_image, np.uint16), fields
    except (rawpy.LibRawIOError, rawpy.LibRawDataError) as error:
        raise RawFileError(
            f"{path}: truncated or broken raw data; copy it from the card again (LibRaw: {_says(error)})"
        ) from error
    except rawpy.LibRawFileUnsupportedError as error:
        raise RawFileError(
            f"{path}: not a raw file LibRaw knows, or cut short (LibRaw: {_says(error)})"
        ) from error
    except (RawFileError, ImportError):
        raise
    except MemoryError as error:
        raise RawFileError(f"{path}: there is not memory enough to decode it") from error
    except Exception as error:  # LibRaw's other errors, and whatever rawpy trips over
        raise RawFileError(f"{path}: LibRaw cannot decode it ({_says(error)}); convert it to DNG") from error


def _for_libraw(path: str | os.PathLike[str]) -> Any:
    """Return what rawpy opens: it takes no name that is not UTF-8, but a file's bytes."""
    name = os.fsdecode(path)
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return io.BytesIO(Path(path).read_bytes())
    return name


def _check_size(raw: Any, path: str | os.PathLike[str]) -> None:
    """Refuse more pixels than the file has bits, before memory is taken for them."""
    pixels, size = raw.sizes.raw_height * raw.sizes.raw_width, os.path.getsize(path)
    # The wavelet coder of CR3 writes runs of equal values in less than a bit each.
    with open(path, "rb") as file:
        bits = 64 if file.read(12)[4:] == b"ftypcrx " else 8
    if pixels > bits * size:
        raise RawFileError(
            f"{path}: claims {raw.sizes.raw_width} x {raw.sizes.raw_height} pixels, and has {size} bytes; "
            "it is truncated or damaged"
        )


def _refuse_guess(path: str | os.PathLike[str]) -> None:
    """Refuse a file without a header: LibRaw takes some for a camera's by their size alone.

    One byte more, which no format with a header minds (but CIFF, read from its end), ends such a guess.
    """
    import rawpy

    data = Path(path).read_bytes()
    if data[6:14] == b"HEAPCCDR":  # CIFF
        return
    try:
        rawpy.imread(io.BytesIO(data + b"\0")).close()
    except rawpy.LibRawError as error:
        raise RawFileError(
            f"{path}: not a raw file with a header (LibRaw only guesses it by its size)"
        ) from error


def _says(error: BaseException) -> str:
    message = error.args[0] if error.args else type(error).__name__
    return message.decode("ascii", "replace") if isinstance(message, bytes) else str(message)


def _exposure_of(raw: Any) -> dict[str, Any]:
    try:
        other = raw.other
    except (ValueError, OverflowError, OSError):  # rawpy makes a date of any time stamp first
        return {"iso": None, "exposure_s": None}
    iso, seconds = float(other.iso_speed), float(other.shutter_speed)
    return {
        "iso": iso if np.isfinite(iso) and 0 < iso != ELSEWHERE else None,
        "exposure_s": seconds if np.isfinite(seconds) and seconds > 0 else None,
    }


def _description_of(raw: Any, path: Any) -> dict[str, Any]:
    sizes = raw.sizes
    top, left = sizes.top_margin, sizes.left_margin
    matrix = np.round(np.array(raw.rgb_xyz_matrix, np.float64)[:3], 6)  # held as float32
    gains = np.array(raw.camera_whitebalance, np.float64)[:3]
    cfa = _cfa_of(raw, path)
    black, offsets = split_black(_black_block(raw, cfa))
    return {
        "cfa": cfa,
        "black": black,
        "black_offsets": offsets,
        "black_known": bool(black.any()),
        "white": float(raw.white_level),
        "active_area": (top, left, top + sizes.height, left + sizes.width),
        "orientation": _ORIENTATION_OF_FLIP.get(sizes.flip, 1),
        "color_matrix": matrix if matrix.any() else None,
        "as_shot_neutral": gains[1] / gains if np.isfinite(gains).all() and (gains > 0).all() else None,
    }


def _black_block(raw: Any, cfa: str) -> np.ndarray:
    # black_level_per_channel is indexed by colour: 1 and 3 are the greens. A monochrome pixel has colour 6.
    levels, cell = raw.black_level_per_channel, _cfa.PATTERNS[cfa].cell
    colours = _colours(raw, cell)
    return np.array(levels, np.float64)[np.where(colours < 4, colours, 0)]


def _colours(raw: Any, side: int) -> np.ndarray:
    """Return LibRaw's colour of each pixel of a corner of the mosaic, (side, side)."""
    return np.array([[raw.raw_color(row, column) for column in range(side)] for row in range(side)])


def _cfa_of(raw: Any, path: Any) -> str:
    if not np.any(raw.rgb_xyz_matrix):
        check_told(path)
    if raw.num_colors == 1:
        return _cfa.MONO
    names = raw.color_desc.decode("ascii", "replace")
    # 12 is a multiple of every known period (2, 4, 6).
    letters = [[names[c] if c < len(names) else "?" for c in row] for row in _colours(raw, 12)]
    try:
        return _cfa.name_of_filters(letters)
    except ValueError as error:
        raise unsupported(path, f"a raw file of {error} (colours {names})") from error


def _merge(
    path: Any, tags: dict[str, Any], decoded: dict[str, Any], shape: tuple[int, ...]
) -> dict[str, Any]:
    tags = {name: value for name, value in tags.items() if name not in ("layout", "table")}
    if tags.pop("shape") != shape:
        raise RawFileError(
            f"{path}: its tags and its pixels disagree: LibRaw decoded {shape[0]} x {shape[1]}"
        )
    tags["iso"] = tags["iso"] or decoded["iso"]
    # An ExposureTime of 0 means unknown; LibRaw then reads the empty ShutterSpeedValue as 1 s.
    if not tags.pop("exposure_tag"):
        tags["exposure_s"] = decoded["exposure_s"]
    return tags


def _fill_from_exif(path: str | os.PathLike[str], fields: dict[str, Any]) -> dict[str, Any]:
    """Add maker and model, and ISO and exposure time where LibRaw has none, from the file's Exif."""
    exif = _exif_of(path)

    def numbers(name: str) -> list[float]:
        tag = exif.get(
            f"EXIF {name}", exif.get(f"EXIF Tag 0x{CODES[name]:04X}")
        )  # as exifread calls unknown ones
        values = getattr(tag, "values", ())
        return [] if isinstance(values, str) else [_number(v) for v in values]

    fields = dict(fields)
    for name, tag in (("make", "Image Make"), ("model", "Image Model")):
        fields[name] = printable(str(exif[tag]).partition("\0")[0]) if tag in exif else None
    if fields["iso"] is None:
        fields["iso"] = iso_of(numbers)
    # Of a time that is undefined or text LibRaw makes a number all the same.
    if fields["exposure_s"] is None or "EXIF ExposureTime" in exif:
        time = next((v for v in numbers("ExposureTime")[:1] if 0 < v < np.inf), None)
        fields["exposure_s"] = time and (fields["exposure_s"] or time)
    return fields


def _exif_of(path: str | os.PathLike[str]) -> dict[str, Any]:
    import exifread

    try:
        with silenced("exifread"), open(path, "rb") as file:
            return dict(exifread.process_file(file, details=False))
    # Formats exifread does not know, such as CRW, and broken Exif: the picture itself is read.
    except Exception:
        return {}


def _number(value: Any) -> float:
    try:
        return float(value)
    except (ArithmeticError, TypeError, ValueError):  # 0/0 above all
        return float("nan")
