# SPDX-License-Identifier: Apache-2.0
"""A source tree without a compiled module takes that of an installation, if it was built from its sources."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import lrd_ext
from lrd_ext import native

pytestmark = pytest.mark.native

ROOT = Path(__file__).parents[1]
TELL = "from lrd_ext import native as n; print(getattr(n.NATIVE, '__file__', None), '|', n.WHY_NOT_NATIVE)"


@pytest.fixture
def tree(tmp_path):
    """A source tree in which nothing was compiled."""
    copy = tmp_path / "tree"
    for name in ("lrd_ext", "csrc", "build_support"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    shutil.copy(ROOT / "setup.py", copy)
    return copy


@pytest.fixture
def installed(tmp_path):
    """What pip leaves of an installation that this test needs: the compiled module and its metadata."""
    site = tmp_path / "site"
    (site / "lrd_ext").mkdir(parents=True)
    shutil.copy(native.NATIVE.__file__, site / "lrd_ext")
    metadata = site / f"lrd_ext-{lrd_ext.__version__}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Name: lrd_ext\nVersion: {lrd_ext.__version__}\n")
    return site


def run(code: str, *folders: Path) -> str:
    """Run Python with these folders first in its path."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, folders))},
        cwd=folders[0],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_the_tree_runs_the_installed_module(tree, installed):
    file, why_not = run(TELL, tree, installed).split(" |")
    assert Path(file).parent == installed / "lrd_ext"
    assert why_not == ""
    draw = (
        "import torch, lrd_ext; p = lrd_ext.NoiseParams(K=1., ratio=1., white=99., black=0.); "
        "lrd_ext.fused_synth(torch.ones(2, 2), p, seed=0, backend='cpu'); print(lrd_ext.__file__)"
    )
    assert run(draw, tree, installed).startswith(f"{tree}{os.sep}")


@pytest.mark.parametrize("name", ["csrc/noise/poisson.h", "csrc/cuda/fused_synth.cu", "setup.py"])
def test_other_sources_are_told(tree, installed, name):
    with open(tree / name, "a") as file:
        file.write("\n")
    assert f"the one in {installed / 'lrd_ext'} was built from other sources" in run(TELL, tree, installed)


def test_another_version_is_told(tree, installed):
    version = tree / "lrd_ext" / "version.py"
    version.write_text(re.sub(r'"[\d.]+"', '"99.0"', version.read_text()))
    told = run(TELL, tree, installed)
    assert f"is of version {lrd_ext.__version__}, the source tree 99.0" in told
    assert told.startswith("None")


def test_an_installation_without_module_is_told(tree, installed):
    for file in (installed / "lrd_ext").glob("_C*"):
        file.unlink()
    assert f"the installation in {installed / 'lrd_ext'} has none either" in run(TELL, tree, installed)


def test_a_damaged_module_is_told(tree, installed):
    (file,) = (installed / "lrd_ext").glob("_C*")
    file.write_bytes(native.NATIVE.source_hash.encode())
    told = run(TELL, tree, installed)
    assert f"the one at {file} does not load" in told


def test_no_installation_is_told(tree):
    told = run(TELL, tree)
    assert told.endswith(
        "the source tree was imported, which holds no compiled module; lrd_ext is not installed"
    )
