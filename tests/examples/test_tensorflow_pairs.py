# SPDX-License-Identifier: Apache-2.0
"""What lrd data synthesize wrote is read with NumPy alone; TensorFlow itself is not needed for that."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lrd_ext import cli
from lrd_ext.datasets import PairFolder


def synthesized(raws, folder, kind):
    words = ["data", "synthesize", str(raws), "-o", str(folder), "--camera", "sony_a7s2", "--iso", "800:6400"]
    words += ["--ratio", "10:100", "--size", "16", "--copies", "2", "--format", kind, "--quiet"]
    assert cli.main(words) == 0
    return folder


@pytest.fixture(scope="module")
def folder(raws, tmp_path_factory):
    return synthesized(raws, tmp_path_factory.mktemp("npz") / "pairs", "npz")


def test_pairs_are_those_of_the_torch_reader(example, folder):
    expected = {f"{item['id']}.npz": item for item in PairFolder(folder)}
    assert len(expected) == 72
    for name, pair in zip(example.names_of(folder), example.pairs(folder), strict=True):
        item = expected.pop(name)
        assert np.array_equal(pair["noisy"], item["noisy"].permute(1, 2, 0).numpy())
        assert np.array_equal(pair["clean"], item["clean"].permute(1, 2, 0).numpy())
        assert pair["iso"] == np.float32(item["iso"])
        assert pair["ratio"] == np.float32(item["ratio"])
        assert pair["noisy"].dtype == np.float32
    assert expected == {}


def test_both_formats_hold_the_same(example, raws, folder, tmp_path):
    pytest.importorskip("webdataset", reason="needs the extra bulk")
    tars = synthesized(raws, tmp_path / "tars", "webdataset")
    assert {name[-4:] for name in example.names_of(tars)} == {".tar"}
    for a, b in zip(example.pairs(folder), example.pairs(tars), strict=True):
        assert all(np.array_equal(a[name], b[name]) for name in a)


def test_neither_torch_nor_lrd_ext_is_loaded(example, folder):
    code = (
        "import sys, tensorflow_pairs as example; print(len(list(example.pairs(sys.argv[1]))))\n"
        "assert not {'torch', 'lrd_ext', 'tensorflow'} & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        cwd=Path(example.__file__).parent,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) == 72


def test_tensorflow_trains_on_it(example, folder):
    pytest.importorskip("tensorflow", reason="tensorflow: not installed")
    assert example.main(str(folder), 3) > 0
