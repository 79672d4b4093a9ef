# SPDX-License-Identifier: Apache-2.0
"""The library is what its importers make of the published figures, byte for byte."""

from __future__ import annotations

import json

import pytest
from make_library import INPUTS, LIBRARY, make_library

from lrd_ext.profiles import list_profiles


@pytest.fixture(scope="module")
def made():
    return make_library()


def test_every_camera_of_the_library_can_be_made_again(made):
    assert sorted(made) == list_profiles()


@pytest.mark.parametrize("name", list_profiles())
def test_the_committed_file_is_the_made_one(made, name):
    assert (LIBRARY / f"{name}.json").read_bytes() == made[name], "run make library"


@pytest.mark.parametrize("path", sorted(INPUTS.glob("*.json")), ids=lambda p: p.stem)
def test_published_figures_name_their_source_and_a_permissive_licence(path):
    if path.stem == "cameras":  # what is ours
        return
    source = json.loads(path.read_text("utf-8"))["_source"]
    assert source["repo"].startswith("https://github.com/")
    assert len(source["commit"]) == 40
    assert source["licence"].startswith(("MIT", "Apache-2.0"))
