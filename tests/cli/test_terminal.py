# SPDX-License-Identifier: Apache-2.0
"""What reaches a terminal: no control characters of others, whatever the name, and one line per error."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import torch
from rose_picture import rose

from lrd_ext import load_profile, raw, synth_files
from lrd_ext.plain_text import plain

A7S2 = ("--camera", "sony_a7s2", "--iso", 3200)
TITLE, CLEAR, C1 = "\x1b]0;owned\x07", "\x1b[2J", "\x9b2J"
FAKED = f"Canon{TITLE}{CLEAR}{C1}\nlrd: all is well\r\u202egpj"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Größe 日本 €\xa0x", "Größe 日本 €\xa0x"),
        (TITLE, r"\x1b]0;owned\x07"),
        ("a\nb\rc\td\x00\x7f", r"a\nb\rc\td\x00\x7f"),
        (C1, r"\x9b2J"),
        ("\u202egpj\u2028", r"\u202egpj\u2028"),
        (os.fsdecode(b"caf\xe9"), r"caf\xe9"),
        ("\ud800", r"\ud800"),
    ],
)
def test_what_is_not_printable_is_escaped(text, shown):
    assert plain(text) == shown


def is_clean(text: str) -> bool:
    return all(c.isprintable() or c == "\n" for c in text)


def test_a_dollar_in_a_name_begins_no_formula(lrd, tmp_path):
    data = load_profile("sony_a7s2").to_dict() | {"name": "$x_{", "make": "$\\frac", "model": "a $ b $"}
    path = tmp_path / "dollar.json"
    path.write_text(json.dumps(data))
    for name, cameras in (("one.png", [path]), ("two.png", [path, "canon_70d"])):
        action = "show" if len(cameras) == 1 else "compare"
        code, _, err = lrd("profile", action, *cameras, "--plot", tmp_path / name)
        assert (code, err) == (0, "")


@pytest.fixture
def faked_profile(tmp_path):
    data = load_profile("sony_a7s2").to_dict()
    data |= {
        "name": FAKED,
        "make": FAKED,
        "model": f"[/x] [bold] {FAKED}",
        "notes": [FAKED],
        "licence": FAKED,
    }
    data["sources"] = [{name: FAKED for name in ("title", "url", "paper", "section", "licence")}]
    data["doubtful"] = [{"field": "sigma_row", "reason": FAKED}]
    path = tmp_path / "faked.json"
    path.write_text(json.dumps(data))
    return path


@pytest.mark.parametrize("action", [("show",), ("compare",), ("sample", "--iso", 800)])
def test_names_in_a_profile_give_no_orders_to_a_terminal(lrd, tmp_path, faked_profile, action):
    name, *options = action
    plot = [] if name == "sample" else ["--plot", tmp_path / "p.png"]
    code, out, err = lrd("profile", name, faked_profile, *options, *plot)
    assert code == 0
    assert is_clean(out + err)
    assert "all is well" not in [line.strip() for line in (out + err).splitlines()]
    assert not any(line.startswith("lrd: all") for line in (out + err).splitlines())


def test_names_in_a_raw_file_give_no_orders_to_a_terminal(lrd, tmp_path, faked_profile):
    source = tmp_path / f"shot{CLEAR}\nlrd: all is well.dng"
    raw.write_dng(source, rose("RGGB"))
    for arguments in (
        ("inspect", source),
        (
            "synth",
            source,
            "-o",
            tmp_path / "o.dng",
            "--camera",
            faked_profile,
            "--iso",
            3200,
            "--preview",
            tmp_path / "p.png",
        ),
        ("synth", tmp_path / f"none{CLEAR}\n.dng", "-o", tmp_path / "p.dng", *A7S2),
        ("profile", "show", f"none{CLEAR}\n"),
    ):
        _, out, err = lrd(*arguments)
        assert out + err
        assert is_clean(out + err), arguments
        assert not any(line.startswith("lrd: all") for line in (out + err).splitlines())


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="file names there are Unicode")
def test_names_that_are_not_utf8_work_from_reading_to_printing(tmp_path, rose_dng):
    named = os.fsencode(tmp_path) + b"/caf\xe9.dng"
    os.rename(rose_dng, named)
    target = os.fsencode(tmp_path) + b"/\xff.dng"
    command = [sys.executable, "-m", "lrd_main"]
    for arguments in (["synth", named, "-o", target, *map(str, A7S2)], ["inspect", named, target]):
        done = subprocess.run([*command, *arguments], capture_output=True, timeout=120)
        assert (done.returncode, done.stderr) == (0, b"")
        assert rb"caf\xe9.dng" in done.stdout
        assert rb"\xff.dng" in done.stdout


ERRORS = {
    "zero": (lambda: 1 / 0, "ZeroDivisionError (division by zero) at synth_files.py, line "),
    "memory": (lambda: bytearray(1 << 62), "not enough memory"),
    "torch's memory": (lambda: torch.empty(1 << 50), "not enough memory ("),
    "recursion": (lambda: json.loads("[" * 100_000), "RecursionError"),
    "huge": (lambda: float(10**400), "OverflowError"),
    "key": (lambda: {}["plain\x1b"], r"KeyError ('plain\x1b') at synth_files.py, line "),
    "rawpy's": (lambda: (_ for _ in ()).throw(NotImplementedError("filters: 148")), "filters: 148"),
}


@pytest.mark.parametrize("kind", ERRORS)
def test_any_error_of_one_input_stays_with_it(lrd, tmp_path, rose_dng, monkeypatch, kind):
    go_wrong, said = ERRORS[kind]
    other = tmp_path / "b.dng"
    other.write_bytes(rose_dng.read_bytes())
    read = raw.read
    monkeypatch.setattr(synth_files.raw_files, "read", lambda p: go_wrong() if p == other else read(p))
    code, _, err = lrd("synth", rose_dng, other, "-o", tmp_path / "out", *A7S2)
    assert code == 1
    assert err.startswith(f"lrd synth: error: {other}: ")
    assert said in err
    assert err.count("\n") == 1
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["rose.dng"]
    code, _, err = lrd("synth", other, "-o", tmp_path / "out2", *A7S2)
    assert (code, err.count("\n")) == (2, 1)


def test_a_warning_is_one_line_without_source(lrd, tmp_path, rose_dng, monkeypatch):
    import warnings

    read = raw.read

    def warn(path):
        warnings.warn(f"odd{CLEAR}", UserWarning, stacklevel=1)
        return read(path)

    monkeypatch.setattr(synth_files.raw_files, "read", warn)
    code, _, err = lrd("synth", rose_dng, "-o", tmp_path / "o.dng", *A7S2)
    assert (code, err) == (0, "lrd synth: note: odd\\x1b[2J\n")
