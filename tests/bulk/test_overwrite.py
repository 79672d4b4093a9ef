# SPDX-License-Identifier: Apache-2.0
"""What --overwrite removes: every file the earlier run named, and nothing beside."""

from __future__ import annotations

import json

import pytest
from shard_files import contents

from lrd_ext import cli
from lrd_ext.bulk import find_sources, storage, synthesize

NOTES = {"notes.txt": b"mine", "000009-mine-0000-0000.npz": b"no pair"}


def put(folder, files):
    for name, data in files.items():
        (folder / name).write_bytes(data)


@pytest.mark.parametrize("name", ["npz", "webdataset", "parquet", "tiles"])
def test_nothing_of_the_earlier_run_stays(tmp_path, sources, recipe, name):
    """Three pictures in another format in place of five."""
    out = tmp_path / "out"
    synthesize(sources, str(out), recipe(format=name))
    put(out, NOTES)
    other = recipe(format="webdataset" if name == "npz" else "npz", copies=1)
    synthesize(sources[:3], str(out), other, overwrite=True)
    synthesize(sources[:3], str(tmp_path / "alone"), other)
    assert contents(out) == contents(tmp_path / "alone") | NOTES
    assert not [path for path in out.iterdir() if path.is_dir()]


def stop_after(number):
    seen = []

    def stop(source):
        seen.append(source)
        if len(seen) == number:
            raise KeyboardInterrupt

    return stop


@pytest.mark.parametrize("name", ["npz", "tiles"])
def test_nor_of_one_that_was_not_finished(tmp_path, sources, recipe, name):
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        synthesize(sources, str(out), recipe(format=name), progress=stop_after(3))
    put(out, NOTES)
    synthesize(sources[:1], str(out), recipe(copies=1), overwrite=True, resume=True)
    synthesize(sources[:1], str(tmp_path / "alone"), recipe(copies=1))
    assert contents(out) == contents(tmp_path / "alone") | NOTES


@pytest.mark.parametrize("finished", [True, False])
def test_a_removal_that_was_stopped_is_ended_by_the_next(tmp_path, sources, recipe, monkeypatch, finished):
    out, removed = tmp_path / "out", []
    if finished:
        synthesize(sources, str(out), recipe())
    else:
        with pytest.raises(KeyboardInterrupt):
            synthesize(sources, str(out), recipe(), progress=stop_after(3))

    removing = storage.Storage.remove_file

    def remove(self, name):
        removed.append(name)
        if len(removed) == 5:
            raise KeyboardInterrupt
        removing(self, name)

    with monkeypatch.context() as patch:
        patch.setattr(storage.Storage, "remove_file", remove)
        with pytest.raises(KeyboardInterrupt):
            synthesize(sources[:1], str(out), recipe(), overwrite=True)
    for resume in (False, True):  # neither as if nothing were there, nor with lines whose files are gone
        with pytest.raises(ValueError, match="whose removal was stopped; say --overwrite"):
            synthesize(sources, str(out), recipe(), resume=resume)
    synthesize(sources[:1], str(out), recipe(), overwrite=True)
    synthesize(sources[:1], str(tmp_path / "alone"), recipe())
    assert contents(out) == contents(tmp_path / "alone")


def test_no_name_leads_out_of_the_output_and_a_damaged_index_names_nothing(tmp_path, sources, recipe):
    out, outside = tmp_path / "out", tmp_path / "kept.npz"
    synthesize(sources[:2], str(out), recipe())
    outside.write_bytes(b"mine")
    put(out, NOTES)
    with open(out / "index.jsonl", "a") as index:
        index.write(json.dumps({"files": dict.fromkeys(("../kept.npz", str(outside), "notes.txt", ".", ""))}))
    synthesize(sources[:1], str(out), recipe(copies=1), overwrite=True)
    assert outside.exists()
    assert {*NOTES, "000001-scene1-0000-0001.npz"} <= set(contents(out))
    (out / "manifest.json").unlink()  # now the index alone tells what is there
    with open(out / "index.jsonl", "a") as index:
        names = ("../kept.npz", str(outside), "noisy/../../kept.npz")
        index.write(json.dumps({"files": dict.fromkeys(names)}))
        index.write("\n[1]\n{}\nno JSON\n")
    synthesize(sources[:1], str(out), recipe(format="parquet"), overwrite=True)
    assert outside.exists()
    assert "000000-scene0-0000-0000.npz" not in contents(out)


def test_an_input_that_would_be_removed_is_refused_first(tmp_path, sources, recipe, capsys):
    out = tmp_path / "out"
    synthesize(sources, str(out), recipe(format="dng", size=None, iso=1600.0, ratio=50.0))
    synthesize(sources, str(tmp_path / "stores"), recipe(format="tiles"))
    before = contents(tmp_path)
    with pytest.raises(ValueError, match=r"0000\.dng: --overwrite would remove this input"):
        synthesize(find_sources([out]), str(out), recipe(), overwrite=True)
    command = ["data", "synthesize", str(tmp_path / "stores/clean"), "-o", str(tmp_path / "stores")]
    assert cli.main([*command, "--camera", "sony_a7s2", "--iso", "800", "--overwrite"]) == 2
    assert "stores/clean: --overwrite would remove this input" in capsys.readouterr().err
    assert contents(tmp_path) == before
