# SPDX-License-Identifier: Apache-2.0
"""Phases: every site stays on its colour, mirrored or not, and pictures come back where they were."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from lrd_ext.cfa import BAYER, MONO, PATTERNS, pack, unpack
from lrd_ext.denoise.phases import cut_to_phase, filled_to_phase, shift_between

PAIRS = list(itertools.product(BAYER, BAYER))


def colours(cfa, height, width):
    """A mosaic whose values tell their colour: 0 R, 1 green, 2 B."""
    letters = [[PATTERNS[cfa].at(r, c)[0] for c in range(width)] for r in range(height)]
    return np.array([["RGB".index(letter) for letter in row] for row in letters], np.float32)


@pytest.mark.parametrize(("given", "wanted"), PAIRS)
def test_cuts_keep_colours_and_neighbours(given, wanted):
    place = torch.arange(8 * 12, dtype=torch.float32).reshape(8, 12)
    kind = torch.from_numpy(colours(given, 8, 12))
    for rows, cols in itertools.product((False, True), repeat=2):
        cut = cut_to_phase(pack(torch.stack([place, kind])), given, wanted, rows=rows, cols=cols)
        assert cut.shape == (2, 4, 3, 5)
        where, what = unpack(cut)
        assert np.array_equal(what.numpy(), colours(wanted, 6, 10))
        # Neighbours stay neighbours: a step to the right and one down are what they were, or mirrored.
        assert (where.diff(dim=1) == (-1 if cols else 1)).all()
        assert (where.diff(dim=0) == (-12 if rows else 12)).all()


@pytest.mark.parametrize(("given", "wanted"), PAIRS)
@pytest.mark.parametrize("size", [(8, 12), (7, 9), (2, 3)])
def test_fills_keep_colours_and_give_the_picture_back(given, wanted, size):
    mosaic = colours(given, *size)
    filled, place = filled_to_phase(mosaic, given, wanted)
    assert all(side % 2 == 0 for side in filled.shape)
    assert np.array_equal(filled, colours(wanted, *filled.shape))
    assert np.array_equal(filled[place], mosaic)


def test_monochrome_and_bayer_do_not_mix():
    assert shift_between(MONO, MONO) == (0, 0)
    with pytest.raises(ValueError, match=r"is monochrome \(MONO\), the denoiser was trained on Bayer"):
        shift_between(MONO, "RGGB")
    with pytest.raises(ValueError, match="the picture is Bayer"):
        shift_between("GRBG", MONO)
