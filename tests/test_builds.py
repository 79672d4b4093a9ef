# SPDX-License-Identifier: Apache-2.0
"""Every instruction-set build and thread count of the CPU executor gives the committed bits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import lrd_ext

pytestmark = pytest.mark.native

HERE = Path(__file__).parent
COMMITTED = json.loads((HERE / "hashes.json").read_text())


def run(*command, **environment):
    """Run Python in a process of its own, on the very package under test."""
    package = str(Path(lrd_ext.__file__).parents[1])
    return subprocess.run(
        [sys.executable, *command],
        env=os.environ | {"PYTHONPATH": package} | environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.parametrize("threads", ["1", "3"])
def test_hashes_of_each_build(isa, threads):
    done = run(str(HERE / "hash_cases.py"), LRD_EXT_ISA=isa, OMP_NUM_THREADS=threads)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == COMMITTED


def test_environment_chooses_the_build(isa):
    done = run("-c", "import lrd_ext.ops; print(lrd_ext.ops.NATIVE.isa())", LRD_EXT_ISA=isa)
    assert done.stdout.strip() == isa


def test_unknown_build_is_an_error_that_names_the_known():
    code = (
        "import torch, lrd_ext; p = lrd_ext.NoiseParams(K=1., ratio=1., white=9., black=0.); "
        "lrd_ext.fused_synth(torch.zeros(2, 2), p, seed=0)"
    )
    done = run("-c", code, LRD_EXT_ISA="mmx")
    assert done.returncode == 1
    assert "LRD_EXT_ISA must be one of baseline" in done.stderr
    assert "got mmx" in done.stderr
