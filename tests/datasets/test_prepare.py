# SPDX-License-Identifier: Apache-2.0
"""Making a store: killed runs go on, bad inputs are named, an older store stays until the new is whole."""

from __future__ import annotations

import errno
import hashlib
import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from tile_files import write_raw

from lrd_ext import cli, datasets
from lrd_ext.datasets import RawTiles, prepare, prepare_tiles


def digest(store):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(store.iterdir())}


def test_jobs_change_no_byte(raws, tmp_path):
    for jobs in (1, 3):
        prepare_tiles(raws[0], tmp_path / str(jobs), jobs=jobs)
    assert digest(tmp_path / "1") == digest(tmp_path / "3")


@pytest.mark.parametrize("after", [0, 1, 2])
def test_an_interrupted_run_goes_on_and_ends_with_the_same_bytes(raws, tmp_path, monkeypatch, after):
    prepare_tiles(raws[0], tmp_path / "whole")
    decoded = []
    read = prepare.raw_files.read

    def reading(path):
        decoded.append(path)
        if len(decoded) > after:
            raise KeyboardInterrupt
        return read(path)

    with monkeypatch.context() as patch:
        patch.setattr(prepare.raw_files, "read", reading)
        with pytest.raises(KeyboardInterrupt):
            prepare_tiles(raws[0], tmp_path / "store")
    with pytest.raises(ValueError, match="is not finished"):
        RawTiles(tmp_path / "store")
    names = []
    prepare_tiles(raws[0], tmp_path / "store", progress=names.append)
    assert len(names) == 3 - after
    assert digest(tmp_path / "store") == digest(tmp_path / "whole")


def test_kills_leave_what_the_next_run_needs(tmp_path):
    (tmp_path / "in").mkdir()
    for i in range(12):
        write_raw(tmp_path / "in" / f"{i:02}.dng", first=i)
    command = [sys.executable, "-c", "from lrd_ext.cli import main; main()", "data", "prepare"]
    command += [str(p) for p in sorted((tmp_path / "in").iterdir())] + ["-o", str(tmp_path / "store")]
    for _ in range(4):
        run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        journal = tmp_path / "store" / "index.part.jsonl"
        while run.poll() is None and not journal.exists():
            time.sleep(0.005)
        time.sleep(random.random() * 0.05)
        run.send_signal(signal.SIGKILL)
        run.wait()
    if not (tmp_path / "store" / "index.json").exists():
        assert subprocess.run(command, check=False).returncode == 0
    prepare_tiles(sorted((tmp_path / "in").iterdir()), tmp_path / "whole")
    assert digest(tmp_path / "store") == digest(tmp_path / "whole")


def test_a_changed_input_is_read_again(raws, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(prepare._Store, "finish", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            prepare_tiles(raws[0], tmp_path / "store")
    write_raw(raws[0][1], height=64, width=160, first=99)
    names = []
    prepare_tiles(raws[0], tmp_path / "store", progress=names.append)
    assert names == ["1.dng"]
    assert not datasets.verify_tiles(tmp_path / "store")
    assert len(RawTiles(tmp_path / "store", size=8)) == 3


def test_a_full_disk_loses_nothing(raws, tmp_path, monkeypatch):
    add = prepare._Store.add

    def full(store, path, decoded):
        if path.name == "1.dng":
            store._values.write(b"half a mosaic")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(store.folder))
        add(store, path, decoded)

    with monkeypatch.context() as patch:
        patch.setattr(prepare._Store, "add", full)
        with pytest.raises(OSError, match="No space left"):
            prepare_tiles(raws[0], tmp_path / "store")
    names = []
    prepare_tiles(raws[0], tmp_path / "store", progress=names.append)
    assert names == ["1.dng", "2.dng"]
    prepare_tiles(raws[0], tmp_path / "whole")
    assert digest(tmp_path / "store") == digest(tmp_path / "whole")


def test_an_older_store_stays_until_the_new_one_is_whole(raws, tmp_path, monkeypatch):
    prepare_tiles(raws[0][:1], tmp_path / "store")
    before = digest(tmp_path / "store")
    with pytest.raises(ValueError, match="--overwrite"):
        prepare_tiles(raws[0], tmp_path / "store")
    with monkeypatch.context() as patch:
        patch.setattr(prepare._Store, "finish", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            prepare_tiles(raws[0], tmp_path / "store", overwrite=True)
    assert before.items() <= digest(tmp_path / "store").items()
    assert len(RawTiles(tmp_path / "store", size=8)) == 1
    prepare_tiles(raws[0], tmp_path / "store", overwrite=True)
    assert len(RawTiles(tmp_path / "store", size=8)) == 3
    assert sorted(p.suffix for p in (tmp_path / "store").iterdir()) == [".json", ".u16"]


def test_a_run_killed_before_its_first_note_leaves_no_trace(raws, tmp_path):
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "mosaics-0.u16").write_bytes(b"opened, and nothing noted yet")
    for name in ("store", "whole"):
        prepare_tiles(raws[0], tmp_path / name)
    assert digest(tmp_path / "store") == digest(tmp_path / "whole")


@pytest.mark.parametrize("others", [False, True])
def test_a_run_killed_behind_its_table_left_a_whole_store(raws, tmp_path, monkeypatch, others):
    with monkeypatch.context() as patch:
        patch.setattr(prepare.Path, "unlink", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            prepare_tiles(raws[0], tmp_path / "store")
    assert {"index.json", "index.part.jsonl"} <= set(digest(tmp_path / "store"))
    if others:  # made anew of other files, and stopped: the store stays as it was
        with monkeypatch.context() as patch:
            patch.setattr(prepare._Store, "finish", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                prepare_tiles(raws[0][:2], tmp_path / "store", overwrite=True)
        assert len(RawTiles(tmp_path / "store", size=8)) == 3
        assert not datasets.verify_tiles(tmp_path / "store")
        return
    names = []
    prepare_tiles(raws[0], tmp_path / "store", progress=names.append)
    assert not names
    prepare_tiles(raws[0], tmp_path / "whole")
    assert digest(tmp_path / "store") == digest(tmp_path / "whole")


def test_two_processes_do_not_write_one_store(raws, tmp_path):
    add = prepare._Store.add

    def second_comes(store, path, decoded):
        with pytest.raises(ValueError, match="another process is writing"):
            prepare_tiles(raws[0], tmp_path / "store")
        add(store, path, decoded)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prepare._Store, "add", second_comes)
        prepare_tiles(raws[0], tmp_path / "store")
    prepare_tiles(raws[0], tmp_path / "whole")
    assert digest(tmp_path / "store") == digest(tmp_path / "whole")


def test_a_damaged_store_is_found_and_made_anew(raws, tmp_path, capsys):
    store = tmp_path / "store"
    arguments = ["data", "prepare", *map(str, raws[0]), "-o", str(store)]
    assert cli.main(arguments) == 0
    before = RawTiles(store, size=16, samples=9)
    items = [before[i]["clean"] for i in range(9)]
    [values] = store.glob("*.u16")
    data = bytearray(values.read_bytes())
    data[100] ^= 4
    values.write_bytes(data)
    assert cli.main(["data", "verify", str(store)]) == 1
    assert "damaged: 0.dng" in capsys.readouterr().err
    assert cli.main(arguments) == 2
    assert cli.main([*arguments, "--overwrite"]) == 0
    assert cli.main(["data", "verify", str(store)]) == 0
    again = RawTiles(store, size=16, samples=9)
    assert all(again[i]["clean"].equal(items[i]) for i in range(9))


def test_bad_inputs_are_named_and_the_others_stored(raws, tmp_path, capsys):
    bad = tmp_path / "in" / "bad.dng"
    bad.write_bytes(b"no raw file")
    store = str(tmp_path / "store")
    assert cli.main(["data", "prepare", *map(str, raws[0]), str(bad), "-o", store, "--jobs", "2"]) == 1
    out, err = capsys.readouterr()
    assert "3 mosaics of 3 files" in out
    assert err.count("\n") == 1
    assert "left out" in err
    assert "bad.dng" in err
    assert cli.main(["data", "verify", store]) == 0
    assert "3 mosaics are as they were stored" in capsys.readouterr().out


@pytest.mark.parametrize("cfa", ["XTRANS@1,2", "QUAD"])
def test_patterns_that_do_not_pack_in_four_planes_are_refused_by_name(tmp_path, cfa):
    write_raw(tmp_path / "large.dng", cfa=cfa)
    said = f"large.dng: pattern of training data must be one of RGGB, .*, got '{cfa}'"
    with pytest.raises(ValueError, match=said):
        datasets.RawFolder(tmp_path, size=16)[0]
    with pytest.raises(ValueError, match=said):
        prepare_tiles([tmp_path / "large.dng"], tmp_path / "store")


def test_black_levels_beyond_2x2_are_refused_by_name(tmp_path):
    """Nobody who reads the store would know of them."""
    write_raw(tmp_path / "lines.dng", black_offsets=np.repeat([[60.0], [0], [-60], [0]], 2, 1))
    said = r"lines.dng: its black level differs over 4 x 2 pixels; figures of a profile are by 2x2 site"
    with pytest.raises(ValueError, match=said):
        datasets.RawFolder(tmp_path, size=16)[0]
    with pytest.raises(ValueError, match=said):
        prepare_tiles([tmp_path / "lines.dng"], tmp_path / "store")


@pytest.fixture
def without_black(raws, monkeypatch):
    """Let the second file give no black level."""
    read = prepare.raw_files.read

    def reading(path):
        known = path.name != "1.dng"
        return read(path) if known else read(path).replace(black=0, black_known=False)

    monkeypatch.setattr(prepare.raw_files, "read", reading)
    return raws[0]


def test_a_file_without_a_black_level_is_left_out_unless_it_is_said(without_black, tmp_path, capsys):
    words = ["data", "prepare", *map(str, without_black), "-o", str(tmp_path / "store")]
    assert cli.main(words) == 1
    assert "1.dng: gives no black level, and with 0 in its place" in capsys.readouterr().err
    assert [t.source for t in RawTiles(tmp_path / "store", 8).tiles] == ["0.dng", "2.dng"]
    assert cli.main([*words, "--overwrite", "--black", "500,501,502,503"]) == 0
    assert {t.black for t in RawTiles(tmp_path / "store", 8).tiles} == {(500, 501, 502, 503)}


def test_raw_folders_refuse_a_file_without_a_black_level_unless_it_is_said(without_black):
    folder = without_black[0].parent
    with pytest.raises(ValueError, match=r"1.dng: gives no black level, .*; say --black \(black=\)"):
        datasets.RawFolder(folder, 8)[1]
    assert datasets.RawFolder(folder, 8, black=500)[1]["black"].tolist() == [500] * 4
    for black, said in (
        (-1, "black must be one number or four"),
        (16383, "1.dng: Raw: black .* below white"),
    ):
        with pytest.raises(ValueError, match=said):
            datasets.RawFolder(folder, 8, black=black)[1]


def test_a_killed_run_of_another_black_level_is_not_gone_on_with(raws, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(prepare._Store, "finish", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            prepare_tiles(raws[0], tmp_path / "store")
    prepare_tiles(raws[0], tmp_path / "store", black=500)
    assert {t.black for t in RawTiles(tmp_path / "store", 8).tiles} == {(500,) * 4}


@pytest.mark.parametrize(
    ("inputs", "options", "said"),
    [
        ([], {}, "at least one raw file"),
        ([0, 0], {}, "twice"),
        ([0], {"tile": 0}, "tile must"),
        ([0], {"tile": 4000}, "none of the inputs"),
        ([0], {"jobs": 0}, "jobs must"),
        (["gone.dng"], {}, "none of the inputs"),
    ],
)
def test_wrong_use_is_refused(raws, tmp_path, inputs, options, said):
    paths = [raws[0][i] if isinstance(i, int) else i for i in inputs]
    with pytest.raises(ValueError, match=said):
        prepare_tiles(paths, tmp_path / "store", **options)
    assert not (tmp_path / "store" / "index.json").exists()
