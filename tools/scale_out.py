# SPDX-License-Identifier: Apache-2.0
"""Measure what `lrd data synthesize --ray` gives on this machine, and where its time goes.

    python tools/scale_out.py --write docs/results/scale_out.md

Raw files of 12 megapixels become stores of tiles in one process, and by one and two actors of a Ray that is
started here; then so many of them that the input is 20 times its object store, whose processes are watched.
Other work on the machine changes the seconds of the clock: processor seconds stand beside them, and the load.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from lrd_ext import load_profile, raw
from lrd_ext.bulk import FORMATS, Recipe, find_sources
from lrd_ext.bulk.ray_actors import STORE
from lrd_ext.bulk.shards import Synthesizer

COMMAND = "data synthesize raws --camera sony_a7s2 --iso 800:6400 --ratio 10:100 --size 250 --format tiles"
HEIGHT, WIDTH = 3000, 4000
_TICK = os.sysconf("SC_CLK_TCK")


@dataclasses.dataclass
class Run:
    """One run of the program: pictures, seconds, and the memory of its processes as it went on."""

    way: str
    pictures: int
    wall_s: float
    steady_s: float
    cpu_s: float
    peaks: list[float]
    load: float


def make_inputs(folder: Path, pictures: int) -> None:
    """Write one raw file and links to it."""
    shutil.rmtree(folder / "raws", ignore_errors=True)
    (folder / "raws").mkdir()
    mosaic = np.random.default_rng(1).integers(512, 16000, (HEIGHT, WIDTH), np.uint16)
    raw.write_dng(folder / "picture.dng", raw.Raw(mosaic, "RGGB", 512, 16383, iso=100, exposure_s=1.0))
    for k in range(pictures):
        (folder / "raws" / f"{k:03d}.dng").symlink_to(folder / "picture.dng")


def makers(driver: int) -> list[Path]:
    """Return the processes that make shards: the program itself, and actors of the Ray it started."""
    parents, actors = {}, []
    for entry in Path("/proc").iterdir():
        try:
            number = int(entry.name)
            parents[number] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            if (entry / "cmdline").read_bytes().startswith(b"ray::_Actor"):
                actors.append(number)
        except (OSError, ValueError):  # it has ended, or is no process
            continue

    def is_own(number: int) -> bool:
        while number > 1 and number != driver:
            number = parents.get(number, 0)
        return number == driver

    return [Path("/proc") / str(number) for number in (driver, *filter(is_own, actors))]


def measured(folder: Path, way: str, pictures: int, *more: str) -> Run:
    """Run the program and watch it."""
    out = folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    began, load = time.monotonic(), os.getloadavg()[0]
    words = [sys.executable, "-m", "lrd_main", *COMMAND.split(), "-o", "out", "--quiet", *more]
    run = subprocess.Popen(words, cwd=folder)
    cpu: dict[Path, float] = {}
    memory, first, done = [], (0.0, 0), 0
    while run.poll() is None:
        held = 0.0
        for entry in makers(run.pid):
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                pages = int((entry / "statm").read_text().split()[1])
            except OSError:
                continue
            cpu[entry] = (int(fields[11]) + int(fields[12])) / _TICK
            held += pages * os.sysconf("SC_PAGE_SIZE") / 2**20
        memory.append(held)
        if (out / "unfinished").is_dir():
            done = max(done, sum(not name.startswith(".") for name in os.listdir(out / "unfinished")))
        if done and not first[1]:
            first = (time.monotonic(), done)
        if done < pictures:
            last = time.monotonic()
        time.sleep(0.05)
    if run.returncode:
        raise RuntimeError(f"{way}: exit {run.returncode}")
    fourths = np.array_split(np.array(memory), 4)
    steady = (last - first[0]) / max(1, pictures - first[1])
    wall = time.monotonic() - began
    return Run(way, pictures, wall, steady, sum(cpu.values()), [float(f.max()) for f in fourths], load)


def parts(folder: Path) -> list[str]:
    """Return processor seconds of each part of a picture, by format, as rows."""
    (source,) = find_sources([folder / "picture.dng"])
    rows = []
    for name in (f for f in FORMATS if f != "dng"):
        recipe = Recipe((load_profile("sony_a7s2"),), (800.0, 6400.0), (10.0, 100.0), size=250, format=name)
        noise = recipe.noise()
        picture = source.read()[0]

        def draw(recipe: Recipe = recipe, picture: raw.Raw = picture, noise: torch.nn.Module = noise) -> None:
            for _, item in recipe.items(0, picture, "a"):
                levels = {"white": float(item["white"]), "cfa": item["cfa"]}
                black = tuple(float(v) for v in item["black"])
                noise(item["clean"], item["index"], layout="packed", black=black, **levels)

        maker = Synthesizer(recipe, str(folder / name))
        read, drawn = seconds(source.read), seconds(draw)
        whole = seconds(lambda maker=maker: maker.make(source))
        bytes_ = sum(p.stat().st_size for p in (folder / name).rglob("*") if p.is_file())
        row = (read, drawn, whole - read - drawn, whole)
        rows.append(f"| {name} | " + " | ".join(f"{v:.2f}" for v in row) + f" | {bytes_ / 1e6:.0f} |")
    return rows


def seconds(work: Callable[[], object]) -> float:
    """Return the least processor time of a few calls."""
    found = []
    for _ in range(3):
        began = time.process_time()
        work()
        found.append(time.process_time() - began)
    return min(found)


def page(runs: list[Run], watched: Run, rows: list[str], size: int) -> str:
    """Return the results as Markdown."""
    lines = [
        "# What more processes give",
        "",
        "Made by `tools/scale_out.py` on two cores (load: how many processes wanted a core",
        "when a run began). Raw files of 12 megapixels become tiles of 250 cells.",
        "Seconds of the clock for each picture, from the first on; processor seconds of the processes that",
        "make shards, with their start, in which torch is loaded.",
        "",
        "| by | pictures | s in all | s a picture, from the first on | processor s a picture | load |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for r in runs:
        figures = f"{r.wall_s:.1f} | {r.steady_s:.2f} | {r.cpu_s / r.pictures:.2f} | {r.load:.1f}"
        lines.append(f"| {r.way} | {r.pictures} | {figures} |")
    peaks = ", ".join(f"{p:.0f}" for p in watched.peaks)
    given = watched.pictures * size
    lines += [
        "",
        "Where the time goes: processor seconds for one picture of 48 crops, in one process with one thread.",
        "Writing is what is left of the whole: packing, encoding, checksums, the index.",
        "",
        "| format | decode, checksum | noise | write | whole | MB written |",
        "| --- | --- | --- | --- | --- | --- |",
        *rows,
        "",
        f"Memory: {watched.pictures} pictures, {given / 1e6:.0f} MB, {watched.way}, {watched.wall_s:.0f} s.",
        f"The object store has {STORE / 1e6:.0f} MB, a {given / STORE:.0f}th of it. Actors and driver",
        f"together held at most {peaks} MB in the four quarters of that time.",
        "",
    ]
    return "\n".join(lines)


def main() -> int:
    """Measure, print and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--pictures", type=int, default=24)
    parser.add_argument("--write", type=Path, help="page to write")
    options = parser.parse_args()
    torch.set_num_threads(1)
    os.environ["OMP_NUM_THREADS"] = "1"  # of the single process too, as every actor has one
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        make_inputs(folder, options.pictures)
        size = (folder / "picture.dng").stat().st_size
        rows = parts(folder)
        ways = {"one process": [], "1 actor": ["--ray", "local", "--actors", "1"]}
        ways["2 actors"] = ["--ray", "local", "--actors", "2"]
        runs = [measured(folder, way, options.pictures, *more) for way, more in ways.items()]
        many = -(-20 * STORE // size)
        make_inputs(folder, many)
        watched = measured(folder, "2 actors", many, *ways["2 actors"])
    text = page(runs, watched, rows, size)
    print(text)
    if options.write:
        options.write.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
