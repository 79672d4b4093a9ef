# SPDX-License-Identifier: Apache-2.0
"""arm64 (NEON) gives the bits of x86: compiled by a cross compiler, run by an emulator of the processor.

Needs aarch64-linux-gnu-g++ and qemu-aarch64 (Debian: g++-aarch64-linux-gnu, qemu-user); skipped without.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from generators import lively_generator

ROOT = Path(__file__).parents[2]
FLAGS = ["-std=c++17", "-O2", "-w", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math"]
NATIVE = os.environ.get("CXX") or shutil.which("g++") or shutil.which("c++")
CROSS, EMULATOR = shutil.which("aarch64-linux-gnu-g++"), shutil.which("qemu-aarch64")
WIDTHS = (16, 32)

pytestmark = pytest.mark.skipif(
    not (NATIVE and CROSS and EMULATOR),
    reason="no arm64 cross compiler with its emulator (g++-aarch64-linux-gnu, qemu-user)",
)


def built(folder, compiler, *flags):
    program = folder / "digests"
    sources = [*sorted((ROOT / "csrc" / "cpu").glob("*.cpp")), ROOT / "tests/csrc/executor_digests.cpp"]
    command = [*compiler.split(), *FLAGS, *flags, *map(str, sources), "-o", str(program)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return program


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "weights"
    path.write_bytes(lively_generator(WIDTHS).packed_weights().numpy().tobytes())
    return path


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    return built(tmp_path_factory.mktemp("here"), NATIVE)


def lines(program, weights, *, build="", through=()):
    command = [*through, str(program), build, str(weights), *map(str, WIDTHS)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=600)
    return done.stdout.splitlines()


def test_arm64_gives_the_same_bits(tmp_path, here, weights):
    arm64 = lines(built(tmp_path, CROSS, "-static"), weights, through=(EMULATOR,))
    assert arm64 == lines(here, weights)
    assert len(arm64) == 7


def test_sums_fused_by_the_compiler_would_be_noticed(tmp_path, here, weights):
    arm64 = lines(built(tmp_path, CROSS, "-static", "-ffp-contract=fast"), weights, through=(EMULATOR,))
    assert arm64[-3:] != lines(here, weights)[-3:]
