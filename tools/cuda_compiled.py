# SPDX-License-Identifier: Apache-2.0
"""What nvcc makes of the kernels for one GPU: registers, spills, shared memory, machine code."""

from __future__ import annotations

import collections
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from cuda_occupancy import warps

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "build_support"))
from cuda_toolkit import FLAGS, KERNELS, Toolkit, gencode

#: A host program that tells each kernel's threads and its dynamic shared memory for 1, 2 and 3 hidden layers.
LAUNCHES = """
#include <cstdio>
#define LRD_ISA device
#include "cuda_dialect.cuh"
#include "sensor_kernel.cuh"
#include "stack_kernel.cuh"
using namespace lrd::device;
template <int kWidth, Precision kPrecision, bool kSensor = false>
void tell() {
  const char* precision = kPrecision == Precision::kFloat32 ? "float32" : "bfloat16";
  const char* sensor = kSensor ? ",sensor" : "";
  std::printf("stack_kernel<%d,%s%s> %d", kWidth, precision, sensor, Strip<kWidth>::kThreads);
  for (int layers = 2; layers < 5; ++layers) {
    std::printf(" %d", shared_bytes<kWidth, kPrecision, kSensor>(layers));
  }
  std::printf("\\n");
  if constexpr (!kSensor) tell<kWidth, kPrecision, true>();
}
int main() {
  for (const char* calls : {"usual", "any"}) std::printf("physics_kernel<%s> %d\\n", calls, kThreads);
  std::printf("sensor_kernel %d\\n", kThreads);
  tell<16, Precision::kFloat32>();
  tell<16, Precision::kBfloat16>();
  tell<32, Precision::kFloat32>();
  tell<32, Precision::kBfloat16>();
}
"""

#: An instruction of nvdisasm's listing, without its predicate: its name, its operands.
INSTRUCTION = re.compile(r"^\s+/\*[0-9a-f]{4,}\*/\s+(?:@!?\w+ )?\s*([A-Z][\w.]*)(.*)", re.MULTILINE)

Counts = dict[str, int | list[int]]


def find_disassembler() -> str | None:
    """Return nvdisasm: on the PATH, among the packages (nvidia-cuda-nvdisasm), or in the toolkit."""
    packaged = [Path(p) / "nvidia" / "cu13" / "bin" for p in sys.path if p.endswith("site-packages")]
    folders = [*map(str, packaged), "/usr/local/cuda/bin"]
    return shutil.which("nvdisasm") or shutil.which("nvdisasm", path=":".join(folders))


def launches(toolkit: Toolkit) -> dict[str, tuple[int, list[int]]]:
    """Ask the headers for each kernel's threads and dynamic shared memory."""
    with tempfile.TemporaryDirectory() as folder:
        source, program = Path(folder) / "launches.cu", Path(folder) / "launches"
        source.write_text(LAUNCHES)
        command = [toolkit.nvcc, *FLAGS, "-I", str(KERNELS), str(source), "-o", str(program)]
        subprocess.run(command, check=True)
        told = subprocess.run([program], capture_output=True, text=True, check=True).stdout
    lines = [line.split() for line in told.splitlines()]
    return {name: (int(threads), [int(n) for n in shared]) for name, threads, *shared in lines}


def examine(
    toolkit: Toolkit, name: str, disassembler: str | None, launched: dict[str, tuple[int, list[int]]]
) -> dict[str, Counts]:
    """Compile for one architecture, such as 90; return what each kernel that runs there uses."""
    macro = "-DLRD_CUDA_TARGETS=check"
    said, code = machine_code(toolkit, KERNELS / "fused_synth.cu", name, disassembler, macro, "-Xptxas", "-v")
    kernels = {}
    for symbol, counts in sorted(resources(said).items()):
        kernel = readable(symbol)
        if "bfloat16" in kernel and int(name) < 80:
            continue  # never launched there
        threads, dynamic = launched[kernel]
        shared = [counts["shared"] + n for n in dynamic or [0]]
        counts["shared"] = shared if dynamic else shared[0]
        held = [warps(int(name), threads, counts["registers"], n) for n in shared]
        counts["warps"] = held if dynamic else held[0]
        kernels[kernel] = counts | (machine_instructions(code, symbol) if code else {})
    return kernels


def machine_code(
    toolkit: Toolkit, source: Path, name: str, disassembler: str | None, *arguments: str
) -> tuple[str, str]:
    """Compile a file for one architecture; return nvcc's words and nvdisasm's listing, empty without one.

    With ``-lineinfo`` the listing says which lines each instruction comes from.
    """
    with tempfile.TemporaryDirectory() as folder:
        cubin = Path(folder) / "kernels.cubin"
        command = [toolkit.nvcc, *FLAGS, *gencode([f"sm_{name}"]), "-I", str(KERNELS), *arguments]
        done = subprocess.run(
            [*command, "-cubin", str(source), "-o", str(cubin)], capture_output=True, text=True
        )
        if done.returncode:
            sys.exit(f"sm_{name}: nvcc failed\n{done.stdout}{done.stderr}")
        code = ""
        if disassembler:
            command = [disassembler, *(["-gi"] if "-lineinfo" in arguments else []), str(cubin)]
            code = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return done.stdout + done.stderr, code


def resources(said: str) -> dict[str, Counts]:
    """Read what ptxas -v says of each kernel, by symbol."""
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
        kernels[part.split("'")[0]] = {
            "registers": int(used[1]),
            "shared": int(shared[1]) if shared else 0,
            "stack": stack,
            "spills": stores + loads,
        }
    return kernels


def readable(symbol: str) -> str:
    """_ZN3lrd6device12stack_kernelILi16ELNS0_9PrecisionE1ELb0EE... to stack_kernel<16,bfloat16>.

    stack_kernelILi16ELNS0_9PrecisionE1ELb1EE to stack_kernel<16,bfloat16,sensor>.
    physics_kernelILb1EE to physics_kernel<usual>, ILb0EE, for all other calls, to physics_kernel<any>.
    sensor_kernel has one form.
    """
    template = re.search(r"\d+([a-z_]+_kernel)ILi(\d+)EL\w+?E(\d)ELb(\d)E", symbol)
    if template:
        precision, sensor = ("float32", "bfloat16")[int(template[3])], ("", ",sensor")[int(template[4])]
        return f"{template[1]}<{template[2]},{precision}{sensor}>"
    name, usual = re.search(r"\d+([a-z_]+_kernel)(?:ILb(\d)E)?E", symbol).groups()
    return name if usual is None else f"{name}<{('any', 'usual')[int(usual)]}>"


def machine_instructions(code: str, symbol: str) -> Counts:
    """Count instructions, access to global memory (LDG, STG) by width in bits, to local memory, products."""
    counts = collections.Counter(dict.fromkeys(("instructions", "LDL", "STL"), 0))
    for name, _ in INSTRUCTION.findall(body_of(code, symbol)):
        operation = name.split(".")[0]
        counts["instructions"] += 1
        if operation in ("LDL", "STL", "LDSM", "HMMA"):
            counts[operation] += 1
        if operation in ("LDG", "STG"):
            width = re.search(r"\.[US]?(8|16|64|128)\b", name)
            counts[f"{operation}.{width[1] if width else 32}"] += 1
    return dict(sorted(counts.items()))


def body_of(code: str, symbol: str) -> str:
    """Cut one kernel's text out of nvdisasm's listing."""
    begin = code.index(f"\n.text.{symbol}:")
    end = code.find("\n.text.", begin + 1)
    return code[begin:end] if end > 0 else code[begin:]
