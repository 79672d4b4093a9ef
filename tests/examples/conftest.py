# SPDX-License-Identifier: Apache-2.0
"""The programs of examples/, and small raw files prepared for them."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from tile_files import write_raw

from lrd_ext.datasets import prepare_tiles

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def example(request):
    """The program that a test module is named after."""
    name = request.module.__name__.removeprefix("test_")
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def raws(tmp_path_factory):
    """A folder of three raw files of two phases."""
    folder = tmp_path_factory.mktemp("raws")
    for i in range(3):
        write_raw(folder / f"{i}.dng", first=i, cfa="GBRG" if i == 2 else "RGGB")
    return folder


@pytest.fixture(scope="session")
def tiles(raws, tmp_path_factory):
    """The same, prepared."""
    store = tmp_path_factory.mktemp("tiles") / "store"
    prepare_tiles(sorted(raws.glob("*.dng")), store)
    return store
