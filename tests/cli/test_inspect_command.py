# SPDX-License-Identifier: Apache-2.0
"""`lrd inspect` as its users run it."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from rose_picture import DATA, rose

from lrd_ext import fused_synth, load_profile, raw
from lrd_ext.profiles import to_noise_profile, tukey_lambda_std

CHART = DATA / "canon550d_ml_colorchart.dng"


@pytest.fixture(autouse=True)
def eighty_columns(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")


def figure(out, name):
    """Measured and predicted figure of the table of figures."""
    found = re.search(
        rf"^{name} +(?:\S+ +)?(-?[\d.]+) +[\d.e-]+ +(-?[\d.]+) +([-+]\d\S*%|-) +\w", out, re.MULTILINE
    )
    return float(found[1]), float(found[2])


@pytest.fixture(scope="module")
def steps(tmp_path_factory):
    """4096 x 1024 pixels, half of them dark, then 64 steps of light; row noise needs many rows."""
    path = tmp_path_factory.mktemp("steps") / "clean.dng"
    levels = np.r_[np.full(2048, 512), np.linspace(512, 16000, 64).astype(int).repeat(32)].astype(np.uint16)
    mosaic = np.broadcast_to(levels[:, None], (4096, 1024)).copy()
    raw.write_dng(path, raw.Raw(mosaic=mosaic, cfa="RGGB", black=512, white=16383, iso=100, exposure_s=1.0))
    return path


@pytest.mark.parametrize("iso", [800, 3200, 12800])
def test_noise_of_lrd_synth_is_recovered(lrd, tmp_path, steps, iso):
    """K within 1 %, read noise within 2 %, row noise within 5 % of the profile."""
    noisy = tmp_path / "noisy.dng"
    a7s2 = ("--camera", "sony_a7s2", "--iso", iso)
    assert lrd("synth", steps, "-o", noisy, *a7s2, "--ratio", 8, "--seed", 3)[0] == 0
    code, out, err = lrd("inspect", steps, noisy, "--camera", "sony_a7s2", "--plot", tmp_path / "p.png")
    assert (code, err) == (0, "")
    at = load_profile("sony_a7s2").at(iso)
    read = at.sigma_read.item() * tukey_lambda_std(at.tukey_lambda.item())
    for name, expected, allowed in (
        ("K", at.K.item(), 0.01), ("read", read, 0.02), ("row", at.sigma_row.item(), 0.05),
    ):  # fmt: skip
        measured, predicted = figure(out, name)
        assert measured == pytest.approx(expected, rel=allowed)
        assert predicted == pytest.approx(expected, rel=1e-3)
    assert f"The noise is that of sony_a7s2 at ISO {iso}: K, read, row, column" in " ".join(out.split())
    assert (tmp_path / "p.png").read_bytes()[:4] == b"\x89PNG"
    assert max(len(line.rstrip()) for line in out.splitlines() if str(tmp_path) not in line) <= 80


def test_black_level_tag_of_the_canon_550d(lrd):
    code, out, _ = lrd("inspect", CHART)
    assert code == 0
    assert "The black-level tag is 6 to 9 DN above the masked border" in " ".join(out.split())
    assert "Canon EOS Kiss X4, 1888 x 1182, RGGB" in " ".join(out.split())
    assert "Canon Canon" not in out
    assert max(len(line.rstrip()) for line in out.splitlines() if str(CHART) not in line) <= 80


def test_noise_profile_of_lrd_synth_is_the_profiles(lrd, tmp_path, rose_dng):
    """K and all noise at zero light, read back from the file, within 1 %."""
    noisy = tmp_path / "noisy.dng"
    assert lrd("synth", rose_dng, "-o", noisy, "--camera", "sony_a7s2", "--iso", 3200)[0] == 0
    out = " ".join(lrd("inspect", noisy)[1].split())
    at = load_profile("sony_a7s2").at(3200, black=600, white=15520)
    gain, dark = map(float, re.search(r"K ([\d.]+) DN/e-, noise at zero light ([\d.]+) DN", out).groups())
    assert gain == pytest.approx(at.K.item(), rel=0.01)
    assert dark == pytest.approx(np.sqrt(to_noise_profile(at)[1, 1]) * 14920, rel=0.01)
    assert "made by lrd synth: sony_a7s2 at ISO 3200, ratio 1, seed 0" in out


def test_recipe_of_the_file_predicts_without_a_camera_and_another_camera_does_not(lrd, tmp_path, rose_dng):
    noisy = tmp_path / "noisy.dng"
    args = ("--camera", "nikon_d850", "--iso", 6400, "--ratio", 20)
    assert lrd("synth", rose_dng, "-o", noisy, *args)[0] == 0
    out = " ".join(lrd("inspect", rose_dng, noisy)[1].split())
    assert "ratio 20 as written in the noisy file" in out
    assert "The noise is that of nikon_d850 at ISO 6400, as written in the file: K, read" in out
    out = " ".join(lrd("inspect", rose_dng, noisy, "--camera", "canon_70d")[1].split())
    assert "The noise is not that of canon_70d at ISO 6400: K 1" in out
    assert "profile to file range: K, sigmas and bias x 1.12561" in out


def test_another_clean_file_is_told(lrd, tmp_path, rose_dng):
    noisy, other = tmp_path / "noisy.dng", tmp_path / "other.dng"
    assert lrd("synth", rose_dng, "-o", noisy, "--camera", "sony_a7s2", "--iso", 3200)[0] == 0
    raw.write_dng(other, rose("RGGB", iso=200))
    assert "not the one the noisy file was made of" in " ".join(lrd("inspect", other, noisy)[1].split())


def test_files_of_a_camera_go_by_their_exposure_and_noise_profile(lrd, tmp_path):
    """Files as a camera writes them: no recipe; the ratio by ISO and time, NoiseProfile predicts."""
    clean, at = (
        rose("RGGB", iso=100, exposure_s=1.0),
        load_profile("canon_70d").at(800, 10, black=600, white=15520),
    )
    raw.write_dng(tmp_path / "a.dng", clean)
    drawn = fused_synth(torch.from_numpy(clean.mosaic), at, seed=1, output="dn").numpy()
    dark = clean.replace(mosaic=drawn, iso=800, exposure_s=1 / 80)
    raw.write_dng(tmp_path / "b.dng", dark, noise_profile=to_noise_profile(at))
    code, out, _ = lrd("inspect", tmp_path / "a.dng", tmp_path / "b.dng")
    assert code == 0
    out = " ".join(out.split())
    assert "ratio 10 by ISO and exposure time" in out
    assert "The noise is that of the file's NoiseProfile: K, zero light, brightness agree." in out


def test_border_agrees_with_tags_that_are_right(lrd, tmp_path):
    rng = np.random.default_rng(1)
    mosaic = np.full((600, 400), 900.0)
    mosaic[:, :100] = 512 + rng.normal(0, 4, (600, 100))
    picture = raw.Raw(
        mosaic=mosaic.round().astype(np.uint16),
        cfa="RGGB",
        black=512,
        white=16383,
        active_area=(0, 100, 600, 400),
    )
    pair = [1e-4, (16 + 1 / 12) / 15871**2]
    raw.write_dng(tmp_path / "a.dng", picture, noise_profile=[pair] * 3)
    out = " ".join(lrd("inspect", tmp_path / "a.dng")[1].split())
    assert "The black-level tag agrees with the masked border (left strip" in out
    assert "is that of the NoiseProfile at zero light" in out
    raw.write_dng(tmp_path / "b.dng", picture.replace(black=np.array([510, 511, 514, 512])))
    out = " ".join(lrd("inspect", tmp_path / "b.dng")[1].split())
    assert re.search(
        r"lies between (1\.9|2\.[01]) DN below and (1\.9|2\.[01]) DN above the masked border", out
    )


@pytest.mark.filterwarnings("error")
def test_a_file_against_itself_has_no_noise(lrd, rose_dng):
    code, out, _ = lrd("inspect", rose_dng, rose_dng)
    assert code == 0
    assert re.search(r"^read +DN +0\.0000 ", out, re.MULTILINE)
    assert re.search(r"^brightness +1\.0000 ", out, re.MULTILINE)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["{none}"], "no such file"),
        (["{tmp}"], "a folder"),
        (["{text}"], "a text file"),
        (["{rose}", "{chart}"], "ratio must be given"),
        (["{rose}", "{chart}", "--ratio", "1"], "same sensor area"),
        (["{rose}", "--camera", "sony_a7s2"], "--camera needs two files"),
        (["{rose}", "--plot", "p.png"], "--plot needs two files"),
        (["{rose}", "{rose}", "--ratio", "0"], "ratio must be finite and above 0"),
        (["{rose}", "{rose}", "--ratio", "2", "--iso", "800"], "--iso chooses a profile's figures"),
        (["{rose}", "{rose}", "--ratio", "2", "--camera", "sony_a7s3"], "sony_a7s2"),
        (
            ["{rose}", "{rose}", "--ratio", "2", "--camera", "sony_a7s2", "--iso", "9"],
            "iso must be in the range",
        ),
        (["{rose}", "{rose}", "--plot", "{tmp}/p.jpg"], "--plot must end in .png"),
        ([], "missing: FILE"),
    ],
)
def test_wrong_use_is_named_and_leaves_nothing(lrd, tmp_path, rose_dng, arguments, word):
    text = tmp_path / "notes.txt"
    text.write_text("not a raw file")
    places = {"none": tmp_path / "none.dng", "tmp": tmp_path, "text": text, "rose": rose_dng, "chart": CHART}
    before = sorted(tmp_path.iterdir())
    code, _, err = lrd("inspect", *(a.format(**places) for a in arguments))
    assert code == 2
    assert word in err
    assert "Traceback" not in err
    assert sorted(tmp_path.iterdir()) == before


def test_a_bad_profile_is_no_fault_of_the_files(lrd, tmp_path, rose_dng):
    (tmp_path / "bad.json").write_text("{}")
    args = ("inspect", rose_dng, rose_dng, "--ratio", 2, "--camera")
    for camera, word in ((tmp_path / "bad.json", "schema must be"), ("sony_a7s3", "did you mean sony_a7s2")):
        code, _, err = lrd(*args, camera)
        assert code == 2
        assert word in err
        assert str(rose_dng) not in err
