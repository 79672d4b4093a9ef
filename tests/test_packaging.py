# SPDX-License-Identifier: Apache-2.0
"""The source distribution holds what building, testing and reading need, and nothing that was built."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
IGNORED = shutil.ignore_patterns(".*", "build", "dist", "demo", "made", "*.egg-info", "__pycache__")


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    """Names in a source distribution of a copy of the tree that also holds what builds leave behind."""
    folder = tmp_path_factory.mktemp("sdist")
    tree = shutil.copytree(ROOT, folder / "tree", ignore=IGNORED)
    for left in ("docs/build/index.html", "docs/made/api/x.rst", "lrd_ext/_C.so", "tests/x.pyc"):
        (tree / left).parent.mkdir(parents=True, exist_ok=True)
        (tree / left).touch()
    code = "import sys, setuptools.build_meta as build; print(build.build_sdist(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        cwd=tree,
        env={"LRD_EXT_NATIVE": "0", "PATH": ""},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    with tarfile.open(folder / done.stdout.splitlines()[-1]) as archive:
        return {name.partition("/")[2] for name in archive.getnames()}


@pytest.mark.parametrize(
    "folder",
    ["lrd_ext", "csrc", "build_support", "tests", "tools", "benchmarks", "docs", "examples"],
)
def test_everything_in_the_tree_is_in_it(names, folder):
    left_out = (".pyc", ".so")
    expected = {
        str(path.relative_to(ROOT))
        for path in (ROOT / folder).rglob("*")
        if path.is_file()
        and path.suffix not in left_out
        and not {"build", "made"} & set(path.relative_to(ROOT).parts)
        and not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
    }
    assert expected
    assert expected - names == set()


def test_what_stands_at_the_root_is_in_it(names):
    for name in ("README.md", "LICENSE", "NOTICE", "CHANGELOG.md", "CITATION.cff", "CODE_OF_CONDUCT.md"):
        assert name in names
    for name in ("Makefile", "Dockerfile", "constraints.txt", "setup.py", "pyproject.toml", "lrd_main.py"):
        assert name in names


def test_nothing_that_was_built_is_in_it(names):
    assert [
        n for n in names if n.endswith((".so", ".pyc")) or n.startswith(("docs/build", "docs/made"))
    ] == []
