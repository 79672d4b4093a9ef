# SPDX-License-Identifier: Apache-2.0
"""Compile the kernels for many GPUs and hold what the compiler reports against csrc/cuda/resources.json.

``python tools/cuda_check.py 75 90 120`` or ``all``; ``--write`` renews the table. Spills and local memory
must be none, registers and shared memory as recorded by the same nvcc (another release of nvcc may allocate
otherwise: then spills alone count). How many warps a multiprocessor holds follows from both. stack_kernel's
shared memory and warps are those of 1, 2 and 3 hidden layers; 0 warps: it does not fit, the call is refused.
Widths of loads and stores and products of matrix tiles (HMMA) are read from the machine code where there is
a disassembler. Ends with status 0 and says so where there is no toolkit.
"""

from __future__ import annotations

import argparse
import json
import re
import sys

from cuda_compiled import Counts, examine, find_disassembler, launches
from cuda_toolkit import KERNELS, Toolkit, find_toolkit

TABLE = KERNELS / "resources.json"
ALL = ["75", "80", "86", "89", "90", "100", "120"]
#: What machine code must hold, by a part of the kernel's name: 16 bytes at a time, products of matrix tiles.
WANTED = {
    "float32": ["LDG.128"],
    "bfloat16": ["LDG.128", "LDSM", "HMMA"],
}


def main() -> int:
    """Run the check; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("architectures", nargs="+", help="such as 75 90, or all")
    parser.add_argument("--write", action="store_true", help="renew the table")
    options = parser.parse_args()
    toolkit, why_not = find_toolkit()
    if toolkit is None:
        print(f"cuda-check: {why_not.replace('_', ' ')}: the kernels were NOT compiled for any GPU")
        return 0
    names = known(toolkit, ALL if "all" in options.architectures else options.architectures)
    disassembler = find_disassembler()
    release = ".".join(map(str, toolkit.version))
    print(f"cuda-check: nvcc {release}, {disassembler or 'no nvdisasm: machine code is not searched'}")
    launched = launches(toolkit)
    found = {f"sm_{name}": examine(toolkit, name, disassembler, launched) for name in names}
    print_table(found)
    if options.write:
        text = json.dumps({"nvcc": release, "kernels": found}, indent=2)
        TABLE.write_text(re.sub(r"\[[^]]*\]", lambda m: " ".join(m[0].split()), text) + "\n")
        return 0
    faults = [fault for target, kernels in found.items() for fault in faults_of(target, kernels, release)]
    print("\n".join(faults) or "cuda-check: no spills, no local memory, resources as recorded")
    return 1 if faults else 0


def known(toolkit: Toolkit, names: list[str]) -> list[str]:
    """Leave out, aloud, what this nvcc does not compile for."""
    for name in names:
        if int(name) not in toolkit.architectures:
            print(f"cuda-check: this nvcc does not compile for sm_{name}")
    return [name for name in names if int(name) in toolkit.architectures]


def faults_of(target: str, kernels: dict[str, Counts], release: str) -> list[str]:
    """Return what must not be: spills, local memory, narrow access, drift from the table."""
    recorded = json.loads(TABLE.read_text())
    faults = []
    for kernel, counts in kernels.items():
        where = f"cuda-check: {target} {kernel}"
        faults += [f"{where}: {counts[k]} {k}" for k in ("spills", "stack", "LDL", "STL") if counts.get(k)]
        if "instructions" in counts:
            wanted = [name for part, names in WANTED.items() if part in kernel for name in names]
            faults += [f"{where}: no {name}" for name in wanted if not counts.get(name)]
        expected = recorded["kernels"].get(target, {}).get(kernel)
        if expected is None:
            faults.append(f"{where}: not in {TABLE.name}; run with --write")
        elif recorded["nvcc"] == release:
            faults += [
                f"{where}: {k} {counts[k]}, recorded {expected[k]}"
                for k in ("registers", "shared")
                if counts[k] != expected[k]
            ]
    return faults


def print_table(found: dict[str, dict[str, Counts]]) -> None:
    """Print one line per kernel and architecture."""
    for target, kernels in found.items():
        for kernel, counts in kernels.items():
            print(f"{kernel} {target}: " + ", ".join(f"{k} {v}" for k, v in counts.items()))


if __name__ == "__main__":
    sys.exit(main())
