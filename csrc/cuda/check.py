# SPDX-License-Identifier: Apache-2.0
"""Compile the kernels for many GPUs and hold what the compiler reports against csrc/cuda/resources.json.

``python csrc/cuda/check.py 75 90 120`` or ``all``; ``--write`` renews the table. Spills and local memory must
be none, registers and shared memory as recorded by the same nvcc (another release of nvcc may allocate
otherwise: then spills alone count). Widths of loads and stores are read from the machine code where there is
a disassembler. Ends with status 0 and says so where there is no toolkit.
"""

from __future__ import annotations

import argparse
import collections
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from toolkit import FLAGS, HERE, Toolkit, find_toolkit, gencode

TABLE = HERE / "resources.json"
ALL = ["75", "80", "86", "89", "90", "100", "120"]
#: Widths that the kernel must have: 16 bytes both ways.
WANTED = ["LDG.128", "STG.128"]


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
    names = ALL if "all" in options.architectures else options.architectures
    disassembler = find_disassembler()
    release = ".".join(map(str, toolkit.version))
    print(f"cuda-check: nvcc {release}, {disassembler or 'no nvdisasm: machine code is not searched'}")
    found = {f"sm_{name}": examine(toolkit, name, disassembler) for name in known(toolkit, names)}
    print_table(found)
    if options.write:
        TABLE.write_text(json.dumps({"nvcc": release, "kernels": found}, indent=2) + "\n")
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


def find_disassembler() -> str | None:
    """Return nvdisasm: on the PATH, among the packages (nvidia-cuda-nvdisasm), or in the toolkit."""
    packaged = [Path(p) / "nvidia" / "cu13" / "bin" for p in sys.path if p.endswith("site-packages")]
    folders = [*map(str, packaged), "/usr/local/cuda/bin"]
    return shutil.which("nvdisasm") or shutil.which("nvdisasm", path=":".join(folders))


def examine(toolkit: Toolkit, name: str, disassembler: str | None) -> dict[str, dict[str, int]]:
    """Compile for one architecture; return each kernel's resources."""
    with tempfile.TemporaryDirectory() as folder:
        cubin = Path(folder) / "kernels.cubin"
        command = [
            toolkit.nvcc,
            *FLAGS,
            *gencode([f"sm_{name}"]),
            "-DLRD_CUDA_TARGETS=check",
            "-Xptxas",
            "-v",
        ]
        done = subprocess.run(
            [*command, "-cubin", str(HERE / "fused_synth.cu"), "-o", str(cubin)],
            capture_output=True,
            text=True,
        )
        if done.returncode:
            sys.exit(f"cuda-check: sm_{name}: nvcc failed\n{done.stdout}{done.stderr}")
        kernels = resources(done.stdout + done.stderr)
        if disassembler:
            code = subprocess.run(
                [disassembler, str(cubin)], capture_output=True, text=True, check=True
            ).stdout
            for kernel, counts in kernels.items():
                counts.update(memory_instructions(code, kernel))
    return kernels


def resources(said: str) -> dict[str, dict[str, int]]:
    """Read what ptxas -v says of each kernel."""
    kernels = {}
    for part in said.split("Compiling entry function '")[1:]:
        spills = re.search(
            r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", part
        )
        used = re.search(r"Used (\d+) registers", part)
        shared = re.search(r"(\d+) bytes smem", part)
        if not spills or not used:
            sys.exit(f"cuda-check: ptxas reported no resources in: {part}")
        stack, stores, loads = map(int, spills.groups())
        kernels[re.search(r"\d+([a-z_]+_kernel)E", part)[1]] = {
            "registers": int(used[1]),
            "shared": int(shared[1]) if shared else 0,
            "stack": stack,
            "spills": stores + loads,
        }
    return kernels


def memory_instructions(code: str, kernel: str) -> dict[str, int]:
    """Count instructions and, by width in bits, accesses to local (LDL, STL) and global memory (LDG, STG)."""
    begin = re.search(rf"^\.text\.\S*{kernel}E\S*:", code, re.MULTILINE)
    body = code[begin.start() :] if begin else code
    end = body.find("\n.text.", 1)
    body = body[:end] if end > 0 else body
    instructions = re.findall(r"^\s+/\*[0-9a-f]{4,}\*/\s+(?:@!?\w+ )?\s*([A-Z][\w.]*)", body, re.MULTILINE)
    counts = collections.Counter({"instructions": len(instructions)} | dict.fromkeys(("LDL", "STL"), 0))
    for name in instructions:
        operation = name.split(".")[0]
        if operation in ("LDL", "STL"):
            counts[operation] += 1
        if operation in ("LDG", "STG"):
            width = re.search(r"\.[US]?(8|16|64|128)\b", name)
            counts[f"{operation}.{width[1] if width else 32}"] += 1
    return dict(sorted(counts.items()))


def faults_of(target: str, kernels: dict[str, dict[str, int]], release: str) -> list[str]:
    """Return what must not be: spills, local memory, narrow access, drift from the table."""
    recorded = json.loads(TABLE.read_text())
    faults = []
    for kernel, counts in kernels.items():
        where = f"cuda-check: {target} {kernel}"
        faults += [f"{where}: {counts[k]} {k}" for k in ("spills", "stack", "LDL", "STL") if counts.get(k)]
        if "instructions" in counts:
            faults += [f"{where}: no {wide}" for wide in WANTED if not counts.get(wide)]
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


def print_table(found: dict[str, dict[str, dict[str, int]]]) -> None:
    """Print one line per kernel and architecture."""
    for target, kernels in found.items():
        for kernel, counts in kernels.items():
            print(f"{kernel} {target:>7}: " + ", ".join(f"{k} {v}" for k, v in counts.items()))


if __name__ == "__main__":
    sys.exit(main())
