# SPDX-License-Identifier: Apache-2.0
"""Writing DNG: an uncompressed 16-bit mosaic with the tags that let any raw converter show it."""

from __future__ import annotations

import io
import os
import struct
from fractions import Fraction
from typing import Any

import numpy as np

from lrd_ext.cfa import MONO, PATTERNS, shift_cfa
from lrd_ext.outputs import check_target, write_files

from .model import UNKNOWN_CAMERA, Raw

XYZ_TO_SRGB = np.array(
    [
        [3.2404542, -1.5371385, -0.4985314],
        [-0.9692660, 1.8760108, 0.0415560],
        [0.0556434, -0.2040259, 1.0572252],
    ]
)
"""CIE XYZ (D65) to linear sRGB (IEC 61966-2-1): ColorMatrix1 of a camera whose own matrix is not known."""

_SHORT, _LONG, _RATIONAL, _UNDEFINED, _SRATIONAL, _DOUBLE, _ASCII, _BYTE = 3, 4, 5, 7, 10, 12, 2, 1
_PHOTOMETRIC_CFA, _PHOTOMETRIC_GREY, _PHOTOMETRIC_LINEAR_RAW = 32803, 1, 34892
_EXIF_IFD = 34665
# tifffile does not write tag 34665; this unassigned neighbour keeps its place in the IFD until it is renamed.
_EXIF_PLACEHOLDER = 34664
_Tag = tuple[int, int, int, Any]


def write_dng(
    path: str | os.PathLike[str],
    raw: Raw,
    *,
    baseline_exposure: float | None = None,
    noise_profile: Any = None,
    description: str | None = None,
    software: str | None = None,
) -> None:
    """Write a mosaic as a DNG 1.4 file (one IFD, uncompressed, 16 bit, little-endian).

    The bytes depend on the arguments alone (no time stamp), and the file appears under its name only when
    complete. Values are written as they are held (black levels as rationals where they are no whole numbers);
    an ISO is rounded to a whole number. The CFA pattern is written 2x2, 4x4 or 6x6 as it is, a monochrome
    mosaic as LinearRaw of one sample. A picture of colours without a colour matrix gets sRGB's: DNG demands
    one. LibRaw (rawpy) misreads differing black levels and crops a pixel where ActiveArea starts at an odd
    pixel; the tags follow the specification all the same. It refuses areas under 22 pixels high or wide, and
    knows no 4x4 patterns: of quad-Bayer it gives the right values under wrong colours.

    Args:
        path: the file, replaced if it exists.
        raw: what to write. Opcode lists are carried over; its ``description`` and ``noise_profile`` are not,
            since they told of other pixels.
        baseline_exposure: EV by which converters brighten the picture, such as log2(ratio); None keeps that
            of ``raw``.
        noise_profile: (1, 2) or (3, 2) pairs S > 0, O >= 0 with variance S*x + O for x in [0, 1]; None writes
            none.
        description: ASCII text for ImageDescription, such as the JSON of the parameters and the seed.
        software: ASCII text for Software.

    Raises:
        TypeError: ``raw`` is not a Raw, or a text is not a str.
        ValueError: a text is not ASCII, a number does not fit its tag, or the white level is no whole number
            up to 65535; ``path`` is a folder, or its folder is missing or read-only.
        OSError: the system refuses to write the file; an old one is left as it was.

    Source: Adobe DNG Specification 1.6, chapter 4; TIFF 6.0, sections 2 and 8; Exif 2.32, section 4.6.
    """
    target = check_target(path, "raw.write_dng: path")
    data = encode_dng(
        raw,
        baseline_exposure=baseline_exposure,
        noise_profile=noise_profile,
        description=description,
        software=software,
    )
    write_files({target: data})


def encode_dng(
    raw: Raw,
    *,
    baseline_exposure: float | None = None,
    noise_profile: Any = None,
    description: str | None = None,
    software: str | None = None,
) -> bytes:
    """Return the bytes of the file that :func:`write_dng` writes; same arguments, same errors."""
    if not isinstance(raw, Raw):
        raise TypeError(f"raw.write_dng: raw must be a Raw, got {type(raw).__name__}")
    baseline = raw.baseline_exposure if baseline_exposure is None else baseline_exposure
    tags = [*_identity_tags(raw), *_level_tags(raw), *_area_tags(raw), *_color_tags(raw)]
    tags.append((50730, _SRATIONAL, 1, _rational("baseline_exposure", baseline, signed=True)))
    tags += _noise_profile_tag(noise_profile, raw.cfa)
    tags += [(code, _UNDEFINED, len(data), data) for code, data in raw.opcode_lists.items()]
    texts = {
        "description": _ascii("description", description),
        "software": _ascii("software", software) or False,
    }
    return _tiff_with_exif(raw, sorted(tags), _exif_ifd(raw), texts)


def _identity_tags(raw: Raw) -> list[_Tag]:
    # TIFF text is ASCII; other letters become "?", so that the picture can be written all the same.
    names = (raw.make or "", raw.model or "", raw.camera or UNKNOWN_CAMERA)
    make, model, full = (name.encode("ascii", "replace").decode() for name in names)
    tags: list[_Tag] = [(code, _ASCII, 0, text) for code, text in ((271, make), (272, model)) if text]
    # Opcode lists came with DNG 1.3; a reader that knows less must not skip them unsaid.
    backward = (1, 3, 0, 0) if raw.opcode_lists else (1, 1, 0, 0)
    return [
        *tags,
        (274, _SHORT, 1, raw.orientation),
        (50706, _BYTE, 4, (1, 4, 0, 0)),
        (50707, _BYTE, 4, backward),
        (50708, _ASCII, 0, full),
    ]


def _level_tags(raw: Raw) -> list[_Tag]:
    if not (raw.white <= 65535 and raw.white == int(raw.white)):
        raise ValueError(f"raw.write_dng: white must be a whole number up to 65535, got {raw.white:g}")
    # Patterns start at the corner of ActiveArea, not of the mosaic (DNG 1.6, BlackLevelRepeatDim).
    top, left = raw.active_area[:2]
    block = np.roll(raw.black_block, (-top, -left), (0, 1))
    if PATTERNS[raw.cfa].size == (4, 4) and not np.ptp(block):
        block = block[:1, :1]  # LibRaw, which has no 4x4 filters, takes a pattern of levels for another's
    black = block.ravel()
    if (black == np.round(black)).all():
        level: _Tag = (50714, _SHORT, black.size, tuple(int(b) for b in black))
    else:
        level = (50714, _RATIONAL, black.size, sum((_rational("black", b) for b in black), ()))
    tags: list[_Tag] = [(50713, _SHORT, 2, block.shape), level, (50717, _LONG, 1, int(raw.white))]
    if raw.cfa == MONO:
        return tags
    pattern = PATTERNS[shift_cfa(raw.cfa, top, left)]
    codes = tuple("RGB".index(letter) for letter in pattern.letters(*pattern.size).ravel())
    return [
        *tags,
        (33421, _SHORT, 2, pattern.size),
        (33422, _BYTE, len(codes), codes),
        (50710, _BYTE, 3, (0, 1, 2)),
    ]


def _area_tags(raw: Raw) -> list[_Tag]:
    top, left, bottom, right = raw.active_area
    return [
        (50719, _LONG, 2, (0, 0)),  # DefaultCropOrigin, from the corner of ActiveArea
        (50720, _LONG, 2, (right - left, bottom - top)),
        (50829, _LONG, 4, raw.active_area),
    ]


def _color_tags(raw: Raw) -> list[_Tag]:
    if raw.cfa == MONO:
        return []
    matrix = XYZ_TO_SRGB if raw.color_matrix is None else raw.color_matrix
    entries = sum((_rational("color_matrix", v, signed=True) for v in matrix.ravel()), ())
    tags: list[_Tag] = [
        (50721, _SRATIONAL, 9, entries),
        (50778, _SHORT, 1, 21),
    ]  # CalibrationIlluminant1: D65
    if raw.as_shot_neutral is not None:
        entries = sum((_rational("as_shot_neutral", v) for v in raw.as_shot_neutral), ())
        tags.append((50728, _RATIONAL, 3, entries))
    return tags


def _noise_profile_tag(profile: Any, cfa: str) -> list[_Tag]:
    if profile is None:
        return []
    pairs = np.array(profile, np.float64)
    planes = (1,) if cfa == MONO else (1, 3)
    if pairs.ndim != 2 or pairs.shape[1] != 2 or pairs.shape[0] not in planes:
        raise ValueError(
            f"raw.write_dng: noise_profile must be (planes, 2), planes in {planes}, got {pairs.shape}"
        )
    if not (np.isfinite(pairs).all() and (pairs[:, 0] > 0).all() and (pairs[:, 1] >= 0).all()):
        raise ValueError(f"raw.write_dng: noise_profile must be pairs S > 0, O >= 0, got {pairs.tolist()}")
    return [(51041, _DOUBLE, pairs.size, tuple(pairs.ravel().tolist()))]


def _exif_ifd(raw: Raw) -> dict[int, tuple[int, Any]]:
    """Return the Exif IFD's tags as {code: (type, value)}."""
    tags: dict[int, tuple[int, Any]] = {36864: (_UNDEFINED, b"0232")}
    if raw.exposure_s is not None:
        tags[33434] = (_RATIONAL, Fraction(*_rational("exposure_s", raw.exposure_s)))
    if raw.iso is not None:
        iso = max(1, round(raw.iso))
        if iso > 0xFFFFFFFF:
            raise ValueError(f"raw.write_dng: iso must fit 32 bits, got {raw.iso:g}")
        # Exif 2.32, annex G: a speed that does not fit a SHORT is 65535 there and whole in a 32-bit tag:
        # RecommendedExposureIndex is the best known (LibRaw: Canon's only); SensitivityType 6 adds ISOSpeed.
        tags[34855] = (_SHORT, min(iso, 65535))
        if iso >= 65535:
            tags |= {34864: (_SHORT, 6), 34866: (_LONG, iso), 34867: (_LONG, iso)}
    return tags


def _tiff_with_exif(
    raw: Raw, tags: list[_Tag], exif: dict[int, tuple[int, Any]], texts: dict[str, Any]
) -> bytes:
    """Let tifffile write the file and append the Exif IFD, which it cannot write, made by Pillow.

    Only two entries are changed in what tifffile wrote (TIFF 6.0, section 2: an entry is code, type, count,
    value): the placeholder becomes ExifIFD, and for a monochrome raw PhotometricInterpretation becomes
    LinearRaw, which tifffile allows for three samples only.
    """
    import tifffile
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    buffer = io.BytesIO()
    tifffile.imwrite(
        buffer,
        raw.mosaic,
        byteorder="<",
        photometric=_PHOTOMETRIC_GREY if raw.cfa == MONO else _PHOTOMETRIC_CFA,
        subfiletype=0,
        rowsperstrip=raw.mosaic.shape[0],
        metadata=None,
        extratags=[(*tag, True) for tag in (*tags, (_EXIF_PLACEHOLDER, _LONG, 1, 0))],
        **texts,
    )
    buffer.seek(0)
    with tifffile.TiffFile(buffer) as tiff:
        entries = {code: tiff.pages[0].tags[code].offset for code in (262, _EXIF_PLACEHOLDER)}
    data = bytearray(buffer.getvalue())
    data += bytes(len(data) % 2)  # an IFD begins on a word boundary
    struct.pack_into("<H", data, entries[_EXIF_PLACEHOLDER], _EXIF_IFD)
    struct.pack_into("<I", data, entries[_EXIF_PLACEHOLDER] + 8, len(data))
    if raw.cfa == MONO:
        struct.pack_into("<H", data, entries[262] + 8, _PHOTOMETRIC_LINEAR_RAW)
    directory = ImageFileDirectory_v2(prefix=b"II")
    for code, (kind, value) in sorted(exif.items()):
        directory.tagtype[code] = kind
        directory[code] = value
    return bytes(data + directory.tobytes(len(data)))


def _rational(name: str, value: float, *, signed: bool = False) -> tuple[int, int]:
    """Return the closest numerator and denominator that fit 32 bits."""
    if not np.isfinite(value):
        raise ValueError(f"raw.write_dng: {name} must be finite, got {value}")
    largest = 2**31 - 1 if signed else 2**32 - 1
    exact = Fraction(float(value))
    if abs(exact) > largest or (exact < 0 and not signed):
        raise ValueError(f"raw.write_dng: {name} must fit a 32-bit rational, got {value:g}")
    near = exact.limit_denominator(largest // max(1, int(abs(exact)) + 1))
    if exact and not near:
        raise ValueError(f"raw.write_dng: {name} is too close to 0 for a 32-bit rational, got {value:g}")
    return near.numerator, near.denominator


def _ascii(name: str, text: str | None) -> str | None:
    if text is None:
        return None
    if not isinstance(text, str):
        raise TypeError(f"raw.write_dng: {name} must be a str, got {type(text).__name__}")
    if not text.isascii() or "\0" in text:
        raise ValueError(f"raw.write_dng: {name} must be ASCII text (as json.dumps writes it), got {text!r}")
    return text or None
