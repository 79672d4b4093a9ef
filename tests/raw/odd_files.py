# SPDX-License-Identifier: Apache-2.0
"""TIFF-like raw files made byte by byte, as odd as a test wants them: what no writer would write."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np
from dng_files import COLOR_MATRIX, MOSAIC, rationals
from jpeg_tiles import lossless_jpeg

BYTE, ASCII, SHORT, LONG, RATIONAL, UNDEFINED, SRATIONAL, DOUBLE = 1, 2, 3, 4, 5, 7, 10, 12
_FORMS = {1: "B", 3: "H", 4: "I", 5: "I", 6: "b", 8: "h", 9: "i", 10: "i", 11: "f", 12: "d"}


def entry(kind: int, *values: object) -> tuple[int, int, bytes]:
    """A tag's type, count and bytes: numbers, rationals in turn, or one bytes object."""
    if kind in (ASCII, UNDEFINED):
        data = values[0] if values else b""
        return kind, len(data), data
    count = len(values) // (2 if kind in (RATIONAL, SRATIONAL) else 1)
    return kind, count, struct.pack(f"<{len(values)}{_FORMS[kind]}", *values)


def tiff(
    tags: dict[int, tuple[int, int, bytes]],
    pieces: Sequence[bytes] = (),
    *,
    exif: dict[int, tuple[int, int, bytes]] | None = None,
    magic: int = 42,
    places: tuple[int, int] = (273, 279),
    gap: bytes = b"",
    order: Sequence[int] | None = None,
) -> bytes:
    """Lay out a file of one IFD, its Exif IFD and its strips or tiles.

    Args:
        tags: {code: entry(...)}; those of ``places`` are kept as given, else made of ``pieces``.
        pieces: image data, in the order of the tag.
        exif: tags of the Exif IFD.
        magic: 42, or 0x55 for RW2.
        places: tags of offsets and counts.
        gap: bytes between the pieces.
        order: in which the pieces lie in the file; as they come if None.
    """
    tags = dict(tags)
    order = range(len(pieces)) if order is None else order
    made = [code for code in places if code not in tags and pieces]
    for code in made:
        tags[code] = (LONG, len(pieces), bytes(4 * len(pieces)))
    if exif is not None:
        tags[34665] = (LONG, 1, bytes(4))
    start = 8 + _size(tags) + (_size(exif) if exif else 0)
    offsets, at = [0] * len(pieces), start
    for i in order:
        offsets[i], at = at, at + len(pieces[i]) + len(gap)
    for code, values in zip(places, (offsets, [len(p) for p in pieces]), strict=True):
        if code in made:
            tags[code] = entry(LONG, *values)
    if exif is not None:
        tags[34665] = entry(LONG, 8 + _size(tags))
    body = _ifd(tags, 8) + (_ifd(exif, 8 + _size(tags)) if exif else b"")
    return b"II" + struct.pack("<HI", magic, 8) + body + b"".join(pieces[i] + gap for i in order)


def _size(tags: dict[int, tuple[int, int, bytes]]) -> int:
    return 6 + 12 * len(tags) + sum(len(d) + len(d) % 2 for _, _, d in tags.values() if len(d) > 4)


def _ifd(tags: dict[int, tuple[int, int, bytes]], at: int) -> bytes:
    entries, values, place = b"", b"", at + 6 + 12 * len(tags)
    for code, (kind, count, data) in sorted(tags.items()):
        inline = data.ljust(4, b"\0")
        if len(data) > 4:
            inline = struct.pack("<I", place + len(values))
            values += data + b"\0" * (len(data) % 2)
        entries += struct.pack("<HHI", code, kind, count) + inline
    return struct.pack("<H", len(tags)) + entries + bytes(4) + values


def dng_tags(mosaic: np.ndarray = MOSAIC, *, bits: int = 16, compression: int = 1) -> dict[int, tuple]:
    """The tags every DNG of these tests has."""
    height, width = mosaic.shape
    return {
        254: entry(LONG, 0), 256: entry(LONG, width), 257: entry(LONG, height), 258: entry(SHORT, bits),
        259: entry(SHORT, compression), 262: entry(SHORT, 32803), 277: entry(SHORT, 1),
        33421: entry(SHORT, 2, 2), 33422: entry(BYTE, 0, 1, 1, 2), 50706: entry(BYTE, 1, 4, 0, 0),
        50708: entry(ASCII, b"Test camera\0"), 50721: entry(SRATIONAL, *rationals(COLOR_MATRIX)),
        50778: entry(SHORT, 21), 50728: entry(RATIONAL, *rationals((0.5, 1, 0.6))),
    }  # fmt: skip


def dng(extra: dict | None = None, *, exif: dict | None = None, mosaic: np.ndarray = MOSAIC) -> bytes:
    """A DNG of one strip; ``extra`` tags replace its own."""
    return tiff(dng_tags(mosaic) | (extra or {}), [mosaic.tobytes()], exif=exif)


def strips(mosaic: np.ndarray = MOSAIC, lines: int = 8, **layout: object) -> bytes:
    """An uncompressed DNG in strips."""
    pieces = [mosaic[i : i + lines].tobytes() for i in range(0, len(mosaic), lines)]
    return tiff(dng_tags(mosaic) | {278: entry(LONG, lines)}, pieces, **layout)


def jpeg_tiles(mosaic: np.ndarray = MOSAIC, side: tuple[int, int] = (16, 32)) -> list[bytes]:
    """The mosaic in tiles of lossless JPEG, those at its edges filled up."""
    height, width = side
    full = np.pad(mosaic, [(0, -n % s) for n, s in zip(mosaic.shape, side, strict=True)], mode="edge")
    return [
        lossless_jpeg(full[r : r + height, c : c + width])
        for r in range(0, len(full), height)
        for c in range(0, full.shape[1], width)
    ]


def jpeg_dng(pieces: Sequence[bytes], mosaic: np.ndarray = MOSAIC, side=(16, 32), **layout: object) -> bytes:
    """A DNG of lossless JPEG tiles."""
    tags = dng_tags(mosaic, compression=7) | {322: entry(LONG, side[1]), 323: entry(LONG, side[0])}
    return tiff(tags, pieces, places=(324, 325), **layout)


def camera_tiff(
    extra: dict | None = None, *, exif: dict | None = None, mosaic: np.ndarray = MOSAIC, **layout: object
) -> bytes:
    """A raw TIFF that is no DNG, as NEF files are: filters in TIFF/EP tags, maker's name, no levels."""
    height, width = mosaic.shape
    tags = {
        254: entry(LONG, 0), 256: entry(LONG, width), 257: entry(LONG, height), 258: entry(SHORT, 16),
        259: entry(SHORT, 1), 262: entry(SHORT, 32803), 271: entry(ASCII, b"Maker\0"),
        272: entry(ASCII, b"Model\0"), 277: entry(SHORT, 1), 33421: entry(SHORT, 2, 2),
        33422: entry(BYTE, 1, 0, 2, 1),
    }  # fmt: skip
    return tiff(tags | (extra or {}), [mosaic.tobytes()], exif=exif, **layout)
