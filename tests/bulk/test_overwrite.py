# SPDX-License-Identifier: Apache-2.0
"""What --overwrite removes: every file the earlier run named, and nothing beside."""

from __future__ import annotations

import json

import pytest
import torch
from shard_files import contents

from lrd_ext import cli
from lrd_ext.bulk import find_sources, storage, synthesize
from lrd_ext.datasets import prepare_tiles

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


@pytest.mark.parametrize("overwrite", [False, True])
def test_tables_of_another_store_stay(tmp_path, raws, sources, recipe, overwrite):
    prepare_tiles([raws / "scene0.dng"], tmp_path / "clean")
    if overwrite:
        synthesize(sources[:2], str(tmp_path), recipe())
    before = contents(tmp_path)
    with pytest.raises(ValueError, match=r"its clean/index\.json is of no earlier output"):
        synthesize(sources, str(tmp_path), recipe(format="tiles"), overwrite=overwrite)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("damaged", [False, True])
def test_tables_of_the_earlier_run_do_not(tmp_path, sources, recipe, damaged):
    synthesize(sources[:2], str(tmp_path / "out"), recipe(format="tiles", seed=1))
    if damaged:
        put(tmp_path / "out", {"index.jsonl": b"[1]\n"})
    synthesize(sources[:2], str(tmp_path / "out"), recipe(format="tiles"), overwrite=True)
    synthesize(sources[:2], str(tmp_path / "alone"), recipe(format="tiles"))
    assert contents(tmp_path / "out") == contents(tmp_path / "alone")


@pytest.mark.parametrize(
    ("given", "options", "changes", "said"),
    [
        (["gone.dng"], {}, {}, r"no source could be read; the first: gone\.dng"),
        (None, {}, {"size": 500}, "hold 0 crops of 500 cells"),
        (None, {"device": "gpu"}, {}, "device must be cpu or cuda, got 'gpu'"),
        (None, {"device": "cuda"}, {}, "device: cuda needs a GPU"),
        (
            None,
            {"device": "cuda"},
            {"format": "dng", "size": None, "iso": 800.0, "ratio": 2.0},
            "cuda needs a GPU",
        ),
    ],
)
def test_an_output_goes_only_where_another_can_be_made(
    tmp_path, sources, recipe, monkeypatch, given, options, changes, said
):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    synthesize(sources[:2], str(tmp_path), recipe())
    before = contents(tmp_path)
    others = find_sources(given) if given else sources
    with pytest.raises(ValueError, match=said):
        synthesize(others, str(tmp_path), recipe(**changes), overwrite=True, **options)
    assert contents(tmp_path) == before


def test_a_picture_that_cannot_be_read_is_no_reason_to_keep_it(tmp_path, sources, recipe):
    synthesize(sources[:2], str(tmp_path), recipe())
    given = [find_sources(["gone.dng"])[0], *sources[1:]]
    done = synthesize(given, str(tmp_path), recipe(), overwrite=True)
    assert (done.sources, list(done.left_out)) == (4, ["gone.dng"])


def test_a_run_of_which_nothing_came_leaves_nothing(tmp_path, sources, recipe):
    with pytest.raises(ValueError, match="no source could be read"):
        synthesize(find_sources(["gone.dng"]), str(tmp_path / "out"), recipe())
    assert not (tmp_path / "out").exists()
    assert synthesize(sources[:1], str(tmp_path / "out"), recipe()).sources == 1


@pytest.mark.parametrize(
    "name", ["manifest.json", "unfinished.json", "index.jsonl", "unfinished/000001.json"]
)
@pytest.mark.parametrize("text", ['{"name": "my web app"}', "{", "[]"])
def test_a_file_of_others_is_named_and_stays(tmp_path, sources, recipe, name, text):
    (tmp_path / "unfinished").mkdir()
    (tmp_path / name).write_text(text)
    for options in ({}, {"resume": True}, {"overwrite": True}):
        with pytest.raises(
            ValueError, match=f"its {name} is broken, or lrd data synthesize did not write it"
        ):
            synthesize(sources[:1], str(tmp_path), recipe(), **options)
    assert contents(tmp_path) == {name: text.encode()}


def test_a_folder_of_others_stays(tmp_path, sources, recipe):
    """The lines of an unfinished index lie in a folder of a common name."""
    (tmp_path / "unfinished").mkdir()
    (tmp_path / "unfinished" / "draft.txt").write_bytes(b"mine")
    with pytest.raises(KeyboardInterrupt):
        synthesize(sources[:2], str(tmp_path), recipe(), progress=stop_after(1))
    synthesize(sources[:2], str(tmp_path), recipe(), resume=True)
    synthesize(sources[:2], str(tmp_path), recipe(), overwrite=True)
    synthesize(sources[:2], str(tmp_path / "alone"), recipe())
    assert contents(tmp_path / "alone") == {
        name: data for name, data in contents(tmp_path).items() if "/" not in name
    }
    assert (tmp_path / "unfinished" / "draft.txt").read_bytes() == b"mine"


@pytest.mark.parametrize("name", ["npz", "tiles"])
def test_a_picture_in_hand_goes_with_the_rest(tmp_path, sources, recipe, monkeypatch, name):
    """A run killed between the files of a picture and its line."""
    out, writing = tmp_path / "out", storage.Storage.write

    def write(self, name, data):
        if name == storage.line_of(1):
            raise KeyboardInterrupt
        writing(self, name, data)

    with monkeypatch.context() as patch:
        patch.setattr(storage.Storage, "write", write)
        with pytest.raises(KeyboardInterrupt):
            synthesize(sources, str(out), recipe(format=name))
    put(out, NOTES | {"000001-scene-0000-0000.npz": b"of no picture"})
    synthesize(sources[:1], str(out), recipe(copies=1), overwrite=True)
    synthesize(sources[:1], str(tmp_path / "alone"), recipe(copies=1))
    kept = NOTES | {"000001-scene-0000-0000.npz": b"of no picture"}
    assert contents(out) == contents(tmp_path / "alone") | kept
