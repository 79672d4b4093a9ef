# SPDX-License-Identifier: Apache-2.0
"""Pictures that are not all there, or lie as LibRaw does not expect: whole and right, or refused."""

from __future__ import annotations

import contextlib
import resource
import struct

import numpy as np
import pytest
from dng_files import MOSAIC
from odd_files import (
    ASCII,
    LONG,
    SHORT,
    UNDEFINED,
    camera_tiff,
    dng,
    dng_tags,
    entry,
    jpeg_dng,
    jpeg_tiles,
    strips,
    tiff,
)

from lrd_ext import raw
from lrd_ext.raw import completeness
from lrd_ext.raw.tiff import read_tiff

pytest.importorskip("rawpy")


def read(tmp_path, data, name="a.dng"):
    (tmp_path / name).write_bytes(data)
    return raw.read(tmp_path / name)


def refused(tmp_path, data, says, name="a.dng"):
    with pytest.raises(raw.RawFileError, match=says) as error:
        read(tmp_path, data, name)
    assert name in str(error.value)
    assert "\n" not in str(error.value)


def test_lossless_jpeg_tiles(tmp_path):
    np.testing.assert_array_equal(read(tmp_path, jpeg_dng(jpeg_tiles())).mosaic, MOSAIC)
    order = [2, 0, 3, 1]
    np.testing.assert_array_equal(read(tmp_path, jpeg_dng(jpeg_tiles(), order=order)).mosaic, MOSAIC)


DAMAGES = {
    "zeroed": (lambda tile: bytes(len(tile)), "tile 3 of 4 is damaged: it does not begin as a JPEG"),
    "missing": (lambda tile: b"", r"tile 3 of 4 is missing \(offset \d+, 0 bytes\)"),
    "cut": (lambda tile: tile[:-40], "tile 3 of 4 is damaged: its JPEG does not end as one"),
    "end zeroed": (lambda tile: tile[:-40] + bytes(40), "tile 3 of 4 is damaged: its JPEG does not end"),
    "ends early": (lambda tile: tile[:200] + b"\xff\xd9" + tile[202:], "does not end as one"),
    "overwritten": (lambda tile: tile[:200] + b"\xff\xd8" + tile[202:], "does not end as one"),
    "header broken": (lambda tile: tile[:2] + b"\0" + tile[3:], "its JPEG header is broken"),
    "smaller": (lambda tile: tile.replace(b"\x10\0\x10\0\x20", b"\x10\0\x08\0\x20"), "256 of 512 pixels"),
    "other process": (lambda tile: tile.replace(b"\xff\xc3", b"\xff\xc0"), "0 of 512 pixels"),
    "no table": (lambda tile: tile.replace(b"\xff\xc4", b"\xff\xfe"), "no Huffman table"),
    "no bits": (lambda tile: tile.replace(b"\0\x0b\x10\0", b"\0\x0b\0\0"), "0 of 512 pixels"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_tile_never_passes(tmp_path, damage):
    change, says = DAMAGES[damage]
    tiles = jpeg_tiles()
    tiles[2] = change(tiles[2])
    refused(tmp_path, jpeg_dng(tiles), says)


@pytest.mark.parametrize("given", [1, 3, 5])
def test_tiles_are_counted(tmp_path, given):
    refused(tmp_path, jpeg_dng((jpeg_tiles() * 2)[:given]), rf"TileOffsets .*{given} tiles; .* has 4")


@pytest.mark.parametrize("offset", [0, 7, 2**31, 2**32 - 1])
def test_a_tile_that_lies_nowhere_is_refused(tmp_path, offset):
    data = bytearray(jpeg_dng(jpeg_tiles()))
    first = data.index(b"\xff\xd8\xff\xc3")
    at = data.index(struct.pack("<I", first))
    data[at : at + 4] = struct.pack("<I", offset)
    refused(tmp_path, bytes(data), "tile 1 of 4|truncated")


def test_two_tiles_at_one_place_are_refused(tmp_path):
    data = bytearray(jpeg_dng(jpeg_tiles()))
    at = data.index(struct.pack("<I", data.index(b"\xff\xd8\xff\xc3")))
    data[at : at + 4] = data[at + 4 : at + 8]
    refused(tmp_path, bytes(data), "two tiles lie at one place")


@pytest.mark.parametrize("layout", [{}, {"gap": b"\xaa" * 6}, {"order": [3, 1, 0, 2]}])
def test_uncompressed_strips_are_read_wherever_they_lie(tmp_path, layout):
    np.testing.assert_array_equal(read(tmp_path, strips(**layout)).mosaic, MOSAIC)


@pytest.mark.parametrize("bits", [8, 10, 12, 14])
def test_packed_strips_out_of_order(tmp_path, bits):
    mosaic = (MOSAIC % 2**bits).astype(np.uint16)
    lines = [
        np.packbits(np.array(list("".join(f"{v:0{bits}b}" for v in row)), np.uint8)).tobytes()
        for row in mosaic
    ]
    pieces = [b"".join(lines[i : i + 8]) for i in range(0, 32, 8)]
    tags = dng_tags(mosaic, bits=bits) | {278: entry(LONG, 8)}
    for order in (None, [1, 0, 2, 3]):
        got = read(tmp_path, tiff(tags, pieces, order=order))
        np.testing.assert_array_equal(got.mosaic, mosaic)
        assert got.white == 2**bits - 1


def test_the_linearization_table_holds_for_scattered_strips(tmp_path):
    table = np.minimum(3 * np.arange(4096), 65535).astype(int).tolist()
    tags = dng_tags() | {278: entry(LONG, 8), 50712: entry(SHORT, *table)}
    pieces = [MOSAIC[i : i + 8].tobytes() for i in range(0, 32, 8)]
    got = read(tmp_path, tiff(tags, pieces, gap=b"\xaa\xaa"))
    np.testing.assert_array_equal(got.mosaic, 3 * MOSAIC)


@pytest.mark.parametrize("missing", [0, 2, 3])
def test_a_missing_or_short_strip_is_named(tmp_path, missing):
    pieces = [MOSAIC[i : i + 8].tobytes() for i in range(0, 32, 8)]
    tags = dng_tags() | {278: entry(LONG, 8)}
    for short, says in ((b"", "missing"), (pieces[missing][:-2], "cut short")):
        broken = [short if i == missing else p for i, p in enumerate(pieces)]
        refused(tmp_path, tiff(tags, broken), f"strip {missing + 1} of 4 is {says}")


CLAIMS = {
    "a pattern of black levels": dng({50713: entry(SHORT, 20000, 20000), 50714: entry(SHORT, 1, 2)}),
    "pixels, uncompressed": dng({256: entry(LONG, 60000), 257: entry(LONG, 40000)}),
    "pixels, JPEG": tiff(
        dng_tags(compression=7) | {256: entry(LONG, 65000), 257: entry(LONG, 65000)}, [b"\xff\xd8\xff\xd9"]
    ),
    "pixels, camera TIFF": camera_tiff({256: entry(LONG, 60000), 257: entry(LONG, 40000)}),
    "strips": dng({278: entry(LONG, 1), 273: (LONG, 2**30, bytes(8)), 279: (LONG, 2**30, bytes(8))}),
    "opcodes": dng({51009: (UNDEFINED, 2**32 - 1, bytes(8))}),
    "numbers": dng({50715: (SHORT, 2**31, bytes(8))}),
    "text": dng({270: (ASCII, 2**32 - 1, bytes(8))}),
}


@pytest.mark.parametrize("claim", CLAIMS)
def test_memory_is_the_files_not_the_claims(tmp_path, claim):
    """Highest resident memory grows by less than 64 MB over a file of a few kB that claims gigabytes."""
    read(tmp_path, dng())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with contextlib.suppress(raw.RawFileError):
        read(tmp_path, CLAIMS[claim])
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024


def test_libraw_lines_stay_off_the_screen_and_others_stay_on_it(tmp_path, capfd):
    import os

    from lrd_ext.raw.quiet import libraw_silenced

    (tmp_path / "a.nef").write_bytes(camera_tiff(mosaic=np.zeros((64, 64), np.uint16)))
    damaged = bytearray(jpeg_dng(jpeg_tiles()))
    with pytest.raises(raw.RawFileError):
        read(tmp_path, bytes(damaged[:-100]))
    with libraw_silenced(), libraw_silenced():
        os.write(2, b"a.nef: data corrupted at 123\nanother program's line\nx: Unexpected end of file\n")
    assert capfd.readouterr().err == "another program's line\n"


def rw2(*, start=1024, offsets=0xFFFFFFFF, counts=0, blocks=2):
    """A Panasonic raw: 56 x 32 pixels of 12 bits in a block of 16 kB, RawDataOffset for StripOffsets."""
    words = {2: 56, 3: 32, 4: 0, 5: 0, 6: 32, 7: 56, 9: 1, 10: 12, 23: 100, 0x2D: 4}
    tags = {1: entry(UNDEFINED, b"0310"), 271: entry(ASCII, b"Panasonic\0"), 272: entry(ASCII, b"DMC-GF1\0")}
    tags |= {code: entry(SHORT, v) for code, v in words.items()}
    tags |= {0x118: entry(LONG, start), 273: entry(LONG, offsets), 279: entry(LONG, counts)}
    data = np.random.default_rng(1).integers(0, 2, blocks * 0x4000, dtype=np.uint8).tobytes()
    return tiff(tags, magic=0x55).ljust(1024, b"\0") + data


@pytest.mark.parametrize("counts", [0, 0x8000])
def test_panasonic_rw2_counts_from_raw_data_offset(tmp_path, counts):
    got = read(tmp_path, rw2(counts=counts), "a.rw2")
    assert got.mosaic.shape == (32, 56)
    assert got.iso == 100
    assert got.mosaic.std() > 0


@pytest.mark.parametrize(
    "file",
    [rw2(start=2**31), rw2()[: 1024 + 2000], rw2(counts=0x8001), rw2(offsets=4000, start=0, counts=2**20)],
)
def test_a_panasonic_rw2_that_is_cut_is_refused(tmp_path, file):
    refused(tmp_path, file, "truncated", "a.rw2")


def end_of(tmp_path, data):
    (tmp_path / "a.raw").write_bytes(data)
    with open(tmp_path / "a.raw", "rb") as file:
        return completeness.claimed_end(file, len(data), read_tiff(file))


def mrw(lines=40, columns=60, bits=12):
    prd = b"\0PRD" + struct.pack(">I8sHHHHB7x", 24, b"27820001", lines, columns, lines, columns, bits)
    return b"\0MRM" + struct.pack(">I", len(prd)) + prd


@pytest.mark.parametrize(
    ("head", "end"),
    [
        (b"FUJIFILMCCD-RAW ".ljust(100, b"\0") + struct.pack(">II", 1000, 234), 1234),
        (b"FUJIFILMCCD-RAW ".ljust(108, b"\0"), None),
        (mrw(), 8 + 32 + 40 * 60 * 12 // 8),
        (b"\0MRM\0\0\0\x20\0TTW".ljust(60, b"\0"), None),
        (struct.pack(">I4s4sI", 16, b"ftyp", b"crx ", 1) + struct.pack(">I4s", 5000, b"mdat"), 5016),
        (
            struct.pack(">I4s4sI", 16, b"ftyp", b"crx ", 1) + struct.pack(">I4sQ", 1, b"mdat", 2**33),
            2**33 + 16,
        ),
        (struct.pack(">I4s4sI", 16, b"ftyp", b"crx ", 1) + struct.pack(">I4s", 0, b"mdat"), None),
        (b"IIRO" + struct.pack("<I", 8) + tiff({273: entry(LONG, 900), 279: entry(LONG, 100)})[8:], 1000),
        (b"IIRS" + struct.pack("<I", 8) + tiff({273: entry(LONG, 900), 279: entry(LONG, 0)})[8:], None),
        (tiff({273: entry(LONG, 2**32 - 1), 279: entry(LONG, 5)}), None),
        (tiff({324: entry(LONG, 50, 90), 325: entry(LONG, 40, 20)}), 110),
        (b"II\x1a\0\0\0HEAPCCDR".ljust(200, b"\0"), None),
        (b"FOVb".ljust(200, b"\0"), None),
        (b"IIII\0\0\0\0", None),
    ],
)
def test_each_format_says_in_its_own_way_where_its_data_end(tmp_path, head, end):
    assert end_of(tmp_path, head) == end


def test_a_cut_fujifilm_raf_is_named(tmp_path):
    head = b"FUJIFILMCCD-RAW 0201".ljust(100, b"\0") + struct.pack(">II", 1000, 5000)
    refused(tmp_path, head.ljust(3000, b"\0"), "truncated: its image data end at byte 6000", "a.raf")


def test_a_tiff_whose_counts_are_unknown_is_left_to_libraw(tmp_path):
    data = camera_tiff()
    whole = read(tmp_path, data, "a.nef")
    np.testing.assert_array_equal(whole.mosaic, MOSAIC)
    refused(tmp_path, data[:-2], "truncated", "a.nef")
