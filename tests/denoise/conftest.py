# SPDX-License-Identifier: Apache-2.0
"""Pictures to train denoisers on, and a training that nothing stopped, one for each file of tests."""

from __future__ import annotations

import numpy as np
import pytest
from denoiser_training import QUICK, train

from lrd_ext import raw
from lrd_ext.cli import main


def smooth(seed, height=64, width=96):
    """A picture with edges and slopes, DN over black 512 of 16383."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width]
    light = 0.5 + 0.4 * np.sin(rows / rng.uniform(5, 20) + columns / rng.uniform(5, 20))
    light[rows > height * rng.random()] *= 0.3
    return np.rint(512 + light * 12000).astype(np.uint16)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("denoiser")
    for k, cfa in enumerate(("RGGB", "GBRG", "BGGR", "RGGB")):
        raw.write_dng(folder / f"{k}.dng", raw.Raw(smooth(k), cfa, 512, 16383, iso=100, exposure_s=1.0))
        dark = np.rint(512 + (smooth(k).astype(float) - 512) / 8).astype(np.uint16)
        short = raw.Raw(dark, cfa, 512, 16383, iso=200, exposure_s=0.0625)
        raw.write_dng(folder / f"short{k}.dng", short)
    for name, files in (("tiles", "012"), ("held", "2"), ("few", "01"), ("one", "0"), ("held0", "3")):
        assert main(["data", "prepare", *(f"{folder}/{k}.dng" for k in files), "-o", f"{folder}/{name}"]) == 0
    shorts = [f"{folder}/short{k}.dng" for k in range(3)]
    assert main(["data", "prepare", *shorts, "-o", f"{folder}/short"]) == 0
    (folder / "quick.yaml").write_text(QUICK)
    return folder


@pytest.fixture(scope="module")
def whole(place):
    assert train(place, "whole.safetensors") == 0
    return "whole.safetensors"
