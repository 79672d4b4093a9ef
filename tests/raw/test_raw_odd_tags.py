# SPDX-License-Identifier: Apache-2.0
"""Tags as no writer should write them: each is unknown, or named; none ends the reading of a good picture."""

from __future__ import annotations

import math
import struct

import numpy as np
import pytest
from dng_files import MOSAIC
from odd_files import (
    ASCII,
    BYTE,
    DOUBLE,
    LONG,
    RATIONAL,
    SHORT,
    SRATIONAL,
    UNDEFINED,
    camera_tiff,
    dng,
    entry,
)

from lrd_ext import raw

pytest.importorskip("rawpy")
INFINITY = float("inf")
OUTSIDE = (SHORT, 70000, struct.pack("<I", 8) + bytes(4))  # claims more than the file has
FLOAT = 11


def read(tmp_path, data, name="odd.dng"):
    (tmp_path / name).write_bytes(data)
    return raw.read(tmp_path / name)


@pytest.mark.parametrize(
    ("levels", "repeat", "black", "says"),
    [
        (entry(RATIONAL, 512, 0), None, None, "BlackLevel (50714) is undefined: 512/0"),
        (entry(RATIONAL, 0, 0), None, None, None),
        (entry(DOUBLE, math.nan), None, None, "BlackLevel (50714) is undefined: nan"),
        (entry(FLOAT, INFINITY), None, None, "BlackLevel (50714) is undefined: inf"),
        (entry(SRATIONAL, -5, 1), None, None, "BlackLevel (50714) is below 0: -5/1"),
        (entry(ASCII, b"512\0"), None, None, "BlackLevel (50714) is text"),
        (entry(SHORT), None, None, "BlackLevel (50714) is empty"),
        (OUTSIDE, None, None, "BlackLevel (50714) claims 70000 values"),
        ((99, 1, b"\1\0"), None, None, "BlackLevel (50714) is of type 99"),
        (entry(SHORT, 512), entry(SHORT, 1), [512] * 4, None),  # as monochrome cameras write it
        (entry(SHORT, 5, 6, 7, 8), entry(SHORT, 2), [5, 6, 7, 8], None),
        (entry(SHORT, 5, 6, 7, 8), None, [5, 6, 7, 8], "taken as 2 x 2"),
        (entry(SHORT, 9, 9, 9), None, [9] * 4, "all are 9"),
        (entry(SHORT, 512), entry(SHORT, 20000, 20000), [512] * 4, "[20000.0, 20000.0]: all are 512"),
        (entry(SHORT, 5, 6), entry(SHORT, 20000, 20000), None, "BlackLevel (50714) has 2 values"),
        (entry(SHORT, 5, 6, 7), None, None, "BlackLevel (50714) has 3 values"),
        (entry(SHORT, 512), entry(SHORT, 0, 0), [512] * 4, "BlackLevelRepeatDim (50713)"),
        (entry(SHORT, 512), entry(ASCII, b"2\0"), [512] * 4, "BlackLevelRepeatDim (50713) is text"),
        (entry(SHORT, 5, 6, 7, 8), entry(SHORT, 2, 2), [5, 6, 7, 8], None),
    ],
)
def test_black_level(tmp_path, levels, repeat, black, says):
    extra = {50714: levels} | ({} if repeat is None else {50713: repeat})
    got = read(tmp_path, dng(extra))
    assert got.black_known == (black is not None)
    np.testing.assert_array_equal(got.black, [0] * 4 if black is None else black)
    assert [says in remark for remark in got.remarks] == ([] if says is None else [True])
    np.testing.assert_array_equal(got.mosaic, MOSAIC)


@pytest.mark.parametrize(
    "value",
    [entry(SHORT, 0), entry(LONG, 2**32 - 1), entry(RATIONAL, 1, 0), entry(DOUBLE, -1.0), entry(ASCII, b"x")],
)
def test_a_white_level_without_sense_is_named_and_that_of_the_bits_taken(tmp_path, value):
    got = read(tmp_path, dng({50717: value}))
    assert got.white == 65535
    assert len(got.remarks) == 1
    assert "WhiteLevel (50717)" in got.remarks[0]


def ifd_of_exposure(time=None, iso=None, **speeds):
    codes = {"kind": 34864, "standard": 34865, "recommended": 34866, "speed": 34867}
    exif = {} if time is None else {33434: time}
    exif |= {} if iso is None else {34855: iso}
    return exif | {codes[name]: entry(SHORT if name == "kind" else LONG, v) for name, v in speeds.items()}


EXPOSURES = [
    (entry(RATIONAL, 1, 30), pytest.approx(1 / 30)),
    (entry(RATIONAL, 0, 0), None),
    (entry(RATIONAL, 0, 1), None),
    (entry(RATIONAL, 1, 0), None),
    (entry(SRATIONAL, -1, 30), None),
    (entry(RATIONAL), None),
    (entry(ASCII, b"1/30\0"), None),
]


@pytest.mark.parametrize(("time", "seconds"), EXPOSURES)
@pytest.mark.parametrize("make", [dng, camera_tiff])
def test_an_exposure_time_without_sense_is_unknown(tmp_path, make, time, seconds):
    got = read(tmp_path, make(exif=ifd_of_exposure(time, entry(SHORT, 400))))
    assert (got.exposure_s, got.iso) == (seconds, 400)


SPEEDS = [
    ({"iso": entry(SHORT, 400)}, 400),
    ({"iso": entry(SHORT, 65535)}, None),
    ({"iso": entry(SHORT, 65535), "kind": 1, "standard": 102400}, 102400),
    ({"iso": entry(SHORT, 65535), "kind": 2, "recommended": 204800}, 204800),
    ({"iso": entry(SHORT, 65535), "kind": 3, "speed": 409600}, 409600),
    ({"iso": entry(SHORT, 65535), "kind": 2, "recommended": 204800, "speed": 1}, 204800),
    ({"iso": entry(SHORT, 65535), "kind": 1, "standard": 7, "recommended": 9}, 7),
    ({"iso": entry(SHORT, 65535), "recommended": 204800}, 204800),
    ({"iso": entry(SHORT, 0), "speed": 80}, 80),
    ({"iso": entry(SHORT, 65535), "kind": 2, "recommended": 0}, None),
    ({"iso": entry(SHORT, 200, 0)}, 200),
]


@pytest.mark.parametrize(("tags", "iso"), SPEEDS)
@pytest.mark.parametrize("make", [dng, camera_tiff])
def test_iso_65535_stands_in_another_tag(tmp_path, make, tags, iso):
    got = read(tmp_path, make(exif=ifd_of_exposure(entry(RATIONAL, 1, 30), **tags)))
    assert got.iso == iso


@pytest.mark.parametrize(
    "pairs",
    [(1e-4, -1e-6), (-1e-4, 1e-6), (0.0, 1e-6), (math.nan, 0.0), (math.inf, 0.0), (1e-4,), (1e-4, 1e-6) * 2],
)
def test_a_noise_profile_that_is_no_variance_is_named(tmp_path, pairs):
    got = read(tmp_path, dng({51041: entry(DOUBLE, *pairs)}))
    assert got.noise_profile is None
    assert len(got.remarks) == 1
    assert "NoiseProfile (51041)" in got.remarks[0]


@pytest.mark.parametrize(
    ("code", "value"),
    [
        (50715, entry(SRATIONAL, *(1, 0) * 40)),
        (50715, entry(SRATIONAL, 1, 1)),
        (50716, entry(RATIONAL, *(7, 1) * 31)),
        (50721, entry(SRATIONAL, *(1, 0) * 9)),
        (50728, entry(RATIONAL, 1, 0, 1, 1, 1, 1)),
        (50730, entry(SRATIONAL, 1, 0)),
        (274, entry(ASCII, b"up\0")),
        (271, entry(SHORT, 7)),
        (272, OUTSIDE),
        (51009, (UNDEFINED, 2**31, bytes(8))),
    ],
)
def test_any_other_tag_is_left_out_and_named(tmp_path, code, value):
    got = read(tmp_path, dng({code: value}))
    assert len(got.remarks) == 1
    assert f"({code})" in got.remarks[0]
    np.testing.assert_array_equal(got.mosaic, MOSAIC)


@pytest.mark.parametrize(
    ("code", "value"),
    [
        (50829, entry(LONG, 0, 0, 32)),
        (50829, entry(RATIONAL, *(1, 0) * 4)),
        (33421, entry(SHORT, 2)),
        (33422, OUTSIDE),
        (256, entry(ASCII, b"wide\0")),
        (257, entry(SHORT)),
        (262, entry(RATIONAL, 1, 0)),
        (50712, entry(ASCII, b"no table")),
        (50712, entry(LONG, 0, 70000)),
    ],
)
def test_without_these_tags_pixels_mean_nothing(tmp_path, code, value):
    with pytest.raises(raw.RawFileError, match=rf"odd\.dng: .*\({code}\)"):
        read(tmp_path, dng({code: value}))


@pytest.mark.parametrize("make", [dng, camera_tiff])
def test_names_end_at_nul_and_hold_no_control_characters(tmp_path, make):
    tags = {
        271: entry(ASCII, b"Ma\x1b]0;gone\x07ker\0junk\0"),
        272: entry(ASCII, b"\x1b[2JMo\ndel \xc2\x9b31m\0"),
    }
    got = read(tmp_path, make(tags))
    assert (got.make, got.model) == ("Ma]0;goneker", "[2JModel 31m")
    assert got.camera.isprintable()


@pytest.mark.parametrize(
    ("compression", "says"), [(9, "GoPro GPR.*VC-5.*convert"), (8, "deflate.*convert"), (52546, "JPEG XL")]
)
def test_compressions_that_stay_closed_are_named_with_the_cure(tmp_path, compression, says):
    with pytest.raises(raw.RawFileError, match=says):
        read(tmp_path, dng({259: entry(SHORT, compression)}))


def test_a_directory_that_points_to_itself_is_read_once(tmp_path):
    got = read(tmp_path, dng({330: entry(LONG, 8, 8, 8)}))
    np.testing.assert_array_equal(got.mosaic, MOSAIC)


@pytest.mark.parametrize(
    "missing",
    [{33422: entry(BYTE)}, {33421: entry(SHORT, 2)}, {258: entry(SHORT, 1)}, {33422: entry(ASCII, b"RGGB")}],
)
def test_a_camera_tiff_that_does_not_tell_its_mosaic_is_refused_at_every_reading(tmp_path, missing):
    path = tmp_path / "a.nef"
    path.write_bytes(camera_tiff(missing))
    for _ in range(5):
        with pytest.raises(raw.RawFileError, match=r"a\.nef: "):
            raw.read(path)
        raw.write_dng(tmp_path / "b.dng", raw.Raw(mosaic=MOSAIC, cfa="BGGR", black=7, white=4000))
        assert raw.read(tmp_path / "b.dng").cfa == "BGGR"


def test_a_name_that_is_no_utf8_is_read(tmp_path):
    import os

    folder = os.fsencode(tmp_path)
    path = os.path.join(folder, b"caf\xe9.nef")
    with open(path, "wb") as file:
        file.write(camera_tiff())
    np.testing.assert_array_equal(raw.read(os.fsdecode(path)).mosaic, MOSAIC)
    with open(path, "wb") as file:
        file.write(camera_tiff()[:-40])
    with pytest.raises(raw.RawFileError, match="truncated"):
        raw.read(os.fsdecode(path))
