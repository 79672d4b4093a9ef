# SPDX-License-Identifier: Apache-2.0
"""Reading: levels and phases by site, refusals by name, broken files."""

from __future__ import annotations

import itertools
import shutil

import numpy as np
import pytest
from dng_files import COLOR_MATRIX, DATA, MOSAIC, make_dng, overwrite_tag, rationals

from lrd_ext import raw

rawpy = pytest.importorskip("rawpy")

PHASES = {"RGGB": (0, 1, 1, 2), "GRBG": (1, 0, 2, 1), "GBRG": (1, 2, 0, 1), "BGGR": (2, 1, 1, 0)}


def test_canon_550d(chart):
    assert chart.mosaic.shape == (1182, 1888)
    assert (chart.cfa, chart.white, chart.active_area) == ("RGGB", 15000, (26, 152, 1182, 1886))
    np.testing.assert_array_equal(chart.black, [2056] * 4)
    assert chart.black_known
    assert (chart.make, chart.model) == ("Canon", "Canon EOS Kiss X4")
    # The file holds ISO 0 and ExposureTime 0: not recorded. LibRaw makes 1 s of the latter.
    assert chart.iso is None
    assert chart.exposure_s is None
    np.testing.assert_allclose(chart.as_shot_neutral, np.array([1, 2.477, 1.462]) / 2.477)
    np.testing.assert_allclose(chart.color_matrix.ravel(), COLOR_MATRIX)
    masked = chart.mosaic[26:, :140]
    assert abs(masked.mean() - 2049) < 5
    assert chart.mosaic.flags.owndata


@pytest.mark.parametrize("cfa", raw.BAYER)
@pytest.mark.parametrize("corner", list(itertools.product((0, 2, 3), (0, 4, 5))))
def test_phase_and_black_are_those_of_the_whole_mosaic(tmp_path, cfa, corner):
    top, left = corner
    levels = np.array([[100, 200], [300, 400]])
    extra = [
        (50829, 4, 4, (top, left, 31, 38)),
        (50713, 3, 2, (2, 2)),
        (50714, 3, 4, tuple(levels.ravel())),
        (50717, 4, 1, 4000),
    ]
    got = raw.read(make_dng(tmp_path / "a.dng", cfa=PHASES[cfa], extra=extra))
    assert got.active_cfa == cfa
    assert got.active_area == (top, left, 31, 38)
    expected = [levels[(r - top) % 2, (c - left) % 2] for r, c in raw.SITES]
    np.testing.assert_array_equal(got.black, expected)
    np.testing.assert_array_equal(got.mosaic, MOSAIC)
    with rawpy.imread(str(tmp_path / "a.dng")) as libraw:
        names = libraw.color_desc.decode()
        assert got.cfa == "".join(names[libraw.raw_color(r, c)] for r, c in raw.SITES)


def test_fractions_and_deltas_of_black_are_merged_by_site(tmp_path):
    extra = [
        (50829, 4, 4, (1, 0, 32, 40)),
        (50714, 5, 1, (4001, 8)),
        (50715, 10, 40, rationals([0, 10] * 20, 1)),  # BlackLevelDeltaH: odd columns of the area
        (50716, 10, 31, rationals(([-2, 0] * 16)[:31], 1)),  # BlackLevelDeltaV: even rows of the area
    ]
    got = raw.read(make_dng(tmp_path / "a.dng", extra=extra))
    base = 4001 / 8
    np.testing.assert_allclose(got.black, [base, base + 10, base - 2, base + 8])


def test_a_4x4_black_pattern_is_averaged_per_site(tmp_path):
    extra = [(50713, 3, 2, (4, 4)), (50714, 3, 16, tuple(range(100, 116)))]
    got = raw.read(make_dng(tmp_path / "a.dng", extra=extra))
    pattern = np.arange(100, 116).reshape(4, 4)
    np.testing.assert_allclose(got.black, [pattern[r::2, c::2].mean() for r, c in raw.SITES])


def test_levels_the_file_does_not_give(tmp_path):
    got = raw.read(make_dng(tmp_path / "a.dng"))
    assert not got.black_known
    np.testing.assert_array_equal(got.black, 0)
    assert got.white == 65535
    assert (got.iso, got.exposure_s, got.make, got.model) == (None, None, None, "Test camera")


def test_linearization_table_is_applied_once(tmp_path):
    table = tuple(min(65535, 3 * i) for i in range(4096))
    got = raw.read(make_dng(tmp_path / "a.dng", extra=[(50712, 3, 4096, table), (50717, 4, 1, 12000)]))
    np.testing.assert_array_equal(got.mosaic, 3 * MOSAIC)
    assert got.white == 12000


def test_colour_takes_the_d65_matrix_with_analog_balance(tmp_path):
    other = tuple(2 * v for v in COLOR_MATRIX)
    extra = [(50722, 10, 9, rationals(other)), (50779, 3, 1, 17), (50727, 5, 3, rationals((1, 2, 4)))]
    got = raw.read(make_dng(tmp_path / "a.dng", extra=extra))
    expected = np.diag([1, 2, 4]) @ np.reshape(COLOR_MATRIX, (3, 3))
    np.testing.assert_allclose(got.color_matrix, expected, atol=1e-9)
    np.testing.assert_allclose(got.as_shot_neutral, [0.5, 1, 0.6])


@pytest.mark.parametrize(("tag", "expected"), [(0, 1), (3, 3), (5, 5), (6, 6), (8, 8), (9, 1)])
def test_orientation(tmp_path, tag, expected):
    assert raw.read(make_dng(tmp_path / "a.dng", extra=[(274, 3, 1, tag)])).orientation == expected


@pytest.mark.parametrize("flip", range(8))
def test_libraw_flips_are_named_as_tiff_orientations(tmp_path, flip):
    from lrd_ext.raw.reader import _ORIENTATION_OF_FLIP

    make_dng(tmp_path / "a.dng", extra=[(274, 3, 1, _ORIENTATION_OF_FLIP[flip])])
    with rawpy.imread(str(tmp_path / "a.dng")) as libraw:
        assert libraw.sizes.flip == flip


@pytest.mark.parametrize("cfa", raw.BAYER)
def test_files_without_dng_tags_are_described_by_libraw(tmp_path, cfa):
    # LibRaw is asked for everything where there are no tags: force that path on a file whose truth is known.
    from lrd_ext.raw import reader

    extra = [
        (50829, 4, 4, (2, 4, 32, 40)),
        (50713, 3, 2, (2, 2)),
        (50714, 3, 4, (1, 2, 3, 4)),
        (50717, 4, 1, 4000),
    ]
    path = make_dng(tmp_path / "a.dng", cfa=PHASES[cfa], extra=[*extra, (274, 3, 1, 8)])
    mosaic, fields = reader._decode(path, described=False)
    np.testing.assert_array_equal(mosaic, MOSAIC)
    assert (fields["cfa"], fields["white"], fields["orientation"]) == (cfa, 4000, 8)
    np.testing.assert_array_equal(fields["black"], [1, 2, 3, 4])
    assert fields["active_area"] == (2, 4, 32, 40)
    np.testing.assert_allclose(fields["as_shot_neutral"], [0.5, 1, 0.6], rtol=1e-6)


@pytest.fixture
def libraw_alone(monkeypatch):
    """Read as if the file had no DNG tags, as any other format is read."""
    monkeypatch.setattr("lrd_ext.raw.reader.read_dng_tags", lambda path: None)


def test_without_tags_names_and_exposure_come_from_exif(tmp_path, libraw_alone):
    first = raw.Raw(
        mosaic=MOSAIC, cfa="GBRG", black=64, white=4000, iso=800, exposure_s=0.25, make="M", model="N"
    )
    raw.write_dng(tmp_path / "a.dng", first)
    got = raw.read(tmp_path / "a.dng")
    assert (got.make, got.model, got.iso, got.exposure_s) == ("M", "N", 800, 0.25)
    assert (got.cfa, got.white, got.active_area) == ("GBRG", 4000, (0, 0, 32, 40))
    np.testing.assert_array_equal(got.black, [64] * 4)


def test_exif_fills_what_libraw_lacks(tmp_path):
    from lrd_ext.raw.reader import _fill_from_exif

    first = raw.Raw(mosaic=MOSAIC, cfa="GBRG", black=64, white=4000, iso=800, exposure_s=0.25)
    raw.write_dng(tmp_path / "a.dng", first)
    nothing = {"iso": None, "exposure_s": None}
    filled = {"iso": 800, "exposure_s": 0.25, "make": None, "model": None}
    assert _fill_from_exif(tmp_path / "a.dng", nothing) == filled
    (tmp_path / "b.crw").write_bytes(bytes(range(256)))
    assert _fill_from_exif(tmp_path / "b.crw", {"iso": 1.0, "exposure_s": None})["iso"] == 1.0


def test_without_tags_an_absent_black_level_is_said(tmp_path, libraw_alone):
    got = raw.read(make_dng(tmp_path / "a.dng"))
    assert not got.black_known
    assert (got.iso, got.exposure_s, got.color_matrix) == (None, None, None)


@pytest.mark.parametrize(
    ("says", "make"),
    [
        ("2 x 2 CFA pattern", lambda p: make_dng(p, cfa=(3, 4, 5, 1))),
        ("several samples", lambda p: make_dng(p, np.stack([MOSAIC] * 3, -1), cfa=None, photometric=34892)),
        ("truncated", lambda p: p.write_bytes(make_dng(p).read_bytes()[:-200])),
    ],
)
def test_without_tags_other_filters_are_refused_by_name(tmp_path, libraw_alone, says, make):
    make(tmp_path / "a.dng")
    with pytest.raises(raw.RawFileError, match=says):
        raw.read(tmp_path / "a.dng")


def test_without_tags_monochrome_is_mono(tmp_path, libraw_alone):
    raw.write_dng(tmp_path / "a.dng", raw.Raw(mosaic=MOSAIC, cfa="MONO", black=64, white=4000, iso=100))
    got = raw.read(tmp_path / "a.dng")
    assert got.cfa == "MONO"
    np.testing.assert_array_equal(got.black, [64] * 4)


def test_white_point_as_chromaticity(tmp_path):
    path = make_dng(tmp_path / "a.dng", extra=[(50729, 5, 2, rationals((0.3127, 0.3290)))])
    import tifffile

    with tifffile.TiffFile(path) as tiff:
        entry = tiff.pages[0].tags[50728].offset
    data = bytearray(path.read_bytes())
    data[entry : entry + 2] = (50735).to_bytes(
        2, "little"
    )  # AsShotNeutral out of the way: CameraSerialNumber
    path.write_bytes(data)
    white = np.reshape(COLOR_MATRIX, (3, 3)) @ [0.3127 / 0.3290, 1, 0.3583 / 0.3290]
    np.testing.assert_allclose(raw.read(path).as_shot_neutral, white / white[1])


def test_monochrome(tmp_path):
    path = make_dng(
        tmp_path / "m.dng", cfa=None, photometric=1, extra=[(50714, 3, 1, 64), (50829, 4, 4, (1, 3, 32, 40))]
    )
    overwrite_tag(path, 262, 34892)
    got = raw.read(path)
    assert got.cfa == "MONO"
    np.testing.assert_array_equal(got.mosaic, MOSAIC)
    np.testing.assert_array_equal(got.black, [64] * 4)


def test_preview_first_and_the_mosaic_in_a_sub_ifd(tmp_path):
    # As Adobe's converter lays files out; tiled, big-endian, with a smaller mosaic that is not the main one.
    first = [(50706, 1, 4, (1, 4, 0, 0)), (271, 2, 0, "Maker"), (272, 2, 0, "Model"), (274, 3, 1, 8)]
    first += [
        (50721, 10, 9, rationals(COLOR_MATRIX)),
        (50778, 3, 1, 21),
        (50728, 5, 3, rationals((0.5, 1, 0.6))),
    ]
    first += [(34855, 3, 1, 800), (33434, 5, 1, (1, 30)), (50730, 10, 1, (-1, 2))]
    mosaic = [(33421, 3, 2, (2, 2)), (33422, 1, 4, (1, 0, 2, 1)), (50714, 3, 1, 64), (50717, 3, 1, 4000)]
    mosaic += [(51041, 12, 2, (1e-4, 1e-6)), (51009, 7, 4, b"\0\0\0\0")]
    import tifffile

    with tifffile.TiffWriter(tmp_path / "a.dng", byteorder=">") as tiff:
        options = {"metadata": None, "software": False}
        thumbnail = np.zeros((16, 16, 3), np.uint8)
        tiff.write(
            thumbnail, subfiletype=1, subifds=2, extratags=[(*t, True) for t in sorted(first)], **options
        )
        options |= {"photometric": 32803, "extratags": [(*t, True) for t in mosaic]}
        tiff.write(MOSAIC, subfiletype=0, tile=(16, 16), **options)
        tiff.write(MOSAIC[:24, :24], subfiletype=1, **options)
    got = raw.read(tmp_path / "a.dng")
    np.testing.assert_array_equal(got.mosaic, MOSAIC)
    assert (got.cfa, got.white, got.iso, got.exposure_s) == ("GRBG", 4000, 800, 1 / 30)
    assert (got.make, got.model, got.orientation, got.baseline_exposure) == ("Maker", "Model", 8, -0.5)
    np.testing.assert_array_equal(got.black, [64] * 4)
    np.testing.assert_array_equal(got.noise_profile, [[1e-4, 1e-6]])
    assert got.opcode_lists == {51009: b"\0\0\0\0"}
    np.testing.assert_allclose(got.as_shot_neutral, [0.5, 1, 0.6])


def _jpeg_xl(path):
    overwrite_tag(make_dng(path), 259, 52546)


NONA = (0, 0, 0, 1, 1, 1) * 3 + (1, 1, 1, 2, 2, 2) * 3  # nine pixels of each colour together
REFUSED = {
    "LinearRaw": lambda p: make_dng(p, np.stack([MOSAIC] * 3, -1), cfa=None, photometric=34892),
    "6 x 6 CFA pattern RRRGGG": lambda p: make_dng(p, cfa=NONA, period=(6, 6)),
    "4 x 4 CFA pattern RRGG": lambda p: make_dng(p, cfa=(0, 0, 1, 1) * 3 + (1, 1, 2, 2), period=(4, 4)),
    "2 x 2 CFA pattern CM/YG": lambda p: make_dng(p, cfa=(3, 4, 5, 1)),
    "an RGBW sensor": lambda p: make_dng(p, cfa=(0, 1, 2, 6)),
    "2 x 2 CFA pattern RG/BG": lambda p: make_dng(p, cfa=(0, 1, 2, 1)),
    "JPEG XL": _jpeg_xl,
    "floating-point": lambda p: make_dng(p, MOSAIC.astype(np.float32)),
    "32 bits": lambda p: make_dng(p, MOSAIC.astype(np.uint32)),
    "staggered": lambda p: make_dng(p, extra=[(50711, 3, 1, 2)]),
    "without CFAPattern": lambda p: make_dng(p, cfa=None),
    "a text file": lambda p: p.write_text("no raw file\n" * 99),
    "an empty file": lambda p: p.touch(),
    "no such file": lambda p: None,
    "not a raw file LibRaw knows": lambda p: p.write_bytes(bytes(range(256)) * 9),
    "a folder": lambda p: p.mkdir(),
    "ActiveArea": lambda p: make_dng(p, extra=[(50829, 4, 4, (0, 0, 99, 99))]),
    "black must be": lambda p: make_dng(p, extra=[(50714, 3, 1, 500), (50717, 4, 1, 400)]),
    "guesses it by its size": lambda p: shutil.copy(DATA / "nikon_rose_768x512_rggb_u16le.raw", p),
}


@pytest.mark.parametrize("says", REFUSED)
def test_refused_by_name(tmp_path, says):
    path = tmp_path / "odd.dng"
    REFUSED[says](path)
    with pytest.raises(raw.RawFileError, match=says) as error:
        raw.read(path)
    assert "odd.dng" in str(error.value)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_pictures_are_not_raw_files(tmp_path, kind):
    from PIL import Image

    Image.fromarray(MOSAIC).convert("L" if kind == "JPEG" else "I;16").save(tmp_path / "a.dng", kind)
    with pytest.raises(raw.RawFileError, match=kind):
        raw.read(tmp_path / "a.dng")


@pytest.mark.parametrize("keep", [0.99999, 0.5, 0.1, 0.0005, 0.00001])
def test_truncated(tmp_path, keep):
    whole = (DATA / "canon550d_ml_colorchart.dng").read_bytes()
    (tmp_path / "cut.dng").write_bytes(whole[: int(len(whole) * keep)])
    with pytest.raises(raw.RawFileError, match=r"cut\.dng"):
        raw.read(tmp_path / "cut.dng")


def test_broken_headers_give_nothing_but_raw_file_error(tmp_path):
    whole = make_dng(tmp_path / "a.dng", extra=[(50829, 4, 4, (2, 2, 30, 38))], rowsperstrip=8).read_bytes()
    header = whole.index(MOSAIC.tobytes()[:64])
    rng = np.random.default_rng(2)
    read = refused = 0
    for case in range(150):
        broken = bytearray(whole)
        for _ in range(1 + case % 4):
            broken[rng.integers(header)] = rng.integers(256)
        (tmp_path / "b.dng").write_bytes(broken)
        try:
            picture = raw.read(tmp_path / "b.dng")
        except raw.RawFileError:
            refused += 1
        else:
            assert picture.mosaic.size
            read += 1
    assert read > 10
    assert refused > 10


def _tiff_of_a_camera(path):
    """A raw TIFF that is no DNG, as early NEF files are: filters in TIFF/EP tags, maker's name, no levels."""
    import tifffile

    tags = [(271, 2, 0, "Maker"), (272, 2, 0, "Model"), (33421, 3, 2, (2, 2)), (33422, 1, 4, (1, 0, 2, 1))]
    options = {"photometric": 32803, "subfiletype": 0, "metadata": None, "software": False}
    tifffile.imwrite(path, MOSAIC, extratags=[(*t, True) for t in tags], **options)
    return path


def test_a_camera_tiff_is_read_through_libraw(tmp_path):
    got = raw.read(_tiff_of_a_camera(tmp_path / "a.nef"))
    assert (got.cfa, got.make, got.model, got.black_known) == ("GRBG", "Maker", "Model", False)
    np.testing.assert_array_equal(got.mosaic, MOSAIC)


def test_a_truncated_camera_tiff_is_named(tmp_path):
    path = _tiff_of_a_camera(tmp_path / "a.nef")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(raw.RawFileError, match="truncated"):
        raw.read(path)
