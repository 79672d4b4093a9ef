# SPDX-License-Identifier: Apache-2.0
"""CPU time of each way to get pairs for training from 12 MP raw files: which is fastest on this machine.

    python tools/loader_ways.py

makes 12 MP files in a temporary folder (some 500 MB with their stores) and measures CPU time a patch, of the
main process and its workers together, in times that of the first way and in milliseconds; and patches a
second, which tells what else the machine is doing. docs/results/loader.md has the times of one machine; the
milliseconds of the first way are in benchmarks/results/loader.md, by benchmarks/test_loader.py.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from lrd_ext import collate, raw
from lrd_ext.augment import DarkFrameBank, LowLightNoise
from lrd_ext.datasets import IdentitySampler, RawFolder, RawTiles, prepare_tiles

CAMERA, SHAPE = "sony_a7s2", (2848, 4256)
OPTIONS: dict[str, Any] = {"iso": (800, 3200), "ratio": (100, 300), "seed": 7}
Ways = dict[str, Callable[[], Iterator[Any]]]


def make_shots(folder: Path, count: int, light: int, iso: float) -> list[Path]:
    """Write raw files of a dim even scene, or of darks with ``light`` 0."""
    folder.mkdir()
    rng, paths = np.random.default_rng(light), [folder / f"{i}.dng" for i in range(count)]
    for path in paths:
        mosaic = (512 + light + rng.normal(0, 4, SHAPE)).round().astype(np.uint16)
        raw.write_dng(path, raw.Raw(mosaic, "RGGB", 512.0, 16383.0, iso=iso, exposure_s=0.1))
    return paths


def pairs_of(
    data: Dataset[Any], noise: LowLightNoise, options: argparse.Namespace, start: str
) -> Iterator[Any]:
    """Draw the noise in the workers."""
    return iter(loader_of(data, options, noise.collate, start))


def in_main(data: Dataset[Any], noise: LowLightNoise, options: argparse.Namespace) -> Iterator[Any]:
    """Let workers cut crops, and draw the noise of each batch in the main process."""
    for batch in loader_of(data, options, collate, "fork"):
        yield noise(batch["clean"], batch["index"], layout="packed")


def loader_of(data: Dataset[Any], options: argparse.Namespace, join: Callable[..., Any], start: str) -> Any:
    """Make a loader over identities that never ends within a measurement."""
    sampler = IdentitySampler(len(data))  # type: ignore[arg-type]
    return DataLoader(
        data,
        options.batch,
        sampler=sampler,
        num_workers=options.workers,
        collate_fn=join,
        multiprocessing_context=start if options.workers else None,
    )


def ways_of(folder: Path, options: argparse.Namespace) -> Ways:
    """Make the files and return every way by its name."""
    shots = make_shots(folder / "shots", 4, 300, 100)
    make_shots(folder / "darks", 4, 0, 1600)
    prepare_tiles(shots, folder / "tiles")
    samples = options.batch * (options.batches + 2 * options.workers + 4)
    tiles = RawTiles(folder / "tiles", options.size, samples)
    noise = LowLightNoise(CAMERA, **OPTIONS)
    bank = DarkFrameBank(folder / "darks", CAMERA, stops=2)
    flash = RawFolder(folder / "shots", options.size, samples)
    plain = RawFolder(folder / "shots", options.size, samples, regions=False)
    darks = LowLightNoise(CAMERA, **{**OPTIONS, "iso": (800, 1600)}, dark=bank)
    return {
        "prepared tiles, noise in the workers": lambda: pairs_of(tiles, noise, options, "fork"),
        "prepared tiles, noise in the main process": lambda: in_main(tiles, noise, options),
        "prepared tiles, dark frames for noise, in the workers": lambda: pairs_of(
            tiles, darks, options, "fork"
        ),
        "raw files by flashraw's regions, noise in the workers": lambda: pairs_of(
            flash, noise, options, "forkserver"
        ),
        "raw files by LibRaw, noise in the workers": lambda: pairs_of(plain, noise, options, "forkserver"),
    }


def cpu_s(processes: Sequence[int]) -> float:
    """Return the CPU seconds of this process and of workers that run."""
    own = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    ticks = [Path(f"/proc/{p}/stat").read_text().rsplit(")", 1)[1].split()[11:13] for p in processes]
    return own + sum(int(t) for pair in ticks for t in pair) / os.sysconf("SC_CLK_TCK")


def measure(pairs: Iterator[Any], options: argparse.Namespace) -> tuple[float, float]:
    """Return CPU ms a patch and patches a second, after the first batches."""
    for _ in range(2 * options.workers + 2):
        next(pairs)
    workers = [worker.pid for worker in getattr(pairs, "_workers", [])] or children()
    before, began = cpu_s(workers), time.perf_counter()
    for _ in range(options.batches):
        next(pairs)
    patches = options.batches * options.batch
    return 1e3 * (cpu_s(workers) - before) / patches, patches / (time.perf_counter() - began)


def children() -> list[int]:
    """Return the processes that this one started by fork."""
    return [int(p) for p in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]


def main() -> int:
    """Measure all ways and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--size", type=int, default=512, help="side of patches, 2x2 cells")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--batches", type=int, default=24)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        first = 0.0
        for name, way in ways_of(Path(folder), options).items():
            cpu, rate = measure(way(), options)
            first = first or cpu
            print(f"| {name} | {cpu / first:.1f} | {cpu:.1f} | {rate:.0f} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
