# SPDX-License-Identifier: Apache-2.0
"""The U-Net of SID trains by the example's command line, and the net it writes is one that lrd can use."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lrd_ext import raw
from lrd_ext.datasets import prepare_tiles
from lrd_ext.denoise import load_denoiser


@pytest.fixture(scope="module")
def smooth(tmp_path_factory):
    """Tiles of a smooth scene, which a net can learn."""
    folder = tmp_path_factory.mktemp("smooth")
    rows, columns = np.mgrid[:96, :96]
    for i in range(2):
        light = 0.3 + 0.2 * np.sin(rows / 20 + i) * np.cos(columns / 25)
        mosaic = np.round(512 + light * 15871).astype(np.uint16)
        raw.write_dng(folder / f"{i}.dng", raw.Raw(mosaic, "RGGB", 512, 16383))
    prepare_tiles(sorted(folder.glob("*.dng")), folder / "store")
    return folder / "store"


def run(example, tiles, out, *more):
    arguments = [str(tiles), "--size", "32", "--samples", "4", "--width", "8", "--levels", "2"]
    arguments += ["--steps", "60", "--workers", "0", "--device", "cpu", "--out", str(out)]
    return example.train(example.options_of([*arguments, *more]))


def test_it_learns_and_the_net_is_read_again(example, smooth, tmp_path, monkeypatch):
    faster = torch.optim.Adam
    monkeypatch.setattr(torch.optim, "Adam", lambda weights, lr: faster(weights, lr=100 * lr))
    losses = run(example, smooth, tmp_path / "net.safetensors")
    assert len(losses) == 60
    assert np.mean(losses[-10:]) < 0.6 * np.mean(losses[:10])
    net = load_denoiser(str(tmp_path / "net.safetensors"))
    assert (net.width, net.levels) == (8, 2)
    assert net(torch.zeros(1, 4, 30, 34)).shape == (1, 4, 30, 34)


def test_the_same_seed_gives_the_same_losses(example, smooth, tmp_path):
    first, again, other = (
        run(example, smooth, tmp_path / "n.safetensors", "--steps", "3", "--seed", seed) for seed in "778"
    )
    assert first == again
    assert first != other


def test_there_are_eight_ways_to_turn_a_picture(example):
    picture = torch.arange(4 * 3 * 5).reshape(1, 4, 3, 5)
    seen = {tuple(example.turned(picture, way).flatten().tolist()) for way in range(8)}
    assert len(seen) == 8
    assert all(torch.equal(example.turned(picture, 0)[:, c], picture[:, c]) for c in range(4))
