# SPDX-License-Identifier: Apache-2.0
"""The CUDA kernels' own text, run on the host under AddressSanitizer and UndefinedBehaviourSanitizer.

No GPU and no toolkit needed. Each planted fault must turn red: a check that cannot fail shows nothing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from generators import lively_generator

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
def emulated(cpu_objects, tmp_path_factory):
    """Return what compiles an emulated kernel and its comparison."""
    folder = tmp_path_factory.mktemp("emulated")
    (folder / "empty.cpp").write_text("int main() {}")
    try:
        compiled(*SANITIZERS, folder / "empty.cpp", "-o", folder / "empty")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"this compiler has no sanitizers: {error.stderr[-200:]}")

    def build(name):
        program = folder / name
        if not program.exists():
            compiled(*SANITIZERS, "-Wall", "-Werror", ROOT / f"tests/cuda/{name}.cpp",
                     *cpu_objects, "-o", program)  # fmt: skip
        return program

    return build


@pytest.fixture
def parity_program(emulated):
    """The physics kernel against the CPU executor."""
    return emulated("emulated_parity")


def run(program, *arguments):
    # Leaks are not looked for: the checker needs ptrace, which containers often forbid.
    environment = os.environ | {"ASAN_OPTIONS": "detect_leaks=0"}
    done = subprocess.run([program, *arguments], capture_output=True, text=True, env=environment, timeout=900)
    return done.returncode, done.stdout + done.stderr


def test_kernel_equals_the_cpu_executor_in_every_mode(parity_program):
    code, said = run(parity_program)
    assert code == 0, said[-4000:]
    assert "4080 of 4080 cases agree" in said


@pytest.mark.parametrize("plant", ["overrun", "overrun beside"])
def test_a_write_out_of_bounds_is_caught(parity_program, plant):
    code, said = run(parity_program, plant)
    assert code != 0
    assert "heap-buffer-overflow" in said
    assert "WRITE of size" in said


@pytest.mark.parametrize("barrier", range(3))
def test_each_missing_barrier_is_caught(parity_program, barrier):
    code, said = run(parity_program, "barrier", str(barrier))
    assert code == 1
    assert "differ" in said or "ERROR: AddressSanitizer" in said


def test_sensor_kernel_equals_the_cpu_executor(emulated):
    code, said = run(emulated("emulated_sensor"))
    assert code == 0, said[-4000:]
    assert "360 of 360 cases agree" in said


def test_a_write_out_of_bounds_of_the_sensor_kernel_is_caught(emulated):
    code, said = run(emulated("emulated_sensor"), "overrun")
    assert code != 0
    assert "heap-buffer-overflow" in said


@pytest.mark.parametrize("barrier", range(4))
def test_each_missing_barrier_of_the_sensor_kernel_is_caught(emulated, barrier):
    code, said = run(emulated("emulated_sensor"), "barrier", str(barrier))
    assert code == 1
    assert "differ" in said or "ERROR: AddressSanitizer" in said


#: Largest error of the stack in units of sigma_init, weights keeping the size of what passes: seen 0.023.
BOUND = {"float32": 0, "bfloat16": 0.04}
STACKS = [(16,), (16, 16), (16, 16, 16), (32,), (32, 32), (32, 32, 32), (16, 32)]


@pytest.fixture
def stack_arguments(tmp_path):
    """Return what writes a generator's weights as a GPU gets them, and the arguments that go with them."""

    def write(widths, precision):
        generator = lively_generator(widths)
        if precision == "bfloat16":
            generator = generator.bfloat16()
        path = tmp_path / "weights"
        path.write_bytes(generator.packed_weights_for_cuda().numpy().tobytes())
        return path, str(max(widths)), str(len(widths)), precision, str(BOUND[precision])

    return write


@pytest.mark.parametrize("precision", BOUND)
@pytest.mark.parametrize("widths", STACKS, ids=lambda w: "-".join(map(str, w)))
def test_stack_kernel_equals_the_cpu_executor(emulated, stack_arguments, widths, precision):
    code, said = run(emulated("emulated_stack"), *stack_arguments(widths, precision))
    assert code == 0, said[-4000:]
    cases = 12 if precision == "float32" else 7
    assert f"{cases} of {cases} cases agree" in said


@pytest.mark.parametrize("precision", BOUND)
@pytest.mark.parametrize(
    ("plant", "said"), [("overrun", "WRITE of size"), ("little", "heap-buffer-overflow")]
)
def test_stack_kernel_out_of_bounds_is_caught(emulated, stack_arguments, precision, plant, said):
    code, output = run(emulated("emulated_stack"), *stack_arguments((16, 16), precision), plant)
    assert code != 0
    assert said in output


@pytest.mark.parametrize("precision", BOUND)
@pytest.mark.parametrize("barrier", range(3, 9))  # those of physics_kernel come first
def test_each_missing_barrier_of_the_stack_kernel_is_caught(emulated, stack_arguments, precision, barrier):
    arguments = stack_arguments((16, 16), precision)
    code, said = run(emulated("emulated_stack"), *arguments, "barrier", str(barrier))
    assert code == 1
    assert "elements differ" in said


@pytest.mark.parametrize("precision", BOUND)
@pytest.mark.parametrize("widths", [(16, 16), (32,), (32, 32, 32)], ids=lambda w: "-".join(map(str, w)))
def test_crops_strips_and_samples_are_windows_on_one_field(emulated, stack_arguments, widths, precision):
    code, said = run(emulated("emulated_stack"), *stack_arguments(widths, precision), "windows")
    assert code == 0, said[-2000:]
    assert "0 rows of the crop differ" in said
