# SPDX-License-Identifier: Apache-2.0
"""Data loaders that give pairs for training from 12 MP frames: lrd_ext's, and the same by other means.

Every contender cuts packed crops of the same stored mosaics, draws noise, and hands over noisy and clean
float32 tensors. The peers draw it by their publications' formulas, with one set of figures for all samples;
lrd_ext has a camera setting of its own for each sample besides.
"""

from __future__ import annotations

import os
import resource
from pathlib import Path

import numpy as np
import torch
from peers import eld_noise, led_noise
from torch import nn
from torch.utils.data import DataLoader, Dataset
from workloads import ELD

from lrd_ext import raw
from lrd_ext.augment import LowLightNoise
from lrd_ext.datasets import IdentitySampler, RawTiles, prepare_tiles
from lrd_ext.datasets.crops import crop_corner

CAMERA = {"profile": "sony_a7s2", "iso": (800, 3200), "ratio": (100, 300), "seed": 7}


def make_store(folder, frames, shape):
    """Write raw files of a low-key scene and prepare them."""
    for i in range(frames):
        lights = torch.rand(1, 1, 32, 48, generator=torch.Generator().manual_seed(i)) ** 3
        scene = torch.nn.functional.interpolate(lights, size=shape, mode="bilinear")[0, 0].numpy()
        mosaic = (ELD.black + ELD.span * scene).round().astype(np.uint16)
        raw.write_dng(
            folder / f"{i}.dng", raw.Raw(mosaic, "RGGB", ELD.black, ELD.white, iso=100, exposure_s=1.0)
        )
    prepare_tiles(sorted(folder.glob("*.dng")), folder / "store")
    return folder / "store"


class PeerCrops(Dataset):
    """Crops of a store, packed and normalized in NumPy as the publications' data sets do, then noise."""

    def __init__(self, store, size, samples, synth):
        self.tiles, self.size, self.samples, self.synth = RawTiles(store, size), size, samples, synth

    def __len__(self):
        return self.samples

    def __getitem__(self, identity):
        tile = self.tiles.tiles[identity % len(self.tiles.tiles)]
        side = 2 * self.size
        row, column = crop_corner(0, identity, (tile.height, tile.width), (side, side))
        mosaic = self.tiles.mosaic(tile)[row : row + side, column : column + side].astype(np.float32)
        sites = [mosaic[i::2, j::2] for i in (0, 1) for j in (0, 1)]
        clean = np.clip((np.stack(sites) - ELD.black) / ELD.span, 0.0, 1.0)
        clean = torch.from_numpy(clean)[None]
        return {"noisy": self.synth(clean, ELD)[0], "clean": clean[0]}


def own_loader(store, size, samples, batch, workers):
    """RawTiles and LowLightNoise.collate."""
    noise = LowLightNoise(**CAMERA)
    data = RawTiles(store, size, samples)
    return DataLoader(
        data, batch, sampler=IdentitySampler(samples), num_workers=workers, collate_fn=noise.collate
    )


def peer_loader(synth):
    """Return what makes the loader of a peer."""

    def make(store, size, samples, batch, workers):
        data = PeerCrops(store, size, samples, synth)
        return DataLoader(data, batch, sampler=IdentitySampler(samples), num_workers=workers)

    return make


CONTENDERS = {
    "numpy": peer_loader(eld_noise),
    "torch": peer_loader(led_noise),
    "lrd_ext": own_loader,
}


def cpu_s(processes):
    """CPU seconds of this process and of others that run."""
    own = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    ticks = [Path(f"/proc/{p}/stat").read_text().rsplit(")", 1)[1].split()[11:13] for p in processes]
    return own + sum(int(t) for pair in ticks for t in pair) / os.sysconf("SC_CLK_TCK")


class UNet(nn.Module):
    """The network of SID on packed raw, with 4 planes out so that pairs train it as they are.

    Source: Chen et al., "Learning to See in the Dark", CVPR 2018 (five levels of 32 to 512 channels, two 3x3
    convolutions each, leaky ReLU 0.2, max pooling, transposed convolutions).
    """

    def __init__(self):
        super().__init__()
        widths = [32, 64, 128, 256, 512]
        self.down = nn.ModuleList(self.pair(i, o) for i, o in zip([4, *widths], widths, strict=False))
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * w, w, 2, 2) for w in widths[-2::-1])
        self.join = nn.ModuleList(self.pair(2 * w, w) for w in widths[-2::-1])
        self.last = nn.Conv2d(widths[0], 4, 1)

    @staticmethod
    def pair(inputs, outputs):
        """Two convolutions of a level."""
        first, second = nn.Conv2d(inputs, outputs, 3, padding=1), nn.Conv2d(outputs, outputs, 3, padding=1)
        return nn.Sequential(first, nn.LeakyReLU(0.2), second, nn.LeakyReLU(0.2))

    def forward(self, x):
        """(B, 4, h, w), h and w multiples of 16."""
        kept = []
        for level in self.down[:-1]:
            kept.append(level(x))
            x = nn.functional.max_pool2d(kept[-1], 2)
        x = self.down[-1](x)
        for up, join in zip(self.up, self.join, strict=True):
            x = join(torch.cat([up(x), kept.pop()], 1))
        return self.last(x)
