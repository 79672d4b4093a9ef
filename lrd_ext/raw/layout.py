# SPDX-License-Identifier: Apache-2.0
"""Where a DNG's pixels lie in the file, and whether all of them are there.

LibRaw stops at a tile it cannot decode and says nothing: the rest of the picture is what memory held before.
Strips it reads as one run of bytes from the first. So strips, tiles and their JPEG frames are checked here,
and uncompressed strips that are not one run are read here.

Source: TIFF 6.0, sections 3 and 15; ITU-T T.81 annexes B and H for lossless JPEG; DNG 1.6, chapter 2.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
import struct
from typing import BinaryIO

import numpy as np

from .tiff import NAMES, Ifd, TagError

_PLAIN, _JPEG, _LOSSY_JPEG = 1, 7, 34892
_TABLES, _SCAN = 0xC4, 0xDA  # JPEG's DHT and SOS
# In entropy-coded data FF stands before 00 and restart markers only.
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")


@dataclasses.dataclass(frozen=True)
class Layout:
    """The strips or tiles of one image: (height, width) of image and piece, bytes by piece."""

    shape: tuple[int, int]
    piece: tuple[int, int]
    offsets: list[int]
    counts: list[int]
    compression: int
    bits: int
    order: str
    word: str

    @property
    def columns(self) -> int:
        """How many pieces lie side by side."""
        return -(-self.shape[1] // self.piece[1])

    @property
    def stride(self) -> int:
        """Bytes of an uncompressed line of a piece."""
        return -(-self.piece[1] * self.bits // 8)

    def lines(self, number: int) -> int:
        """How many lines of a piece lie in the image."""
        return min(self.piece[0], self.shape[0] - number // self.columns * self.piece[0])

    @property
    def scattered(self) -> bool:
        """Whether uncompressed strips do not follow one upon the other."""
        if self.compression != _PLAIN or self.columns > 1 or self.word == "tile":
            return False
        ends = [o + self.lines(i) * self.stride for i, o in enumerate(self.offsets)]
        return ends[:-1] != self.offsets[1:]


def read_layout(ifd: Ifd, file: BinaryIO, size: int) -> Layout:
    """Read where an image's pixels lie and check that all of them are in the file.

    Raises:
        TagError: a size, count or offset is wrong, or a strip or tile is missing, cut short or damaged.
    """
    height, width = ifd.integer(257, 0), ifd.integer(256, 0)
    if not (0 < height <= 65535 and 0 < width <= 65535):
        raise TagError(f"ImageWidth (256) {width} and ImageLength (257) {height} must be in 1..65535")
    tiled = 324 in ifd
    word, places, lengths = ("tile", 324, 325) if tiled else ("strip", 273, 279)
    piece = (ifd.integer(323, 0), ifd.integer(322, 0)) if tiled else (ifd.integer(278, height), width)
    if min(piece) < 1:
        raise TagError(f"a {word} of {piece[1]} x {piece[0]} pixels cannot be")
    piece = (piece[0] if tiled else min(piece[0], height), piece[1])
    offsets, counts = ifd.numbers(places), ifd.numbers(lengths)
    needed = -(-height // piece[0]) * -(-width // piece[1])
    if offsets is None or counts is None or not len(offsets) == len(counts) == needed:
        numbers = [0 if values is None else len(values) for values in (offsets, counts)]
        raise TagError(
            f"{NAMES[places]} ({places}) and {NAMES[lengths]} ({lengths}) name {numbers[0]} and {numbers[1]} "
            f"{word}s; a picture of {width} x {height} has {needed}"
        )
    found = Layout(
        shape=(height, width),
        piece=piece,
        offsets=[int(v) for v in offsets],
        counts=[int(v) for v in counts],
        compression=ifd.integer(259, _PLAIN),
        bits=ifd.integer(258, 1),
        order=ifd.order,
        word=word,
    )
    _check(found, file, size)
    return found


def _check(layout: Layout, file: BinaryIO, size: int) -> None:
    total = len(layout.offsets)
    pieces = list(zip(layout.offsets, layout.counts, strict=True))
    for number, (offset, count) in enumerate(pieces):
        name = f"{layout.word} {number + 1} of {total}"
        if offset < 8 or count < 1:
            raise TagError(f"{name} is missing (offset {offset}, {count} bytes)")
        if layout.compression == _PLAIN:
            least = layout.stride * (layout.lines(number) if layout.word == "strip" else layout.piece[0])
            if count < least:
                raise TagError(f"{name} is cut short: {count} bytes in place of {least}")
    end = max(o + n for o, n in pieces)
    if end > size:
        raise TagError(f"truncated: its image data end at byte {end}, the file at byte {size}")
    if len(set(layout.offsets)) < total:
        raise TagError(f"two {layout.word}s lie at one place")
    height, width = layout.shape
    if height * width > 8 * sum(layout.counts):  # the shortest code of lossless JPEG is one bit
        raise TagError(f"{sum(layout.counts)} bytes of image data cannot hold {width} x {height} pixels")
    if layout.compression in (_JPEG, _LOSSY_JPEG):
        for number, (offset, count) in enumerate(pieces):
            file.seek(offset)
            pixels = layout.lines(number) * layout.piece[1]
            wrong = _jpeg_fault(file.read(count), pixels, lossless=layout.compression == _JPEG)
            if wrong:
                raise TagError(f"{layout.word} {number + 1} of {total} is damaged: {wrong}")


def _jpeg_fault(data: bytes, pixels: int, lossless: bool) -> str | None:
    """Tell what is wrong with a JPEG frame that shall hold so many pixels; None if it looks whole."""
    if data[:2] != b"\xff\xd8":
        return "it does not begin as a JPEG (SOI)"
    at, marker, samples, tables = 2, 0, 0, not lossless
    while marker != _SCAN:
        head = data[at : at + 4]
        length = int.from_bytes(head[2:], "big")
        body = data[at + 4 : at + 2 + length]
        if len(head) < 4 or head[0] != 0xFF or length < 2 or len(body) < length - 2:
            return "its JPEG header is broken"
        marker, at = head[1], at + 2 + length
        if marker in ((0xC3,) if lossless else (0xC0, 0xC1)):
            samples = _samples(body)
        elif marker == _TABLES:
            tables = tables or _has_first_table(body)
    if not tables or samples < pixels:
        return (
            f"its JPEG header promises {samples} of {pixels} pixels" if tables else "it has no Huffman table"
        )
    end = _MARKER.search(data, at)
    if end is None or end.group() != b"\xff\xd9" or data[end.end() :].strip(b"\0"):
        return "its JPEG does not end as one (EOI)"
    if lossless and 8 * (end.start() - at) < samples:
        return f"{end.start() - at} bytes cannot hold {samples} pixels"
    return None


def _samples(frame: bytes) -> int:
    """Return how many samples a frame header promises, 0 where LibRaw would not decode it."""
    bits, height, width, components, _, sampling = struct.unpack(">BHHBBB", frame[:8].ljust(8, b"\0"))
    return height * width * components if 1 < bits <= 16 and components <= 4 and sampling == 0x11 else 0


def _has_first_table(tables: bytes) -> bool:
    """Tell whether Huffman table 0 is whole; LibRaw takes it for every component without one of its own."""
    while len(tables) >= 17:
        codes = sum(tables[1:17])
        if len(tables) < 17 + codes or not codes:
            return False
        if tables[0] == 0:
            return True
        tables = tables[17 + codes :]
    return False


def read_plain(layout: Layout, file: BinaryIO) -> np.ndarray:
    """Read uncompressed strips wherever they lie: (H, W) uint16.

    Source: DNG 1.6, chapter 2: 8 and 16 bits in the file's byte order, others packed, high bits first.
    """
    mosaic = np.empty(layout.shape, np.uint16)
    weights = 2 ** np.arange(layout.bits)[::-1].astype(np.uint32)
    tops = itertools.count(0, layout.piece[0])
    for number, (top, offset) in enumerate(zip(tops, layout.offsets, strict=False)):
        lines = layout.lines(number)
        file.seek(offset)
        data = file.read(lines * layout.stride)
        if layout.bits in (8, 16):
            values = np.frombuffer(data, f"{layout.order}u{layout.bits // 8}").reshape(lines, -1)
        else:
            bits = np.unpackbits(np.frombuffer(data, np.uint8).reshape(lines, layout.stride), axis=1)
            values = bits[:, : layout.piece[1] * layout.bits].reshape(lines, -1, layout.bits) @ weights
        mosaic[top : top + lines] = values
    return mosaic
