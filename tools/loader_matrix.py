# SPDX-License-Identifier: Apache-2.0
"""Crops and noise of an epoch in every way a DataLoader can be run: the same, or this says where not.

    python tools/loader_matrix.py

runs the second epoch (in some settings from its middle on) with each number of workers, batch size and way to
start workers, which live on or not, and compares every pair of pictures with those of one sample at a time.
Shown beside: a data set with NumPy's random state in workers, seeded as ELD's code does. The exit code is the
number of settings that differ.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.data import DataLoader, Dataset

from lrd_ext import raw
from lrd_ext.augment import LowLightNoise
from lrd_ext.datasets import EPOCH, IdentitySampler, RawTiles, prepare_tiles

SAMPLES, EPOCHS, STOPPED_AT = 40, 2, 7
CAMERAS = ["sony_a7s2", "nikon_d850", "canon_5d4"]


@dataclasses.dataclass(frozen=True)
class Setting:
    """One way to run a DataLoader; ``start`` is None without workers."""

    workers: int
    batch: int
    start: str | None
    persistent: bool = False
    resumed: bool = False

    def __str__(self) -> str:
        start = (
            f"{self.start}, {'persistent' if self.persistent else 'fresh'} workers" if self.workers else ""
        )
        ends = "resumed in mid-epoch" if self.resumed else "whole"
        return f"{self.workers} workers, batch {self.batch:2}, {ends}{', ' * bool(start)}{start}"


def every_setting() -> Iterator[Setting]:
    """Go through all that make a difference."""
    for batch, resumed in itertools.product((1, 16), (False, True)):
        yield Setting(0, batch, None, False, resumed)
        for workers, start, kept in itertools.product(
            (1, 2, 4), ("fork", "forkserver", "spawn"), (False, True)
        ):
            yield Setting(workers, batch, start, kept, resumed)


def make_store(folder: Path) -> Path:
    """Prepare three pictures of two phases."""
    paths = [folder / f"{i}.dng" for i in range(3)]
    for i, (path, cfa) in enumerate(zip(paths, ("RGGB", "GBRG", "RGGB"), strict=True)):
        mosaic = np.random.default_rng(i).integers(512, 16000, (96, 128), dtype=np.uint16)
        raw.write_dng(path, raw.Raw(mosaic, cfa, 512.0, 16383.0, iso=100.0, exposure_s=0.5))
    prepare_tiles(paths, folder / "store")
    return folder / "store"


def data_and_noise(store: Path, samples: int = SAMPLES) -> tuple[RawTiles, LowLightNoise]:
    """Return what every setting uses."""
    noise = LowLightNoise(CAMERAS, iso=(800, 3200), ratio=(100, 300), seed=7, gain_jitter=1)
    return RawTiles(store, size=8, samples=samples), noise


def digest(*pictures: Any) -> str:
    """Return what tells a pair of pictures."""
    return hashlib.sha256(b"".join(p.numpy().tobytes() for p in pictures)).hexdigest()[:16]


def one_at_a_time(data: RawTiles, noise: LowLightNoise, epoch: int) -> dict[int, str]:
    """Return the pairs of an epoch by identity, without a loader."""
    pairs = ((i, noise.collate([data[i]])) for i in range(epoch * EPOCH, epoch * EPOCH + len(data)))
    return {i: digest(pair["noisy"][0], pair["clean"][0]) for i, pair in pairs}


def last_epoch(setting: Setting, data: RawTiles, noise: LowLightNoise) -> dict[int, str]:
    """Run the loader up to the last epoch and return its pairs by identity."""
    sampler = IdentitySampler(len(data), seed=1)
    if setting.resumed:
        sampler.load_state(sampler.state_at(EPOCHS - 1, STOPPED_AT))
    loader = DataLoader(
        data,
        setting.batch,
        sampler=sampler,
        num_workers=setting.workers,
        collate_fn=noise.collate,
        multiprocessing_context=setting.start,
        persistent_workers=setting.persistent,
    )
    for _ in range(1 if setting.resumed else EPOCHS):
        pairs = {
            int(index): digest(noisy, clean)
            for batch in loader
            for index, noisy, clean in zip(batch["index"], batch["noisy"], batch["clean"], strict=True)
        }
    return pairs


def differs(setting: Setting, data: RawTiles, noise: LowLightNoise, expected: dict[int, str]) -> str:
    """Return what of a setting's last epoch is not as expected, nothing if all is."""
    found, wanted = last_epoch(setting, data, noise), len(data) - STOPPED_AT * setting.resumed
    if len(found) != wanted:
        return f"{len(found)} samples in place of {wanted}"
    other = [i for i, pair in found.items() if expected.get(i) != pair]
    return f"{len(other)} pairs differ" if other else ""


def eld_worker_init(worker: int) -> None:
    """Seed a worker as ELD's code does (dataset/sid_dataset.py, MIT), from NumPy's present state."""
    np.random.seed(int(np.random.get_state()[1][0]) + worker)  # type: ignore[index]


class NumpyCrops(Dataset[str]):
    """Crops and noise from NumPy's global state, as ELD, PMN and others draw them."""

    def __len__(self) -> int:
        return SAMPLES

    def __getitem__(self, i: int) -> str:
        corner = np.random.randint(0, 1000, 2)
        return f"{i} {corner} {np.random.normal():.6f}"


def peers_epochs(start: str, persistent: bool = False) -> list[set[str]]:
    """Return what two epochs of such a data set hold, by sample, in two workers."""
    loader = DataLoader(
        NumpyCrops(),
        None,
        num_workers=2,
        worker_init_fn=eld_worker_init,
        multiprocessing_context=start,
        persistent_workers=persistent,
    )
    return [set(loader) for _ in range(EPOCHS)]


def main() -> int:
    """Run every setting and the peers' way."""
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        data, noise = data_and_noise(make_store(Path(folder)))
        first, expected = (one_at_a_time(data, noise, epoch) for epoch in range(EPOCHS))
        print(f"pairs of the first epoch that come again in the second: "
              f"{len(set(first.values()) & set(expected.values()))} of {SAMPLES}")  # fmt: skip
        for setting in every_setting():
            difference = differs(setting, data, noise, expected)
            failed += bool(difference)
            print(f"{setting}: {difference or 'identical'}", flush=True)
    for start in ("fork", "forkserver", "spawn"):
        one, other = peers_epochs(start)
        print(f"NumPy's state seeded as in ELD's code, {start}: {len(one & other)} of {SAMPLES} crops "
              "and noises of the first epoch come again in the second")  # fmt: skip
    return failed


if __name__ == "__main__":
    sys.exit(main())
