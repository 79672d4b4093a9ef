# SPDX-License-Identifier: Apache-2.0
"""Whether a raw file that is no DNG is all there, as far as its format tells; the rest is left to LibRaw.

Sources: Fujifilm RAF, Minolta MRW and Panasonic RW2 as LibRaw's and ExifTool's sources describe them; CR3's
boxes are ISO 14496-12's. CRW ends in its own directory: LibRaw finds nothing in a cut one.
"""

from __future__ import annotations

import struct
from typing import BinaryIO

from .tiff import Ifd, TagError, Tiff

_UNTOLD = 0xFFFFFFFF
_RAW_DATA_OFFSET = 0x0118
#: Most pixels in 16 bytes by RawFormat (0x2d).
_RW2_PIXELS = {4: 14, 5: 10, 6: 14, 7: 10}


def claimed_end(file: BinaryIO, size: int, tiff: Tiff | None) -> int | None:
    """Return the byte where the raw data end as the file claims; None where it does not say."""
    if tiff is not None:
        return _end_in_rw2(tiff.ifds[0]) if tiff.magic == "RW2" else _end_in_tiff(tiff)
    file.seek(0)
    head = file.read(108).ljust(108, b"\0")
    if head.startswith(b"FUJIFILMCCD-RAW"):
        offset, length = struct.unpack(">II", head[100:108])
        return offset + length if offset else None
    if head.startswith(b"\0MRM"):
        return _end_in_mrw(head)
    if head[4:12] == b"ftypcrx ":
        return _end_of_boxes(file, size)
    return None


def _end_in_tiff(tiff: Tiff) -> int | None:
    """Return the end of the largest image's data, which is the mosaic's."""
    pieces = max((_pieces(ifd) for ifd in tiff.ifds), key=lambda found: sum(n for _, n in found))
    return max((o + n for o, n in pieces), default=None)


def _pieces(ifd: Ifd) -> list[tuple[int, int]]:
    """Return (offset, bytes) of an image's strips or tiles, those of which the tags tell both."""
    found: list[tuple[int, int]] = []
    for places, lengths in ((273, 279), (324, 325)):
        try:
            offsets, counts = ifd.numbers(places), ifd.numbers(lengths)
        except TagError:
            continue
        if offsets is not None and counts is not None:
            found += [(int(o), int(n)) for o, n in zip(offsets, counts, strict=False)]
    return [(o, n) for o, n in found if 0 < o < _UNTOLD and 0 < n < _UNTOLD]


def _end_in_rw2(ifd: Ifd) -> int | None:
    # StripOffsets is 0xFFFFFFFF in later cameras: RawDataOffset counts. StripByteCounts may be 0.
    try:
        start, length = ifd.integer(_RAW_DATA_OFFSET, 0), ifd.integer(279, 0)
    except TagError:
        return None
    if start in (0, _UNTOLD):
        return max((o + n for o, n in _pieces(ifd)), default=None)
    return start + (length if 0 < length < _UNTOLD else max(1, _least_of_rw2(ifd)))


def _least_of_rw2(ifd: Ifd) -> int:
    """Return how many bytes the pixels take at least, 0 where the RawFormat does not tell."""
    try:
        width, height, form = (ifd.integer(code, 0) for code in (2, 3, 0x2D))
    except TagError:
        return 0
    return width * height // _RW2_PIXELS[form] * 16 if form in _RW2_PIXELS else 0


def _end_in_mrw(head: bytes) -> int | None:
    # The block PRD comes first: version (8 bytes), lines and columns of sensor and picture, bits a pixel.
    start, name, _, lines, columns, _, _, bits = struct.unpack(">I4sI8xHHHHB", head[4:33])
    return 8 + start + lines * columns * bits // 8 if name == b"\0PRD" else None


def _end_of_boxes(file: BinaryIO, size: int) -> int | None:
    at = 0
    while at + 8 <= size:
        file.seek(at)
        head = file.read(16)
        length = struct.unpack(">I", head[:4])[0]
        if length == 1 and len(head) == 16:
            length = struct.unpack(">Q", head[8:])[0]
        if length < 8:  # 0: up to the end of the file
            return None
        at += length
    return at
