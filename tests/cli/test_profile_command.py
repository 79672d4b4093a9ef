# SPDX-License-Identifier: Apache-2.0
"""`lrd profile` as its users run it."""

from __future__ import annotations

import json
import os
import pickle
import re
import time

import numpy as np
import pytest
from rose_picture import rose

from lrd_ext import load_profile, raw
from lrd_ext.profiles import list_profiles, to_noise_profile


@pytest.fixture(autouse=True)
def eighty_columns(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")


def lines(out):
    return [line.rstrip() for line in out.splitlines()]


def test_list_names_every_camera_with_its_source(lrd):
    code, out, err = lrd("profile", "list")
    assert (code, err) == (0, "")
    for name in list_profiles():
        (line,) = [line for line in lines(out) if line.startswith(f"{name} ")]
        assert load_profile(name).sources[0].title.split()[0] in line
    assert max(map(len, lines(out))) <= 80


def test_compare_shows_the_whole_library_in_eighty_columns(lrd):
    code, out, err = lrd("profile", "compare")
    assert (code, err) == (0, "")
    table = [line.split() for line in lines(out) if line.split() and line.split()[0] in list_profiles()]
    assert [row[0] for row in table] == list_profiles()  # no line is broken
    assert len({load_profile(row[0]).model for row in table}) >= 16
    assert "sony_a7s2         50-25600     0.956  21.3/4.14/1.07  -.09 .15 .08-.18 1600-2000" in out
    assert max(map(len, lines(out))) <= 80


@pytest.mark.parametrize("name", list_profiles())
@pytest.mark.filterwarnings("ignore:.*doubtful")
def test_compared_read_noise_is_what_the_profile_answers(lrd, name):
    profile = load_profile(name)
    low, high = profile.iso_range
    out = lrd("profile", "compare", name, "--iso", low, high, high)[1]
    first, last, _ = re.search(r"([\d.]+)/([\d.]+)/([\d.]+)", out).groups()
    for iso, shown in ((low, first), (high, last)):
        at = profile.at(iso, read="gaussian") if profile.read == "gaussian" else profile.at(iso)
        pairs = to_noise_profile(at)[1] * [1, 1]
        span = profile.white - np.mean(profile.black)
        lines_variance = float(at.sigma_row) ** 2 + float(at.sigma_col) ** 2 + 1 / 12
        read = np.sqrt(pairs[1] * span**2 - lines_variance) / float(at.K)
        assert float(shown) == pytest.approx(read, abs=0.0051 if read < 9.995 else 0.051)


def test_compare_at_isos_a_camera_does_not_know(lrd):
    out = lrd("profile", "compare", "samsung_s9", "--iso", 800, 1600, 3200)[1]
    assert "1.10/-/-" in out


def test_show_gives_rows_laws_sources_and_doubts(lrd):
    code, out, _ = lrd("profile", "show", "sony_a7s2")
    assert code == 0
    rows = [line for line in lines(out) if re.match(r" *\d+ +[\d.]+ +[\d.]+ +[\d.]+ ", line)]
    assert len(rows) == 28
    assert " 3200   3.06 3.94    1.29 -0.035 0.445   - -1.73" in out
    joined = " ".join(out.split())
    source = load_profile("sony_a7s2").sources[0]
    for word in (source.url, source.commit[:12], "Learnability Enhancement", "Apache-2.0", "low gain"):
        assert word in joined
    doubtful = " ".join(lrd("profile", "show", "apple_iphone_7")[1].split())
    assert "doubtful: K: K rises 1.6 times" in doubtful


def test_sample_prints_what_sample_draws(lrd):
    args = ("sony_a7s2", "-n", 3, "--iso", "800:12800", "--ratio", "100,250,300", "--seed", 7)
    code, out, _ = lrd("profile", "sample", *args, "--jsonl")
    drawn = load_profile("sony_a7s2").sample(3, iso=(800, 12800), ratio=[100, 250, 300], seed=7).to_dict()
    assert code == 0
    for i, line in enumerate(out.splitlines()):
        for name, value in json.loads(line).items():
            assert value == (drawn[name][i] if isinstance(drawn[name], list) else drawn[name])
    table = lrd("profile", "sample", *args)[1]
    assert len([line for line in lines(table) if re.match(r" +\d ", line)]) == 3


def test_plots_are_written_once_and_only_with_leave(lrd, tmp_path):
    target = tmp_path / "new" / "p.png"
    for action in (("show", "sony_a7s2"), ("compare", "sony_a7s2", "canon_70d", "nikon_d850")):
        assert lrd("profile", *action, "--plot", target, "--overwrite")[0] == 0
        assert target.read_bytes()[:4] == b"\x89PNG"
    code, _, err = lrd("profile", "show", "sony_a7s2", "--plot", target)
    assert code == 2
    assert "--overwrite" in err


ELD_LAW = {"slope": 0.5, "bias": 0.7, "sigma": 0.25}
ELD = {
    "Kmin": 0.0939,
    "Kmax": 0.0939 * 64,
    "G_shape": np.array([0.1, -0.1]),
    "color_bias": np.ones((4, 4)),
    "Profile-1": {"g_scale": ELD_LAW, "G_scale": ELD_LAW, "R_scale": ELD_LAW},
}


@pytest.fixture
def eld_file(tmp_path):
    np.save(tmp_path / "SonyA7S2_params.npy", np.array(ELD, dtype=object))
    return tmp_path / "SonyA7S2_params.npy"


@pytest.mark.filterwarnings("ignore:.*looks doubtful")
def test_import_of_an_eld_file(lrd, tmp_path, eld_file):
    target = tmp_path / "mine.json"
    code, out, err = lrd(
        "profile", "import", eld_file, "-o", target, "--camera", "sony_a7s2_eld", "--make", "Me"
    )
    assert (code, err) == (0, "")
    profile = load_profile(target)
    assert (profile.name, profile.make, profile.model) == ("mine", "Me", "ILCE-7SM2")
    assert (profile.black, profile.white) == ((512,) * 4, 16383)
    assert profile.at(6400).K.item() == pytest.approx(0.0939 * 64)
    assert any("SHA-256" in note for note in profile.notes)
    assert "ISO 100 to 6400" in out
    assert "doubtful: sigma_tukey_lambda: Tukey-lambda std" in out  # both laws of ELD are the same here


@pytest.mark.parametrize("cfa", ["RGGB", "GBRG"])
def test_import_of_a_dng_gives_its_gain_and_noise(lrd, tmp_path, cfa):
    """A file of lrd synth, read back through its NoiseProfile: K and sigma within 1 %."""
    raw.write_dng(tmp_path / "in.dng", rose(cfa))
    noisy, target = tmp_path / "noisy.dng", tmp_path / "mine.json"
    assert lrd("synth", tmp_path / "in.dng", "-o", noisy, "--camera", "sony_a7s2", "--iso", 3200)[0] == 0
    assert lrd("profile", "import", noisy, "-o", target, "--licence", "CC0-1.0")[0] == 0
    found = load_profile(target)
    drawn = load_profile("sony_a7s2").at(3200, black=600, white=15520)
    again = found.at(3200)
    total = np.sqrt(to_noise_profile(drawn)[1, 1]) * (15520 - 600)
    assert again.K.item() == pytest.approx(drawn.K.item(), rel=0.01)
    assert again.sigma_read.item() == pytest.approx(total, rel=0.01)
    assert (found.cfa, found.licence, found.white) == (cfa, "CC0-1.0", 15520)


def test_import_tells_json(lrd, tmp_path, eld_file):
    target = tmp_path / "mine.json"
    words = ("profile", "import", eld_file, "-o", target, "--camera", "sony_a7s2_eld", "--json")
    code, out, err = lrd(*words)
    told = json.loads(out)
    assert (code, err, told["written"]) == (0, "", str(target))
    assert told["profile"] == json.loads(target.read_text())
    assert "Tukey-lambda std" in told["doubtful"][0]["reason"]


LEVELS = ["{eld}", "-o", "{tmp}/x.json", "--camera", "canon_70d"]
REFUSED = {
    "no levels": (LEVELS[:3], "--black is needed"),
    "no white": ([*LEVELS[:3], "--black", 512], "--white is needed"),
    "no such law": ([*LEVELS, "--law", "Profile-9"], "Profile-9 is missing"),
    "white below black": ([*LEVELS[:3], "--black", 512, "--white", 100], "white must be"),
    "no json": (["{eld}", "-o", "{tmp}/x.txt", *LEVELS[3:]], "must end in .json"),
    "unknown camera": ([*LEVELS[:3], "--camera", "canon_71d"], "canon_70d"),
    "dng without profile": (["{rose}", *LEVELS[1:3]], "has no NoiseProfile"),
    "a trap": (["{trap}", *LEVELS[1:]], "mkdir; refused"),
    "missing": (["{tmp}/none.npy", *LEVELS[1:]], "No such file"),
    "phase": ([*LEVELS, "--cfa", "RGBG"], "cfa must be one of"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_import_refuses_by_name_and_leaves_nothing(lrd, tmp_path, rose_dng, eld_file, case):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "sprung"),)

    np.save(tmp_path / "trap.npy", np.array({"Kmin": Trap()}, dtype=object))
    places = {"tmp": tmp_path, "rose": rose_dng, "eld": eld_file, "trap": tmp_path / "trap.npy"}
    arguments, word = REFUSED[case]
    before = sorted(tmp_path.iterdir())
    code, _, err = lrd("profile", "import", *(str(a).format(**places) for a in arguments))
    assert code == 2
    assert word in err
    assert "Traceback" not in err
    assert sorted(tmp_path.iterdir()) == before


def test_an_existing_profile_needs_leave_to_be_replaced(lrd, tmp_path, eld_file):
    target = tmp_path / "x.json"
    target.write_text("old")
    args = ("profile", "import", eld_file, "-o", target, "--camera", "canon_70d")
    code, _, err = lrd(*args)
    assert (code, target.read_text()) == (2, "old")
    assert "--overwrite" in err
    assert lrd(*args, "--overwrite")[0] == 0


def broken(tmp_path, change):
    data = load_profile("canon_70d").to_dict()
    change(data)
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(data))
    return path


BROKEN = {
    "missing field": (lambda d: d.pop("white"), "bad.json: white is missing"),
    "wrong unit": (lambda d: d["units"].update(sigma="e-"), 'units.sigma must be "DN"'),
    "unknown version": (lambda d: d.update(version=9), "version must be 1"),
    "nan": (
        lambda d: d["branches"][0]["K"].update(per_iso=float("nan")),
        "branches[0].K.per_iso must be a number",
    ),
    "iso not rising": (lambda d: d["bias"].reverse(), "bias[1].iso must be above the one before"),
    "unknown field": (lambda d: d.update(gain=1), "gain is not a field"),
}


@pytest.mark.parametrize("action", ["show", "compare", "sample"])
@pytest.mark.parametrize("case", BROKEN)
def test_broken_profiles_are_refused_by_field(lrd, tmp_path, action, case):
    change, message = BROKEN[case]
    code, _, err = lrd("profile", action, broken(tmp_path, change))
    assert code == 2
    assert message in err
    assert "Traceback" not in err


def test_a_hundred_megabytes_and_a_pickle_are_refused_at_once(lrd, tmp_path):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "sprung"),)

    with open(tmp_path / "big.json", "wb") as file:
        file.write(b'{"schema": "')
        file.truncate(100_000_000)
    (tmp_path / "pickle.json").write_bytes(pickle.dumps(Trap()))
    start = time.monotonic()
    for name, message in (("big", "at most 10000000 bytes, got 100000000"), ("pickle", "is not JSON text")):
        code, _, err = lrd("profile", "show", tmp_path / f"{name}.json")
        assert code == 2
        assert message in err
    assert time.monotonic() - start < 10
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["show", "canon_71d"], "did you mean canon_70d"),
        (["sample", "sony_a7s2", "--iso", "high"], "--iso must be a number, a range LOW:HIGH"),
        (["sample", "sony_a7s2", "--iso", "1:2:3"], "--iso must be"),
        (["sample", "sony_a7s2", "--iso", "10"], "iso must be in the range"),
        (["sample", "sony_a7s2", "--ratio", "0"], "ratio must be above 0 and below"),
        (["sample", "sony_a7s2", "-n", "0"], "n must be at least 1"),
        (["show", "sony_a7s2", "--plot", "p.jpg"], "--plot must end in .png"),
        (["show"], "missing: NAME|FILE"),
        (["weigh"], "weigh"),
    ],
)
def test_wrong_use_is_named(lrd, arguments, word):
    code, _, err = lrd("profile", *arguments)
    assert code == 2
    assert word in err
    assert "Traceback" not in err


def test_what_goes_into_a_file_is_not_folded(lrd, monkeypatch):
    monkeypatch.delenv("COLUMNS")
    out = lrd("profile", "show", "sony_imx686")[1]
    profile = load_profile("sony_imx686")
    assert {f"note: {note}" for note in profile.notes} <= set(out.splitlines())
    assert any(profile.sources[0].path in line for line in out.splitlines())
    assert all(line == line.rstrip() for line in out.splitlines())


def test_a_narrow_terminal_cuts_no_number_of_a_table(lrd, monkeypatch):
    wide = lrd("profile", "compare")[1].splitlines()[:22]
    monkeypatch.setenv("COLUMNS", "50")
    out = lrd("profile", "compare")[1]
    assert out.splitlines()[:22] == wide
    assert max(map(len, out.splitlines()[23:])) <= 50


@pytest.mark.parametrize("action", ["list", "show", "sample", "compare", "import"])
def test_help_is_in_words(lrd, action):
    code, out, _ = lrd("profile", action, "--help")
    assert code == 0
    assert "usage: lrd" in out
    assert not re.search(r"type: |default: null|required", out)


def test_isos_between_few_rows_are_shown_by_the_law(lrd):
    out = lrd("profile", "show", "sony_imx686")[1]
    assert re.search(r"^1600 \(law\) +2\.19 +3\.84 +1\.76 ", out, re.MULTILINE)


def test_a_camera_with_a_hole_is_sampled_beside_it(lrd):
    code, out, _ = lrd("profile", "sample", "sony_imx686", "-n", 20)
    assert code == 0
    assert all(int(line.split()[1]) >= 640 for line in out.splitlines() if re.match(r" *\d+ ", line))
    code, _, err = lrd("profile", "sample", "sony_imx686", "--iso", "100:6400")
    assert code == 2
    assert "must not cross what is not known between ISO 100 and 640, got 100 to 6400" in err
