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
from lrd_ext.cfa import PATTERNS


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
        (
            lambda: raw.pack(np.zeros((6, 8)), cfa="XTRANS"),
            ValueError,
            "in multiples of 6, got 6 x 8. Crop it",
        ),
        (lambda: raw.pack(np.zeros((4, 6)), cfa="QUAD"), ValueError, "in multiples of 4, got 4 x 6"),
        (lambda: raw.pack(np.zeros((6, 6)), "rggb", cfa="XTRANS"), ValueError, '"site" for XTRANS'),
        (
            lambda: raw.pack(np.zeros((6, 6)), cfa="XTRANS@1,2"),
            ValueError,
            "begin at phase XTRANS, got XTRANS@1,2. Leave out the first 2 rows and 1 columns",
        ),
        (lambda: raw.pack(np.zeros((6, 6)), cfa="RGBW"), ValueError, "'RGBW'"),
        (
            lambda: raw.unpack(np.zeros((4, 6, 6)), cfa="XTRANS"),
            ValueError,
            r"\(..., 9, h, w\), h and w even",
        ),
        (lambda: raw.unpack(np.zeros((9, 3, 2)), cfa="XTRANS"), ValueError, r"\(9, 3, 2\)"),
        (lambda: raw.unpack(np.zeros((4, 6, 6)), cfa="QUAD"), ValueError, r"\(..., 16, h, w\), got"),
        (lambda: raw.remosaic(np.zeros((4, 4)), "RGGB"), ValueError, "must be one of QUAD, or a phase"),
        (lambda: raw.remosaic(np.zeros((4, 6)), "QUAD"), ValueError, "multiples of 4, got 4 x 6"),
        (lambda: raw.remosaic([[1]], "QUAD"), TypeError, "list"),
        (lambda: raw.unpack(np.zeros((3, 2, 2))), ValueError, r"\(3, 2, 2\)"),
        (lambda: raw.unpack(np.zeros((4, 4))), ValueError, r"\(4, 4\)"),
        (lambda: raw.site_labels("RGB"), ValueError, "'RGB'"),
    ],
)
def test_bad_input_is_refused_by_name(call, error, says):
    with pytest.raises(error, match=says):
        call()


# Chen et al., CVPR 2018, train_Fuji.py: rows and columns of each plane in blocks of 6x6, and where they go.
_CHEN = {
    0: {(0, 0): (0, 0), (0, 1): (0, 4), (1, 0): (3, 1), (1, 1): (3, 3)},
    1: {(0, 0): (0, 2), (0, 1): (0, 5), (1, 0): (3, 2), (1, 1): (3, 5)},
    2: {(0, 0): (0, 1), (0, 1): (0, 3), (1, 0): (3, 0), (1, 1): (3, 4)},
    3: {(0, 0): (1, 2), (0, 1): (2, 5), (1, 0): (5, 2), (1, 1): (4, 5)},
    4: {(0, 0): (2, 2), (0, 1): (1, 5), (1, 0): (4, 2), (1, 1): (5, 5)},
}
_CHEN |= {
    plane: {(i, j): (3 * i + row, 3 * j + column) for i in (0, 1) for j in (0, 1)}
    for plane, (row, column) in zip(range(5, 9), [(1, 0), (1, 1), (2, 0), (2, 1)], strict=True)
}


def test_nine_planes_are_those_of_learning_to_see_in_the_dark():
    mosaic = np.arange(18 * 24).reshape(18, 24)
    packed = raw.pack(mosaic, cfa="XTRANS")
    assert packed.shape == (9, 6, 8)
    for plane, places in _CHEN.items():
        for (i, j), (row, column) in places.items():
            np.testing.assert_array_equal(packed[plane, i::2, j::2], mosaic[row::6, column::6])


@pytest.mark.parametrize(
    ("cfa", "planes", "colours"), [("XTRANS", 9, list("RGBRBGGGG")), ("QUAD", 16, list("RRGGRRGGGGBBGGBB"))]
)
@pytest.mark.parametrize("batch", [(), (3,), (2, 1)])
def test_planes_of_large_patterns_hold_one_colour_and_come_back(cfa, planes, colours, batch):
    letters = PATTERNS[cfa].letters(24, 36)
    assert ["".join(np.unique(plane)) for plane in raw.pack(letters, cfa=cfa)] == colours
    mosaic = np.random.default_rng(1).random((*batch, 24, 36)).astype(np.float32)
    packed = raw.pack(mosaic, cfa=cfa)
    assert packed.shape == (*batch, planes, 24 // int(planes**0.5), 36 // int(planes**0.5))
    np.testing.assert_array_equal(raw.unpack(packed, cfa=cfa), mosaic)
    tensor = raw.pack(torch.from_numpy(mosaic), cfa=cfa)
    np.testing.assert_array_equal(tensor.numpy(), packed)
    np.testing.assert_array_equal(raw.unpack(tensor, cfa=cfa).numpy(), mosaic)


@pytest.mark.parametrize("cfa", [name for name in PATTERNS if name.startswith("QUAD")])
def test_sixteen_planes_are_places_in_every_phase_of_quad_bayer(cfa):
    mosaic = np.arange(8 * 12).reshape(8, 12)
    picture = raw.Raw(mosaic.astype(np.uint16), cfa, 0, 99)
    by_hand = [mosaic[row::4, column::4] for row in range(4) for column in range(4)]
    np.testing.assert_array_equal(raw.pack(picture), by_hand)
    np.testing.assert_array_equal(picture.pack(), by_hand)


@pytest.mark.parametrize("cfa", [name for name in PATTERNS if name.startswith("QUAD")])
def test_remosaic_moves_pixels_at_most_one_row_and_column_and_is_undone_by_itself(cfa):
    letters = PATTERNS[cfa].letters(8, 12)
    moved, phase = raw.remosaic(letters, cfa)
    np.testing.assert_array_equal(moved, PATTERNS[phase].letters(8, 12))
    places = np.arange(96).reshape(8, 12)
    found, _ = raw.remosaic(np.stack([places, places]), cfa)
    rows, columns = np.divmod(found[1], 12)
    far = np.abs(np.stack([rows, columns]) - np.indices((8, 12)))
    assert far.max() == 1
    np.testing.assert_array_equal(np.sort(found[0].ravel()), places.ravel())
    np.testing.assert_array_equal(raw.remosaic(found[0], cfa)[0], places)
    tensor, _ = raw.remosaic(torch.from_numpy(places), cfa)
    np.testing.assert_array_equal(tensor.numpy(), found[0])


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
