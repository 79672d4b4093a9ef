# SPDX-License-Identifier: Apache-2.0
"""Small files that claim much: refused before anything is allocated."""

from __future__ import annotations

import struct
import tracemalloc
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image

from lrd_ext.calibration import Levels, find_frames
from lrd_ext.calibration.claimed_size import check_claimed_size


def tiff(path, width: int, height: int) -> None:
    """One zlib tile of zeros under a picture of any size."""
    data = zlib.compress(bytes(16 * 16 * 2))
    tags = [(256, 4, width), (257, 4, height), (258, 3, 16), (259, 3, 8), (262, 3, 1), (277, 3, 1)]
    tags += [(322, 4, 16), (323, 4, 16), (324, 4, 0), (325, 4, len(data))]
    at = 8 + 2 + 12 * len(tags) + 4
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, at if tag == 324 else v) for tag, kind, v in tags)
    path.write_bytes(b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + data)


def npy(path, width: int, height: int) -> None:
    head = f"{{'descr': '<u2', 'fortran_order': False, 'shape': ({height}, {width}), }}".ljust(117) + "\n"
    path.write_bytes(b"\x93NUMPY\1\0" + struct.pack("<H", len(head)) + head.encode() + bytes(300))


def png(path, width: int, height: int) -> None:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 0, 0, 0, 0))
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(("suffix", "make"), [(".tif", tiff), (".npy", npy), (".png", png)])
def test_a_small_file_that_claims_gigabytes_is_refused_cheaply(tmp_path, suffix, make):
    make(tmp_path / f"a{suffix}", 60_000, 40_000)
    (tmp_path / "frames.csv").write_text(f"file,kind,iso,exposure_s\na{suffix},dark,100,1\n")
    (frame,) = find_frames(tmp_path, Levels(white=4095.0))
    tracemalloc.start()
    with pytest.raises(ValueError, match=rf"a{suffix}: truncated or broken \(claims 4800 MB of pixels"):
        frame.load()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50e6


@pytest.mark.parametrize("suffix", [".tif", ".npy", ".png"])
def test_an_even_picture_is_no_claim(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    mosaic = np.zeros((2000, 3000), np.uint16)  # compresses as well as anything can
    if suffix == ".npy":
        np.save(path, mosaic)
    elif suffix == ".png":
        Image.fromarray(mosaic).save(path)
    else:
        tifffile.imwrite(path, mosaic, compression="zlib")
    check_claimed_size(path)


def test_a_picture_of_less_than_no_width_is_refused(tmp_path, capfd):
    """Tifffile would look for its axes without end where it holds a description of a shape as well."""
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((64, 80), np.uint16))
    data = bytearray((tmp_path / "a.tif").read_bytes())
    at = next(data.index(tag) for kind in (3, 4) if (tag := struct.pack("<HHI", 256, kind, 1)) in data)
    data[at : at + 12] = struct.pack("<HHIi", 256, 9, 1, -1)
    (tmp_path / "a.tif").write_bytes(data)
    with pytest.raises(ValueError, match="says it is -1 x 64 pixels"):
        check_claimed_size(tmp_path / "a.tif")
    assert capfd.readouterr().err == ""


def test_an_array_of_a_side_less_than_nothing_is_refused(tmp_path):
    """NumPy would multiply the sides to a small number, or less than none, and then ask for 512 TiB."""
    head = b"{'descr': '<u2', 'fortran_order': False, 'shape': (4294967295, 281474976710656, -1)}"
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY\x02\x00" + struct.pack("<I", len(head) + 1) + head + b"\n")
    with pytest.raises(ValueError, match=r"an \.npy file of the shape \(4294967295, 281474976710656, -1\)"):
        check_claimed_size(tmp_path / "a.npy")
