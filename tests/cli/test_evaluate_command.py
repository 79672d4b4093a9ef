# SPDX-License-Identifier: Apache-2.0
"""`lrd evaluate noise` as a user runs it."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "evaluation"))
from dark_folders import LEVELS, dark, make_darks, write_darks

from lrd_ext import load_profile, raw
from lrd_ext.generator import LiteGenerator, UNetGenerator


@pytest.fixture
def darks(tmp_path):
    return make_darks(tmp_path / "darks", 8)


@pytest.fixture
def evaluate(lrd):
    """Run with the levels of the made-up camera."""

    def run(*arguments):
        return lrd("evaluate", "noise", *arguments, *LEVELS)

    return run


def test_table_and_verdict(evaluate, darks):
    code, out, err = evaluate(darks, "gaussian", "--against", "spectral,none,darks")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith("ISO 800: 4 darks to fit to, 4 held out; 96 x 128 pixels, standard deviation ")
    assert lines[1].split() == ["distance", "floor", "highest", "gaussian", "spectral", "none", "darks"]
    assert "KLD adu, nats" in out
    assert "Train with spectral" in out
    assert any(line.startswith("PSD distance, dB") and "inf*" in line for line in lines)


def test_json_holds_all_and_is_strict(evaluate, darks):
    code, out, _ = evaluate(darks, "none", "--against", "gaussian", "--json", "--seed", 5)
    found = json.loads(out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert code == 0
    assert found["fake"] == "none"
    assert found["settings"]["seed"] == 5
    (at,) = found["isos"]
    assert at["frames"] == {"fitted": 4, "held_out": 4, "unused": 0}
    none, gaussian = at["candidates"]
    assert none["distances"]["psd"] is None
    assert gaussian["std_dn"] == pytest.approx(at["std_dn"], rel=0.02)
    assert set(at["floor"]) == set(gaussian["distances"]) == set(found["settings"]["metrics"])
    assert found["best"] == "gaussian"


def test_page_and_plots(evaluate, darks, tmp_path):
    page = tmp_path / "page.html"
    code, out, _ = evaluate(darks, "gaussian", "--against", "none", "--report", page)
    assert code == 0
    assert f"page: {page}" in out
    text = page.read_text()
    assert text.count("<img ") == 2
    assert "http" not in text
    assert "Noise of gaussian against the darks of darks" in text
    assert "Train with gaussian" in text
    plots = sorted(p.name for p in (tmp_path / "page_plots").iterdir())
    assert plots == ["curves_iso800.png", "pictures_iso800.png"]
    code, _, err = evaluate(darks, "gaussian", "--report", page)
    assert (code, "exists already; say --overwrite" in err) == (2, True)


def test_metrics_and_iso_choose(evaluate, darks):
    make_darks(darks, 4, 9, iso=3200)
    code, out, _ = evaluate(darks, "darks", "--against", "", "--iso", 3200, "--metrics", "kld_adu,psd")
    assert code == 0
    assert out.startswith("ISO 3200: 2 darks to fit to, 2 held out;")
    assert "ISO 800" not in out
    assert "KLD adu" in out
    assert "KS" not in out.split("floor: real darks")[0]


def test_a_generator_is_run(evaluate, darks, tmp_path):
    path = tmp_path / "gen.safetensors"
    LiteGenerator(isos=(400, 1600), sigmas=(4.1, 4.1)).save(path)
    code, out, _ = evaluate(darks, path, "--against", "", "--json")
    (candidate,) = json.loads(out)["isos"][0]["candidates"]
    assert code == 0
    assert candidate["name"] == "gen"
    assert candidate["std_dn"] == pytest.approx(math.sqrt(4.1**2 + 1 / 12), rel=0.01)


@pytest.mark.parametrize("name", ["darks", "none"])
def test_a_generator_named_like_a_rival_is_a_candidate_of_its_own(evaluate, darks, tmp_path, name):
    path = tmp_path / f"{name}.safetensors"
    LiteGenerator(isos=(400, 1600), sigmas=(4.1, 4.1)).save(path)
    code, out, _ = evaluate(darks, path, "--against", "none,darks", "--json")
    found = json.loads(out)
    assert code == 0
    assert [c["name"] for c in found["isos"][0]["candidates"]] == [f"{name} (generator)", "none", "darks"]
    assert found["fake"] == found["best"] == f"{name} (generator)"
    assert found["verdict"][0].startswith(f"Train with {name} (generator): of all")


def test_a_profile_named_like_a_rival_keeps_apart_from_it(lrd, darks, tmp_path):
    profile = tmp_path / "spectral.json"
    assert lrd("calibrate", darks, "-o", profile, *LEVELS)[0] == 0
    code, out, _ = lrd("evaluate", "noise", darks, profile, "--against", "spectral", *LEVELS, "--json")
    names = [c["name"] for c in json.loads(out)["isos"][0]["candidates"]]
    assert (code, names) == (0, ["spectral (profile)", "spectral"])


def test_a_folder_named_like_a_rival_is_read(evaluate, darks, tmp_path, monkeypatch):
    make_darks(tmp_path / "made" / "darks", 4, 9, std=8.0)
    monkeypatch.chdir(tmp_path / "made")
    code, out, _ = evaluate(darks, "darks", "--against", "darks", "--json")
    own, rival = json.loads(out)["isos"][0]["candidates"]
    assert code == 0
    assert (own["name"], rival["name"]) == ("darks (folder)", "darks")
    assert own["std_dn"] > 1.5 * rival["std_dn"]
    assert "FAKE is the folder of the real darks" in refused(evaluate, tmp_path / "made" / "darks", "darks")


def test_a_unet_generator_is_run_in_plain_torch(evaluate, darks, tmp_path):
    path = tmp_path / "unet.safetensors"
    UNetGenerator(4, unit=4.1, isos=(400, 1600), sigmas=(4.1, 4.1)).save(path)
    # The darks have 96 x 128 pixels; 90 x 128, which the net's four levels do not fit, is cut out of more.
    code, out, _ = evaluate(darks, path, "--against", "", "--json", "--crop", 90)
    (at,) = json.loads(out)["isos"]
    assert code == 0
    assert at["shape"] == [90, 90]
    # A fresh one is Gaussian, and 4 frames of 8,100 pixels know its deviation to 0.4 %.
    assert at["candidates"][0]["std_dn"] == pytest.approx(math.sqrt(4.1**2 + 1 / 12), rel=0.02)


CARD = {"white": 4095.0, "black": [256.0] * 4, "cfa": "RGGB"}
OTHERS = {
    "bit depth": (
        {"white": 16383.0},
        {},
        "gen.safetensors is of another bit depth: its white level is 16383",
    ),
    "black": (
        {"black": [2048.0] * 4},
        {},
        "gen.safetensors is of another camera or bit depth: it was trained on frames with a black level of "
        "2048 DN, that of ",
    ),
    "phase": ({"cfa": "BGGR"}, {}, "gen.safetensors is of another camera: its phase is BGGR, not RGGB"),
    "ISO": (
        {},
        {"isos": (1600, 3200)},
        "gen.safetensors: iso must be in the trained range [1600, 3200], got 800; choose with --iso",
    ),
    "no table": ({}, {"isos": (), "sigmas": ()}, "gen.safetensors holds no table of sigma_init by ISO"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_a_generator_of_another_camera_is_refused(evaluate, darks, tmp_path, name):
    card, table, message = OTHERS[name]
    path = tmp_path / "gen.safetensors"
    for kind in (LiteGenerator, UNetGenerator):
        made = kind(**({"isos": (400, 1600), "sigmas": (4.1, 4.1)} | table))
        made.card = {"cameras": [CARD | card]}
        made.save(path)
        code, _, err = evaluate(darks, path, "--against", "")
        assert (code, message in err) == (2, True), err


def test_a_generator_of_several_cameras_takes_sigma_init_from_the_profile(lrd, evaluate, darks, tmp_path):
    profile, path = tmp_path / "second.json", tmp_path / "both.safetensors"
    assert lrd("calibrate", make_darks(tmp_path / "cal", 8, 3), "-o", profile, *LEVELS)[0] == 0
    for made in (LiteGenerator(), UNetGenerator(4, unit=4.0)):
        first = CARD | {"profile": "first", "white": 16383.0, "black": [2048.0] * 4}
        made.card = {"cameras": [first, CARD | {"profile": load_profile(profile).name}]}
        made.save(path)
        assert "give the profile of this one by --profile" in refused(evaluate, darks, path)
        code, out, err = evaluate(darks, path, "--against", "", "--profile", profile, "--json")
        assert code == 0, err
        (candidate,) = json.loads(out)["isos"][0]["candidates"]
        assert candidate["std_dn"] == pytest.approx(math.sqrt(4.0**2 + 1 / 12), rel=0.02)


@pytest.mark.parametrize("card", [{}, {"cameras": 3}, {"cameras": [{"white": "?", "black": {}, "cfa": 1}]}])
def test_a_card_that_tells_no_levels_is_no_obstacle(evaluate, darks, tmp_path, card):
    made = LiteGenerator(isos=(400, 1600), sigmas=(4.1, 4.1))
    made.card = card
    made.save(tmp_path / "gen.safetensors")
    assert evaluate(darks, tmp_path / "gen.safetensors", "--against", "")[0] == 0


def test_a_profile_gives_levels_and_models(lrd, darks, tmp_path):
    profile = tmp_path / "camera.json"
    calibrated = make_darks(tmp_path / "cal", 8, 3)
    assert lrd("calibrate", calibrated, "-o", profile, *LEVELS)[0] == 0
    code, out, _ = lrd("evaluate", "noise", darks, profile, "--profile", profile, "--json")
    names = [c["name"] for c in json.loads(out)["isos"][0]["candidates"]]
    assert code == 0
    assert names == [load_profile(profile).name, "gaussian", "tukey_lambda", "empirical", "spectral"]


def test_frames_left_out_are_named(evaluate, darks):
    g = np.random.default_rng(4)
    write_darks(darks, [dark(g, shape=(64, 64))], iso=1600)
    code, out, err = evaluate(darks, "gaussian", "--against", "")
    assert code == 1
    assert out.startswith("ISO 800: 4 darks to fit to")
    assert err == (
        "lrd evaluate: left out: dark_1600_00.npy: shape is (64, 64), that of the others (96, 128)\n"
    )


def test_darks_of_other_exposures_are_told(evaluate, darks):
    g = np.random.default_rng(6)
    for exposure, count in ((0.1, 3), (2, 1)):
        frames = {f"long_{exposure}_{i}.npy": dark(g, rows=0.1) for i in range(count)}
        for name, frame in frames.items():
            np.save(darks / name, frame)
        with (darks / "frames.csv").open("a") as table:
            table.writelines(f"{name},dark,800,{exposure}\n" for name in frames)
    code, out, err = evaluate(darks, "gaussian", "--against", "")
    assert code == 0
    assert out.startswith("ISO 800: 4 darks to fit to, 4 held out;")
    told = "of the darks of ISO 800 8 of 0.01 s are used; 3 of 0.1 s, 1 of 2 s are not"
    assert err == f"lrd evaluate: note: {darks}: {told}\n"


def test_noisy_pictures_of_pairs_are_no_darks(lrd, evaluate, tmp_path):
    g = np.random.default_rng(7)
    folder = tmp_path / "session"
    (folder / "dark").mkdir(parents=True)
    lines = ["noisy,clean,iso,exposure_s,ratio"]
    for i in range(6):
        for name, light in ((f"dark/d{i}", 0), (f"n{i}", 10), (f"c{i}", 30)):
            mosaic = (dark(g) + g.poisson(light, (96, 128))).astype(np.uint16)
            told = {"iso": 800, "exposure_s": 0.01, "make": "A", "model": "B"}
            raw.write_dng(folder / f"{name}.dng", raw.Raw(mosaic, "RGGB", np.full(4, 256.0), 4095.0, **told))
        lines.append(f"n{i}.dng,c{i}.dng,800,0.01,3")
    (folder / "pairs.csv").write_text("\n".join(lines) + "\n")
    code, out, err = lrd("evaluate", "noise", folder, "gaussian", "--against", "")
    assert code == 0
    assert out.startswith("ISO 800: 3 darks to fit to, 3 held out; 96 x 128 pixels, standard deviation 4.1")
    rule = "beside pairs.csv darks are what lies below dark/ or is listed in frames.csv"
    assert err == f"lrd evaluate: note: {folder}: 12 frames do not count: {rule}\n"
    (folder / "dark").rename(folder / "caps")
    assert f"{folder}: holds no dark frames; {rule}" in refused(evaluate, folder, "gaussian")


def test_doubtful_figures_are_noted_once(evaluate, tmp_path):
    darks = make_darks(tmp_path / "darks", 4, iso=1600)
    code, _, err = evaluate(darks, "none", "--profile", "sony_imx385", "--against", "tukey_lambda")
    assert code == 0
    assert err.startswith("lrd evaluate: note: sony_imx385: ")
    assert len(err.splitlines()) == 1


def refused(evaluate, *arguments):
    code, out, err = evaluate(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("lrd evaluate: error: ")
    assert len(err.splitlines()) == 1, err
    return err


def test_no_darks(evaluate, darks, tmp_path):
    assert "no such folder" in refused(evaluate, tmp_path / "gone", "gaussian")
    g = np.random.default_rng(5)
    flats = write_darks(tmp_path / "flats", [dark(g) for _ in range(3)], kind="flat")
    assert "holds flats only and no dark frames" in refused(evaluate, flats, "gaussian")


def test_one_frame(evaluate, tmp_path):
    one = make_darks(tmp_path / "one", 1)
    assert "needs at least 2 dark frames at one ISO" in refused(evaluate, one, "gaussian")


@pytest.mark.parametrize(
    ("frames", "fit", "fake", "told"),
    [
        (2, None, None, "at least 3 darks of ISO 800 are needed in {}/real, got 2"),
        (6, 1, None, "at least 2 darks of ISO 800 are needed in {}/fit, got 1"),
        (6, None, 1, "at least 2 darks of ISO 800 are needed in fake, got 1"),
        (3, None, 2, None),
        (1, 2, None, None),
    ],
)
def test_the_mean_of_one_frame_is_not_taken_off(evaluate, tmp_path, frames, fit, fake, told):
    real = make_darks(tmp_path / "real", frames, 1, rows=0.1)
    given = make_darks(tmp_path / "fake", fake, 2) if fake else "gaussian"
    options = ["--dark-shading", "--against", "none"]
    options += ["--fit", make_darks(tmp_path / "fit", fit, 3)] if fit else []
    if told:
        assert told.format(tmp_path) in refused(evaluate, real, given, *options)
        options.remove("--dark-shading")
    code, out, _ = evaluate(real, given, *options, "--json")
    assert code == 0
    assert json.loads(out)["isos"][0]["candidates"][0]["std_dn"] > 3


def test_constant_frames(evaluate, tmp_path):
    same = write_darks(tmp_path / "same", [np.full((64, 64), 256, np.uint16)] * 4)
    assert "darks of ISO 800 are constant: every value is 256 DN" in refused(evaluate, same, "gaussian")


def test_mixed_sizes(evaluate, darks, tmp_path):
    other = make_darks(tmp_path / "other", 4, shape=(64, 96))
    assert "its size is (64, 96), not (96, 128)" in refused(evaluate, darks, other)


def test_another_bit_depth(evaluate, darks):
    assert "sony_a7s2 is of another bit depth: its white level is 16383 DN" in refused(
        evaluate, darks, "sony_a7s2"
    )


def test_a_profile_of_another_bit_depth(lrd, darks):
    arguments = (darks, "none", "--profile", "sony_a7s2", *LEVELS)
    assert "sony_a7s2 is of another bit depth" in refused(lrd, "evaluate", "noise", *arguments)


def test_other_isos(evaluate, darks, tmp_path):
    other = make_darks(tmp_path / "other", 4, iso=1600)
    assert "other has no darks of ISO 800" in refused(evaluate, darks, other)
    assert "has darks of ISO 800, none of 100" in refused(evaluate, darks, "gaussian", "--iso", "100")
    assert "--iso must be numbers" in refused(evaluate, darks, "gaussian", "--iso", "high")
    path = tmp_path / "gen.safetensors"
    LiteGenerator(isos=(100, 400), sigmas=(1.0, 2.0)).save(path)
    assert "iso must be in the trained range [100, 400], got 800" in refused(evaluate, darks, path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--against", "poisson"), "a rival must be one of none, gaussian, tukey_lambda, empirical, "),
        (("--against", "none,none"), "--against must name each once"),
        (("--metrics", "kld"), "a metric must be one of kld_noiseflow,"),
        (("--crop", "8"), "crop must be at least 32 pixels a side, got 8"),
        (("--report", "page.pdf"), "--report must end in .html"),
    ],
)
def test_wrong_options(evaluate, darks, arguments, message):
    assert message in refused(evaluate, darks, "gaussian", *arguments)


@pytest.mark.parametrize("fake", ["nothing", "gone.safetensors", "gone.json"])
def test_what_is_no_source(evaluate, darks, fake):
    assert fake in refused(evaluate, darks, fake)


def test_help_names_what_can_be_given(lrd):
    code, out, _ = lrd("evaluate", "noise", "--help")
    assert code == 0
    assert "--against" in out
    assert "rival" in out
