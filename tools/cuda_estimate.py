# SPDX-License-Identifier: Apache-2.0
"""Estimate the kernels' time on an H100 from machine code alone: nothing is run, nothing here is measured.

``python tools/cuda_estimate.py [--write FILE]``. Each kernel is compiled for sm_90 with one call's modes as
constants (packed float32 in and out, shot noise, real rounding), so that what the call does not use is gone.
An instruction counts as often as a warp of 32 cells takes it: the methods of the Poisson quantile and the
turns of its walk by the light that falls on the warp's sites, loops by their turns, calls for what is out of
range never. What an instruction belongs to is told by the lines it was inlined from. Time is instructions
over what all schedulers issue in a cycle: no stall is assumed.
"""

from __future__ import annotations

import argparse
import functools
import re
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from cuda_compiled import INSTRUCTION, body_of, find_disassembler, machine_code
from cuda_toolkit import Toolkit, find_toolkit
from scipy import stats

#: H100 SXM: multiprocessors, lanes that issue in a cycle, boost clock in Hz, memory in bytes/s (data sheet).
MULTIPROCESSORS, LANES, CLOCK, MEMORY = 132, 128, 1.98e9, 3.35e12
PIXELS, CELLS = 12e6, 3e6

#: Of csrc/noise/poisson.h: kWalkLimit, kExactLimit, both ends' share of kExactWords, kWalkUnroll, kWalkSteps.
WALK_LIMIT, EXACT_LIMIT, EXACT_SHARE, WALK_UNROLL, WALK_STEPS = 4.0, 25.0, 2.0**-13, 4, 16
SITES = 128  # of a warp
#: Turns of the loops of poisson_exact, about: 35 up and 15 back for a word of the upper end, 5 of the lower.
EXACT_TURNS = 18
#: Warps of a block's eight that fill what its tile shares, by function.
FILLING = {
    "keep_column_noise": 2,
    "keep_row_noise": 1,
    "fill_sample": 1,
    "make_stream": 1,
    "fill_read_octaves": 1,
}

HEAD = """
#define LRD_ISA device
#include "cuda_dialect.cuh"
#include "stack_kernel.cuh"
using namespace lrd;
using namespace lrd::device;
__device__ __forceinline__ void fix(Request& q, ThroughPlanes& planes) {
  q.clean.dtype = q.out.dtype = Dtype::kFloat32;
  planes.clean.dtype = planes.out.dtype = Dtype::kFloat32;
  q.clean.cell_col = q.out.cell_col = 1;
  q.dark.data = q.clean_out.data = q.sigma_out.data = nullptr;
  q.shot = true;
  q.has_quantiles = false;
  q.output = q.quantize = q.clip = 0;
}
"""
#: A usual call's tile with nothing wanted but noise.
PHYSICS = """
extern "C" LRD_KERNEL(kThreads, 6) estimated(Request q, ThroughPlanes planes, int64_t col) {
  __shared__ TileShared shared;
  fix(q, planes);
  synthesize_tile(q, planes, {blockIdx.z, blockIdx.y * 32, col}, 32, threadIdx.x, shared);
}
"""
STACK = """
using S = Strip<WIDTH>;
extern "C" LRD_KERNEL(S::kThreads, 512 / S::kThreads)
estimated(Request q, ThroughPlanes planes, Stack stack, int64_t col) {
  extern __shared__ __align__(16) char memory[];
  fix(q, planes);
  stack.layers = LAYERS;
  const int thread = threadIdx.x;
  const Position at = {thread, thread / S::kCols, thread % S::kCols};
  uint32_t* hidden = reinterpret_cast<uint32_t*>(memory + sizeof(S));
  S& shared = *reinterpret_cast<S*>(memory);
  const StripPlace place = {blockIdx.z, blockIdx.y * 64, col, 64};
  synthesize_strip<WIDTH, PRECISION>(q, planes, stack, place, at, shared, hidden);
}
"""


class Case(NamedTuple):
    """A kernel to look at: its text and macros; widths of its hidden layers."""

    name: str
    text: str
    macros: tuple[str, ...]
    widths: tuple[int, ...] = ()


def stack_case(widths: tuple[int, ...], precision: str) -> Case:
    """The kernel with a generator, and no read noise beside it."""
    macros = (f"-DWIDTH={widths[0]}", f"-DLAYERS={len(widths) + 1}", f"-DPRECISION=Precision::k{precision}")
    return Case(f"stack {widths}, {precision.lower()}", STACK, macros, widths)


CASES = [
    Case("physics, read noise by octaves", PHYSICS, ()),
    *(stack_case(widths, p) for widths in ((16, 16), (32, 32, 32)) for p in ("Float32", "Bfloat16")),
]


class Light(NamedTuple):
    """How often a cell takes what depends on light: each turn of the walk, the asymptotic form, the sums."""

    name: str
    turns: tuple[float, ...]
    asymptotic: float
    exact: float


def flat(electrons: float, name: str = "", sites: int = SITES) -> Light:
    """All sites of the warp have one mean."""
    steps = WALK_UNROLL * np.arange(WALK_STEPS // WALK_UNROLL)
    # A turn is taken unless every site was done before it; the first always.
    turns = 1 - stats.poisson.cdf(steps - 1, electrons) ** sites
    walks = electrons < WALK_LIMIT
    return Light(
        name or f"{electrons:g} e",
        tuple(turns) if walks else (0.0,) * steps.size,
        float(not walks),
        sites * EXACT_SHARE if electrons < EXACT_LIMIT else 0.0,
    )


def mixed() -> Light:
    """Every warp has sites of both methods, half of them each, those of the walk just below its limit."""
    walk = flat(WALK_LIMIT - 1e-6, sites=SITES // 2)
    return Light("mixed", walk.turns, 1.0, SITES * EXACT_SHARE)


LIGHTS = [*map(flat, (0.1, 1.0, 3.9, 5.0, 9.0, 20.0, 1000.0)), mixed()]


@functools.cache
def functions(path: str) -> list[tuple[int, str]]:
    """Return the first line and the name of each function of a source file, in order."""
    text = Path(path).read_text()
    found = re.finditer(
        r"^ *(?:template.*>\n)? *(?:LRD_HD|LRD_DEVICE|LRD_KERNEL\([^)]*\)|__device__ __forceinline__)"
        r"[^;{(]*?(\w+)\(",
        text,
        re.MULTILINE,
    )
    return [(text.count("\n", 0, m.start(1)) + 1, m[1]) for m in found]


def function_at(path: str, line: int) -> str:
    """Return the function that holds a line, empty if none does."""
    return next((name for start, name in reversed(functions(path)) if start <= line), "")


class Instruction(NamedTuple):
    """Its name and operands, and the functions it was inlined from, innermost first."""

    name: str
    operands: str
    inlined: tuple[str, ...]


PLACE = re.compile(r'//## File "(.*?)", line (\d+)')


class Code:
    """Instructions of one kernel in order, without the subroutines behind it, and its loops."""

    def __init__(self, listing: str) -> None:
        body = re.split(r"^\$__internal", body_of(listing, "estimated"), maxsplit=1, flags=re.MULTILINE)[0]
        self.instructions: list[Instruction] = []
        self.labels: dict[str, int] = {}
        places: list[str] = []
        ended = False
        for line in body.splitlines():
            label, place, found = re.match(r"(\.L_\w+):", line), PLACE.search(line), INSTRUCTION.match(line)
            if label:
                self.labels[label[1]] = len(self.instructions)
            elif place:
                places = [*([] if ended else places), function_at(place[1], int(place[2]))]
                ended = False
            elif found:
                ended = True
                self.instructions.append(Instruction(found[1], found[2], tuple(places)))
        self.loops: dict[int, int] = {}
        for at, instruction in enumerate(self.instructions):
            start = self.target(instruction)
            if start is not None and start <= at:
                self.loops[start] = max(at, self.loops.get(start, 0))

    def target(self, instruction: Instruction) -> int | None:
        """Return where a branch leads."""
        label = re.search(r"`\((\.L_\w+)\)", instruction.operands)
        if not instruction.name.startswith("BRA") or not label:
            return None
        return self.labels.get(label[1], len(self.instructions))

    def blocks(self) -> Iterable[tuple[int, int]]:
        """Yield [first, end) of each run of instructions that is taken as a whole."""
        ends = {
            i + 1
            for i, x in enumerate(self.instructions)
            if x.name.startswith(("BRA", "BRX", "CALL", "EXIT"))
        }
        starts = sorted({0, *self.labels.values(), *ends} - {len(self.instructions)})
        return zip(starts, [*starts[1:], len(self.instructions)], strict=True)

    def share(self, function: str, first: int, end: int) -> float:
        """Return the share of instructions in [first, end) that were inlined from a function."""
        return sum(function in x.inlined for x in self.instructions[first:end]) / max(end - first, 1)

    def count(self, operation: str, first: int, last: int) -> int:
        """Count instructions of an operation, such as LDS, in [first, last]."""
        return sum(x.name.split(".")[0] == operation for x in self.instructions[first : last + 1])


def compiled(case: Case, toolkit: Toolkit, disassembler: str) -> Code:
    """Compile a case for sm_90 and read its machine code."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "case.cu"
        source.write_text(HEAD + case.text)
        return Code(machine_code(toolkit, source, "90", disassembler, *case.macros, "-lineinfo")[1])


def turns(case: Case, code: Code, first: int, last: int) -> int:
    """Tell how often a loop within the strip's loop turns for one cell, by what it holds."""
    width, hidden = case.widths[0], len(case.widths)
    products, sums = code.count("HMMA", first, last), code.count("FFMA", first, last)
    if code.count("BAR", first, last):
        return 1  # layers: each turn takes a branch of its own, and both are counted
    if products:
        if products == 6 * width // 16:
            return 2  # first layer: 2 tiles a warp
        if code.count("LDS", first, last):
            return 2  # last layer
        return (2 if width == 16 else 8) * (hidden - 1)
    tasks = 1 if width == 16 else 2
    if sums == 144:  # two loops of one size: the sites' channels and the hidden ones'
        return tasks * (4 + width * (hidden - 1)) // 2
    return width if sums == 36 else 1


def poisson_weight(code: Code, first: int, end: int, turn: int, light: Light) -> float | None:
    """Tell how often a block of the Poisson quantile is taken, None for another's block."""
    if code.share("poisson_exact", first, end) > 0.5:
        in_loop = any(start <= first < last for start, last in code.loops.items() if last - start < 20)
        return light.exact * (EXACT_TURNS if in_loop else 1)
    if code.share("poisson_walk", first, end) > 0.5:
        return light.turns[turn] if end - first > 20 else light.turns[0]
    if code.share("poisson_exact_sites", first, end) > 0.5:
        return 4 * light.exact  # which of a cell's sites it is for
    method = code.share("poisson_asymptotic", first, end)
    normal = sum(
        "poisson_quantiles" in x.inlined and "normal_quantiles" in x.inlined
        for x in code.instructions[first:end]
    )
    return light.asymptotic if method + normal / (end - first) > 0.5 else None


def is_of_other_draws(code: Code, first: int, end: int, reads: bool) -> bool:
    """Tell whether a block is a cell's random words or read noise in a case that draws otherwise."""
    products = sum(
        "add_noise_of_sites" in x.inlined and "wide_product" in x.inlined
        for x in code.instructions[first:end]
    )
    draws_both = products > 25  # at most 20 of one draw, and what the compiler finds twice of two
    reads_here = code.share("read_noise", first, end) > 0.5
    return (products > 15 and draws_both != reads) or (reads_here and not reads)


def weights(case: Case, code: Code, light: Light) -> list[float]:
    """How often each instruction is taken for a cell; loops about the cell's are left to the caller."""
    weight = [1.0] * len(code.instructions)
    turn, called = 0, False
    targets = {code.target(x) for x in code.instructions}
    for first, end in code.blocks():
        block = code.instructions[first:end]
        value = poisson_weight(code, first, end, turn, light)
        turn += code.share("poisson_walk", first, end) > 0.5 and end - first > 20
        # Quotients that the form by reciprocal is not for, and calls for what is out of range.
        slow = code.share("divide_cell", first, end) > 0.5
        calls = block[-1].name.startswith("CALL")
        after_call = called and first not in targets
        if slow or calls or after_call or is_of_other_draws(code, first, end, not case.widths):
            value = 0.0
        filling = next((n / 8 for f, n in FILLING.items() if code.share(f, first, end) > 0.5), 1.0)
        called = calls
        weight[first:end] = [filling if value is None else value] * (end - first)
    return weight


def cell_loop(code: Code) -> tuple[int, int]:
    """Return the innermost loop that holds the walk."""
    walk = [i for i, x in enumerate(code.instructions) if "poisson_walk" in x.inlined]
    around = [(b - a, a, b) for a, b in code.loops.items() if a <= walk[0] and b >= walk[-1]]
    return min(around)[1:]


def per_pixel(case: Case, code: Code, light: Light) -> float:
    """Estimate the instructions of one raw pixel."""
    first, last = cell_loop(code)
    weight = weights(case, code, light)
    if not case.widths:  # 8 cells a thread and tile
        return (sum(weight[first : last + 1]) + sum(weight[:first]) / 8) / 4
    for start, end in code.loops.items():
        if (
            first < start
            and end < last
            and not any("poisson_exact" in x.inlined for x in code.instructions[start:end])
        ):
            turned = turns(case, code, start, end)
            weight[start : end + 1] = [w * turned for w in weight[start : end + 1]]
    layers = len(case.widths) + 1
    columns = 64 if case.widths[0] == 16 else 32
    lead, rows = (2 * layers + 3) // 4 * 4, 64
    barriers = [i for i in range(first, last + 1) if code.instructions[i].name.startswith("BAR")]
    drawn = barriers[-1]  # what follows the last barrier is for cells of the frame alone
    steps = (
        sum(weight[first:drawn]) * (rows + lead) / rows + sum(weight[drawn : last + 1]) + first / (rows / 4)
    )
    return steps * columns / (columns - 2 * layers) / 4


def report(found: dict[str, list[float]], release: str) -> str:
    """Return the tables as markdown."""
    copy = PIXELS * 8 / MEMORY * 1e3
    per_second = MULTIPROCESSORS * LANES * CLOCK
    names = [light.name for light in LIGHTS]
    heading = [f"| kernel | {' | '.join(names)} |", f"| --- |{' ---: |' * len(names)}"]
    counts = [f"| {name} | {' | '.join(f'{n:.0f}' for n in row)} |" for name, row in found.items()]
    times = [
        f"| {name} | {' | '.join(f'{4 * CELLS * n / per_second * 1e3:.2f}' for n in row)} |"
        for name, row in found.items()
    ]
    lines = [
        "# Kernels on an H100, estimated from machine code",
        "",
        "**Nothing here was measured.** `make cuda-estimate`: sm_90 machine code by nvcc "
        f"{release}, modes fixed to packed",
        "float32 in and out, shot noise, rounding; physics with read noise, the stacks without. An",
        "instruction counts as often as a warp of 32 cells, 128 sites, takes it. Columns are the light: all",
        f"sites of a warp at one mean, or mixed: in every warp sites below {WALK_LIMIT:g} electrons",
        "and above. Read noise is any with octaves; the empirical model and dark frames run in a kernel of",
        "their own.",
        "",
        "Instructions per raw pixel:",
        "",
        *heading,
        *counts,
        "",
        "A frame of 12 MP in ms: that count over what an H100 SXM issues "
        f"({MULTIPROCESSORS} multiprocessors x {LANES} lanes x {CLOCK / 1e9:.2f} GHz),",
        f"as if it never stalled. The frame moves 8 bytes a pixel, {copy:.3f} ms at "
        f"{MEMORY / 1e12:.2f} TB/s: the",
        "kernels are bound by instructions.",
        "",
        *heading,
        *times,
    ]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Print the estimate; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", type=Path, help="file for the tables")
    options = parser.parse_args()
    toolkit, why_not = find_toolkit()
    disassembler = find_disassembler()
    if toolkit is None or disassembler is None:
        sys.exit(f"estimate: {why_not.replace('_', ' ') or 'no nvdisasm'}")
    found = {}
    for case in CASES:
        code = compiled(case, toolkit, disassembler)
        found[case.name] = [per_pixel(case, code, light) for light in LIGHTS]
    text = report(found, ".".join(map(str, toolkit.version)))
    print(text)
    if options.write:
        options.write.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
