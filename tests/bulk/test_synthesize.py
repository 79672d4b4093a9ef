# SPDX-License-Identifier: Apache-2.0
"""A run in one process: what is in its files, who can read them, and what stops it."""

from __future__ import annotations

import csv
import dataclasses
import errno
import json

import numpy as np
import pytest
import torch
from shard_files import contents
from tile_files import write_raw

from lrd_ext import cli, raw
from lrd_ext.augment import LowLightNoise
from lrd_ext.bulk import find_sources, read_manifest, storage, synthesize, verify_shards
from lrd_ext.datasets import PairFolder, RawTiles, prepare_tiles, verify_tiles
from lrd_ext.denoise.batches import PairedTiles
from lrd_ext.profiles.sensor import SensorFigures


def stop(_):
    raise KeyboardInterrupt


@pytest.mark.parametrize("name", ["npz", "webdataset", "parquet", "tiles", "dng"])
def test_two_runs_are_the_same_bytes_and_another_seed_is_not(tmp_path, sources, recipe, name):
    settings = {"iso": 1600.0, "ratio": 50.0, "size": None} if name == "dng" else {}
    for folder, seed in (("a", 7), ("b", 7), ("c", 8)):
        synthesize(sources, str(tmp_path / folder), recipe(format=name, seed=seed, **settings))
    a, b, c = (contents(tmp_path / folder) for folder in "abc")
    assert a == b
    same = {name for name in a if a[name] == c[name]} - {storage.MANIFEST}
    assert not [name for name in same if not name.startswith("clean/")]


def test_a_sample_is_the_noise_of_its_identity(tmp_path, sources, recipe, camera):
    """Each pair is what LowLightNoise draws for the identity, place and levels the index names."""
    synthesize(sources, str(tmp_path / "out"), recipe())
    manifest, lines = read_manifest(str(tmp_path / "out"))
    assert (manifest["sources"], manifest["samples"]) == (5, 5 * 12 * 2)
    noise = LowLightNoise(camera, iso=(800.0, 6400.0), ratio=(10.0, 100.0), seed=7)
    seen = set()
    for line in lines:
        mosaic = raw.read(line["source"]).mosaic
        for sample in line["samples"]:
            row, column = sample["origin"]
            crop = torch.from_numpy(mosaic[row : row + 32, column : column + 32].copy())
            levels = {"black": 512.0, "white": 16383.0, "cfa": sample["cfa"]}
            wanted = noise(crop[None], sample["identity"], **levels)
            packed = torch.nn.functional.pixel_unshuffle(wanted["noisy"], 2)
            held = np.load(tmp_path / "out" / f"{sample['key']}.npz")
            assert np.array_equal(held["noisy"], packed.numpy())
            assert held["iso"] == wanted["params"].iso.item()
            seen.add(sample["identity"])
    assert len(seen) == 120


def test_pairs_are_read_by_pair_folder(tmp_path, sources, recipe):
    synthesize(sources, str(tmp_path / "out"), recipe())
    pairs = PairFolder(tmp_path / "out", white=1)
    item = pairs[0]
    assert len(pairs) == 120
    assert item["noisy"].shape == item["clean"].shape == (4, 16, 16)
    assert 10 <= item["ratio"] <= 100


def test_tar_files_are_read_by_webdataset(tmp_path, sources, recipe):
    webdataset = pytest.importorskip("webdataset")
    synthesize(sources, str(tmp_path / "npz"), recipe())
    synthesize(sources, str(tmp_path / "tar"), recipe(format="webdataset"))
    tars = [str(path) for path in sorted((tmp_path / "tar").glob("*.tar"))]
    loaded = webdataset.WebDataset(tars, shardshuffle=False).decode()
    keys = []
    for sample in loaded:
        pair = np.load(tmp_path / "npz" / f"{sample['__key__']}.npz")
        assert np.array_equal(sample["noisy.npy"], pair["noisy"])
        assert np.array_equal(sample["clean.npy"], pair["clean"])
        assert sample["json"]["params"]["ratio"] == [pair["ratio"]]
        keys.append(sample["__key__"])
    assert len(keys) == len(set(keys)) == 120


def test_a_dot_in_a_file_name_ends_no_key(tmp_path, recipe):
    """WebDataset ends the key at the first dot; two names that differ in it alone stay apart."""
    webdataset = pytest.importorskip("webdataset")
    (tmp_path / "in").mkdir()
    for i, name in enumerate(("IMG.2024.1.dng", "IMG.2024_1.dng")):
        write_raw(tmp_path / "in" / name, first=i)
    synthesize(find_sources([tmp_path / "in"]), str(tmp_path / "out"), recipe(format="webdataset"))
    tars = [str(path) for path in sorted((tmp_path / "out").glob("*.tar"))]
    samples = list(webdataset.WebDataset(tars, shardshuffle=False).decode())
    keys = [sample["key"] for line in read_manifest(str(tmp_path / "out"))[1] for sample in line["samples"]]
    assert [sample["__key__"] for sample in samples] == keys
    assert [sample["json"]["key"] for sample in samples] == keys
    assert {sample["noisy.npy"].shape for sample in samples} == {(4, 16, 16)}
    assert len(set(keys)) == 48


def test_parquet_files_are_read_by_pyarrow(tmp_path, sources, recipe):
    dataset = pytest.importorskip("pyarrow.dataset")
    synthesize(sources, str(tmp_path / "npz"), recipe())
    synthesize(sources, str(tmp_path / "parquet"), recipe(format="parquet"))
    files = [str(path) for path in sorted((tmp_path / "parquet").glob("*.parquet"))]
    table = dataset.dataset(files).to_table()
    noisy = table["noisy"].combine_chunks().to_numpy_ndarray()
    for row, key in enumerate(table["key"].to_pylist()):
        assert np.array_equal(noisy[row], np.load(tmp_path / "npz" / f"{key}.npz")["noisy"])
    assert table.num_rows == 120


@pytest.mark.parametrize("sensor", [None, SensorFigures(sigma_prnu=0.02)])
def test_tiles_are_stores_of_pairs(tmp_path, sources, recipe, camera, sensor):
    """Mosaics are the raw DN of the .npz pairs, of the same sensors, and what training reads of pairs."""
    cameras = (dataclasses.replace(camera, sensor=sensor),)
    synthesize(sources, str(tmp_path / "npz"), recipe(cameras=cameras))
    synthesize(sources, str(tmp_path / "tiles"), recipe(format="tiles", cameras=cameras))
    assert verify_shards(str(tmp_path / "tiles")) == []
    roots = [tmp_path / "tiles" / name for name in ("clean", "noisy")]
    assert [verify_tiles(root) for root in roots] == [[], []]
    pairs = PairedTiles(*roots, size=16)
    keys = [sample["key"] for line in read_manifest(str(tmp_path / "tiles"))[1] for sample in line["samples"]]
    assert len(pairs) == len(keys) == 120
    for number, key in enumerate(keys):
        held, made = np.load(tmp_path / "npz" / f"{key}.npz"), pairs[number]
        np.testing.assert_array_equal(made["clean"].numpy(), held["clean"])
        np.testing.assert_allclose(made["noisy"].numpy(), held["noisy"], rtol=0, atol=2e-6 * held["ratio"])
        assert pairs.noisy.tiles[number].iso == held["iso"]
    one = RawTiles(roots[1], 16)[7]["clean"]
    assert one.dtype == torch.uint16
    # Both copies of a crop lie beside one clean mosaic.
    assert (roots[0] / "000000-scene0.u16").stat().st_size * 2 == (
        roots[1] / "000000-scene0.u16"
    ).stat().st_size


def test_raw_files_open_again(tmp_path, sources, recipe):
    synthesize(sources, str(tmp_path), recipe(format="dng", size=None, iso=1600.0, ratio=50.0))
    files = sorted(tmp_path.glob("*.dng"))
    assert len(files) == 10
    assert {(raw.read(path).iso, raw.read(path).mosaic.shape) for path in files} == {(1600.0, (96, 128))}


def test_tiles_tables_and_folders_are_sources(tmp_path, raws, recipe):
    names = sorted(path.name for path in raws.iterdir())
    with open(raws.parent / "list.csv", "w", newline="") as file:
        csv.writer(file).writerows([["path", "of"], *([f"{raws.name}/{name}", "x"] for name in names)])
    prepare_tiles(sorted(raws.iterdir()), tmp_path / "tiles", tile=16)
    assert [s.path for s in find_sources([raws.parent / "list.csv"])] == [
        s.path for s in find_sources([raws])
    ]
    tiles = find_sources([tmp_path / "tiles"])
    assert len(tiles) == 60
    synthesize(tiles, str(tmp_path / "of_tiles"), recipe())
    assert verify_shards(str(tmp_path / "of_tiles")) == []


@pytest.mark.parametrize("name", ["npz", "webdataset", "parquet", "tiles"])
def test_a_run_that_was_stopped_goes_on_to_the_same_bytes(tmp_path, sources, recipe, monkeypatch, name):
    synthesize(sources, str(tmp_path / "whole"), recipe(format=name))
    made = []

    def stop(source):
        made.append(source.number)
        if len(made) == 2:
            raise KeyboardInterrupt

    out = str(tmp_path / "out")
    with pytest.raises(KeyboardInterrupt):
        synthesize(sources, out, recipe(format=name), progress=stop)
    with pytest.raises(ValueError, match="not finished; lrd data synthesize --resume"):
        read_manifest(out)
    with pytest.raises(ValueError, match="not finished; say --resume to go on with it"):
        synthesize(sources, out, recipe(format=name))
    with pytest.raises(ValueError, match="was begun with other seed, sources"):
        synthesize(sources[:3], out, recipe(format=name, seed=1), resume=True)
    made.clear()
    synthesize(sources, out, recipe(format=name), resume=True, progress=lambda s: made.append(s.number))
    assert made == [2, 3, 4]
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    with pytest.raises(ValueError, match="holds a finished output; say --overwrite"):
        synthesize(sources, out, recipe(format=name), resume=True)


def test_a_run_killed_behind_its_manifest_is_ended_by_the_same_call_alone(tmp_path, sources, recipe):
    out = tmp_path / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(storage.Storage, "remove_abandoned", stop)
        with pytest.raises(KeyboardInterrupt):
            synthesize(sources, str(out), recipe())
    assert {"manifest.json", "unfinished.json"} <= contents(out).keys()
    with pytest.raises(ValueError, match="was begun with other seed, sources"):
        synthesize(sources[:2], str(out), recipe(seed=1), resume=True)
    synthesize(sources, str(out), recipe(), resume=True)
    synthesize(sources, str(tmp_path / "whole"), recipe())
    assert contents(out) == contents(tmp_path / "whole")


def test_a_second_run_is_refused_while_the_first_is_at_work(tmp_path, sources, recipe):
    tried = []

    def second_comes(source):
        for options in ({"resume": True}, {"overwrite": True}):
            with pytest.raises(ValueError, match="another process is writing this output"):
                synthesize(sources, str(tmp_path / "out"), recipe(), **options)
            tried.append(source.number)

    synthesize(sources[:2], str(tmp_path / "out"), recipe(), progress=second_comes)
    synthesize(sources[:2], str(tmp_path / "whole"), recipe())
    assert tried == [0, 0, 1, 1]
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


@pytest.mark.parametrize("second_ends", [True, False])
def test_two_runs_where_nothing_locks_do_not_lose_a_picture(
    tmp_path, sources, recipe, monkeypatch, second_ends
):
    """As on an object store: one that lacks lines writes no manifest."""
    out = str(tmp_path / "out")
    monkeypatch.setattr(storage, "alone", lambda file: True)
    with pytest.raises(KeyboardInterrupt):
        synthesize(sources, out, recipe(), progress=stop)

    def second_comes(source):
        if source.number == 2:
            if second_ends:
                synthesize(sources, out, recipe(), resume=True)
            else:
                (tmp_path / "out" / "unfinished" / "000001.json").unlink()

    with pytest.raises(ValueError, match="pictures that were made are not in the index: another run writes"):
        synthesize(sources, out, recipe(), resume=True, progress=second_comes)
    assert (tmp_path / "out" / "manifest.json").exists() == second_ends
    if not second_ends:
        synthesize(sources, out, recipe(), resume=True)
    manifest, lines = read_manifest(out)
    assert manifest["sources"] == len(lines) == 5
    assert verify_shards(out) == []


def test_a_full_disk_leaves_what_is_whole(tmp_path, sources, recipe, monkeypatch):
    writing, calls = storage.Hashed.write, []

    def write(self, data):
        calls.append(1)
        if len(calls) == 40:
            raise OSError(errno.ENOSPC, "No space left on device")
        return writing(self, data)

    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(storage.Hashed, "write", write)
        with pytest.raises(OSError, match="No space left"):
            synthesize(sources, str(out), recipe())
    assert not [name for name in contents(out) if name.endswith(".part")]
    synthesize(sources, str(out), recipe(), resume=True)
    synthesize(sources, str(tmp_path / "whole"), recipe())
    assert contents(out) == contents(tmp_path / "whole")


def test_a_damaged_picture_is_named_and_the_rest_is_done(tmp_path, raws, capsys):
    folder = tmp_path / "in"
    folder.mkdir()
    for i in range(3):
        write_raw(folder / f"{i}.dng", first=i)
    (folder / "1.dng").write_bytes((folder / "1.dng").read_bytes()[:900])
    command = ["data", "synthesize", str(folder), "-o", str(tmp_path / "out"), "--camera", "sony_a7s2"]
    command += ["--iso", "800:6400", "--ratio", "20", "--size", "16"]
    assert cli.main(command) == 1
    told = capsys.readouterr()
    assert told.out == f"{tmp_path}/out: 24 pairs of 2 pictures\n"
    assert told.err.startswith(f"lrd data: left out: {folder}/1.dng: ")
    assert cli.main(["data", "verify", str(tmp_path / "out")]) == 0
    assert "24 pairs of 2 pictures are as they were written" in capsys.readouterr().out
    assert cli.main(["data", "verify", str(tmp_path / "out"), "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")


def test_black_levels_beyond_2x2_are_left_out_but_of_raw_files(tmp_path, recipe):
    """Only a raw file can tell them again."""
    (tmp_path / "in").mkdir()
    write_raw(tmp_path / "in" / "lines.dng", black_offsets=np.repeat([[60.0], [0], [-60], [0]], 2, 1))
    write_raw(tmp_path / "in" / "plain.dng")
    given = find_sources([tmp_path / "in"])
    done = synthesize(given, str(tmp_path / "npz"), recipe())
    ((path, reason),) = done.left_out.items()
    assert path.endswith("lines.dng")
    assert "its black level differs over 4 x 2 pixels; figures of a profile are by 2x2 site" in reason
    whole = recipe(format="dng", size=None, iso=1600.0, ratio=50.0)
    assert synthesize(given, str(tmp_path / "dng"), whole).left_out == {}


def test_without_a_black_level_there_are_no_pairs(recipe):
    picture = raw.Raw(
        np.zeros((64, 64), np.uint16), "RGGB", np.zeros(4), 16383.0, iso=100.0, black_known=False
    )
    with pytest.raises(ValueError, match=r"dark: gives no black level; prepare it first: .* --black"):
        next(recipe().items(0, picture, "dark"))


def test_damage_is_found(tmp_path, sources, recipe, capsys):
    synthesize(sources, str(tmp_path / "out"), recipe())
    victim = sorted((tmp_path / "out").glob("*.npz"))[5]
    held = bytearray(victim.read_bytes())
    held[700] ^= 1
    victim.write_bytes(held)
    assert cli.main(["data", "verify", str(tmp_path / "out")]) == 1
    assert capsys.readouterr().err == f"lrd data: damaged: {victim.name}\n"
    with open(tmp_path / "out" / "index.jsonl", "a") as file:
        file.write(json.dumps({}) + "\n")
    with pytest.raises(ValueError, match=r"its index\.jsonl is not the one that was written"):
        verify_shards(str(tmp_path / "out"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "zip"}, "format must be one of npz, webdataset, parquet, tiles, dng, got 'zip'"),
        ({"copies": 0}, "copies must be in"),
        ({"size": 0}, "size must be at least 1 cell"),
        ({"format": "dng"}, "one camera, one ISO and one ratio"),
        ({"iso": 1e9}, "iso"),
    ],
)
def test_bad_recipes_are_refused(recipe, changes, message):
    with pytest.raises(ValueError, match=message):
        recipe(**changes)


def test_bad_lists_are_refused(tmp_path, raws):
    (tmp_path / "list.csv").write_text("file\na.dng\n")
    with pytest.raises(ValueError, match="must have a column path, got file"):
        find_sources([tmp_path / "list.csv"])
    (tmp_path / "list.parquet").write_bytes(b"no table")
    with pytest.raises(ValueError, match=r"list\.parquet: cannot be read"):
        find_sources([tmp_path / "list.parquet"])
    with pytest.raises(ValueError, match="name each file once"):
        find_sources([raws, raws / "scene1.dng"])
