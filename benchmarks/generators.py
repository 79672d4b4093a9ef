# SPDX-License-Identifier: Apache-2.0
"""How long a learned generator takes inside fused_synth, beside eager torch and oneDNN's convolutions alone.

``python benchmarks/generators.py`` prints a table; ``--write FILE`` keeps it. CPU time of one thread,
contenders in alternation, medians, and medians of ratios, as in alternating.py. "Stack": a call less one
without a generator, which leaves the draws of N_init, all layers and their activations. oneDNN: torch's
bfloat16 convolutions alone, on numbers drawn before, channels last, which suits it best.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from alternating import EIGHT, SMOOTH, alternated, header, told
from test_generator import PARAMS, SIGMA, WIDTHS, generator_of, torch_synth

from lrd_ext import fused_synth, ops
from lrd_ext.generator import LiteGenerator

SHAPES = [(1, 4, 64, 64), (1, 4, 256, 256), (1, 4, 512, 512), EIGHT]
COLUMNS = ["widths", "frames", "dtype", "ns/pixel", "physics", "eager float32 x"]
COLUMNS += ["oneDNN ns/pixel", "stack / oneDNN", "call / oneDNN"]


def convolutions(generator: LiteGenerator, shape: tuple[int, ...]) -> Callable[[], object]:
    """Make a call of a generator's convolutions on packed frames of a shape."""
    batch, _, h, w = shape
    h, w = h + 2 * generator.halo, w + 2 * generator.halo
    x = torch.randn(batch, generator.convs[0].in_channels, h, w, dtype=torch.bfloat16)
    x = x.contiguous(memory_format=torch.channels_last)
    layers = torch.nn.Sequential(*generator.convs)
    return lambda: layers(x)


def row(widths: tuple[int, ...], shape: tuple[int, int, int, int], dtype: torch.dtype) -> str:
    """Measure one generator and return its row of the table."""
    clean = SMOOTH.frames(shape)
    exact, ours = generator_of(widths), generator_of(widths).to(dtype)
    options = {"seed": 7, "quantize": "none", "out": torch.empty_like(clean)}
    calls = {
        "fused": lambda: fused_synth(clean, PARAMS, generator=ours, sigma_init=SIGMA, **options),
        "physics": lambda: fused_synth(clean, PARAMS, **options),
        "eager": lambda: torch_synth(clean, exact),
    }
    if dtype == torch.bfloat16:
        calls["oneDNN"] = convolutions(ours, shape)
    times = alternated(calls)
    ns = {name: statistics.median(seconds) / clean.numel() * 1e9 for name, seconds in times.items()}
    cells = [f"{ns['fused']:.1f}", f"{ns['physics']:.1f}", f"{ratio(times['eager'], times['fused']):.1f}"]
    if "oneDNN" in calls:
        stack = [call - physics for call, physics in zip(times["fused"], times["physics"], strict=True)]
        cells.append(f"{ns['oneDNN']:.1f}")
        cells += [f"{ratio(part, times['oneDNN']):.2f}" for part in (stack, times["fused"])]
    else:
        cells += ["", "", ""]
    size = f"{shape[0]} x 4x{shape[2]}x{shape[3]}"
    return f"| {widths} | {size} | {str(dtype).removeprefix('torch.')} | {' | '.join(cells)} |"


def ratio(times: list[float], others: list[float]) -> float:
    """Take the median over rounds of one time by another."""
    return statistics.median(a / b for a, b in zip(times, others, strict=True))


@torch.no_grad()
def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", type=Path, help="file that receives what is printed")
    options = parser.parse_args()
    if ops.NATIVE is None:
        sys.exit(f"generators: no compiled executor: {ops.WHY_NOT_NATIVE}")
    torch.set_num_threads(1)
    lines = ["# Learned generators inside fused_synth", "", "By `python benchmarks/generators.py`.", ""]
    lines += [*header(), "", f"| {' | '.join(COLUMNS)} |", "|---|---|---|" + "---:|" * 6]
    for dtype in (torch.bfloat16, torch.float32):
        lines += [row(widths, shape, dtype) for widths in WIDTHS for shape in SHAPES]
    told(lines, options.write)


if __name__ == "__main__":
    main()
