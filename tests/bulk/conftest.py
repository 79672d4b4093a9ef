# SPDX-License-Identifier: Apache-2.0
"""Raw files that runs are made of, and how two outputs are compared."""

from __future__ import annotations

import pytest
from tile_files import write_raw

import lrd_ext
from lrd_ext.bulk import Recipe, find_sources


@pytest.fixture(scope="session")
def raws(tmp_path_factory):
    """A folder of five raw files of 96 x 128 sites, two phases."""
    folder = tmp_path_factory.mktemp("raws")
    for i in range(5):
        write_raw(folder / f"scene{i}.dng", first=i, cfa="GBRG" if i == 3 else "RGGB")
    return folder


@pytest.fixture(scope="session")
def sources(raws):
    return find_sources([raws])


@pytest.fixture(scope="session")
def camera():
    return lrd_ext.load_profile("sony_a7s2")


@pytest.fixture
def recipe(camera):
    """Make a recipe of small crops."""

    def make(**changes):
        settings = {"iso": (800.0, 6400.0), "ratio": (10.0, 100.0), "seed": 7, "copies": 2, "size": 16}
        return Recipe(**{"cameras": (camera,)} | settings | changes)

    return make
