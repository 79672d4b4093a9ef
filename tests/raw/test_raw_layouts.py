# SPDX-License-Identifier: Apache-2.0
"""X-Trans, quad-Bayer and monochrome: DNG out and in, held against LibRaw; black levels; pictures."""

from __future__ import annotations

import numpy as np
import pytest
from dng_files import make_dng

from lrd_ext import raw
from lrd_ext.cfa import PATTERNS, shift_cfa
from lrd_ext.raw.model import split_black

rawpy = pytest.importorskip("rawpy")
tifffile = pytest.importorskip("tifffile")

MOSAIC = np.random.default_rng(4).integers(1000, 16000, (48, 60)).astype(np.uint16)
FUJI = "GGRGGB GGBGGR BRGRBG GGBGGR GGRGGB RBGBRG"  # as cameras up to the X-T1 tell it
LARGE = ("XTRANS", "XTRANS@1,2", "XTRANS@2,5", "QUAD", "QUAD@1,2", "QUAD@3,3")
AREAS = [(0, 0, 48, 60), (2, 4, 48, 60), (1, 3, 47, 59), (5, 2, 46, 57)]


def picture(cfa, **changes):
    fields = {"black": 1024, "white": 16383, "iso": 1600, "exposure_s": 0.01} | changes
    return raw.Raw(MOSAIC, cfa, **fields)


@pytest.mark.parametrize("cfa", [name for name in PATTERNS if name.startswith("XTRANS")])
@pytest.mark.parametrize("area", AREAS)
def test_libraw_sees_x_trans_as_written(tmp_path, cfa, area):
    raw.write_dng(tmp_path / "a.dng", picture(cfa, active_area=area))
    with rawpy.imread(str(tmp_path / "a.dng")) as libraw:
        names = np.array(list(libraw.color_desc.decode()))
        np.testing.assert_array_equal(names[libraw.raw_colors], PATTERNS[cfa].letters(48, 60))
        np.testing.assert_array_equal(names[libraw.raw_pattern], PATTERNS[cfa].letters(6, 6))
        np.testing.assert_array_equal(libraw.raw_image, MOSAIC)
        assert (libraw.sizes.top_margin, libraw.sizes.left_margin) == area[:2]
        assert (libraw.black_level_per_channel, libraw.white_level) == ([1024] * 4, 16383)
        assert (libraw.other.iso_speed, libraw.other.shutter_speed) == (1600, pytest.approx(0.01))


@pytest.mark.parametrize("cfa", LARGE)
@pytest.mark.parametrize("area", AREAS)
def test_large_patterns_come_back(tmp_path, cfa, area):
    raw.write_dng(tmp_path / "a.dng", picture(cfa, active_area=area))
    got = raw.read(tmp_path / "a.dng")
    assert (got.cfa, got.active_area, got.white, got.iso) == (cfa, area, 16383, 1600)
    assert got.active_cfa == shift_cfa(cfa, *area[:2])
    assert got.black_offsets is None
    np.testing.assert_array_equal(got.black, [1024] * 4)
    np.testing.assert_array_equal(got.mosaic, MOSAIC)


@pytest.mark.parametrize("cfa", LARGE)
def test_the_tags_spell_the_pattern_from_the_corner_of_the_active_area(tmp_path, cfa):
    raw.write_dng(tmp_path / "a.dng", picture(cfa, active_area=(1, 3, 48, 60)))
    side = PATTERNS[cfa].size[0]
    with tifffile.TiffFile(tmp_path / "a.dng") as tiff:
        tags = tiff.pages[0].tags
        assert tags["CFARepeatPatternDim"].value == (side, side)
        spelled = np.array(list("RGB"))[list(tags["CFAPattern"].value)].reshape(side, side)
    np.testing.assert_array_equal(spelled, PATTERNS[cfa].letters(48, 60)[1:, 3:][:side, :side])


def test_libraw_has_the_values_of_quad_bayer_and_monochrome(tmp_path):
    for cfa in ("QUAD", "MONO"):
        raw.write_dng(tmp_path / "a.dng", picture(cfa))
        with rawpy.imread(str(tmp_path / "a.dng")) as libraw:
            np.testing.assert_array_equal(libraw.raw_image, MOSAIC)
            assert (libraw.white_level, libraw.other.iso_speed) == (16383, 1600)
            assert libraw.black_level_per_channel == [1024] * 4
            if cfa == "MONO":
                assert libraw.num_colors == 1
                assert libraw.raw_pattern.shape == (1, 1)
    with tifffile.TiffFile(tmp_path / "a.dng") as tiff:
        assert tiff.pages[0].tags["PhotometricInterpretation"].value == 34892  # LinearRaw
        assert "CFAPattern" not in tiff.pages[0].tags


def test_files_of_another_writer_are_read(tmp_path):
    codes = tuple("RGB".index(letter) for letter in FUJI.replace(" ", ""))
    make_dng(tmp_path / "x.dng", MOSAIC, cfa=codes, period=(6, 6), extra=[(50829, 4, 4, (1, 2, 48, 60))])
    got = raw.read(tmp_path / "x.dng")
    block = np.array([list(row) for row in FUJI.split()])
    np.testing.assert_array_equal(PATTERNS[got.active_cfa].letters(6, 6), block)
    with rawpy.imread(str(tmp_path / "x.dng")) as libraw:
        names = np.array(list(libraw.color_desc.decode()))
        np.testing.assert_array_equal(names[libraw.raw_colors], PATTERNS[got.cfa].letters(48, 60))
    # A Bayer pattern told twice in each direction is one.
    make_dng(tmp_path / "b.dng", MOSAIC, cfa=(1, 0, 1, 0, 2, 1, 2, 1) * 2, period=(4, 4))
    assert raw.read(tmp_path / "b.dng").cfa == "GRBG"


@pytest.mark.parametrize("cfa", ["XTRANS", "XTRANS@1,2", "XTRANS@2,5"])
def test_without_tags_x_trans_is_as_libraw_tells_it(tmp_path, monkeypatch, cfa):
    monkeypatch.setattr("lrd_ext.raw.reader.read_dng_tags", lambda path: None)  # as of any other format
    raw.write_dng(tmp_path / "a.dng", picture(cfa, active_area=(2, 3, 48, 60)))
    got = raw.read(tmp_path / "a.dng")
    assert (got.cfa, got.active_area, got.black_offsets) == (cfa, (2, 3, 48, 60), None)
    np.testing.assert_array_equal(got.black, [1024] * 4)


@pytest.mark.parametrize(("cfa", "side"), [("XTRANS@1,2", 6), ("QUAD@1,2", 4), ("GBRG", 4), ("MONO", 6)])
@pytest.mark.parametrize("area", AREAS)
def test_black_levels_of_a_larger_block_come_back_whole(tmp_path, cfa, side, area):
    levels = np.random.default_rng(side).integers(1000, 1040, (side, side))
    sites, offsets = split_black(levels)
    given = picture(cfa, black=sites, black_offsets=offsets, active_area=area)
    raw.write_dng(tmp_path / "a.dng", given)
    got = raw.read(tmp_path / "a.dng")
    np.testing.assert_array_equal(got.black_block, levels)
    assert list(got.black) == pytest.approx([levels[r::2, c::2].mean() for r, c in raw.SITES])
    np.testing.assert_array_equal(got.black_frame, np.tile(levels, (12, 15))[:48, :60])
    with tifffile.TiffFile(tmp_path / "a.dng") as tiff:
        told = np.reshape(tiff.pages[0].tags["BlackLevel"].value, (side, side))
    np.testing.assert_array_equal(told, np.roll(levels, (-area[0], -area[1]), (0, 1)))


def test_black_levels_beyond_any_pattern_count_by_their_means(tmp_path):
    levels = tuple(range(100, 100 + 20 * 18))
    make_dng(tmp_path / "a.dng", MOSAIC, extra=[(50713, 3, 2, (20, 18)), (50714, 3, len(levels), levels)])
    got = raw.read(tmp_path / "a.dng")
    assert got.black_offsets is None
    assert got.remarks == ("BlackLevel (50714) repeats over 20 x 18 pixels: its means by site are taken",)
    block = np.reshape(levels, (20, 18))
    assert list(got.black) == [block[r::2, c::2].mean() for r, c in raw.SITES]


def test_whole_cells_are_of_the_pattern_and_begin_where_it_does():
    held = picture("XTRANS@1,2", active_area=(1, 3, 47, 59))
    assert held.whole_cells.shape == (36, 48)
    np.testing.assert_array_equal(held.whole_cells, MOSAIC[6:42, 6:54])
    assert picture("GRBG", active_area=(1, 3, 47, 59)).whole_cells.shape == (44, 54)
    offsets = np.zeros((4, 4))
    assert picture("XTRANS", black_offsets=offsets).cell == 12


@pytest.mark.parametrize("cfa", [*LARGE, "RGGB", "MONO"])
@pytest.mark.parametrize("max_size", [None, 8])
def test_an_even_colour_is_shown_as_it_is(cfa, max_size):
    """Each pixel of a picture gets the colour that all of its pixels of that filter have."""
    signal = {"R": 0.5, "G": 0.25, "B": 0.125, "Y": 0.25}
    levels = np.array([1000, 1040, 1080, 1120])
    black = np.tile(levels.reshape(2, 2), (24, 30))
    share = np.vectorize(signal.get)(PATTERNS[cfa].letters(48, 60))
    mosaic = np.rint(black + share * (60000 - black)).astype(np.uint16)
    shown = raw.render(
        raw.Raw(mosaic, cfa, levels, 60000, active_area=(1, 3, 47, 58), as_shot_neutral=[1, 1, 1]),
        max_size=max_size,
    )
    linear = np.array([signal["Y"]] * 3 if cfa == "MONO" else [signal[c] for c in "RGB"])
    wanted = 255 * (1.055 * linear ** (1 / 2.4) - 0.055)
    assert shown.shape[:2] == ((46, 55) if max_size is None else shown.shape[:2])
    assert np.abs(shown - wanted).max() < 1


@pytest.mark.parametrize("cfa", ["XTRANS@1,2", "QUAD@1,2"])
def test_grey_is_found_in_a_picture_that_tells_no_white(cfa):
    signal = {"R": 0.5, "G": 0.25, "B": 0.125}
    share = np.vectorize(signal.get)(PATTERNS[cfa].letters(48, 60))
    shown = raw.render(raw.Raw(np.rint(60000 * share).astype(np.uint16), cfa, 0, 60000))
    assert np.ptp(shown.reshape(-1, 3), axis=1).max() <= 1


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"cfa": "RGBW"}, "Raw: cfa must be one of RGGB, GRBG, GBRG, BGGR, MONO, XTRANS, QUAD, or a phase"),
        (
            {"black_offsets": np.zeros((3, 6))},
            r"black_offsets must be \(h, w\), both even, got shape \(3, 6\)",
        ),
        ({"black_offsets": np.zeros(36)}, "both even"),
        ({"black_offsets": np.full((6, 6), -1025)}, "black must be >= 0"),
        ({"black_offsets": np.full((6, 6), np.nan)}, "black must be >= 0"),
    ],
)
def test_bad_fields_are_named(changes, says):
    with pytest.raises(ValueError, match=says):
        picture("XTRANS").replace(**changes)
