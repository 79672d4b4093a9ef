# SPDX-License-Identifier: Apache-2.0
"""lrd synth: what it refuses, and what a failure or an interrupt leaves."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
import types

import numpy as np
import pytest

from lrd_ext import jobs, raw, synth_files

A7S2 = ("--camera", "sony_a7s2", "--iso", 3200)


REFUSED = {
    "missing file": (["{tmp}/none.dng", *A7S2], "none.dng"),
    "directory": (["{tmp}", *A7S2], "folder"),
    "text file": (["{tmp}/notes.txt", *A7S2], "notes.txt"),
    "truncated raw": (["{tmp}/short.dng", *A7S2], "short.dng"),
    "iso outside the profile": (["{rose}", "--camera", "sony_a7s2", "--iso", 51200], "25600"),
    "unknown camera": (["{rose}", "--camera", "sony_a7s3", "--iso", 800], "sony_a7s2"),
    "negative ratio": (["{rose}", *A7S2, "--ratio", -3], "ratio"),
    "ratio nan": (["{rose}", *A7S2, "--ratio", "nan"], "ratio"),
    "negative index": (["{rose}", *A7S2, "--index", -1], "index"),
    "no jobs": (["{rose}", *A7S2, "--jobs", 0], "--jobs"),
    "iso no number": (["{rose}", "--camera", "sony_a7s2", "--iso", "high"], "iso"),
    "preview of another kind": (["{rose}", *A7S2, "--preview", "{tmp}/p.jpg"], "p.jpg"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_refused_by_name_and_leaves_nothing(lrd, tmp_path, rose_dng, case):
    (tmp_path / "notes.txt").write_text("not a raw file")
    (tmp_path / "short.dng").write_bytes(rose_dng.read_bytes()[:-1000])
    arguments, word = REFUSED[case]
    arguments = [str(a).format(tmp=tmp_path, rose=rose_dng) for a in arguments]
    before = sorted(tmp_path.iterdir())
    code, _, err = lrd("synth", *arguments, "-o", tmp_path / "out.dng")
    assert code == 2
    assert word in err
    assert "Traceback" not in err
    assert sorted(tmp_path.iterdir()) == before


def test_existing_output_needs_overwrite(lrd, tmp_path, rose_dng):
    target = tmp_path / "out.dng"
    target.write_bytes(b"old")
    code, _, err = lrd("synth", rose_dng, "-o", target, *A7S2)
    assert (code, target.read_bytes()) == (2, b"old")
    assert "--overwrite" in err
    assert lrd("synth", rose_dng, "-o", target, *A7S2, "--overwrite")[0] == 0
    assert raw.read(target).iso == 3200


def test_read_only_folder_is_named(lrd, tmp_path, rose_dng, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # the mode bits do not stop root
    code, _, err = lrd("synth", rose_dng, "-o", tmp_path / "o.dng", *A7S2)
    assert code == 2
    assert f"{tmp_path} is read-only" in err
    assert [p.name for p in tmp_path.iterdir()] == ["rose.dng"]


@pytest.mark.parametrize("flags", [[], ["--overwrite"]])
def test_output_must_not_be_the_input(lrd, rose_dng, flags):
    old = rose_dng.read_bytes()
    code, _, err = lrd("synth", rose_dng, "-o", rose_dng, *A7S2, *flags)
    assert (code, rose_dng.read_bytes()) == (2, old)
    assert "input" in err


def test_ten_files_with_a_bad_one(lrd, tmp_path, rose_dng):
    sources = []
    for i in range(10):
        source = tmp_path / f"shot{i}.dng"
        source.write_bytes(rose_dng.read_bytes() if i != 4 else b"garbage")
        sources.append(source)
    folder = tmp_path / "out"
    code, out, err = lrd("synth", *sources, "-o", folder, *A7S2, "--jobs", 2, "--preview", tmp_path / "png")
    assert code == 1
    assert "shot4.dng" in err
    assert "9 of 10" in out
    assert sorted(p.name for p in folder.iterdir()) == [f"shot{i}.dng" for i in range(10) if i != 4]
    # The third file of the batch is the third on its own: its index says so.
    assert lrd("synth", sources[2], "-o", tmp_path / "alone.dng", *A7S2, "--index", 2)[0] == 0
    np.testing.assert_array_equal(
        raw.read(tmp_path / "alone.dng").mosaic, raw.read(folder / "shot2.dng").mosaic
    )


@pytest.mark.parametrize("jobs", [1, 2])
def test_no_output_replaces_another_input(lrd, tmp_path, rose_dng, jobs):
    folder = tmp_path / "out"
    folder.mkdir()
    inside, first = folder / "rose.dng", tmp_path / "first" / "inside.dng"
    first.parent.mkdir()
    for path in (inside, first):
        path.write_bytes(rose_dng.read_bytes())
    os.rename(inside, folder / "inside.dng")
    old = (folder / "inside.dng").read_bytes()
    sources = (folder / "inside.dng", rose_dng)
    code, _, err = lrd("synth", *sources, "-o", folder, *A7S2, "--overwrite", "--jobs", jobs)
    assert code == 2
    assert "--output must not be an input itself" in err
    code, _, err = lrd("synth", first, rose_dng, sources[0], "-o", folder, *A7S2, "--overwrite")
    assert code == 2
    assert (folder / "inside.dng").read_bytes() == old
    assert [p.name for p in folder.iterdir()] == ["inside.dng"]


def test_no_picture_replaces_an_input_or_the_output(lrd, tmp_path, rose_dng):
    source = tmp_path / "pic.png"
    os.rename(rose_dng, source)
    old = source.read_bytes()
    for output in (tmp_path / "o.dng", tmp_path):
        code, _, err = lrd("synth", source, "-o", output, *A7S2, "--preview", source, "--overwrite")
        assert code == 2
        assert "--preview must not be an input itself" in err
    assert source.read_bytes() == old


def test_pictures_of_several_inputs_need_a_folder(lrd, tmp_path, rose_dng):
    other = tmp_path / "b.dng"
    other.write_bytes(rose_dng.read_bytes())
    code, _, err = lrd(
        "synth", rose_dng, other, "-o", tmp_path / "out", *A7S2, "--preview", tmp_path / "p.png"
    )
    assert code == 2
    assert "--preview must be a folder for several inputs" in err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["b.dng", "rose.dng"]


def test_a_name_that_the_output_encoding_lacks_does_not_end_the_batch(tmp_path, rose_dng):
    named = tmp_path / "日本.dng"
    os.rename(rose_dng, named)
    (tmp_path / "b.dng").write_bytes(named.read_bytes())
    command = [sys.executable, "-m", "lrd_main", "synth", named, tmp_path / "b.dng", "-o", tmp_path / "out"]
    environment = os.environ | {"PYTHONIOENCODING": "cp1252"}
    done = subprocess.run([*command, *map(str, A7S2)], env=environment, capture_output=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, b"")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["b.dng", "日本.dng"]


@pytest.mark.native
def test_an_unknown_instruction_set_is_named(tmp_path, rose_dng):
    command = [sys.executable, "-m", "lrd_main", "synth", rose_dng, "-o", tmp_path / "o.dng", *map(str, A7S2)]
    environment = os.environ | {"LRD_EXT_ISA": "bogus"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert "LRD_EXT_ISA must be one of baseline" in done.stderr
    assert "Traceback" not in done.stderr


def test_two_inputs_of_one_name_are_refused(lrd, tmp_path, rose_dng):
    other = tmp_path / "b" / "rose.dng"
    other.parent.mkdir()
    other.write_bytes(rose_dng.read_bytes())
    code, _, err = lrd("synth", rose_dng, other, "-o", tmp_path / "out", *A7S2)
    assert code == 2
    assert "both" in err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("flags", [[], ["--preview", "new/p.png"]])
def test_no_folder_is_left_of_a_run_without_output(lrd, tmp_path, flags):
    (tmp_path / "bad.dng").write_bytes(b"garbage")
    flags = [tmp_path / f if f.endswith(".png") else f for f in flags]
    assert lrd("synth", tmp_path / "bad.dng", "-o", tmp_path / "new" / "o.dng", *A7S2, *flags)[0] == 2
    assert [p.name for p in tmp_path.iterdir()] == ["bad.dng"]


def test_picture_that_cannot_be_written_takes_the_raw_file_with_it(lrd, tmp_path, rose_dng, monkeypatch):
    written = []

    def full_at_the_second_file(fd):
        written.append(fd)
        if len(written) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full_at_the_second_file)
    code, _, err = lrd("synth", rose_dng, "-o", tmp_path / "o.dng", *A7S2, "--preview", tmp_path / "p.png")
    assert code == 2
    assert f"{tmp_path / 'p.png'}: {os.strerror(errno.ENOSPC)}" in err
    assert [p.name for p in tmp_path.iterdir()] == ["rose.dng"]


def test_missing_package_is_named(lrd, tmp_path, rose_dng, monkeypatch):
    monkeypatch.setitem(sys.modules, "rawpy", None)
    code, _, err = lrd("synth", rose_dng, "-o", tmp_path / "o.dng", *A7S2)
    assert code == 2
    assert err == "lrd synth: error: the package rawpy is missing; pip install rawpy\n"


def test_interrupt_half_way_through_a_file_leaves_nothing_of_it(lrd, tmp_path, rose_dng, monkeypatch):
    """The signal comes while the file is in work, which goes on only when the main thread has seen it."""
    stops = []

    class Stop(threading.Event):
        def __init__(self):
            super().__init__()
            stops.append(self)

    def recipe(*arguments):
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        assert stops[0].wait(60)
        return "{}"

    monkeypatch.setattr(jobs, "threading", types.SimpleNamespace(Event=Stop))
    monkeypatch.setattr(synth_files, "recipe", recipe)
    code, _, err = lrd("synth", rose_dng, "-o", tmp_path / "o.dng", *A7S2, "--preview", tmp_path / "p.png")
    assert (code, err) == (2, "lrd synth: interrupted\n")
    assert [p.name for p in tmp_path.iterdir()] == ["rose.dng"]


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_interrupt_while_the_program_loads_is_one_line(name):
    code = """
import signal, sys, lrd_main

class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            signal.raise_signal(signal.{name})

sys.meta_path.insert(0, Interrupt())
sys.argv = ["lrd", "doctor"]
lrd_main.main()
""".replace("{name}", name)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "lrd: interrupted\n")


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_of_a_batch_keeps_whole_files_only(tmp_path, rose_dng, number):
    # 200 files keep it busy; whatever is finished is whole, nothing else is there.
    sources = [tmp_path / f"s{i}.dng" for i in range(200)]
    for source in sources:
        os.link(rose_dng, source)
    folder = tmp_path / "out"
    process = subprocess.Popen(
        [sys.executable, "-m", "lrd_main", "synth", *sources, "-o", folder, *map(str, A7S2)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    while process.poll() is None and len(list(folder.glob("*.dng"))) < 3:
        time.sleep(0.01)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (2, "lrd synth: interrupted\n")
    written = list(folder.iterdir())
    assert 3 <= len(written) < 200
    assert all(raw.read(path).iso == 3200 for path in written)


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize("command", ["calibrate", "inspect", "profile", "doctor"])
def test_every_command_ends_on_sigterm_in_one_line(command):
    """The signal comes in the midst of the command's own work."""
    arguments = {"inspect": ["x.dng"], "profile": ["list"], "calibrate": [".", "-o", "x.json"]}
    code = f"""
import signal, sys, lrd_main
from lrd_ext.commands import {command}

def run(options):
    signal.raise_signal(signal.SIGTERM)

{command}.run = run
sys.argv = ["lrd", {command!r}, *{arguments.get(command, [])!r}]
sys.exit(lrd_main.main())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"lrd {command}: interrupted\n")


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_a_signal_that_is_ignored_stays_ignored():
    """As nohup and shells that start a program in the background ask for."""
    code = """
import signal, sys, lrd_main
from lrd_ext.commands import doctor

def run(options):
    signal.raise_signal(signal.SIGHUP)
    return 0

doctor.run = run
signal.signal(signal.SIGHUP, signal.SIG_IGN)
sys.argv = ["lrd", "doctor"]
sys.exit(lrd_main.main())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
