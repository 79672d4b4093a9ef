# SPDX-License-Identifier: Apache-2.0
"""Packing of a crop: the compiled loop and NumPy's give the same planes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from lrd_ext import ops
from lrd_ext.datasets import mosaics
from lrd_ext.datasets.mosaics import packed

WHOLE = np.random.default_rng(0).integers(0, 65536, (40, 90), dtype=np.uint16)


@pytest.mark.parametrize(
    "crop", [WHOLE, WHOLE[2:8, 4:70], WHOLE[::2, 2:4], WHOLE[:, ::3], WHOLE[::-1], WHOLE[:0]]
)
def test_planes_hold_their_sites(monkeypatch, crop):
    for sites in itertools.permutations(range(4)):
        expected = np.stack([crop[site // 2 :: 2, site % 2 :: 2] for site in sites])
        assert np.array_equal(packed(crop, sites), expected)
    monkeypatch.setattr(mosaics, "NATIVE", None)
    assert np.array_equal(packed(crop, sites), expected)


@pytest.mark.native
@pytest.mark.parametrize(
    ("mosaic", "planes", "sites"),
    [
        (WHOLE, np.zeros((4, 20, 44), np.uint16), (0, 1, 2, 3)),
        (WHOLE[:3], np.zeros((4, 1, 45), np.uint16), (0, 1, 2, 3)),
        (WHOLE, np.zeros((4, 20, 45), np.uint16), (0, 1, 2, 4)),
        (WHOLE, np.zeros((4, 20, 45), np.uint16), (0, 1, 2, 2)),
        (WHOLE, np.zeros((4, 20, 90), np.uint16)[:, :, ::2], (0, 1, 2, 3)),
        (WHOLE[:, ::2], np.zeros((4, 20, 22), np.uint16), (0, 1, 2, 3)),
    ],
)
def test_the_compiled_loop_stays_within_memory(mosaic, planes, sites):
    with pytest.raises(ValueError, match="pack: needs a mosaic"):
        ops.NATIVE.pack(mosaic, planes, sites)
