# SPDX-License-Identifier: Apache-2.0
"""The store of mosaics: what goes in comes out, crops are fresh and reproducible, odd stores are refused."""

from __future__ import annotations

import collections
import itertools
import json
import pickle

import numpy as np
import pytest
import torch

from lrd_ext import cfa
from lrd_ext.batch_memory import as_one
from lrd_ext.datasets import (
    EPOCH,
    IdentitySampler,
    RawFolder,
    RawTiles,
    crop_corner,
    prepare_tiles,
    verify_tiles,
)


@pytest.fixture
def store(raws, tmp_path):
    paths, _ = raws
    prepare_tiles(paths, tmp_path / "store", jobs=2)
    return tmp_path / "store"


def test_whole_tiles_are_what_was_in_the_files(store, raws):
    data = RawTiles(store, size=None)
    for item, mosaic, phase in zip(
        (data[i] for i in range(3)), raws[1], ("RGGB", "RGGB", "GBRG"), strict=True
    ):
        assert np.array_equal(item["clean"].numpy(), cfa.pack(mosaic))
        assert (item["cfa"], item["white"], item["origin"]) == (phase, 16383.0, (0, 0))
        assert item["black"].tolist() == [512.0] * 4


def test_a_crop_lies_where_its_item_says(store, raws):
    data = RawTiles(store, size=16, samples=12)
    for identity in range(12):
        item = data[identity + 3 * EPOCH]
        row, column = item["origin"]
        assert row % 2 == column % 2 == 0
        whole = raws[1][identity % 3][row : row + 32, column : column + 32]
        assert np.array_equal(item["clean"].numpy(), cfa.pack(whole))
        assert item["index"] == identity + 3 * EPOCH


@pytest.mark.parametrize("order", ["site", "rgbg"])
def test_the_items_of_a_batch_are_those_asked_for_alone(store, order):
    data = RawTiles(store, size=16, samples=12, order=order)
    identities = [5, 2 + EPOCH, 5, 0]
    batch = data.__getitems__(identities)
    for item, alone in zip(batch, (data[i] for i in identities), strict=True):
        assert list(item) == list(alone)
        assert torch.equal(item.pop("clean"), alone.pop("clean"))
        assert torch.equal(item.pop("black"), alone.pop("black"))
        assert repr(item) == repr(alone)  # NaN is not equal to itself


def test_the_crops_of_a_batch_lie_one_behind_another_and_are_its_own(store):
    data = RawTiles(store, size=16, samples=12)
    first, second = data.__getitems__([0, 1, 2]), data.__getitems__([3, 4, 5])
    stack = as_one([item["clean"] for item in first])
    assert stack is not None
    assert stack.shape == (3, 4, 16, 16)
    held = [item["clean"].clone() for item in first]
    second[0]["clean"].zero_()
    assert all(torch.equal(item["clean"], kept) for item, kept in zip(first, held, strict=True))
    whole = RawTiles(store, size=None).__getitems__([0, 1])
    assert [item["clean"].shape[0] for item in whole] == [4, 4]
    with pytest.raises(IndexError, match="identity must be index"):
        data.__getitems__([12])


def test_every_place_is_equally_likely():
    # 5 x 9 places; chi-squared of 9,000 draws at significance 1e-4 (44 degrees of freedom: 88.6).
    corners = [crop_corner(7, i, (40, 64), (32, 48)) for i in range(9000)]
    counts = np.array([corners.count((2 * r, 2 * c)) for r in range(5) for c in range(9)])
    assert counts.sum() == 9000
    assert ((counts - 200.0) ** 2 / 200).sum() < 88.6


def test_another_epoch_has_other_crops_and_the_same_epoch_the_same(store):
    data, again = (
        RawTiles(store, size=16, seed=5),
        pickle.loads(pickle.dumps(RawTiles(store, size=16, seed=5))),
    )
    epochs = [[data[i + e * EPOCH]["origin"] for i in range(3)] for e in range(6)]
    assert epochs[2] == [again[i + 2 * EPOCH]["origin"] for i in range(3)]
    assert len({tuple(map(tuple, e)) for e in epochs}) == 6


@pytest.mark.parametrize("samples", [2, 3, 4, 6])
@pytest.mark.parametrize("kind", ["prepared", "raw files"])
def test_over_epochs_every_mosaic_has_its_turn(raws, store, kind, samples):
    data = (
        RawTiles(store, 8, samples)
        if kind == "prepared"
        else RawFolder(raws[0][0].parent, 8, samples=samples)
    )
    sampler = IdentitySampler(len(data))
    taken = [[data[identity]["id"] for identity in sampler] for _ in range(3)]
    assert collections.Counter(itertools.chain(*taken)) == {f"{i}.dng": samples for i in range(3)}
    if samples % 3 == 0:
        assert all(len(set(epoch)) == 3 for epoch in taken)


def test_pickling_copies_no_values(store):
    data = RawTiles(store, size=16)
    data[0]
    assert len(pickle.dumps(data)) < 5000


def test_sampler_goes_on_where_it_stopped():
    whole = [list(s) for s in [IdentitySampler(10, seed=1)] for _ in range(3)]
    stopped = IdentitySampler(10, seed=1)
    stopped.load_state(IdentitySampler(10, seed=1).state_at(epoch=1, taken=4))
    assert list(stopped) == whole[1][4:]
    assert list(stopped) == whole[2]
    assert len({i for epoch in whole for i in epoch}) == 30


def test_processes_share_an_epoch_without_overlap():
    shares = [list(IdentitySampler(11, seed=2, rank=r, world=3)) for r in range(3)]
    assert [len(s) for s in shares] == [3, 3, 3]
    assert len(set(shares[0]) | set(shares[1]) | set(shares[2])) == 9


def test_tiles_of_a_frame(raws, tmp_path):
    prepare_tiles(raws[0][:1], tmp_path / "tiles", tile=20)
    data = RawTiles(tmp_path / "tiles", size=None)
    assert len(data) == 2 * 3
    assert data[4]["origin"] == (40, 40)
    assert np.array_equal(data[4]["clean"].numpy(), cfa.pack(raws[1][0][40:80, 40:80]))


def test_a_damaged_value_is_found(store):
    [values] = store.glob("mosaics-*.u16")
    data = bytearray(values.read_bytes())
    data[2 * 96 * 128 + 7] ^= 1  # in the second mosaic
    values.write_bytes(data)
    assert [t.source for t in verify_tiles(store)] == ["1.dng"]


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda s: next(s.glob("mosaics-*")).write_bytes(b"12"), "must hold"),
        (lambda s: next(s.glob("mosaics-*")).unlink(), "must hold"),
        (lambda s: (s / "index.json").write_text("{"), "no table of raw tiles"),
        (lambda s: (s / "index.json").write_text("[" * 100_000), "no table of raw tiles"),
        (lambda s: (s / "index.json").write_text('{"format": "x", "version": 9}'), "got x version 9"),
        (lambda s: (s / "index.json").unlink(), "holds no raw tiles"),
        (lambda s: (s / "index.json").rename(s / "index.part.jsonl"), "is not finished"),
    ],
)
def test_an_odd_store_is_refused_by_name(store, harm, said):
    harm(store)
    with pytest.raises(ValueError, match=said) as error:
        RawTiles(store)
    assert str(store) in str(error.value)


def test_paths_in_the_table_lead_nowhere_else(store, tmp_path):
    table = json.loads((store / "index.json").read_text())
    (store / "index.json").write_text(json.dumps(table | {"mosaics": "../../etc/passwd"}))
    with pytest.raises(ValueError, match="must hold"):
        RawTiles(store)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"size": 0}, "size must"),
        ({"size": 40}, "1.dng is 160 x 64"),
        ({"size": 8, "samples": 0}, "samples must"),
    ],
)
def test_arguments_are_refused_by_name(store, arguments, said):
    with pytest.raises(ValueError, match=said):
        RawTiles(store, **arguments)


def test_identities_outside_the_epoch_are_refused(store):
    data = RawTiles(store, size=8, samples=5)
    for identity in (5, -1, 5 + EPOCH):
        with pytest.raises(IndexError, match="index below 5"):
            data[identity]
