# SPDX-License-Identifier: Apache-2.0
"""Packing of mosaics into planes, and the phases of the filter array."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from dng_files import DATA, make_dng

from lrd_ext import raw


@pytest.mark.parametrize("cfa", raw.BAYER)
def test_rose_gives_the_same_planes_in_every_phase(cfa):
    def rose(phase):
        return np.fromfile(DATA / f"nikon_rose_768x512_{phase.lower()}_u16le.raw", "<u2").reshape(512, 768)

    packed = raw.pack(rose(cfa), "rgbg", cfa=cfa)
    assert packed.shape == (4, 256, 384)
    # Whoever permuted the planes laid the greens in reading order; ELD's first green is that of the red rows.
    # The two differ where the first row is blue's.
    planes = [0, 1, 2, 3] if "R" in cfa[:2] else [0, 3, 2, 1]
    np.testing.assert_array_equal(packed[planes], raw.pack(rose("RGGB"), "rgbg", cfa="RGGB"))


@pytest.mark.parametrize("cfa", raw.BAYER)
def test_rgbg_is_the_order_of_libraw_colours(cfa, tmp_path):
    # ELD packs by LibRaw's raw_pattern: 0 red, 1 green, 2 blue, 3 the other green.
    rawpy = pytest.importorskip("rawpy")
    make_dng(tmp_path / "a.dng", cfa=tuple("RGB".index(c) for c in cfa))
    with rawpy.imread(str(tmp_path / "a.dng")) as libraw:
        pattern = libraw.raw_pattern
    np.testing.assert_array_equal(raw.pack(pattern, "rgbg", cfa=cfa).ravel(), [0, 1, 2, 3])


@pytest.mark.parametrize("cfa", raw.BAYER)
def test_rgbg_planes_lie_where_the_colours_do(cfa):
    mosaic = np.array(list(cfa)).reshape(2, 2)
    red_row = int(np.argwhere(mosaic == "R")[0, 0])
    ids = np.arange(4).reshape(2, 2)
    red, green, blue, other_green = (int(v) for v in raw.pack(ids, "rgbg", cfa=cfa).ravel())
    assert (cfa[red], cfa[green], cfa[blue], cfa[other_green]) == ("R", "G", "B", "G")
    assert green // 2 == red_row
    assert other_green // 2 != red_row
    assert [raw.site_labels(cfa)[s] for s in (red, green, blue, other_green)] == ["R", "Gr", "B", "Gb"]


@pytest.mark.parametrize("order", raw.ORDERS)
@pytest.mark.parametrize("batch", [(), (3,), (2, 1), (0,)])
def test_unpack_inverts_pack_for_arrays_and_tensors(order, batch):
    mosaic = np.random.default_rng(1).random((*batch, 6, 8)).astype(np.float32)
    packed = raw.pack(mosaic, order, cfa="GBRG")
    assert packed.shape == (*batch, 4, 3, 4)
    assert packed.dtype == np.float32
    np.testing.assert_array_equal(raw.unpack(packed, order, cfa="GBRG"), mosaic)
    tensor = raw.pack(torch.from_numpy(mosaic), order, cfa="GBRG")
    np.testing.assert_array_equal(tensor.numpy(), packed)
    assert torch.equal(raw.unpack(tensor, order, cfa="GBRG"), torch.from_numpy(mosaic))


def test_pack_of_a_strided_view_copies():
    base = np.arange(64).reshape(8, 8)
    packed = raw.pack(base[:, ::2])
    packed[...] = -1
    assert base.min() == 0


def test_a_raw_brings_its_own_phase():
    mosaic = np.arange(16, dtype=np.uint16).reshape(4, 4)
    picture = raw.Raw(mosaic=mosaic, cfa="BGGR", black=0, white=100)
    np.testing.assert_array_equal(raw.pack(picture, "rgbg"), raw.pack(mosaic, "rgbg", cfa="BGGR"))
    np.testing.assert_array_equal(picture.pack("rgbg"), raw.pack(picture, "rgbg"))


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: raw.pack(np.zeros((5, 4))), ValueError, "even height and width, got 5 x 4"),
        (lambda: raw.pack(np.zeros((4, 3))), ValueError, "4 x 3"),
        (lambda: raw.pack(np.zeros(4)), ValueError, r"\(\.\.\., H, W\)"),
        (lambda: raw.pack([[1, 2], [3, 4]]), TypeError, "list"),
        (
            lambda: raw.pack(np.zeros((4, 4)), "bgr"),
            ValueError,
            "must be one of site, rgbg, rggb, got 'bgr'",
        ),
        (lambda: raw.pack(np.zeros((4, 4)), "rgbg"), ValueError, "needs cfa"),
        (lambda: raw.pack(np.zeros((4, 4)), "rgbg", cfa="MONO"), ValueError, "MONO"),
        (lambda: raw.pack(np.zeros((4, 4)), "rgbg", cfa="rggb"), ValueError, "'rggb'"),
        (lambda: raw.unpack(np.zeros((3, 2, 2))), ValueError, r"\(3, 2, 2\)"),
        (lambda: raw.unpack(np.zeros((4, 4))), ValueError, r"\(4, 4\)"),
        (lambda: raw.site_labels("RGB"), ValueError, "'RGB'"),
    ],
)
def test_bad_input_is_refused_by_name(call, error, says):
    with pytest.raises(error, match=says):
        call()


@pytest.mark.parametrize("cfa", raw.BAYER)
def test_shift_names_the_pattern_seen_from_there(cfa):
    colours = np.tile(np.array(list(cfa)).reshape(2, 2), (3, 3))
    for row in range(3):
        for column in range(3):
            assert raw.shift_cfa(cfa, row, column) == "".join(colours[row:, column:][:2, :2].ravel())
    assert raw.shift_cfa("MONO", 1, 0) == "MONO"


def test_importing_loads_no_reader_of_files():
    code = (
        "import sys, lrd_ext.raw as r, numpy as np; r.pack(np.zeros((2, 2)));"
        "bad = {'rawpy', 'exifread', 'tifffile', 'PIL'} & set(sys.modules); sys.exit(str(bad) if bad else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
