# SPDX-License-Identifier: Apache-2.0
"""Kill what takes part in `lrd data synthesize --ray` at random moments, and compare what is left.

    python tools/ray_kills.py --kills 10 --seed 1 --write docs/results/ray_kills.md

On two nodes of this machine, with two actors, an actor, the node that is not the head, and the driver get
SIGKILL, each `--kills` times. A run whose driver died goes on with --resume. All must end with the bytes of
one process that nobody disturbed. The exit code is the number of kills after which it was otherwise.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from lrd_ext import raw

PICTURES, SHARDS = 24, 384
COMMAND = "data synthesize raws --camera sony_a7s2 --iso 800:6400 --ratio 10:100 --size 128 -o"
NODE = {"num_cpus": 2, "object_store_memory": 100 << 20}


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What one kill led to."""

    victim: str
    shards_then: int
    damaged_then: int
    exits: tuple[int, ...]
    same: bool


def make_inputs(folder: Path) -> None:
    """Write raw files."""
    (folder / "raws").mkdir()
    for k in range(PICTURES):
        mosaic = np.random.default_rng(k).integers(512, 16000, (1024, 1024), np.uint16)
        raw.write_dng(folder / "raws" / f"{k:02d}.dng", raw.Raw(mosaic, "RGGB", 512, 16383, iso=100))


def start(folder: Path, out: str, *more: str) -> subprocess.Popen[bytes]:
    """Start the program."""
    words = [sys.executable, "-m", "lrd_main", *COMMAND.split(), out, "--quiet", *more]
    return subprocess.Popen(words, cwd=folder)


def contents(out: Path) -> dict[str, str]:
    """Return the checksum of every file by its name, temporary ones among them."""
    return {
        str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(out.rglob("*"))
        if path.is_file()
    }


def shards(out: Path) -> list[Path]:
    """Return the files under final names."""
    return [path for path in out.glob("*.npz") if not path.name.startswith(".")]


def actors_at_work() -> list[int]:
    """Return the processes of actors at work; there is one run at a time."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            line = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
        except OSError:  # it has ended
            continue
        if line.startswith(b"ray::_Actor"):
            found.append(int(entry.name))
    return sorted(found)


def one_kill(folder: Path, cluster: Any, victim: str, draw: random.Random, expected: Any) -> Outcome:
    """Kill when so many shards are there, let the run end, and compare."""
    out = Path(tempfile.mkdtemp(dir=folder)) / "out"
    ray = ["--ray", cluster.address, "--actors", "2"]
    run = start(folder, str(out), *ray)
    moment = draw.randrange(1, SHARDS * 3 // 4)
    while run.poll() is None and len(shards(out)) < moment:
        time.sleep(0.002)
    time.sleep(draw.uniform(0, 0.05))
    if victim == "actor":
        os.kill(draw.choice(actors_at_work()), signal.SIGKILL)
    elif victim == "node":
        cluster.remove_node(next(iter(cluster.worker_nodes)), allow_graceful=False)
    else:
        run.kill()
    now = shards(out)
    whole = sum(hashlib.sha256(path.read_bytes()).hexdigest() == expected[path.name] for path in now)
    exits = [run.wait()]
    if victim == "driver":
        exits.append(start(folder, str(out), *ray, "--resume").wait())
    if victim == "node":
        cluster.add_node(**NODE)
        cluster.wait_for_nodes()
    same = exits[-1] == 0 and contents(out) == expected
    return Outcome(victim, len(now), len(now) - whole, tuple(exits), same)


def all_kills(folder: Path, kills: int, rng: random.Random) -> list[Outcome]:
    """Return what each kill led to."""
    from ray.cluster_utils import Cluster

    make_inputs(folder)
    if start(folder, "alone").wait():
        raise RuntimeError("the command fails without a kill")
    expected = contents(folder / "alone")
    cluster = Cluster(initialize_head=True, head_node_args=NODE)
    outcomes = []
    try:
        cluster.add_node(**NODE)
        cluster.wait_for_nodes()
        for victim in ("actor", "node", "driver"):
            for _ in range(kills):
                outcomes.append(one_kill(folder, cluster, victim, rng, expected))
                print(outcomes[-1], flush=True)
    finally:
        cluster.shutdown()
    return outcomes


def page(outcomes: list[Outcome], kills: int, seed: int) -> str:
    """Return the table as Markdown."""
    lines = [
        "# Killed while pairs are made",
        "",
        f"Made by `tools/ray_kills.py --kills {kills} --seed {seed}`: {PICTURES} raw files of 1024 × 1024",
        f"sites, crops of 128 cells, `.npz`, {SHARDS} shards, on a Ray cluster of two nodes on one machine,",
        "two actors. SIGKILL hits an actor, the node that is not the head, or the driver, when so many",
        "shards have their final names. Each of those is then compared with that of an undisturbed run in",
        "one process. Where the driver was killed the output goes on with `--resume`; else the run ends by",
        "itself. Compared in the end: every file, manifest and index too, and that there is no other.",
        "",
        "| killed | shards then | damaged among them | exit codes | ends with the same bytes |",
        "| --- | --- | --- | --- | --- |",
    ]
    for o in outcomes:
        exits, same = ", ".join(map(str, o.exits)), "yes" if o.same else "NO"
        lines.append(f"| {o.victim} | {o.shards_then} | {o.damaged_then} | {exits} | {same} |")
    kept = sum(o.same for o in outcomes)
    return "\n".join([*lines, "", f"{kept} of {len(outcomes)} end with the same bytes.", ""])


def main() -> int:
    """Kill, print, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--kills", type=int, default=10, help="of each victim")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", type=Path, help="page to write")
    options = parser.parse_args()
    os.environ.setdefault("RAY_worker_niceness", "0")  # else a busy machine gives actors no time
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    with tempfile.TemporaryDirectory() as folder:
        outcomes = all_kills(Path(folder), options.kills, random.Random(options.seed))
    if options.write:
        options.write.write_text(page(outcomes, options.kills, options.seed), encoding="utf-8")
    return sum(not outcome.same for outcome in outcomes)


if __name__ == "__main__":
    sys.exit(main())
