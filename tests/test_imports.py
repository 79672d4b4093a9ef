# SPDX-License-Identifier: Apache-2.0
"""Which way imports point: the reference stands alone, and synthesising needs torch and numpy only."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from importlinter import cli as importlinter

import lrd_ext

PACKAGE = Path(lrd_ext.__file__).parent
ROOT = Path(__file__).parents[1]
OPTIONAL = (
    *("rawpy", "exifread", "tifffile", "scipy", "PIL", "matplotlib", "jsonargparse", "rich", "tqdm"),
    *("safetensors", "pytest", "skimage", "lightning", "pybind11"),
)


def imported_at_run_time(path):
    """Names of what a module imports, absolute, without what only type checkers see."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            node.body = []
    package = ("lrd_ext", *path.relative_to(PACKAGE).parent.parts)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", sorted((PACKAGE / "reference").glob("*.py")), ids=lambda p: p.name)
def test_reference_imports_torch_and_itself_only(path):
    for name in imported_at_run_time(path):
        inside = name.startswith("lrd_ext.reference.")
        outside = name.split(".")[0] in {*sys.stdlib_module_names, "torch"}
        assert inside or outside, f"{path.name} imports {name}"


def test_rooms_keep_the_contracts_of_pyproject(capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    broken = importlinter.lint_imports(config_filename="pyproject.toml", no_cache=True)
    assert not broken, capsys.readouterr().out


BLOCKED = """
import sys

class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {optional!r}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Block())
sys.path.insert(0, {root!r})
import torch, lrd_ext
params = lrd_ext.NoiseParams(K=2.0, ratio=10.0, white=1023.0, black=64.0, read="gaussian", sigma_read=1.0)
frame = torch.full((4, 4), 0.5)
result = lrd_ext.fused_synth(frame, params, seed=1, output="dn", backend={backend!r})
assert torch.equal(result, lrd_ext.reference_synth(frame, params, seed=1, output="dn"))
unwanted = [name for name in {optional!r} if name in sys.modules]
assert not unwanted, unwanted
"""


@pytest.mark.parametrize("backend", [pytest.param("cpu", marks=pytest.mark.native), "reference"])
def test_synthesis_needs_torch_and_numpy_only(backend):
    code = BLOCKED.format(optional=OPTIONAL, root=str(PACKAGE.parent), backend=backend)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
