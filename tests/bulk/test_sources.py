# SPDX-License-Identifier: Apache-2.0
"""An output inside a folder of inputs: what is written there is no picture."""

from __future__ import annotations

import shutil

import pytest
from shard_files import contents

from lrd_ext.bulk import find_sources, synthesize


@pytest.mark.parametrize("name", ["webdataset", "tiles"])
def test_an_output_among_the_inputs_is_gone_on_with_and_written_over(tmp_path, raws, recipe, name):
    shutil.copytree(raws, tmp_path / "in")
    out = tmp_path / "in" / "out"

    def stop(source):
        raise KeyboardInterrupt

    def run(**more):
        sources = find_sources([tmp_path / "in"], output=str(out))
        return synthesize(sources, str(out), recipe(format=name), **more)

    with pytest.raises(KeyboardInterrupt):
        run(progress=stop)
    run(resume=True)
    once = contents(out)
    assert run(overwrite=True).sources == 5
    assert contents(out) == once


def test_the_folder_of_the_inputs_is_no_output(raws):
    with pytest.raises(ValueError, match="would take the pairs written there for pictures"):
        find_sources([raws], output=str(raws))


def test_inputs_below_the_output_are_sources(raws):
    assert len(find_sources([raws], output=str(raws.parent))) == 5
    assert len(find_sources([raws], output="memory://raws")) == 5
