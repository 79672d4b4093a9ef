# SPDX-License-Identifier: Apache-2.0
"""Outputs appear whole or not at all, keep the mode of what they replace; killed runs leave nothing."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import lrd_ext
from lrd_ext import outputs
from lrd_ext.outputs import check_target, remove_abandoned, replacing, write_files

WRITES_FOR_EVER = """
import sys, time
sys.path.insert(0, {root!r})
from lrd_ext.outputs import replacing
with replacing({target!r}) as file:
    file.write(b"half")
    print("writing", flush=True)
    time.sleep(600)
"""


def temporaries(folder: Path) -> list[str]:
    return [name for name in os.listdir(folder) if name.endswith(".part")]


@pytest.fixture
def writer(tmp_path):
    """A process in the middle of writing tmp_path/file."""
    root = str(Path(lrd_ext.__file__).parents[1])
    code = WRITES_FOR_EVER.format(root=root, target=str(tmp_path / "file"))
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        yield process
        process.kill()


def test_what_a_killed_process_left_is_removed_by_the_next_writer(tmp_path, writer):
    assert len(temporaries(tmp_path)) == 1
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    assert len(temporaries(tmp_path)) == 1
    write_files({tmp_path / "other": b"whole"})
    assert os.listdir(tmp_path) == ["other"]


def test_what_another_process_is_writing_stays(tmp_path, writer):
    remove_abandoned(tmp_path)
    assert len(temporaries(tmp_path)) == 1


def test_what_this_process_is_writing_stays(tmp_path):
    with replacing(tmp_path / "file") as file:
        remove_abandoned(tmp_path)
        file.write(b"whole")
    assert os.listdir(tmp_path) == ["file"]


def test_an_earlier_process_with_our_number_is_gone(tmp_path):
    left = tmp_path / f".lrd_ext-{outputs._MACHINE}-{os.getpid()}-0badcafe.part"
    left.write_bytes(b"half")
    remove_abandoned(tmp_path)
    assert not left.exists()


def test_files_of_other_machines_and_programs_stay(tmp_path):
    others = {f".lrd_ext-00000000-{os.getpid()}-0badcafe.part", ".download.part", "movie.part"}
    for name in others:
        (tmp_path / name).write_bytes(b"theirs")
    remove_abandoned(tmp_path)
    assert set(os.listdir(tmp_path)) == others


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444, 0o755])
def test_the_mode_of_a_replaced_file_is_kept(tmp_path, mode):
    target = tmp_path / "file"
    target.write_bytes(b"old")
    target.chmod(mode)
    write_files({target: b"new"})
    assert target.read_bytes() == b"new"
    assert stat.S_IMODE(target.stat().st_mode) == mode


def test_a_new_file_has_the_mode_the_system_gives(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    write_files({tmp_path / "file": b""})
    assert (tmp_path / "file").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_link_to_the_output_is_followed(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "link").symlink_to(elsewhere / "file")
    write_files({tmp_path / "link": b"whole"})
    assert (tmp_path / "link").is_symlink()
    assert (elsewhere / "file").read_bytes() == b"whole"
    assert os.listdir(elsewhere) == ["file"]


def test_a_link_planted_under_the_temporary_name_is_not_followed(tmp_path, monkeypatch):
    monkeypatch.setattr(outputs.secrets, "token_hex", lambda n: "0badcafe")
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (tmp_path / f".lrd_ext-{outputs._MACHINE}-{os.getpid()}-0badcafe.part").symlink_to(victim)
    outputs._remove_abandoned_once(tmp_path)  # else the link would go as what a killed process left
    (tmp_path / f".lrd_ext-{outputs._MACHINE}-{os.getpid()}-0badcafe.part").symlink_to(victim)
    with pytest.raises(OSError, match="File exists"):
        write_files({tmp_path / "file": b"new"})
    assert victim.read_bytes() == b"precious"
    assert not (tmp_path / "file").exists()


def test_an_exception_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "file"
    target.write_bytes(b"old")

    def stop() -> None:
        assert len(temporaries(tmp_path)) == 2
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_files({target: b"new", tmp_path / "second": b"new"}, last_check=stop)
    assert os.listdir(tmp_path) == ["file"]
    assert target.read_bytes() == b"old"


def test_the_last_named_file_appears_first(tmp_path, monkeypatch):
    order, replace = [], os.replace
    monkeypatch.setattr(os, "replace", lambda a, b: (order.append(Path(b).name), replace(a, b)))
    write_files({tmp_path / "profile": b"", tmp_path / "maps": b""})
    assert order == ["maps", "profile"]


def test_a_refused_write_names_the_file_the_user_knows(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match="file") as caught:
        write_files({tmp_path / "file" / "below": b""})
    assert ".part" not in str(caught.value)


class TestRefusals:
    def test_suffix(self, tmp_path):
        with pytest.raises(ValueError, match=r"--plot must end in \.png, got .*plot\.jpg"):
            check_target(tmp_path / "plot.jpg", "--plot", suffix=".png")
        assert check_target(tmp_path / "PLOT.PNG", "--plot", suffix=".png") == tmp_path / "PLOT.PNG"

    def test_folder(self, tmp_path):
        with pytest.raises(ValueError, match=r"raw\.write_dng: path must name a file, got the folder"):
            check_target(tmp_path, "raw.write_dng: path")

    def test_existing_file(self, tmp_path):
        (tmp_path / "file").touch()
        with pytest.raises(ValueError, match="file exists already; say --overwrite to replace it"):
            check_target(tmp_path / "file", "--output", overwrite=False)
        check_target(tmp_path / "file", "--output")

    def test_missing_folder(self, tmp_path):
        target = tmp_path / "a" / "b" / "file"
        with pytest.raises(ValueError, match=f"must lie in an existing folder.*Make {target.parent} first"):
            check_target(target, "--output")
        check_target(target, "--output", make_folders=True)
        write_files({target: b"whole"})
        assert target.read_bytes() == b"whole"

    def test_file_in_place_of_a_folder(self, tmp_path):
        (tmp_path / "a").touch()
        for make_folders in (False, True):
            with pytest.raises(ValueError, match=r"a is a file, not a folder"):
                check_target(tmp_path / "a" / "file", "--output", make_folders=make_folders)

    def test_read_only_folder(self, tmp_path, monkeypatch):
        monkeypatch.setattr(os, "access", lambda path, mode: False)  # the mode bits do not stop root
        with pytest.raises(ValueError, match=f"the folder {tmp_path} is read-only"):
            check_target(tmp_path / "file", "--output")
