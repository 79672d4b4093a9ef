# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file

from lrd_ext import raw
from lrd_ext.profiles import load_profile

pytestmark = pytest.mark.native


def test_folder_to_profile_and_report(lrd, small_folder, tmp_path):
    folder, levels = small_folder
    code, out, err = lrd(
        "calibrate", folder, "-o", tmp_path / "cam.json", "--report", tmp_path / "r.html", *levels
    )
    assert (code, err) == (0, "")
    assert "profile:" in out
    profile = load_profile(str(tmp_path / "cam.json"))
    assert profile.name == "cam"
    assert profile.rows[0].K is not None
    maps = load_file(tmp_path / profile.dark_shading["file"])
    assert maps[f"iso_{profile.rows[0].iso:g}"].shape == (4, 48, 48)
    page = (tmp_path / "r.html").read_text()
    assert page.count("data:image/png;base64,") == 4  # gain, darks, read noise, what the sensor adds
    assert "http" not in page.replace("http-equiv", "")
    assert len(list((tmp_path / "r_plots").glob("*.png"))) == 4


@pytest.mark.parametrize(
    ("kind", "pictures", "said"),
    [("dark", 3, "K is unknown (null)"), ("flat", 1, "unknown: shoot darks")],
)
def test_one_kind_of_frames_gives_what_it_can_with_a_report(
    lrd, small_folder, tmp_path, kind, pictures, said
):
    folder, levels = small_folder
    table = (folder / "frames.csv").read_text().splitlines()
    own = [line for line in table if f",{kind}," in line]
    (folder / "frames.csv").write_text("\n".join([table[0], *own]))
    code, out, err = lrd(
        "calibrate", folder, "-o", tmp_path / "cam.json", "--report", tmp_path / "r.html", *levels
    )
    assert (code, err) == (0, "")
    assert said in out
    assert len(list((tmp_path / "r_plots").glob("*.png"))) == pictures
    assert load_profile(str(tmp_path / "cam.json")).dark_only == (kind == "dark")


def test_darks_and_flats_of_different_isos(lrd, small_folder, tmp_path):
    folder, levels = small_folder
    table = (folder / "frames.csv").read_text()
    iso = load_iso(table)
    moved = [line.replace(f",dark,{iso},", ",dark,100,") for line in table.splitlines()]
    (folder / "frames.csv").write_text("\n".join(moved))
    code, out, _ = lrd(
        "calibrate", folder, "-o", tmp_path / "cam.json", "--report", tmp_path / "r.html", *levels
    )
    assert code == 0
    assert f"ISO {iso}: no dark frames." in out
    profile = load_profile(str(tmp_path / "cam.json"))
    assert [row.iso for row in profile.rows] == [100]
    assert any(d.field == "K" for d in profile.doubtful)


def load_iso(table):
    return table.splitlines()[1].split(",")[2]


def test_second_run_gives_the_same_bytes(lrd, small_folder, tmp_path):
    folder, levels = small_folder
    lrd("calibrate", folder, "-o", tmp_path / "cam.json", *levels)
    first = (tmp_path / "cam.json").read_bytes()
    lrd("calibrate", folder, "-o", tmp_path / "cam.json", *levels)
    assert (tmp_path / "cam.json").read_bytes() == first


def test_bad_file_is_named_and_the_exit_code_tells(lrd, small_folder, tmp_path):
    folder, levels = small_folder
    victim = sorted(folder.glob("dark*.npy"))[2]
    victim.write_bytes(victim.read_bytes()[:1000])
    code, _, err = lrd("calibrate", folder, "-o", tmp_path / "cam.json", *levels)
    assert code == 1
    assert f"left out: {victim.name}" in err
    assert "truncated" in err


def test_raw_files_are_sorted_by_exif_and_level(lrd, tmp_path, camera):
    iso = camera.truth.isos[1]
    (tmp_path / "raws").mkdir()
    for k, mosaic in enumerate(camera.draw(1, 0.0, 4, 0)):
        _write_dng(tmp_path / f"raws/d{k}.dng", mosaic, camera, iso, 0.001)
    for j, level in enumerate((0.1, 0.3, 0.5, 0.7)):
        for k, mosaic in enumerate(camera.draw(1, level, 2, 100 + 10 * j)):
            _write_dng(tmp_path / f"raws/f{j}{k}.dng", mosaic, camera, iso, 0.1 * level)
    (tmp_path / "raws" / "f00.JPG").write_bytes(b"\xff\xd8\xff")
    code, _, err = lrd("calibrate", tmp_path / "raws", "-o", tmp_path / "cam.json")
    assert (code, err) == (0, "")
    profile = load_profile(str(tmp_path / "cam.json"))
    assert profile.rows[0].iso == iso
    assert pytest.approx(camera.truth.rows[1]["K"], rel=0.03) == profile.rows[0].K
    assert (profile.make, profile.model) == ("Maker", "Model")


def test_outputs_among_the_raw_files_are_no_frames(lrd, tmp_path, camera):
    for k, mosaic in enumerate(camera.draw(1, 0.0, 3, 0)):
        _write_dng(tmp_path / f"d{k}.dng", mosaic, camera, camera.truth.isos[1], 0.01)
    runs = [
        lrd("calibrate", tmp_path, "-o", tmp_path / "cam.json", "--report", tmp_path / "cam.html")
        for _ in range(2)
    ]
    assert runs[0] == runs[1]
    assert runs[1][0] == 0


def test_folders_tell_darks_from_flats_whatever_their_level(lrd, tmp_path, camera):
    iso = camera.truth.isos[1]
    for kind in ("darks", "Flat"):
        (tmp_path / "raws" / kind).mkdir(parents=True)
    raised = np.uint16(0.02 * camera.truth.white)  # by its level it would be a flat
    for k, mosaic in enumerate(camera.draw(1, 0.0, 4, 0)):
        _write_dng(tmp_path / f"raws/darks/{k}.dng", mosaic + raised, camera, iso, 8.0)
    for j, level in enumerate((0.004, 0.3, 0.5, 0.7)):  # the first by its level a dark
        for k, mosaic in enumerate(camera.draw(1, level, 2, 100 + 10 * j)):
            _write_dng(tmp_path / f"raws/Flat/{j}{k}.dng", mosaic, camera, iso, level)
    assert lrd("calibrate", tmp_path / "raws", "-o", tmp_path / "cam.json")[0] == 0
    profile = load_profile(str(tmp_path / "cam.json"))
    assert [(b.iso, b.exposure_s) for b in profile.black_level_error] == [(iso, 8.0)]
    truth = camera.truth.bias[1] + float(raised)
    assert profile.bias[0].dn == pytest.approx(tuple(truth), abs=0.5)
    assert pytest.approx(camera.truth.rows[1]["K"], rel=0.03) == profile.rows[0].K


def _write_dng(path, mosaic, camera, iso, exposure):
    t = camera.truth
    levels = {"cfa": "RGGB", "black": np.full(4, t.black), "white": t.white}
    raw.write_dng(
        path, raw.Raw(mosaic=mosaic, iso=iso, exposure_s=exposure, make="Maker", model="Model", **levels)
    )


def test_masked_border_of_an_ordinary_raw_is_a_first_estimate(lrd, tmp_path):
    from pathlib import Path

    chart = Path(__file__).parents[1] / "data" / "canon550d_ml_colorchart.dng"
    (tmp_path / "raws").mkdir()
    picture = raw.read(chart)
    raw.write_dng(tmp_path / "raws" / "chart.dng", picture.replace(iso=picture.iso or 100.0, exposure_s=0.01))
    code, out, _ = lrd(
        "calibrate", tmp_path / "raws", "-o", tmp_path / "cam.json", "--report", tmp_path / "r.html"
    )
    assert code == 0
    assert "masked border" in out
    assert "K is unknown (null)" in out
    profile = load_profile(str(tmp_path / "cam.json"))
    assert profile.dark_only
    assert profile.rows[0].sigma_gaussian == pytest.approx(16.5, rel=0.1)
    low, high = profile.rows[0].interval95["sigma_gaussian"]
    # Four pixels beyond 20 deviations: the tail makes a mean square less certain than a Gaussian's.
    assert low < profile.rows[0].sigma_gaussian < high
    assert 1.05 < high / low < 1.1
    black = [2056 + dn for dn in profile.bias[0].dn]
    assert black == pytest.approx([2047.4, 2047.4, 2050.5, 2050.3], abs=0.2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"text": "file,kind,iso,exposure_s\n"}, "lists no frames"),
        ({"text": "file,kind,iso\na.npy,dark,100\n"}, "column exposure_s is missing"),
        ({"text": "file;kind;iso;exposure_s\na;dark;1;1\n"}, "got file;kind;iso;exposure_s"),
        ({"text": "file,kind,iso,exposure_s\na.npy,dark,100\n"}, "line 2: exposure_s must be a number"),
        ({"text": "file,kind,iso,exposure_s\na.npy,dark,1e999,1\n"}, "iso must be a number above 0"),
        (
            {"text": "file,kind,iso,exposure_s\na,dark,1,1\na,dark,1,1\n"},
            "line 3: file must be named, and on",
        ),
        ({"text": "\xff"}, "must be a table in UTF-8 text"),
        ({"text": "file,kind,iso,exposure_s\na.npy,bias,100,1\n"}, "kind must be dark or flat, got 'bias'"),
        ({"text": "file,kind,iso,exposure_s\na.npy,dark,0,1\n"}, "iso must be a number above 0, got '0'"),
        ({"text": "file,kind,iso,exposure_s\na.jpg,dark,100,1\n"}, "no such file"),
    ],
)
def test_wrong_tables_are_refused(lrd, tmp_path, change, message):
    (tmp_path / "frames.csv").write_bytes(change["text"].encode("latin-1"))
    code, _, err = lrd("calibrate", tmp_path, "-o", tmp_path / "cam.json", "--white", 4095)
    assert code == 2
    assert message in err
    assert not (tmp_path / "cam.json").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not an .npy file"),
        (b"\x80\x04K\x01.", "not an .npy file"),
        (np.zeros((64, 64, 3), np.uint16), "must be one mosaic (H, W), got shape (64, 64, 3)"),
        (np.zeros((64, 64)), "must hold whole raw DN in 0..65535, got float64"),
        (np.full((64, 64), -1), "must hold whole raw DN in 0..65535"),
        (np.zeros((8, 8), np.uint16), "at least 32 x 32 pixels are needed"),
    ],
)
def test_files_that_are_no_mosaic_are_named(lrd, tmp_path, content, message):
    if isinstance(content, bytes):
        (tmp_path / "a.npy").write_bytes(content)
    else:
        np.save(tmp_path / "a.npy", content)
    (tmp_path / "frames.csv").write_text("file,kind,iso,exposure_s\na.npy,dark,100,1\n")
    code, _, err = lrd("calibrate", tmp_path, "-o", tmp_path / "cam.json", "--white", 4095)
    assert code == 2
    assert "a.npy: " in err
    assert message in err
    assert "pickle" not in err


def test_eight_bit_pictures_are_refused(lrd, tmp_path):
    Image.fromarray(np.zeros((64, 64), np.uint8)).save(tmp_path / "a.png")
    (tmp_path / "frames.csv").write_text("file,kind,iso,exposure_s\na.png,dark,100,1\n")
    code, _, err = lrd("calibrate", tmp_path, "-o", tmp_path / "cam.json", "--white", 255)
    assert code == 2
    assert "8 bits a value: a picture, not raw data" in err


def test_folder_of_jpegs_is_refused(lrd, tmp_path):
    said = ["holds a JPEG picture, which holds no raw data", "holds 2 JPEG pictures, which hold no raw data"]
    for name, message in zip(("a.JPG", "b.jpeg"), said, strict=True):
        (tmp_path / name).write_bytes(b"\xff\xd8\xff")
        code, _, err = lrd("calibrate", tmp_path, "-o", tmp_path / "cam.json")
        assert code == 2
        assert message in err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--cfa", "RGB"], "--cfa must be one of"),
        (["--black", "a"], "--black must be one number or four"),
        (["--black", "100", "--white", "50"], "--black must be below --white"),
        (["--report", "r.txt"], "--report must end in .html"),
    ],
)
def test_wrong_options_are_refused(lrd, tmp_path, options, message):
    code, _, err = lrd("calibrate", tmp_path, "-o", tmp_path / "cam.json", *options)
    assert code == 2
    assert message in err


def test_a_profile_of_other_origin_is_not_replaced(lrd, small_folder, tmp_path):
    folder, levels = small_folder
    (tmp_path / "cam.json").write_text("{}")
    code, _, err = lrd("calibrate", folder, "-o", tmp_path / "cam.json", *levels)
    assert code == 2
    assert "--overwrite" in err
    assert lrd("calibrate", folder, "-o", tmp_path / "cam.json", "--overwrite", *levels)[0] == 0


def test_killed_runs_leave_nothing_broken_and_the_next_goes_on(small_folder, tmp_path, lrd):
    """Three kills here; docs/results/calibration_real_data.md tells of ten."""
    folder, levels = small_folder
    lrd("calibrate", folder, "-o", tmp_path / "whole.json", *levels)
    whole = json.loads((tmp_path / "whole.json").read_text())
    target = tmp_path / "cam.json"
    command = [
        sys.executable,
        "-m",
        "lrd_ext.cli",
        "calibrate",
        str(folder),
        "-o",
        str(target),
        *map(str, levels),
    ]
    draw = random.Random(4)
    for _ in range(3):
        run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _wait_for_work(run, tmp_path / "cam.statistics", draw.randint(1, 12))
        run.send_signal(signal.SIGKILL)
        run.wait()
        if target.exists():
            json.loads(target.read_text())
    assert subprocess.run(command, check=False, stdout=subprocess.DEVNULL).returncode == 0
    done = json.loads(target.read_text())
    own = {"name": "", "dark_shading": {}}
    assert done | own == whole | own
    assert not [n for n in os.listdir(tmp_path) if n.endswith(".part")]


def _wait_for_work(run, statistics, files):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and run.poll() is None:
        if statistics.is_dir() and len(list(statistics.iterdir())) >= files:
            return
        time.sleep(0.01)
