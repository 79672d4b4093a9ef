# SPDX-License-Identifier: Apache-2.0
"""Small generated raw files in the layouts of the published data sets, under their names.

They are DNG whatever their suffix says: readers go by content.
"""

from __future__ import annotations

import functools
import os

import numpy as np

from lrd_ext import raw
from lrd_ext.datasets import AIM2025_CAMERAS, ELD_CAMERAS
from lrd_ext.datasets.lrd import _scenes
from lrd_ext.datasets.sid import _shots

SIZE = (24, 32)
BLACK, WHITE = (512.0, 514.0, 516.0, 518.0), 16383.0


def scene(height=SIZE[0], width=SIZE[1], seed=0):
    """A clean picture in [0, 1]."""
    return np.random.default_rng(seed).random((height, width))


@functools.cache
def exposure(iso, time_s, light=1.0, *, cfa="RGGB", black=BLACK, white=WHITE, size=SIZE, seed=0):
    """Bytes of a raw file that got ``light`` times the light of a clean exposure, with noise of 4 DN."""
    noise = np.random.default_rng(seed + 1).normal(0, 4, size)
    levels = np.tile(np.reshape(black, (2, 2)), (size[0] // 2, size[1] // 2))
    mosaic = levels + (white - levels) * scene(*size, seed) * light * 0.9 + noise
    mosaic = np.clip(mosaic.round(), 0, white).astype(np.uint16)
    made = raw.Raw(mosaic, cfa, np.array(black, np.float32), white, iso=iso, exposure_s=time_s)
    return raw.encode_dng(made)


class Tree:
    """Files below a folder; equal ones are one file with several names."""

    def __init__(self, root):
        self.root, self.first = root, {}

    def add(self, name, data):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if data in self.first:
            os.link(self.first[data], path)
        else:
            path.write_bytes(data)
            self.first[data] = path


def sid(root, *splits):
    tree, made = Tree(root), set()
    for split in splits:
        for number, frame, short, long in _shots(split):
            ratio = float(long) / float(short)
            files = {
                f"short/{number:05d}_{frame:02d}_{short}s.ARW": exposure(800, float(short), 1 / ratio),
                f"long/{number:05d}_00_{long}s.ARW": exposure(800, float(long)),
            }
            for name, data in files.items():
                if name not in made:
                    made.add(name)
                    tree.add(name, data)
    return root


def eld(root, *cameras):
    tree = Tree(root)
    for camera in cameras:
        for number in range(1, 11):
            for frame in range(1, 17):
                ratio = (1, 1, 10, 100, 200)[(frame - 1) % 5]
                iso = (800, 1600, 3200, 800)[(frame - 1) // 5]
                data = exposure(iso, 1600 / iso / ratio, 1 / ratio)
                tree.add(f"{camera}/scene-{number}/IMG_{frame:04d}{ELD_CAMERAS[camera]}", data)
    return root


LRD_ISOS = (200, 400, 800, 1600, 3200, 6400)
LRD_LEVELS = {"black": (4096.0,) * 4, "white": 65535.0}


def lrd(root, *splits):
    tree = Tree(root)
    for split in splits:
        for place, number in enumerate(_scenes(split)):
            iso = LRD_ISOS[place % 6]
            tree.add(f"Clean/{number:05d}_00_8s.DNG", exposure(100, 8, **LRD_LEVELS))
            for ev in (1, 2, 3):
                time = 800 / iso / 2**ev
                data = exposure(iso, time, 1 / 2**ev, **LRD_LEVELS)
                tree.add(f"Noisy/{number:05d}_{ev:02d}_{time:g}s.DNG", data)
    return root


def lrid(root, subset="indoor_x5", gains=(1, 2, 4, 8, 16), scenes=60, frames=2):
    tree = Tree(root)
    clean = (64 + 959 * 0.9 * scene()).astype(np.float32)
    (root / subset / "npy" / "GT_align_ours").mkdir(parents=True)
    for number in range(scenes):
        np.save(root / subset / "npy" / "GT_align_ours" / f"{number:03d}.npy", clean)
        for gain in gains:
            data = exposure(6400, 0.01, 1 / gain, black=(64.0,) * 4, white=1023.0)
            for frame in range(frames):
                tree.add(f"{subset}/6400/{gain}/{number:03d}/IMG_{frame}.dng", data)
    return root


def aim2025(root, camera="sonya7r4", isos=(800, 1600), gain=100):
    tree, suffix = Tree(root), AIM2025_CAMERAS[camera][1]
    for iso in isos:
        for number in (1, 2):
            place = f"{camera}/test_data"
            name = f"{place}/paired_input/scene{number}_iso{iso}_dgain{gain}{suffix}"
            tree.add(name, exposure(iso, 0.01, 1 / gain))
            tree.add(f"{place}/paired_gt/scene{number}_iso{iso}_gt{suffix}", exposure(100, 1))
        (root / camera / "calib_res").mkdir(exist_ok=True)
        np.save(root / camera / "calib_res" / f"dark_shading_iso{iso}.npy", np.full(SIZE, 2.0))
    return root
