# SPDX-License-Identifier: Apache-2.0
"""Writing DNG: what goes in comes out, by three readers; deterministic bytes; whole files or none."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pytest
from dng_files import COLOR_MATRIX, MOSAIC, make_dng
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lrd_ext import raw
from lrd_ext.raw.writer import XYZ_TO_SRGB

rawpy = pytest.importorskip("rawpy")
tifffile = pytest.importorskip("tifffile")

FULL = raw.Raw(
    mosaic=MOSAIC,
    cfa="GRBG",
    black=[64, 65, 66.5, 67.1],
    white=4000,
    iso=3200,
    exposure_s=1 / 60,
    active_area=(2, 4, 31, 39),
    orientation=6,
    make="Maker",
    model="Model 1",
    color_matrix=np.reshape(COLOR_MATRIX, (3, 3)),
    as_shot_neutral=[0.5, 1, 0.6],
    opcode_lists={51009: b"\0\0\0\0", 51022: b"\0\0\0\0"},
)


def assert_same(got, want):
    np.testing.assert_array_equal(got.mosaic, want.mosaic)
    np.testing.assert_array_equal(got.black, want.black)
    for name in (
        "cfa",
        "white",
        "iso",
        "exposure_s",
        "active_area",
        "orientation",
        "make",
        "model",
        "opcode_lists",
    ):
        assert getattr(got, name) == getattr(want, name), name
    if want.as_shot_neutral is None:
        assert got.as_shot_neutral is None
    elif want.cfa != "MONO":
        np.testing.assert_allclose(got.as_shot_neutral, want.as_shot_neutral, rtol=1e-8)


@st.composite
def raws(draw):
    height, width = draw(st.integers(29, 36)), draw(st.integers(29, 38))
    top, left = draw(st.integers(0, 5)), draw(st.integers(0, 5))
    seed, white = draw(st.integers(0, 99)), draw(st.integers(512, 65535))
    black = draw(st.lists(st.integers(0, 4000).map(lambda n: n / 8), min_size=4, max_size=4))
    return raw.Raw(
        mosaic=np.random.default_rng(seed).integers(0, 65536, (height, width)).astype(np.uint16),
        cfa=draw(st.sampled_from([*raw.BAYER, "MONO"])),
        black=black,
        white=white,
        iso=draw(st.none() | st.integers(1, 65534) | st.integers(65535, 4_000_000)),
        exposure_s=draw(st.none() | st.sampled_from([1 / 8000, 1 / 60, 0.3, 5.0, 1800.0])),
        active_area=(top, left, height - draw(st.integers(0, 2)), width - draw(st.integers(0, 2))),
        orientation=draw(st.integers(1, 8)),
        make=draw(st.sampled_from([None, "Maker"])),
        model=draw(st.sampled_from([None, "Model 1"])),
        as_shot_neutral=draw(st.sampled_from([None, (0.5, 1.0, 0.6)])),
    )


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(picture=raws())
def test_round_trip(picture):
    if picture.cfa == "MONO":
        picture = picture.replace(as_shot_neutral=None)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "a.dng")
        raw.write_dng(path, picture)
        got = raw.read(path)
        want = picture
        if picture.model is None and picture.make is not None:
            want = picture.replace(model=picture.make)  # UniqueCameraModel is all the file has of a model
        assert_same(got, want)
        with rawpy.imread(path) as libraw:
            np.testing.assert_array_equal(libraw.raw_image, picture.mosaic)
            assert libraw.white_level == picture.white
            assert libraw.other.iso_speed == min(
                picture.iso or 0, 65535
            )  # LibRaw reads the 32-bit tags of Canon only
            assert libraw.other.shutter_speed == pytest.approx(picture.exposure_s or 0, rel=1e-6)


@pytest.mark.parametrize("cfa", raw.BAYER)
@pytest.mark.parametrize("corner", [(0, 0), (2, 4), (1, 0), (0, 1), (3, 5)])
def test_libraw_sees_the_same_phase_and_black(tmp_path, cfa, corner):
    black = [100, 200, 300, 400]
    raw.write_dng(tmp_path / "a.dng", FULL.replace(cfa=cfa, black=black, active_area=(*corner, 31, 39)))
    with rawpy.imread(str(tmp_path / "a.dng")) as libraw:
        colours = [libraw.raw_color(r, c) for r, c in raw.SITES]
        assert "".join(libraw.color_desc.decode()[c] for c in colours) == cfa
        if corner[0] % 2 == corner[1] % 2 == 0:  # else LibRaw takes the pattern from a corner rounded to even
            assert [libraw.black_level_per_channel[c] for c in colours] == black
            assert (libraw.sizes.top_margin, libraw.sizes.left_margin) == corner


def test_every_field_comes_back(tmp_path):
    about = json.dumps({"seed": 7, "camera": "Müller"})
    profile = [(1e-4, 2e-6), (3e-4, 4e-6), (5e-4, 6e-6)]
    raw.write_dng(
        tmp_path / "a.dng", FULL, baseline_exposure=6.643856, noise_profile=profile, description=about
    )
    got = raw.read(tmp_path / "a.dng")
    assert_same(got, FULL)
    np.testing.assert_allclose(got.color_matrix, FULL.color_matrix, atol=1e-12)
    np.testing.assert_array_equal(got.noise_profile, profile)
    assert got.baseline_exposure == pytest.approx(6.643856, abs=1e-9)
    assert json.loads(got.description) == {"seed": 7, "camera": "Müller"}


def test_the_chart_survives_a_rewrite(chart, tmp_path):
    raw.write_dng(tmp_path / "a.dng", chart.replace(iso=102400, exposure_s=1 / 3))
    got = raw.read(tmp_path / "a.dng")
    assert_same(got, chart.replace(iso=102400, exposure_s=1 / 3))
    with tifffile.TiffFile(tmp_path / "a.dng") as tiff:
        exif = tiff.pages[0].tags[34665].value
        assert (exif["ISOSpeedRatings"], exif["ISOSpeed"], exif["SensitivityType"]) == (65535, 102400, 6)
        np.testing.assert_array_equal(tiff.pages[0].asarray(), chart.mosaic)
        assert 306 not in tiff.pages[0].tags  # DateTime


def test_exifread_reads_exposure_and_iso(tmp_path):
    exifread = pytest.importorskip("exifread")
    raw.write_dng(tmp_path / "a.dng", FULL)
    with open(tmp_path / "a.dng", "rb") as file:
        tags = exifread.process_file(file)
    assert str(tags["EXIF ExposureTime"]) == "1/60"
    assert str(tags["EXIF ISOSpeedRatings"]) == "3200"
    assert str(tags["Image Model"]) == "Model 1"


def test_a_camera_without_matrix_gets_srgb(tmp_path):
    raw.write_dng(tmp_path / "a.dng", FULL.replace(color_matrix=None))
    np.testing.assert_allclose(raw.read(tmp_path / "a.dng").color_matrix, XYZ_TO_SRGB, atol=1e-7)


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed")
@pytest.mark.parametrize("cfa", [*raw.BAYER, "MONO", "XTRANS@1,2", "QUAD"])
@pytest.mark.parametrize("iso", [None, 100, 409600])
def test_exiftool_finds_nothing_wrong(tmp_path, cfa, iso):
    picture = FULL.replace(cfa=cfa, iso=iso)
    if cfa == "MONO":
        picture = picture.replace(color_matrix=None, as_shot_neutral=None)
    raw.write_dng(
        tmp_path / "a.dng",
        picture,
        noise_profile=[(1e-4, 0)],
        description="{}",
        software="s",
        baseline_exposure=-1,
    )
    command = ["exiftool", "-validate", "-warning", "-error", "-a", str(tmp_path / "a.dng")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split(":", 1)[1].strip() == "OK", done.stdout


def test_bytes_depend_on_the_input_alone(tmp_path):
    for name in ("a.dng", "b.dng"):
        raw.write_dng(tmp_path / name, FULL, description="{}")
    assert (tmp_path / "a.dng").read_bytes() == (tmp_path / "b.dng").read_bytes()


@pytest.mark.parametrize(
    ("picture", "options", "error", "says"),
    [
        (MOSAIC, {}, TypeError, "ndarray"),
        (FULL.replace(white=4000.5), {}, ValueError, "white"),
        (FULL.replace(white=70000), {}, ValueError, "white"),
        (FULL.replace(iso=1e10), {}, ValueError, "iso"),
        (FULL.replace(exposure_s=1e-12), {}, ValueError, "exposure_s"),
        (FULL, {"noise_profile": [(0, 1)]}, ValueError, "noise_profile"),
        (FULL, {"noise_profile": [(1, 0)] * 4}, ValueError, "noise_profile"),
        (FULL, {"noise_profile": [1, 0]}, ValueError, "noise_profile"),
        (FULL, {"description": "Müller"}, ValueError, "description"),
        (FULL, {"software": b"x"}, TypeError, "software"),
        (FULL, {"baseline_exposure": np.inf}, ValueError, "baseline_exposure"),
    ],
)
def test_bad_input_writes_nothing(tmp_path, picture, options, error, says):
    with pytest.raises(error, match=says):
        raw.write_dng(tmp_path / "a.dng", picture, **options)
    assert not list(tmp_path.iterdir())


def test_bad_places_are_refused(tmp_path):
    with pytest.raises(ValueError, match="folder"):
        raw.write_dng(tmp_path, FULL)
    with pytest.raises(ValueError, match="Make"):
        raw.write_dng(tmp_path / "no" / "a.dng", FULL)


@pytest.mark.parametrize("broken", [KeyboardInterrupt, OSError])
def test_an_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch, broken):
    def fail(*_):
        raise broken

    path = make_dng(tmp_path / "a.dng")
    old = path.read_bytes()
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(broken):
        raw.write_dng(path, FULL)
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_is_written_through(tmp_path):
    real, link = Path(make_dng(tmp_path / "a.dng")), tmp_path / "link.dng"
    link.symlink_to(real)
    raw.write_dng(link, FULL)
    assert link.is_symlink()
    assert_same(raw.read(real), FULL)
