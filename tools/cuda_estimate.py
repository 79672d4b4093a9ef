# SPDX-License-Identifier: Apache-2.0
"""Estimate the kernels' time on an H100 from machine code alone: nothing is run, nothing here is measured.

``python tools/cuda_estimate.py [--write FILE]``. Each kernel is compiled for sm_90 with one call's modes as
constants (packed float32 in and out, shot noise, real rounding), so that what the call does not use is gone.
Instructions of a loop count once a turn. Blocks that almost no word reaches are left out (Poisson's exact
method, slow paths of division and square root); of the walk, unrolled eight times, three turns count. What
the compiler laid out twice for two ways through the code counts twice. Time is instructions over what all
schedulers issue in a cycle: no stall is assumed.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from cuda_compiled import INSTRUCTION, body_of, find_disassembler, machine_code
from cuda_toolkit import Toolkit, find_toolkit

#: H100 SXM: multiprocessors, lanes that issue in a cycle, boost clock in Hz, memory in bytes/s (data sheet).
MULTIPROCESSORS, LANES, CLOCK, MEMORY = 132, 128, 1.98e9, 3.35e12
PIXELS, CELLS = 12e6, 3e6
WALK_TURNS, WALK_UNROLLED = 3, 8

HEAD = """
#define LRD_ISA device
#include "cuda_dialect.cuh"
#include "stack_kernel.cuh"
using namespace lrd;
using namespace lrd::device;
__device__ __forceinline__ void fix(Request& q, int read) {
  q.clean.dtype = q.out.dtype = Dtype::kFloat32;
  q.dark.data = nullptr;
  q.packed = true;
  q.shot = true;
  q.read = read;
  q.output = q.quantize = q.clip = 0;
}
"""
PHYSICS = """
extern "C" LRD_KERNEL(kThreads) estimated(Request q, int64_t col) {
  __shared__ TileShared shared;
  fix(q, READ);
  synthesize_tile(q, {true, true}, {blockIdx.z, blockIdx.y * 32, col}, threadIdx.x, shared);
}
"""
STACK = """
using S = Strip<WIDTH>;
extern "C" LRD_KERNEL(S::kThreads) estimated(Request q, Stack stack, int64_t col) {
  extern __shared__ __align__(16) char memory[];
  fix(q, 0);
  stack.layers = LAYERS;
  const int thread = threadIdx.x;
  const Position at = {thread, thread / S::kCols, thread % S::kCols};
  uint32_t* hidden = reinterpret_cast<uint32_t*>(memory + sizeof(S));
  S& shared = *reinterpret_cast<S*>(memory);
  synthesize_strip<WIDTH, PRECISION>(q, stack, {blockIdx.z, blockIdx.y * 64, col, 64}, at, shared, hidden);
}
"""


class Case(NamedTuple):
    """A kernel to look at: its text and macros; widths of its hidden layers."""

    name: str
    text: str
    macros: tuple[str, ...]
    widths: tuple[int, ...] = ()


def stack_case(widths: tuple[int, ...], precision: str) -> Case:
    """The kernel with a generator."""
    macros = (f"-DWIDTH={widths[0]}", f"-DLAYERS={len(widths) + 1}", f"-DPRECISION=Precision::k{precision}")
    return Case(f"stack {widths}, {precision.lower()}", STACK, macros, widths)


CASES = [
    Case("physics, Gaussian read", PHYSICS, ("-DREAD=1",)),
    Case("physics, Tukey-lambda read", PHYSICS, ("-DREAD=2",)),
    *(stack_case(widths, p) for widths in ((16, 16), (32, 32, 32)) for p in ("Float32", "Bfloat16")),
]


class Code:
    """Instructions of one kernel in order, without the subroutines behind it, and its loops."""

    def __init__(self, listing: str) -> None:
        body = re.split(r"^\$__internal", body_of(listing, "estimated"), maxsplit=1, flags=re.MULTILINE)[0]
        self.names: list[str] = []
        labels, jumps = {}, []
        for line in body.splitlines():
            label = re.match(r"(\.L_\w+):", line)
            found = INSTRUCTION.match(line)
            if label:
                labels[label[1]] = len(self.names)
            elif found:
                target = re.search(r"`\((\.L_\w+)\)", found[2])
                if found[1].startswith("BRA") and target:
                    jumps.append((len(self.names), target[1]))
                self.names.append(found[1])
        self.loops: dict[int, int] = {}
        for at, label in jumps:
            start = labels.get(label, len(self.names))
            if start <= at:
                self.loops[start] = max(at, self.loops.get(start, 0))

    def count(self, operation: str, first: int, last: int) -> int:
        """Count instructions of an operation, such as LDS, in [first, last]."""
        return sum(name.split(".")[0] == operation for name in self.names[first : last + 1])

    def ends(self, pattern: str, first: int, last: int) -> tuple[int, int]:
        """Return the first and last instruction that matches, within [first, last]."""
        at = [i for i in range(first, last + 1) if re.match(pattern, self.names[i])]
        return at[0], at[-1]


def compiled(case: Case, toolkit: Toolkit, disassembler: str) -> Code:
    """Compile a case for sm_90 and read its machine code."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "case.cu"
        source.write_text(HEAD + case.text)
        return Code(machine_code(toolkit, source, "90", disassembler, *case.macros)[1])


def turns(case: Case, code: Code, first: int, last: int) -> int:
    """Tell how often a loop within the cell's loop turns for one cell, by what it holds."""
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


def cell_loop(code: Code) -> tuple[int, int]:
    """Return the innermost loop that holds the walk."""
    walk = code.ends(r"F2I", 0, len(code.names) - 1)
    around = [(b - a, a, b) for a, b in code.loops.items() if a <= walk[0] and b >= walk[1]]
    return min(around)[1:]


def per_cell(case: Case, code: Code) -> float:
    """Estimate the instructions of one cell of four raw pixels."""
    first, last = cell_loop(code)
    weight = [1.0] * len(code.names)
    for start, end in code.loops.items():
        if case.widths and first < start and end < last:
            for i in range(start, end + 1):
                weight[i] *= turns(case, code, start, end)
    walk, exact = code.ends("F2I", first, last), code.ends(r"D(FMA|MUL|ADD|SETP)", first, last)
    for i in range(walk[0], walk[1] + 1):
        weight[i] *= WALK_TURNS / WALK_UNROLLED
    for i in range(exact[0], exact[1] + 1):
        weight[i] = 0
    if not case.widths:  # 8 cells a thread and tile, 4 a group
        outer = min((b - a, a, b) for a, b in code.loops.items() if a < first and b > last)
        return sum(weight[first : last + 1]) + (outer[0] - (last - first)) / 4 + outer[1] / 8
    layers = len(case.widths) + 1
    columns = 64 if case.widths[0] == 16 else 32
    lead, rows = (2 * layers + 3) // 4 * 4, 64
    drawn = code.ends("BAR", first, last)[1]  # what follows the last barrier is for cells of the frame alone
    steps = (
        sum(weight[first:drawn]) * (rows + lead) / rows + sum(weight[drawn : last + 1]) + first / (rows / 4)
    )
    return steps * columns / (columns - 2 * layers)


def report(found: dict[str, float], release: str) -> str:
    """Return the table as markdown."""
    copy = PIXELS * 8 / MEMORY * 1e3
    lines = [
        "# Kernels on an H100, estimated from machine code",
        "",
        "**Nothing here was measured.** `make cuda-estimate`: sm_90 machine code by nvcc "
        f"{release}, modes fixed to packed",
        "float32 in and out, shot noise, rounding. Instructions of a cell's path, loops counted by their",
        "turns, rare blocks left out, three turns of the Poisson walk; the time is that count over what an",
        f"H100 SXM issues ({MULTIPROCESSORS} multiprocessors x {LANES} lanes x {CLOCK / 1e9:.2f} GHz), as if",
        f"it never stalled. A frame of 12 MP moves 8 bytes a pixel, {copy:.3f} ms at",
        f"{MEMORY / 1e12:.2f} TB/s: the kernels are bound by instructions.",
        "",
        "| kernel | instructions per raw pixel | bytes per raw pixel | 12 MP, ms | times the copy |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for name, instructions in found.items():
        time = CELLS * instructions / (MULTIPROCESSORS * LANES * CLOCK) * 1e3
        lines.append(f"| {name} | {instructions / 4:.0f} | 8 | {time:.2f} | {time / copy:.0f} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Print the estimate; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", type=Path, help="file for the table")
    options = parser.parse_args()
    toolkit, why_not = find_toolkit()
    disassembler = find_disassembler()
    if toolkit is None or disassembler is None:
        sys.exit(f"estimate: {why_not.replace('_', ' ') or 'no nvdisasm'}")
    found = {case.name: per_cell(case, compiled(case, toolkit, disassembler)) for case in CASES}
    text = report(found, ".".join(map(str, toolkit.version)))
    print(text)
    if options.write:
        options.write.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
