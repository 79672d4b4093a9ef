# SPDX-License-Identifier: Apache-2.0
"""What a call costs beside its pixels, and what small frames cost a pixel: CPU time of one thread.

``python benchmarks/calls.py`` prints a table; ``--write FILE`` keeps it.

How it is measured: torch on one thread, everything made before, warm. The calls run in turn, round by round,
each many times in a row (2 ms or more), timed by ``time.thread_time``, which counts this thread's work and no
waiting. "median" is over the rounds. "least" is the quickest round: what shares a core or its clock only adds
to it, so on a busy machine the least is nearest to what an idle one takes. "aim" is what is asked for on an
idle machine. 16 pixels are one mosaic of 4x4 float32 (packed: 4x2x2), seed and index are ints, NoiseParams is
made before; the noise is shot, Gaussian read, row and column. The last line compares the time per pixel of
64 frames of 4x32x32 cells with 16 of 4x64x64, in one call with ``out=``: the median over rounds of the
quotient.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from alternating import alternated, header, told

from lrd_ext import NoiseParams, fused_synth, load_profile, ops
from lrd_ext.generator import LiteGenerator

SECONDS = 20.0
LEVELS = {"K": 2.3, "ratio": 100.0, "white": 16383.0, "black": 512.0}
NUMBERS = LEVELS | {"sigma_read": 6.0, "sigma_row": 1.3, "sigma_col": 0.7, "read": "gaussian"}

#: Microseconds asked for on an idle machine.
AIMS = {"fused_synth, 16 pixels": 20, "the same with out=": 20, "NoiseParams(numbers)": 60, "sample(1)": 150}


def calls() -> dict[str, Callable[[], object]]:
    """Return the calls by name, each ready to run."""
    mosaic = torch.rand(4, 4, generator=torch.Generator().manual_seed(0))
    packed, raw, out = mosaic.view(1, 4, 2, 2), (16000 * mosaic).to(torch.uint16), torch.empty(4, 4)
    params, shot, profile = NoiseParams(**NUMBERS), NoiseParams(**LEVELS), load_profile("sony_a7s2")
    seed, index, ids = torch.tensor(7), torch.tensor([3]), {"seed": 7, "index": 3}
    learned = ids | {"generator": LiteGenerator().requires_grad_(False), "sigma_init": 2.0}
    return {
        "fused_synth, 16 pixels": lambda: fused_synth(mosaic, params, **ids),
        "the same with out=": lambda: fused_synth(mosaic, params, **ids, out=out),
        "packed": lambda: fused_synth(packed, params, **ids),
        "uint16": lambda: fused_synth(raw, params, **ids),
        "seed and index as tensors": lambda: fused_synth(mosaic, params, seed=seed, index=index),
        "with a generator": lambda: fused_synth(mosaic, shot, **learned),
        "NoiseParams(numbers)": lambda: NoiseParams(**NUMBERS),
        "profile.at(iso, ratio)": lambda: profile.at(iso=3200, ratio=200.0),
        "sample(1)": lambda: profile.sample(1, iso=(800, 12800), ratio=(100, 300), seed=7),
    }


def table(times: dict[str, list[float]]) -> list[str]:
    """Return the rows of the table, of seconds by name."""
    rows = ["| call | median, us | least, us | aim, us |", "|---|---:|---:|---:|"]
    for name, seconds in times.items():
        median, least = statistics.median(seconds) * 1e6, min(seconds) * 1e6
        rows.append(f"| {name} | {median:.1f} | {least:.1f} | {AIMS.get(name, '')} |")
    return rows


def small_frames(seconds: float) -> str:
    """Compare the time per pixel of 4x32x32 cells with that of 4x64x64, of as many pixels a call."""
    params, shapes = NoiseParams(**NUMBERS), {"32": (64, 4, 32, 32), "64": (16, 4, 64, 64)}
    frames = {n: 0.3 * torch.rand(s, generator=torch.Generator().manual_seed(0)) for n, s in shapes.items()}
    outs = {n: torch.empty_like(frame) for n, frame in frames.items()}
    times = alternated(
        {n: lambda n=n: fused_synth(frames[n], params, seed=7, out=outs[n]) for n in shapes}, seconds
    )
    ratios = [a / b for a, b in zip(times["32"], times["64"], strict=True)]
    return f"4x32x32 takes {statistics.median(ratios):.2f} times the time per pixel of 4x64x64 (aim 1.15)."


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", type=Path, help="file that receives what is printed")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="how long to measure, roughly")
    options = parser.parse_args()
    if ops.NATIVE is None:
        sys.exit(f"calls: no compiled executor: {ops.WHY_NOT_NATIVE}")
    torch.set_num_threads(1)
    machine, versions = header()[:2]
    lines = [machine, versions.replace("`out=`", "CPU time"), ""]
    lines += [*table(alternated(calls(), options.seconds)), ""]
    lines.append(small_frames(options.seconds / 4))
    told(lines, options.write)


if __name__ == "__main__":
    main()
