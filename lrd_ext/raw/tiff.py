# SPDX-License-Identifier: Apache-2.0
"""TIFF directories as they stand in a file: claims are held against the file's own bytes, then read.

tifffile drops a tag it cannot read and goes on; a raw file's reader has to name it. It knows no RW2 or ORF.

Source: TIFF 6.0, section 2; TIFF/EP (ISO 12234-2) for SubIFDs.
"""

from __future__ import annotations

import dataclasses
import os
import struct
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

_FORMS = {1: "u1", 3: "u2", 4: "u4", 6: "i1", 7: "u1", 8: "i2", 9: "i4", 11: "f4", 12: "f8", 13: "u4"}
_FORMS |= {5: "u4", 10: "i4"}  # RATIONAL, SRATIONAL: numerator, denominator in turn
_TEXT, _RATIONALS = 2, (5, 10)
_SUB_IFDS = 330
_MOST_IFDS, _MOST_TAGS, _MOST_NUMBERS = 64, 1024, 2**18  # more than any camera writes

#: Third and fourth byte as a number: TIFF 6.0, Panasonic RW2, Olympus ORF (twice).
MAGICS = {42: "TIFF", 0x55: "RW2", 0x4F52: "ORF", 0x5352: "ORF"}

NAMES = {
    254: "NewSubfileType", 256: "ImageWidth", 257: "ImageLength", 258: "BitsPerSample", 259: "Compression",
    262: "PhotometricInterpretation", 270: "ImageDescription", 271: "Make", 272: "Model",
    273: "StripOffsets", 274: "Orientation", 277: "SamplesPerPixel", 278: "RowsPerStrip",
    279: "StripByteCounts", 280: "RawDataOffset", 317: "Predictor", 322: "TileWidth", 323: "TileLength",
    324: "TileOffsets", 325: "TileByteCounts", 330: "SubIFDs", 339: "SampleFormat",
    33421: "CFARepeatPatternDim", 33422: "CFAPattern", 33434: "ExposureTime", 34665: "ExifIFD",
    34855: "ISOSpeedRatings", 34864: "SensitivityType", 34865: "StandardOutputSensitivity",
    34866: "RecommendedExposureIndex", 34867: "ISOSpeed", 50706: "DNGVersion",
    50708: "UniqueCameraModel", 50711: "CFALayout", 50712: "LinearizationTable",
    50713: "BlackLevelRepeatDim", 50714: "BlackLevel", 50715: "BlackLevelDeltaH", 50716: "BlackLevelDeltaV",
    50717: "WhiteLevel", 50721: "ColorMatrix1", 50722: "ColorMatrix2", 50723: "CameraCalibration1",
    50724: "CameraCalibration2", 50727: "AnalogBalance", 50728: "AsShotNeutral", 50729: "AsShotWhiteXY",
    50730: "BaselineExposure", 50778: "CalibrationIlluminant1", 50779: "CalibrationIlluminant2",
    50829: "ActiveArea", 51008: "OpcodeList1", 51009: "OpcodeList2", 51022: "OpcodeList3",
    51041: "NoiseProfile", 52529: "CalibrationIlluminant3", 52530: "CameraCalibration3",
    52531: "ColorMatrix3",
}  # fmt: skip


CODES = {name: code for code, name in NAMES.items()}


class TagError(ValueError):
    """A tag whose value makes no sense; the text names it and shows what stands there."""


@dataclasses.dataclass(frozen=True)
class Tag:
    """One entry of a directory; its value is read when it is asked for."""

    file: BinaryIO
    size: int
    order: str
    code: int
    kind: int
    count: int
    inline: bytes

    @property
    def name(self) -> str:
        """The tag's name and number, as an error shows them."""
        return f"{NAMES.get(self.code, 'tag')} ({self.code})"

    def data(self, most: int | None = None) -> bytes:
        """Return the value's bytes, the first ``most`` of them.

        Raises:
            TagError: there is no such type, the tag is empty, or its value does not lie in the file.
        """
        if self.kind != _TEXT and self.kind not in _FORMS:
            raise TagError(f"{self.name} is of type {self.kind}, which TIFF does not have")
        item = 1 if self.kind == _TEXT else int(_FORMS[self.kind][1]) * (2 if self.kind in _RATIONALS else 1)
        length = item * self.count
        if not length:
            raise TagError(f"{self.name} is empty")
        if length <= 4:
            return self.inline[:length]
        start = struct.unpack(self.order + "I", self.inline)[0]
        if start + length > self.size:
            raise TagError(
                f"{self.name} claims {self.count} values, bytes {start} to {start + length}; the file has "
                f"{self.size} bytes"
            )
        self.file.seek(start)
        return self.file.read(length if most is None else min(most, length))

    def numbers(self) -> np.ndarray:
        """Return the value as (n,) float64, rationals divided: n/0 is inf, 0/0 NaN.

        Raises:
            TagError: as ``data``, or the tag is text.
        """
        if self.kind == _TEXT:
            raise TagError(f"{self.name} is text, not numbers")
        if self.count > _MOST_NUMBERS:
            raise TagError(
                f"{self.name} claims {self.count} values; no camera writes more than {_MOST_NUMBERS}"
            )
        values = np.frombuffer(self.data(), self.order + _FORMS[self.kind]).astype(np.float64)
        if self.kind in _RATIONALS:
            with np.errstate(divide="ignore", invalid="ignore"):
                values = values[0::2] / values[1::2]
        return values

    def shown(self) -> str:
        """Show the first values as they stand, rationals as n/d."""
        try:
            raw = np.frombuffer(self.data(64), self.order + _FORMS.get(self.kind, "u1"))[:8]
        except TagError:
            return "unreadable"
        parts = [f"{v:g}" if self.kind in (11, 12) else str(v) for v in raw]
        if self.kind in _RATIONALS:
            parts = [f"{n}/{d}" for n, d in zip(parts[0::2], parts[1::2], strict=True)]
        return " ".join(parts) + (" ..." if self.count > len(parts) else "")


class Ifd:
    """One directory: its tags by number, the first of each."""

    def __init__(self, file: BinaryIO, size: int, order: str, offset: int) -> None:
        """Read the entries, not their values; those behind the file's end are not there."""
        self.tags: dict[int, Tag] = {}
        self.order, self._file, self._size = order, file, size
        file.seek(offset)
        head = file.read(2)
        count = struct.unpack(order + "H", head)[0] if len(head) == 2 else 0
        self.whole = 0 < count <= _MOST_TAGS
        entries = file.read(12 * count) if self.whole else b""
        for code, kind, n, inline in struct.iter_unpack(order + "HHI4s", entries[: len(entries) // 12 * 12]):
            self.tags.setdefault(code, Tag(file, size, order, code, kind, n, inline))
        after = file.read(4)
        self.next = struct.unpack(order + "I", after)[0] if len(after) == 4 else 0

    def __contains__(self, code: int) -> bool:
        """Tell whether the directory has the tag."""
        return code in self.tags

    def numbers(self, code: int, *counts: int) -> np.ndarray | None:
        """Return a tag's numbers, (n,) float64, all finite; None where there is no such tag, or it is 0/0.

        Args:
            code: which tag.
            counts: how many numbers are accepted; none given accepts any.

        Raises:
            TagError: its type, count or place in the file is wrong, or a value is not finite, such as 1/0.
        """
        tag = self.tags.get(code)
        if tag is None:
            return None
        if counts and tag.count not in counts:
            wanted = " or ".join(map(str, counts))
            raise TagError(f"{tag.name} has {tag.count} values in place of {wanted}: {tag.shown()}")
        values = tag.numbers()
        if tag.kind in _RATIONALS and np.isnan(values).all():  # 0/0 is how writers say "unknown"
            return None
        if not np.isfinite(values).all():
            raise TagError(f"{tag.name} is undefined: {tag.shown()}")
        return values

    def integer(self, code: int, default: int) -> int:
        """Return the first of a tag's whole numbers, ``default`` where there is no such tag.

        Raises:
            TagError: as ``numbers``.
        """
        values = self.numbers(code)
        return default if values is None else int(values[0])

    def data(self, code: int) -> bytes | None:
        """Return a tag's bytes, None where there is no such tag."""
        return self.tags[code].data() if code in self.tags else None

    def text(self, code: int) -> str | None:
        """Return a tag's text up to its first NUL; None where there is none.

        Raises:
            TagError: it is not text, or does not lie in the file.
        """
        if code not in self.tags:
            return None
        tag = self.tags[code]
        if tag.kind not in (1, _TEXT, 7):
            raise TagError(f"{tag.name} is not text: {tag.shown()}")
        data = tag.data().partition(b"\0")[0] if tag.count else b""
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            text = data.decode("latin-1")
        return text.strip() or None

    def sub(self, code: int, most: int = _MOST_IFDS) -> list[Ifd]:
        """Return the directories a tag points to, those that lie in the file; none where it is broken."""
        try:
            offsets = self.numbers(code)
        except TagError:
            return []
        places = [] if offsets is None else [int(o) for o in offsets[:most]]
        return [Ifd(self._file, self._size, self.order, o) for o in places if 8 <= o < self._size]


@dataclasses.dataclass(frozen=True)
class Tiff:
    """The directories of a file: the chain of the first, then what SubIFDs point to."""

    ifds: list[Ifd]
    magic: str
    size: int


def read_tiff(file: BinaryIO) -> Tiff | None:
    """Read the directories of a TIFF, RW2 or ORF; None for any other file, and for one whose first is cut."""
    size = os.fstat(file.fileno()).st_size
    head = file.read(8)
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    if order is None or len(head) < 8:
        return None
    magic, first = struct.unpack(order + "HI", head[2:])
    if magic not in MAGICS:
        return None
    ifds = list(_chain(file, size, order, first))
    for ifd in ifds:  # grows while it is walked: SubIFDs may have their own
        if len(ifds) < _MOST_IFDS:
            ifds += ifd.sub(_SUB_IFDS, _MOST_IFDS - len(ifds))
    return Tiff(ifds, MAGICS[magic], size) if ifds and ifds[0].tags else None


def _chain(file: BinaryIO, size: int, order: str, offset: int) -> Iterator[Ifd]:
    seen: set[int] = set()
    while 8 <= offset < size and offset not in seen and len(seen) < _MOST_IFDS:
        seen.add(offset)
        ifd = Ifd(file, size, order, offset)
        yield ifd
        offset = ifd.next
