# SPDX-License-Identifier: Apache-2.0
"""What a picture file claims to hold, against its own bytes, before anything is allocated for it."""

from __future__ import annotations

import math
import os
import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np

from lrd_ext.raw.quiet import silenced

#: The best compression in use: deflate of zeros makes 1,032 bytes of one.
BEST_COMPRESSION = 1100
#: A file may claim this much whatever its size, bytes.
FREE = 64 << 20


def check_claimed_size(path: Path) -> None:
    """Refuse an .npy, .tif or .png that claims more pixels than its bytes can hold.

    Raises:
        ValueError: it does, or its head cannot be read.
    """
    size = path.stat().st_size
    suffix = path.suffix.lower()
    claimed, most = _CLAIMS[".tif" if suffix == ".tiff" else suffix](path)
    if claimed > max(size * most, FREE if most > 1 else size):
        raise ValueError(f"claims {claimed / 1e6:.0f} MB of pixels, more than its {size} bytes can hold")


def npy_claim(file: BinaryIO) -> int:
    """Return how many bytes an .npy file claims to be, from its head.

    Raises:
        ValueError: it has none, or a broken one.
    """
    form = np.lib.format
    if file.read(6) != form.MAGIC_PREFIX:
        raise ValueError("not an .npy file")
    file.seek(0)
    version = form.read_magic(file)
    read = form.read_array_header_1_0 if version == (1, 0) else form.read_array_header_2_0
    shape, _, dtype = read(file)
    if any(side < 0 for side in shape):
        raise ValueError(f"an .npy file of the shape {shape}")
    return file.tell() + math.prod(map(int, shape)) * dtype.itemsize


def _npy(path: Path) -> tuple[int, int]:
    with open(path, "rb") as file:
        return npy_claim(file), 1


def _png(path: Path) -> tuple[int, int]:
    with open(path, "rb") as file:
        head = file.read(26)
    if len(head) < 26 or head[12:16] != b"IHDR":
        raise ValueError("not a PNG file")
    width, height, bits = struct.unpack(">IIB", head[16:25])
    return width * height * max(bits // 8, 1), BEST_COMPRESSION


def _tiff(path: Path) -> tuple[int, int]:
    import tifffile

    with silenced("tifffile"), tifffile.TiffFile(path) as file:
        page = file.pages[0]
        if min(page.imagewidth, page.imagelength, page.samplesperpixel) < 1:  # tifffile would count for hours
            raise ValueError(f"says it is {page.imagewidth} x {page.imagelength} pixels")
        claimed = int(page.nbytes)
        held = sum(int(n) for n in page.databytecounts)
        plain = int(page.compression) == 1
    # A strip or tile may be empty, but what is there must make up the picture.
    size = os.path.getsize(path)
    most = 1 if plain else BEST_COMPRESSION
    return (claimed if claimed > min(held, size) * most else 0), most


_CLAIMS = {".npy": _npy, ".tif": _tiff, ".png": _png}
