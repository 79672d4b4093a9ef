# SPDX-License-Identifier: Apache-2.0
"""Pairs in NumPy files, and the LMDB of ELD's code."""

from __future__ import annotations

import math
import pickle
import sys

import numpy as np
import pytest
import torch

from lrd_ext.augment import LowLightNoise
from lrd_ext.datasets import EPOCH, EldLmdb, PairFolder

lmdb = pytest.importorskip("lmdb")


def planes(seed=0, shape=(4, 12, 16)):
    return np.random.default_rng(seed).random(shape, np.float32)


@pytest.fixture
def npz(tmp_path):
    np.savez(tmp_path / "b.npz", noisy=planes(1) * 3 - 1, clean=planes(2), ratio=100, iso=np.array([800.0]))
    np.savez_compressed(tmp_path / "a.npz", noisy=planes(3), clean=planes(4) * 2)
    return tmp_path


def test_npz_pairs(npz):
    dataset = PairFolder(npz)
    assert [item["id"] for item in dataset] == ["a", "b"]
    plain, full = dataset[0], dataset[1]
    assert set(full) == {"noisy", "clean", "ratio", "iso", "id", "group"}
    assert torch.equal(full["noisy"], torch.from_numpy(planes(1) * 3 - 1))  # as it is
    assert (full["ratio"], full["iso"]) == (100.0, 800.0)
    assert math.isnan(plain["ratio"])
    assert math.isnan(plain["iso"])
    assert torch.equal(plain["clean"], torch.from_numpy(planes(4) * 2).clamp(max=1))


@pytest.mark.parametrize("names", [("noisy", "clean"), ("train_noisy", "train_clean")])
def test_npy_pairs_of_whole_numbers(tmp_path, names):
    stored = [(planes(seed) * 65535).astype(np.uint16) for seed in (1, 2)]
    for name, array in zip(names, stored, strict=True):
        (tmp_path / name).mkdir()
        np.save(tmp_path / name / "0001.npy", array)
    item = PairFolder(tmp_path)[0]
    for name, array in zip(("noisy", "clean"), stored, strict=True):
        np.testing.assert_allclose(item[name], array / 65535, atol=1e-7)
    assert PairFolder(tmp_path, white=1023)[0]["noisy"].max() > 1


def test_pairs_of_test_are_not_those_of_training(tmp_path):
    for split, count in (("train", 3), ("test", 2)):
        for name in ("noisy", "clean"):
            (tmp_path / f"{split}_{name}").mkdir()
            for k in range(count):
                np.save(tmp_path / f"{split}_{name}" / f"{split}{k}.npy", planes(k))
    said = r'holds pairs in train_noisy/ and test_noisy/, .*; say split="train" or "test"'
    with pytest.raises(ValueError, match=said):
        PairFolder(tmp_path)
    for split, count in (("train", 3), ("test", 2)):
        assert [item["id"] for item in PairFolder(tmp_path, split=split)] == [
            f"{split}{k}" for k in range(count)
        ]
    with pytest.raises(ValueError, match="split must be one of train, test, got 'eval'"):
        PairFolder(tmp_path, split="eval")


def test_a_split_that_is_not_there_is_refused(npz):
    with pytest.raises(ValueError, match=r"holds no pairs: .npy in test_noisy/ and test_clean/"):
        PairFolder(npz, split="test")


def test_bad_packed_files_are_named(npz, tmp_path):
    (npz / "a.npz").write_bytes((npz / "a.npz").read_bytes()[:900])
    np.savez(npz / "c.npz", noisy=planes(1))
    np.savez(npz / "d.npz", noisy=planes(1), clean=planes(1)[:, :10])
    np.savez(npz / "e.npz", noisy=planes(1)[0], clean=planes(1))
    np.savez(npz / "f.npz", noisy=np.array([{}], object), clean=planes(1))
    np.savez(npz / "g.npz", noisy=planes(1), clean=planes(1), ratio=[1, 2])
    dataset = PairFolder(npz)
    for index, says in {
        0: r"a.npz: is no whole .npz file",
        2: r"c.npz: must hold the arrays noisy and clean, lacks clean",
        3: r"d.npz: noisy and clean must be of one shape, got \(4, 12, 16\) and \(4, 10, 16\)",
        4: r"e.npz: must hold packed planes \(4, h, w\), got float32 \(12, 16\)",
        5: r"f.npz: is no whole .npz file",
        6: r"g.npz: ratio must be one number",
    }.items():
        with pytest.raises(ValueError, match=says):
            dataset[index]


def test_folders_without_pairs_are_refused(tmp_path):
    with pytest.raises(ValueError, match="holds no pairs"):
        PairFolder(tmp_path)
    (tmp_path / "clean").mkdir()
    np.save(tmp_path / "clean" / "7.npy", planes())
    with pytest.raises(ValueError, match=r"clean/7.npy has no partner in noisy/"):
        PairFolder(tmp_path)
    with pytest.raises(ValueError, match="is no folder"):
        PairFolder(tmp_path / "no")


def write_lmdb(root, patches):
    """Write as ELD's lmdb_data.py does, but for the pickle beside it, which must not matter."""
    root.mkdir()
    with lmdb.open(str(root), map_size=2**22) as environment, environment.begin(write=True) as writing:
        for i, patch in enumerate(patches):
            writing.put(f"{i:08d}".encode(), patch.tobytes())
    (root / "meta_info.pkl").write_bytes(b"cos\nsystem\n(S'touch run'\ntR.")
    return root


def test_elds_lmdb(tmp_path):
    patches = [(planes(seed, (4, 8, 8)) * 65535).astype(np.uint16) for seed in range(3)]
    dataset = EldLmdb(write_lmdb(tmp_path / "SID_Sony_Raw.db", patches), (4, 8, 8))
    assert len(dataset) == 3
    item = dataset[EPOCH + 1]  # another epoch has the same patches
    np.testing.assert_array_equal(item["clean"].numpy(), patches[1][[0, 1, 3, 2]])
    assert (item["index"], item["id"], item["white"]) == (EPOCH + 1, "00000001", 65535)
    assert len(pickle.loads(pickle.dumps(dataset))) == 3
    batch = LowLightNoise("sony_a7s2", iso=1600, ratio=100, seed=1).collate([dataset[0], dataset[2]])
    assert batch["noisy"].shape == (2, 4, 8, 8)
    expected = torch.from_numpy(patches[2][[0, 1, 3, 2]].astype(np.float32) / 65535)
    torch.testing.assert_close(batch["clean"][1], expected)


def test_elds_lmdb_of_floats(tmp_path):
    dataset = EldLmdb(write_lmdb(tmp_path / "x.db", [planes(1, (4, 8, 8))]), (4, 8, 8))
    stored = planes(1, (4, 8, 8))[[0, 1, 3, 2]]
    np.testing.assert_allclose(dataset[0]["clean"].numpy() / 65535, stored, atol=1e-5)


def test_bad_lmdbs_are_named(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=r"holds no LMDB \(data.mdb\)"):
        EldLmdb(tmp_path)
    with pytest.raises(ValueError, match="holds no patches"):
        EldLmdb(write_lmdb(tmp_path / "empty.db", []))
    with pytest.raises(ValueError, match=r"must hold .* of 2 or 4 bytes, got 512 bytes; say its shape"):
        EldLmdb(write_lmdb(tmp_path / "small.db", [np.zeros((4, 8, 8), np.uint16)]))
    (tmp_path / "broken.db").mkdir()
    (tmp_path / "broken.db" / "data.mdb").write_bytes(b"no database")
    with pytest.raises(ValueError, match=r"broken.db: its LMDB cannot be read"):
        EldLmdb(tmp_path / "broken.db")
    whole = write_lmdb(tmp_path / "whole.db", [np.zeros((4, 8, 8), np.uint16)]) / "data.mdb"
    whole.write_bytes(whole.read_bytes()[:-1000])
    with pytest.raises(ValueError, match=r"data.mdb must hold \d+ bytes, got \d+: cut short"):
        EldLmdb(tmp_path / "whole.db", (4, 8, 8))
    monkeypatch.setitem(sys.modules, "lmdb", None)
    with pytest.raises(ModuleNotFoundError):
        EldLmdb(tmp_path / "small.db")
