# SPDX-License-Identifier: Apache-2.0
"""The CUDA kernel's own text, run on the host under AddressSanitizer and UndefinedBehaviourSanitizer.

No GPU and no toolkit needed. Each planted fault must turn red: a check that cannot fail shows nothing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BITS = ["-std=c++17", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math"]
SANITIZERS = [
    "-fsanitize=address,undefined",
    "-fno-sanitize-recover=all",
    "-fno-strict-aliasing",
    "-g",
    "-O1",
]
COMPILER = os.environ.get("CXX") or shutil.which("g++") or shutil.which("c++")

pytestmark = pytest.mark.skipif(COMPILER is None, reason="no C++ compiler")


def compiled(*arguments):
    subprocess.run(
        [*COMPILER.split(), *BITS, *map(str, arguments)], check=True, capture_output=True, text=True
    )


@pytest.fixture(scope="session")
def cpu_objects(tmp_path_factory):
    """The CPU executor as the module has it, without sanitizers."""
    folder = tmp_path_factory.mktemp("cpu")
    sources = sorted((ROOT / "csrc" / "cpu").glob("*.cpp"))
    for source in sources:
        compiled("-O2", "-w", "-c", source, "-o", folder / f"{source.stem}.o")
    return sorted(folder.glob("*.o"))


@pytest.fixture(scope="session")
def parity_program(cpu_objects, tmp_path_factory):
    """Compile the emulated kernel and what compares it, with macros that may plant a fault."""
    folder = tmp_path_factory.mktemp("parity")
    (folder / "empty.cpp").write_text("int main() {}")
    try:
        compiled(*SANITIZERS, folder / "empty.cpp", "-o", folder / "empty")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"this compiler has no sanitizers: {error.stderr[-200:]}")

    def build(*macros):
        program = folder / ("parity" + "".join(macros))
        if not program.exists():
            compiled(*SANITIZERS, "-Wall", "-Werror", *macros, ROOT / "tests/cuda/emulated_parity.cpp",
                     *cpu_objects, "-o", program)  # fmt: skip
        return program

    return build


def run(program, *arguments):
    # Leaks are not looked for: the checker needs ptrace, which containers often forbid.
    environment = os.environ | {"ASAN_OPTIONS": "detect_leaks=0"}
    done = subprocess.run([program, *arguments], capture_output=True, text=True, env=environment, timeout=900)
    return done.returncode, done.stdout + done.stderr


def test_kernel_equals_the_cpu_executor_in_every_mode(parity_program):
    code, said = run(parity_program())
    assert code == 0, said[-4000:]
    assert "3072 of 3072 cases agree" in said


def test_a_write_out_of_bounds_is_caught(parity_program):
    code, said = run(parity_program(), "overrun")
    assert code != 0
    assert "heap-buffer-overflow" in said
    assert "WRITE of size" in said


def test_a_misaligned_vector_is_caught(parity_program):
    code, said = run(parity_program(), "misaligned")
    assert code != 0
    assert "misaligned address" in said


def test_a_missing_barrier_is_caught(parity_program):
    code, said = run(parity_program("-DLRD_PLANT_NO_BARRIER"))
    assert code == 1
    assert "differ" in said
