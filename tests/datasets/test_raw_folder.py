# SPDX-License-Identifier: Apache-2.0
"""RawFolder gives the items of RawTiles, with and without region reads, and names a file that is not fit."""

from __future__ import annotations

import functools
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from lrd_ext import raw
from lrd_ext.datasets import EPOCH, RawFolder, RawTiles, prepare_tiles, raw_folder

CHART = Path(__file__).parents[1] / "data" / "canon550d_ml_colorchart.dng"


def same(one, other):
    assert one.keys() == other.keys()
    for name, value in one.items():
        equal = torch.equal if isinstance(value, torch.Tensor) else lambda a, b: a == b or (a != a and b != b)
        assert equal(value, other[name]), name


@pytest.fixture
def folder(raws, tmp_path):
    shutil.copy(CHART, tmp_path / "in" / "chart.dng")  # with a masked border
    (tmp_path / "in" / "chart.jpg").write_bytes(b"beside it")
    return tmp_path / "in"


@pytest.fixture(params=["flashraw", "LibRaw alone"])
def decoder(request, monkeypatch):
    """Region reads where flashraw is installed, then as if it were not."""
    if request.param == "flashraw":
        pytest.importorskip("flashraw", reason="flashraw: not installed")
    else:
        monkeypatch.setattr(raw_folder.importlib.util, "find_spec", lambda name: None)
    return request.param


def test_items_are_those_of_prepared_tiles(folder, tmp_path, decoder, monkeypatch):
    prepare_tiles(sorted(folder.glob("*.dng")), tmp_path / "store")
    data = RawFolder(folder, size=16, samples=9, seed=5)
    tiles = RawTiles(tmp_path / "store", size=16, samples=9, seed=5)
    for identity in (*range(4), *(i + 3 * EPOCH for i in range(9))):
        same(data[identity], tiles[identity])
    assert all(known.regions == (decoder == "flashraw") for known in data._known.values())
    if decoder == "flashraw":  # from now on nothing is decoded whole
        monkeypatch.setattr(raw, "read", None)
        same(data[5 + EPOCH], tiles[5 + EPOCH])


def test_whole_frames(folder, raws):
    data = RawFolder(folder, size=None)
    assert data[2]["clean"].shape == (4, 48, 64)
    assert data[3]["clean"].shape == (4, 578, 867)
    assert data[3]["origin"] == (0, 0)


def test_workers_change_nothing(folder):
    data = RawFolder(folder, size=8, samples=8)
    alone = [data[i]["clean"] for i in range(8)]
    loader = torch.utils.data.DataLoader(
        RawFolder(folder, size=8, samples=8),
        batch_size=None,
        num_workers=2,
        multiprocessing_context="forkserver",  # rawpy warns in forked workers
    )
    assert all(torch.equal(item["clean"], alone[item["index"]]) for item in loader)


def test_a_decoder_that_disagrees_is_not_used(folder, monkeypatch):
    flashraw = pytest.importorskip("flashraw", reason="flashraw: not installed")
    open_file = flashraw.open

    class OffByOne:
        def __init__(self, path):
            self.file = open_file(path)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.file.close()

        def decode(self, **options):
            frame = self.file.decode(**options)
            values = frame.array.copy()
            values[7, 3] += 1
            return type("Frame", (), {"array": values})

    monkeypatch.setattr(flashraw, "open", OffByOne)
    data = RawFolder(folder, size=16)
    first = data[0]
    same(data[0], first)
    assert not data._known[data.paths[0]].regions


def test_a_cut_file_is_refused_though_a_decoder_would_fill_it(folder):
    path = folder / "0.dng"
    data = RawFolder(folder, size=16)
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(raw.RawFileError, match="0\\.dng"):
        data[0]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (functools.partial(RawFolder, size=0), "size must be at least 1"),
        (functools.partial(RawFolder, samples=0), "samples must be at least 1"),
        (lambda f: RawFolder(f / "none"), "no such folder"),
        (lambda f: RawFolder(_only_jpeg(f)), "holds no raw files"),
        (lambda f: RawFolder(f, size=40)[1], "1.dng: size must fit every file, got 40 cells of 160 x 64"),
        (lambda f: RawFolder(f, size=8)[4], "index below 4"),
    ],
)
def test_wrong_use_is_refused_by_name(folder, make, said):
    with pytest.raises((ValueError, IndexError), match=said):
        make(folder)


def _only_jpeg(folder):
    (folder / "sub").mkdir()
    (folder / "sub" / "a.jpg").write_bytes(np.zeros(9, np.uint8).tobytes())
    return folder / "sub"
