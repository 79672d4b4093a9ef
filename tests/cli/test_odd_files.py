# SPDX-License-Identifier: Apache-2.0
"""Files of other people, odd or damaged, in the commands that read raw files."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from rose_picture import rose

from lrd_ext import raw
from lrd_ext.profiles import load_profile

sys.path.append(str(Path(__file__).parents[1] / "raw"))
from odd_files import ASCII, DOUBLE, LONG, RATIONAL, SHORT, camera_tiff, dng, entry, jpeg_dng, jpeg_tiles

MOSAIC = np.random.default_rng(3).integers(500, 4000, (64, 80)).astype(np.uint16)
LEVELS = {50714: entry(SHORT, 500), 50717: entry(SHORT, 4000)}
A7S2 = ("--camera", "sony_a7s2", "--iso", 3200)
HOSTILE = {
    271: entry(ASCII, b"\x1b]0;gone\x07\x1b[2J\nlrd: all is well\0"),
    272: entry(ASCII, b"\xc2\x9b31mX\0"),
}


def test_inspect_names_an_odd_tag_and_shows_the_rest(lrd, tmp_path):
    path = tmp_path / "a.dng"
    path.write_bytes(dng(LEVELS | {51041: entry(DOUBLE, 1e-4, -1e-6)}, mosaic=MOSAIC))
    code, out, err = lrd("inspect", path)
    assert (code, err) == (0, "")
    assert "Odd tag: NoiseProfile (51041) must have S > 0 and O >= 0, a variance: S 0.0001 O -1e-06" in out
    assert "black by site 500 500 500 500, white 4000" in out
    assert "No NoiseProfile that makes sense." in out
    assert "math domain" not in out


def test_inspect_says_of_an_undefined_black_level_that_it_is_unknown(lrd, tmp_path):
    path = tmp_path / "a.dng"
    path.write_bytes(dng(LEVELS | {50714: entry(RATIONAL, 512, 0)}, mosaic=MOSAIC))
    code, out, _ = lrd("inspect", path)
    assert code == 0
    assert "the file gives no black level: 0 is taken" in out
    assert "Odd tag: BlackLevel (50714) is undefined: 512/0: left out." in out


def test_import_names_the_odd_noise_profile_and_says_how_to_check_a_good_one(lrd, tmp_path):
    path, target = tmp_path / "a.dng", tmp_path / "a.json"
    command = ("profile", "import", path, "-o", target, "--iso", 800)
    path.write_bytes(dng(LEVELS | {51041: entry(DOUBLE, 1e-4, -1e-6)}, mosaic=MOSAIC))
    code, _, err = lrd(*command)
    assert code == 2
    assert f"{path}: NoiseProfile (51041) must have S > 0" in err
    assert not target.exists()
    path.write_bytes(dng(LEVELS | {51041: entry(DOUBLE, 1e-4, 1e-6)}, mosaic=MOSAIC))
    code, out, _ = lrd(*command)
    assert code == 0
    assert "makers' profiles understate the noise of many cameras" in out
    assert f"lrd inspect CLEAN NOISY --camera {target}" in out
    assert load_profile(target).name == "a"


def test_one_odd_file_never_ends_a_batch(lrd, tmp_path, rose_dng):
    tiles = jpeg_tiles()
    tiles[2] = bytes(len(tiles[2]))
    exif = {33434: entry(RATIONAL, 0, 0), 34855: entry(SHORT, 65535)}
    files = {
        "time.nef": camera_tiff(exif=exif, mosaic=MOSAIC),
        "tile.dng": jpeg_dng(tiles),
        "filters.nef": camera_tiff({33421: entry(SHORT, 7, 7)}, mosaic=MOSAIC),
        "pattern.dng": dng({50713: entry(SHORT, 20000, 20000), 50714: entry(SHORT, 1, 2)}, mosaic=MOSAIC),
        "claims.dng": dng({256: entry(LONG, 60000), 257: entry(LONG, 40000)}, mosaic=MOSAIC),
        "cut.nef": camera_tiff(mosaic=MOSAIC)[:-2],
        "gopro.dng": dng({259: entry(SHORT, 9)}, mosaic=MOSAIC),
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    sources = [tmp_path / name for name in files]
    code, out, err = lrd("synth", *sources, rose_dng, "-o", tmp_path / "out", *A7S2)
    assert code == 1
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["pattern.dng", "rose.dng", "time.dng"]
    assert "3 of 8 files written" in out
    assert "odd tag: BlackLevel (50714) has 2 values" in out
    lines = err.splitlines()
    assert len(lines) == 5
    for line in lines:
        assert re.match(
            rf"lrd synth: error: {re.escape(str(tmp_path))}/(tile|filters|claims|cut|gopro)\.", line
        )


def nothing_to_obey(text):
    return all(c == "\n" or c.isprintable() for c in text)


@pytest.mark.parametrize("tags", [HOSTILE, {270: entry(ASCII, b"{\x1b[2J}\0")}])
def test_no_tag_reaches_a_terminal_raw(lrd, tmp_path, tags):
    path = tmp_path / "a.dng"
    path.write_bytes(dng(LEVELS | tags | {50708: entry(ASCII, b"\x1b[2J\0")}, mosaic=MOSAIC))
    for command in (
        ("inspect", path),
        ("inspect", path, path, "--ratio", 1),
        ("synth", path, "-o", tmp_path / "o.dng", *A7S2),
        ("inspect", tmp_path / "o.dng"),
    ):
        _, out, err = lrd(*command)
        assert nothing_to_obey(out + err)
        assert not any(line.startswith("lrd: all is well") for line in out.splitlines())


@pytest.mark.parametrize("name", ["\x1b]0;gone\x07.dng", "a\nlrd synth: done.dng", "\x9b2J.dng"])
def test_no_name_reaches_a_terminal_raw(lrd, tmp_path, name):
    path = tmp_path / name
    path.write_bytes(dng(LEVELS, mosaic=MOSAIC))
    bad = tmp_path / f"bad{name}"
    bad.write_bytes(b"no raw file")
    for command in (
        ("inspect", path),
        ("inspect", bad),
        ("inspect", path, "--bogus", path),
        ("synth", path, bad, "-o", tmp_path / "out", *A7S2),
    ):
        _, out, err = lrd(*command)
        assert nothing_to_obey(out + err)
        assert not any(line.startswith("lrd synth: done") for line in out.splitlines())
    assert (tmp_path / "out" / name).exists()


@pytest.mark.skipif(os.name == "nt", reason="names are bytes on POSIX only")
def test_a_name_that_is_no_utf8_works_from_reading_to_report(tmp_path):
    folder = os.fsencode(tmp_path)
    source, out = os.path.join(folder, b"caf\xe9.dng"), os.path.join(folder, b"\xff.dng")
    picture = os.path.join(folder, b"\xfe.png")
    raw.write_dng(os.fsdecode(source), rose("RGGB"))
    lrd = [sys.executable, "-m", "lrd_main"]
    synth = [*lrd, "synth", source, "-o", out, "--preview", picture, *map(str, A7S2)]
    for command in (synth, [*lrd, "inspect", out], [*lrd, "inspect", source, out]):
        done = subprocess.run(command, capture_output=True, timeout=120)
        assert (done.returncode, done.stderr) == (0, b"")
        assert rb"\xff.dng" in done.stdout
        assert b"\xff" not in done.stdout
    assert os.path.exists(picture)


@pytest.fixture
def stepped(tmp_path):
    """The rose with its last two bits shifted out: steps of 4 DN that start at 1."""
    path, clean = tmp_path / "stepped.dng", rose("RGGB")
    raw.write_dng(path, clean.replace(mosaic=clean.mosaic // 4 * 4 + 1))
    return path


def test_synth_tells_of_steps_and_rounds_to_them_when_asked(lrd, tmp_path, stepped, rose_dng):
    made = {}
    for name, source, more in (
        ("own", stepped, ()), ("asked", stepped, ("--step",)), ("sixteen", rose_dng, ("--step", 16)),
        ("none", rose_dng, ()), ("asked_of_none", rose_dng, ("--step",)),
    ):  # fmt: skip
        code, out, err = lrd("synth", source, "-o", tmp_path / f"{name}.dng", *A7S2, "--ratio", 4, *more)
        assert (code, err) == (0, "")
        made[name] = (out, raw.read(tmp_path / f"{name}.dng"))
    assert "come in steps of 4 DN, the noise in 1: say --step to round to 4" in made["own"][0]
    assert "rounded to steps of 4 DN" in made["asked"][0]
    assert "rounded to steps of 16 DN" in made["sixteen"][0]
    assert "steps of" not in made["none"][0] + made["asked_of_none"][0]
    assert len(np.unique(made["own"][1].mosaic % 4)) == 4
    np.testing.assert_array_equal(np.unique(made["asked"][1].mosaic % 4), [1])
    np.testing.assert_array_equal(made["asked_of_none"][1].mosaic, made["none"][1].mosaic)
    # The same noise, rounded otherwise: half a step of 4 and half of 1 lie between the two at most.
    difference = made["asked"][1].mosaic.astype(int) - made["own"][1].mosaic
    assert np.abs(difference).max() == 2
    assert difference.mean() == pytest.approx(0, abs=0.02)
    sixteen = made["sixteen"][1].mosaic % 16
    assert len(np.unique(sixteen)) == 1


def test_the_noise_profile_counts_the_rounding_of_the_step(lrd, tmp_path, stepped):
    profiles = []
    for more in ((), ("--step",)):
        target = tmp_path / f"{len(more)}.dng"
        assert lrd("synth", stepped, "-o", target, *A7S2, *more)[0] == 0
        profiles.append(raw.read(target).noise_profile)
    np.testing.assert_allclose((profiles[1] - profiles[0])[:, 1] * 14920**2, (16 - 1) / 12, rtol=1e-6)
    np.testing.assert_array_equal(profiles[1][:, 0], profiles[0][:, 0])


@pytest.mark.parametrize("step", ["0", "-4", "4097", "1.5", "many", ""])
def test_a_step_out_of_range_is_refused(lrd, tmp_path, rose_dng, step):
    code, _, err = lrd("synth", rose_dng, "-o", tmp_path / "o.dng", *A7S2, f"--step={step}")
    assert code == 2
    assert "--step must be 1 to 4096 DN" in err
    assert not (tmp_path / "o.dng").exists()
