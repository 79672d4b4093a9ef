# SPDX-License-Identifier: Apache-2.0
"""The program answers at once, in the words that are typed: help, wrong use, --json, --quiet, completion."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest

import lrd_ext
from lrd_ext import cli, raw
from lrd_ext.commands import completion, progress
from lrd_ext.commands.parser import Parser
from lrd_ext.denoise import list_denoisers
from lrd_ext.generator import list_generators
from lrd_ext.profiles import list_profiles

A7S2 = ("--camera", "sony_a7s2", "--iso", 3200)

#: What runs before torch is asked for: argv, and how it ends.
AT_ONCE = {
    "nothing": ([], 0),
    "help": (["--help"], 0),
    "version": (["--version"], 0),
    "help of a command": (["synth", "--help"], 0),
    "a command of commands": (["profile"], 0),
    "wrong option": (["synth", "--nope"], 2),
    "missing": (["synth"], 2),
    "no such command": (["synht"], 2),
    "completion": (["completion", "bash"], 0),
}
COUNTED = """
import os, sys
sys.modules["torch"] = None  # whoever imports it fails
sys.argv = ["lrd", *{argv!r}]
import lrd_main
code = 0
try:
    code = lrd_main.main()
except SystemExit as stop:
    code = int(stop.code or 0)
heavy = [name for name in ("numpy", "scipy", "rich", "matplotlib") if name in sys.modules]
print(code, heavy, file=sys.stderr)
"""


@pytest.mark.parametrize("case", AT_ONCE)
def test_nothing_heavy_is_loaded_for(case):
    argv, code = AT_ONCE[case]
    done = subprocess.run([sys.executable, "-c", COUNTED.format(argv=argv)], capture_output=True, text=True)
    assert done.stderr.splitlines()[-1] == f"{code} []", done.stderr
    assert "Traceback" not in done.stderr


def test_importing_the_package_registers_the_op_but_in_the_program():
    code = "{}import lrd_ext, sys; print('torch' in sys.modules); import torch; lrd_ext.fused_synth; "
    code += "print(hasattr(torch.ops.lrd_ext, 'fused_synth'))"
    for before, at_once in (("", True), ("import lrd_main; ", False)):
        done = subprocess.run([sys.executable, "-c", code.format(before)], capture_output=True, text=True)
        assert done.stdout.split() == [str(at_once), "True"], done.stderr


def test_every_name_of_the_front_door_is_there_in_the_program():
    code = f"import lrd_main, lrd_ext; print(*[getattr(lrd_ext, n) is None for n in {lrd_ext.__all__!r}])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.split() == ["False"] * len(lrd_ext.__all__), done.stderr


@pytest.mark.parametrize("words", [[], ["profile"], ["data"], ["train"], ["evaluate"]])
def test_a_command_that_is_not_said_shows_the_help(lrd, words):
    code, out, err = lrd(*words)
    assert (code, err) == (0, "")
    assert out.startswith(" ".join(["usage: lrd", *words]))
    assert out == lrd(*words, "--help")[1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["synth"], "lrd synth: error: missing: IN, -o/--output, --camera, --iso"),
        (["synth", "a.dng", *A7S2], "lrd synth: error: missing: -o/--output"),
        (["calibrate"], "lrd calibrate: error: missing: FOLDER, -o/--output"),
        (["train", "generator", "x"], "lrd train generator: error: missing: -o/--output, --profile"),
        (["profile", "show"], "lrd profile show: error: missing: NAME|FILE"),
    ],
)
def test_what_is_missing_is_named_as_it_is_typed(lrd, words, said):
    code, out, err = lrd(*words)
    name = said.split(":")[0]
    assert (code, out) == (2, "")
    assert err.startswith(f"usage: {name} ")
    assert err.endswith(f"{said} ({name} --help tells more)\n")


@pytest.mark.parametrize("iso", ["800:1600", "800,1600"])
def test_a_range_where_one_number_belongs(lrd, iso):
    code, _, err = lrd("synth", "a.dng", "-o", "b.dng", "--camera", "sony_a7s2", "--iso", iso)
    assert code == 2
    assert f"--iso: must be a number, got '{iso}': one number alone, no range and no list" in err


@pytest.mark.parametrize("name", ["x.png", "x.tif", "x.CR2"])
def test_an_output_of_another_kind_is_refused(lrd, tmp_path, rose_dng, name):
    code, _, err = lrd("synth", rose_dng, "-o", tmp_path / name, *A7S2)
    assert code == 2
    assert "--output must end in .dng or name a folder" in err
    assert [p.name for p in tmp_path.iterdir()] == ["rose.dng"]


def test_a_folder_with_a_dot_in_its_name(lrd, tmp_path, rose_dng):
    assert lrd("synth", rose_dng, "-o", f"{tmp_path}/night.v2/", *A7S2)[0] == 0
    assert lrd("synth", rose_dng, "-o", tmp_path / "night.v2", *A7S2, "--overwrite")[0] == 0
    assert [p.name for p in (tmp_path / "night.v2").iterdir()] == ["rose.dng"]


def test_synth_in_json(lrd, tmp_path, rose_dng):
    code, out, err = lrd("synth", rose_dng, tmp_path / "no.dng", "-o", tmp_path / "out", *A7S2, "--json")
    good, bad = json.loads(out)
    assert code == 1
    assert bad == {
        "input": str(tmp_path / "no.dng"),
        "output": str(tmp_path / "out" / "no.dng"),
        "error": f"{tmp_path}/no.dng: no such file",
    }
    assert err.count("\n") == 1
    assert (good["camera"], good["iso"], good["seed"]) == ("sony_a7s2", 3200, 0)
    assert {name: good[name] for name in good if name not in ("input", "output")} == json.loads(
        raw.read(tmp_path / "out" / "rose.dng").description
    )


def test_inspect_in_json(lrd, tmp_path, rose_dng):
    noisy = tmp_path / "noisy.dng"
    assert lrd("synth", rose_dng, "-o", noisy, *A7S2, "--ratio", 10)[0] == 0
    one = json.loads(lrd("inspect", noisy, "--json")[1])
    assert (one["cfa"], one["iso"], one["made_by"]["ratio"]) == ("RGGB", 3200, 10)
    assert len(one["sites"]) == 4
    two = json.loads(lrd("inspect", rose_dng, noisy, "--json")[1])
    assert (two["ratio"], two["figures"][0]["figure"]) == (10, "K")
    assert abs(two["figures"][0]["measured"]["value"] / two["figures"][0]["predicted"] - 1) < 0.1
    assert two["verdict"] in lrd("inspect", rose_dng, noisy)[1]


def test_profiles_in_json(lrd):
    names = [entry["name"] for entry in json.loads(lrd("profile", "list", "--json")[1])]
    assert "sony_a7s2" in names
    shown = json.loads(lrd("profile", "show", "sony_a7s2", "--json")[1])
    assert shown["profile"] == lrd_ext.load_profile("sony_a7s2").to_dict()
    assert shown["answers"][-1]["iso"] == 25600
    compared = json.loads(lrd("profile", "compare", "sony_a7s2", "--iso", 100, 800, 51200, "--json")[1])
    assert [at["iso"] for at in compared["cameras"][0]["answers"]] == [100, 800]
    drawn = ("profile", "sample", "sony_a7s2", "-n", 2)
    lines = lrd(*drawn, "--jsonl")[1].splitlines()
    assert json.loads(lrd(*drawn, "--json")[1]) == [json.loads(line) for line in lines]


def test_doctor_in_json(lrd):
    found = json.loads(lrd("doctor", "--json")[1])
    assert found["lrd_ext"].startswith(lrd_ext.__version__)
    assert {"python", "torch", "executor", "CUDA", "self-check"} <= set(found)


@pytest.mark.parametrize("factor", [0.5, 5.0])
def test_compare_writes_any_gain_without_an_exponent(lrd, tmp_path, factor):
    """A camera of 16-bit values made of few electrons: K/ISO from 0.5 to 5."""
    data = lrd_ext.load_profile("sony_a7r").to_dict()
    data["branches"][0]["K"] = {"per_iso": factor, "offset": -20 * factor}
    (tmp_path / "own.json").write_text(json.dumps(data))
    out = lrd("profile", "compare", tmp_path / "own.json")[1]
    assert "e+" not in out
    assert f"{800 * factor:.0f}-{1000 * (factor - 20 * factor / 6400):.0f}" in out


def test_a_doubt_is_told_once_as_a_note(lrd, tmp_path, rose_dng):
    doubtful = ("--camera", "google_pixel_4", "--iso", 400)
    noisy = tmp_path / "o.dng"
    for words in (
        ("synth", rose_dng, "-o", noisy, *doubtful),
        ("inspect", rose_dng, noisy, *doubtful),
        ("profile", "sample", "google_pixel_4"),
    ):
        code, out, err = lrd(*words)
        assert code == 0
        assert err.startswith(f"lrd {words[0]}: note: google_pixel_4: sigma_gaussian is doubtful here")
        assert (err.count("\n"), "doubtful" in out) == (1, False)


def test_quiet_prints_errors_alone(lrd, tmp_path, rose_dng):
    words = ("synth", rose_dng, "-o", tmp_path / "o.dng", "--camera", "google_pixel_4", "--iso", 400)
    assert lrd(*words, "--quiet") == (0, "", "")
    code, out, err = lrd(*words, "--quiet")  # it exists by now
    assert (code, out) == (2, "")
    assert "exists already" in err


def test_no_bar_is_drawn_where_all_is_quiet(monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert sys.stderr.isatty()
    with progress.quietly():
        assert not sys.stderr.isatty()


def leaves(parser):
    return [leaf for child in parser.commands.values() for leaf in leaves(child)] or [parser]


def test_what_writes_files_can_be_quiet_and_what_tells_can_tell_json():
    options = {p.prog: {o for a in p._actions for o in a.option_strings} for p in leaves(cli._parser())}
    assert {"--json", "--quiet"} <= options["lrd synth"] & options["lrd calibrate"]
    told = ("profile list", "profile show", "profile sample", "profile compare", "profile import")
    for name in (*told, "inspect", "doctor", "evaluate noise", "evaluate denoiser"):
        assert "--json" in options[f"lrd {name}"]
    for name, known in options.items():
        assert ("-o" in known or "--report" in known) <= ("--quiet" in known), name


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_every_command(lrd, tmp_path, shell):
    code, out, err = lrd("completion", shell)
    assert (code, err) == (0, "")
    for words in ("synth", "--ratio", "prepare", "--quiet"):
        assert words.removeprefix("--") in out
    if shutil.which(shell):
        (tmp_path / "lrd").write_text(out)
        assert subprocess.run([shell, "-n", tmp_path / "lrd"], capture_output=True).stderr == b""


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_completion_in_bash(lrd, tmp_path):
    (tmp_path / "lrd").write_text(lrd("completion", "bash")[1])
    asked = (
        f"source {tmp_path}/lrd; COMP_WORDS=(lrd profile s); COMP_CWORD=2; _shtab_lrd; echo ${{COMPREPLY[@]}}"
    )
    done = subprocess.run(["bash", "-c", asked], capture_output=True, text=True)
    assert sorted(done.stdout.split()) == ["sample", "show"], done.stderr


def test_what_ships_is_completed():
    assert completion.shipped() == {
        "cameras": list_profiles(),
        "generators": list_generators(),
        "denoisers": list_denoisers(),
    }


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("synth --camera canon_5", ["canon_500d", "canon_5d4", "canon_5.json"]),
        ("profile show nikon_d850_", ["nikon_d850_pmn", "nikon_d850_sfrn"]),
        ("synth --generator sim", ["simulated_sensor"]),
        ("denoise --net low", ["low_light"]),
        ("calibrate can", ["canon_5.json"]),
    ],
)
@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_names_and_files_are_completed_in_bash(lrd, tmp_path, typed, offered):
    (tmp_path / "lrd").write_text(lrd("completion", "bash")[1])
    (tmp_path / "canon_5.json").touch()
    words = f"COMP_WORDS=(lrd {typed}); COMP_CWORD={len(typed.split())}"
    asked = f"source ./lrd; {words}; _shtab_lrd; printf '%s\\n' ${{COMPREPLY[@]}}"
    done = subprocess.run(["bash", "-c", asked], capture_output=True, text=True, cwd=tmp_path)
    assert sorted(set(done.stdout.split())) == sorted(offered), done.stderr


def test_the_parser_has_no_name_that_nobody_types():
    for parser in leaves(cli._parser()):
        assert isinstance(parser, Parser)
        assert "[options]" not in parser.format_usage()
