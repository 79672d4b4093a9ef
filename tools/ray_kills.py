# SPDX-License-Identifier: Apache-2.0
"""Kill what takes part in `lrd data synthesize --ray` at random moments, and compare what is left.

    python tools/ray_kills.py --kills 10 --write docs/results/ray_kills.md
    python tools/ray_kills.py --kills 1 --victims driver --seed 2 --add --write docs/results/ray_kills.md

On two nodes of this machine, with two actors, an actor, the node that is not the head, the driver, and the
head get SIGKILL, each `--kills` times. A run whose driver or head died goes on with --resume. All must end
with the bytes of one process that nobody disturbed. The exit code is the number of kills after which it was
otherwise.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lrd_ext import raw

PICTURES, SHARDS = 24, 384
COMMAND = "data synthesize raws --camera sony_a7s2 --iso 800:6400 --ratio 10:100 --size 128 -o"
NODE = {"num_cpus": 2, "object_store_memory": 100 << 20}
VICTIMS = ("actor", "node", "driver", "head")


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What one kill led to."""

    victim: str
    shards_then: int
    damaged_then: int
    exits: tuple[int, ...]
    same: bool

    def row(self) -> str:
        """Return its line of the table."""
        exits, same = ", ".join(map(str, self.exits)), "yes" if self.same else "NO"
        return f"| {self.victim} | {self.shards_then} | {self.damaged_then} | {exits} | {same} |"


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


@contextlib.contextmanager
def two_nodes() -> Iterator[Any]:
    """Give a cluster of a head and another node."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args=NODE)
    try:
        cluster.add_node(**NODE)
        cluster.wait_for_nodes()
        yield cluster
    finally:
        cluster.shutdown()


def kill(cluster: Any, victim: str, run: subprocess.Popen[bytes], draw: random.Random) -> None:
    """Send SIGKILL to one of those that take part."""
    if victim == "actor":
        os.kill(draw.choice(actors_at_work()), signal.SIGKILL)
    elif victim == "driver":
        run.kill()
    else:
        node = cluster.head_node if victim == "head" else next(iter(cluster.worker_nodes))
        cluster.remove_node(node, allow_graceful=False)


def one_kill(folder: Path, victim: str, draw: random.Random, expected: dict[str, str]) -> Outcome:
    """Kill when so many shards are there, let the run end, and compare."""
    out = Path(tempfile.mkdtemp(dir=folder)) / "out"
    with two_nodes() as cluster:
        run = start(folder, str(out), "--ray", cluster.address, "--actors", "2")
        moment = draw.randrange(1, SHARDS * 3 // 4)
        while run.poll() is None and len(shards(out)) < moment:
            time.sleep(0.002)
        time.sleep(draw.uniform(0, 0.05))
        kill(cluster, victim, run, draw)
        now = shards(out)
        whole = sum(hashlib.sha256(path.read_bytes()).hexdigest() == expected[path.name] for path in now)
        exits = [run.wait()]
        if victim == "driver":
            exits.append(start(folder, str(out), "--ray", cluster.address, "--resume").wait())
    if victim == "head" and exits[0]:  # the node that is left may have ended the run
        with two_nodes() as cluster:
            exits.append(start(folder, str(out), "--ray", cluster.address, "--resume").wait())
    same = exits[-1] == 0 and contents(out) == expected
    return Outcome(victim, len(now), len(now) - whole, tuple(exits), same)


def all_kills(folder: Path, victims: Sequence[str], kills: int, draw: random.Random) -> list[Outcome]:
    """Return what each kill led to."""
    make_inputs(folder)
    if start(folder, "alone").wait():
        raise RuntimeError("the command fails without a kill")
    expected = contents(folder / "alone")
    outcomes = []
    for victim in (victim for victim in victims for _ in range(kills)):
        outcomes.append(one_kill(folder, victim, draw, expected))
        print(outcomes[-1].row(), flush=True)
    return outcomes


def rows_of(page: Path) -> list[str]:
    """Return the lines of kills that a page holds."""
    return [line for line in page.read_text("utf-8").splitlines() if line[2:].split(" ")[0] in VICTIMS]


def text_of(rows: list[str]) -> str:
    """Return the page as Markdown."""
    rows = sorted(rows, key=lambda row: VICTIMS.index(row.split()[1]))
    lines = [
        "# Killed while pairs are made",
        "",
        f"Made by `tools/ray_kills.py`: {PICTURES} raw files of 1024 × 1024 sites, crops of 128 cells, .npz,",
        f"{SHARDS} shards, on a Ray cluster of two nodes on one machine, two actors. SIGKILL hits an actor,",
        "the node that is not the head, the driver, or the head with all processes of its node, when so many",
        "shards have their final names. Each of those is then compared with that of an undisturbed run in",
        "one process. Where the driver was killed the output goes on with `--resume`. So it does, on a new",
        "cluster, where the head was killed and no actor was left to end the run (exit code 2). Else the run",
        "ends by itself. Compared in the end: every file, manifest and index too, and that there is no",
        "other.",
        "",
        "| killed | shards then | damaged among them | exit codes | ends with the same bytes |",
        "| --- | --- | --- | --- | --- |",
    ]
    kept = sum(row.endswith("| yes |") for row in rows)
    return "\n".join([*lines, *rows, "", f"{kept} of {len(rows)} end with the same bytes.", ""])


def main() -> int:
    """Kill, print, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--kills", type=int, default=10, help="of each victim")
    parser.add_argument("--victims", nargs="+", choices=VICTIMS, default=VICTIMS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", type=Path, help="page to write")
    parser.add_argument("--add", action="store_true", help="keep the kills that the page tells already")
    options = parser.parse_args()
    os.environ.setdefault("RAY_worker_niceness", "0")  # else a busy machine gives actors no time
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    with tempfile.TemporaryDirectory() as folder:
        outcomes = all_kills(Path(folder), options.victims, options.kills, random.Random(options.seed))
    if options.write:
        rows = rows_of(options.write) if options.add else []
        rows += [outcome.row() for outcome in outcomes]
        options.write.write_text(text_of(rows), encoding="utf-8")
    return sum(not outcome.same for outcome in outcomes)


if __name__ == "__main__":
    sys.exit(main())
