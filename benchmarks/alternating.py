# SPDX-License-Identifier: Apache-2.0
"""How long fused_synth takes, and how many times as long its peers do: CPU time of one thread.

``python benchmarks/alternating.py`` prints README's table, a row for each instruction set; ``--all`` every
scene, size and dtype; ``--write FILE`` keeps what is printed. In every round each
contender runs once, so that what slows the machine slows all; a ratio is the median over rounds of a
contender's time by lrd_ext's.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cpuinfo
import peers
import torch
from workloads import ELD, Scene, scenes

import lrd_ext
from lrd_ext import fused_synth, ops
from lrd_ext.reference.read_noise import read_std

#: Wall time a case may take, roughly; at least so many rounds all the same.
SECONDS, ROUNDS = 8.0, 5

PEERS = {
    "NumPy + SciPy": peers.eld_noise,
    "torch eager": peers.torch_synth,
    "torch.compile": torch.compile(peers.torch_synth, dynamic=True),
}


@dataclasses.dataclass(frozen=True)
class Case:
    """What is timed: a scene of packed frames and which peers do the same work."""

    scene: Scene
    shape: tuple[int, int, int, int]
    dtype: torch.dtype = torch.float32
    peers: tuple[str, ...] = ()

    def __str__(self) -> str:
        batch, _, h, w = self.shape
        return f"{self.scene.name} | {batch} x 4x{h}x{w} | {str(self.dtype).removeprefix('torch.')}"


EIGHT = (8, 4, 512, 512)
FLAT_AND_RANDOM = [scene for scene in scenes() if scene.name != "smooth"]
SMOOTH = scenes()[0]
OTHER_SIZES = [(b, 4, h, h) for b, h in ((1, 16), (1, 32), (1, 64), (1, 128), (1, 256), (1, 512), (64, 128))]
OTHER_SIZES += [(1, 4, 1500, 2000)]


def every_case() -> list[Case]:
    """List what ``--all`` measures."""
    everyone = tuple(PEERS)
    cases = [Case(SMOOTH, EIGHT, peers=everyone)]
    cases += [Case(s, EIGHT, peers=everyone[:2]) for s in FLAT_AND_RANDOM]
    cases += [Case(SMOOTH, shape, peers=everyone[1:2]) for shape in OTHER_SIZES]
    return cases + [Case(SMOOTH, EIGHT, dtype) for dtype in (torch.float16, torch.bfloat16, torch.uint16)]


def ours(case: Case, clean: torch.Tensor) -> Callable[[], object]:
    """A call of fused_synth into memory that is there already."""
    model = case.scene.model
    out, params = torch.empty_like(clean), peers.params_of(model)
    options = {"output": "dn"} if case.dtype == torch.uint16 else {"dtype": case.dtype}
    return lambda: fused_synth(clean, params, seed=7, quantize=model.quantize, out=out, **options)


def alternated(calls: dict[str, Callable[[], object]], seconds: float = SECONDS) -> dict[str, list[float]]:
    """Run all in turn, round by round; return seconds of this thread by name, one of each round."""
    for call in calls.values():  # warm
        call()
    begin = time.perf_counter()
    once = {name: timed(call, 1) for name, call in calls.items()}
    whole = time.perf_counter() - begin
    repeats = max(1, round(2e-3 / max(min(once.values()), 1e-6)))  # short calls many at a time
    rounds = min(max(ROUNDS, round(seconds / (whole * repeats))), 101)
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            times[name].append(timed(call, repeats))
    return times


def timed(call: Callable[[], object], repeats: int) -> float:
    """Seconds of CPU time this thread takes for a call."""
    begin = time.thread_time()
    for _ in range(repeats):
        call()
    return (time.thread_time() - begin) / repeats


def check(name: str, synth: Callable[..., torch.Tensor]) -> None:
    """Hold the mean and the standard deviation of a flat field against the model's, within 3 %.

    Raises:
        ValueError: they differ, so that the contender does other work.
    """
    clean = torch.full((1, 4, 512, 512), 0.3)
    above = synth(clean, ELD).double() * (ELD.span / ELD.ratio)
    signal = 0.3 * ELD.span / ELD.ratio
    std = (ELD.K * signal + float(read_std(peers.params_of(ELD))) ** 2 + ELD.sigma_row**2 + 1 / 12) ** 0.5
    mean, spread = float(above.mean()), float(above.std())
    if abs(mean / signal - 1) > 0.03 or abs(spread / std - 1) > 0.03:
        raise ValueError(f"{name} draws other noise: {mean:g} and {spread:g}, not {signal:g} and {std:g}")


def row(case: Case) -> str:
    """Measure one case and return its row of the table."""
    clean = case.scene.frames(case.shape, case.dtype)
    calls = {"lrd_ext": ours(case, clean)}
    for name in case.peers:
        calls[name] = lambda synth=PEERS[name]: synth(clean, case.scene.model)
    times = alternated(calls)
    own = statistics.median(times["lrd_ext"])
    cells = [f"{own * 1e3:.3f}", f"{own / clean.numel() * 1e9:.2f}"]
    for name in PEERS:
        ratios = [a / b for a, b in zip(times.get(name, []), times["lrd_ext"], strict=False)]
        cells.append(f"{statistics.median(ratios):.1f}" if ratios else "")
    return f"| {case} | {' | '.join(cells)} |"


def header() -> list[str]:
    """Say what ran where."""
    cpu = cpuinfo.get_cpu_info()
    name, family, model = (cpu.get(key, "?") for key in ("brand_raw", "family", "model"))
    return [
        f"{name} (family {family}, model {model}), {ops.NATIVE.isa()} build, compiler {ops.NATIVE.compiler};",
        f"lrd_ext {lrd_ext.__version__}, torch {torch.__version__}; one thread, `out=`.",
        "Thread CPU time, medians, contenders in alternation; peers: how many times as long.",
    ]


def everything() -> list[str]:
    """Measure all cases on this process's instruction set."""
    columns = ["scene", "frames", "dtype", "ms", "ns/pixel", *(f"{name} x" for name in PEERS)]
    lines = [*header(), "", f"| {' | '.join(columns)} |", "|" + "---|" * 3 + "---:|" * 5]
    lines += [row(case) for case in every_case()]
    return lines


def readme_row() -> str:
    """Measure README's case on this process's instruction set."""
    cells = row(Case(SMOOTH, EIGHT, peers=tuple(PEERS))).split(" | ")
    times = [f"{cell.strip(' |')}×" for cell in cells[5:]]
    return f"| {ops.NATIVE.isa()} | {cells[4]} | {times[0]} | {times[1]} | {times[2]} |"


def on_each_isa(arguments: list[str]) -> list[str]:
    """Run this program once for each vectorised instruction set of the processor; return what they print."""
    said = []
    for isa in ops.NATIVE.isa_names()[1:]:
        done = subprocess.run(
            [sys.executable, __file__, "--here", *arguments],
            env=os.environ | {"LRD_EXT_ISA": isa}, stdout=subprocess.PIPE, text=True, check=True,
        )  # fmt: skip
        said.append(done.stdout.rstrip())
    return said


def main() -> None:
    """Print tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--all", action="store_true", help="every scene, size and dtype")
    parser.add_argument("--write", type=Path, help="file that receives what is printed")
    parser.add_argument("--here", action="store_true", help="only the instruction set of LRD_EXT_ISA")
    options = parser.parse_args()
    if ops.NATIVE is None:
        sys.exit(f"alternating: no compiled executor: {ops.WHY_NOT_NATIVE}")
    torch.set_num_threads(1)
    if options.here:
        for name, synth in {"lrd_ext": peers.fused_synth, **PEERS}.items():
            check(name, synth)
        lines = everything() if options.all else [readme_row()]
    elif options.all:
        lines = ["# fused_synth and its peers, in alternation", "", "\n\n".join(on_each_isa(["--all"]))]
    else:
        lines = [*header(), "", f"| build | ns per raw pixel | {' | '.join(PEERS)} |", "|" + " --- |" * 5]
        lines += on_each_isa([])
    told(lines, options.write)


def told(lines: list[str], file: Path | None) -> None:
    """Print the lines, and keep them in a file where one is given."""
    text = "\n".join(lines)
    print(text)
    if file is not None:
        file.write_text(text + "\n")


if __name__ == "__main__":
    main()
