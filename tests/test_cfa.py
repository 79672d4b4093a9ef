# SPDX-License-Identifier: Apache-2.0
"""Patterns of the colour filter array: of any size, and per-site figures that follow the colours."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from lrd_ext.cfa import (
    BAYER,
    MONO,
    PATTERNS,
    Cfa,
    Pattern,
    pack,
    plane_sites,
    shift_cfa,
    site_colours,
    site_labels,
    to_phase,
)

# Fujifilm's 6x6 pattern: every row and column holds all three colours.
X_TRANS = Pattern(tuple(tuple(row) for row in ("GBGGRG", "RGRBGB", "GBGGRG", "GRGGBG", "BGBRGR", "GRGGBG")))


def test_names_are_those_type_checkers_know():
    assert get_args(Cfa) == tuple(PATTERNS) == (*BAYER, MONO)


@pytest.mark.parametrize("cfa", BAYER)
def test_a_bayer_name_spells_its_colours(cfa):
    assert "".join(colour[0] for colour in site_colours(cfa)) == cfa
    assert set(site_colours(cfa)) == {"R", "Gr", "Gb", "B"}


@pytest.mark.parametrize("cfa", BAYER)
def test_rggb_planes_are_red_both_greens_and_blue(cfa):
    sites = plane_sites("rggb", cfa)
    assert [site_colours(cfa)[site] for site in sites] == ["R", "Gr", "Gb", "B"]
    assert tuple(pack(np.arange(4).reshape(2, 2), "rggb", cfa=cfa).ravel()) == sites


def test_a_pattern_of_any_size_repeats_and_shifts():
    assert (X_TRANS.size, PATTERNS["RGGB"].size, PATTERNS[MONO].size) == ((6, 6), (2, 2), (1, 1))
    assert X_TRANS.at(6, 13) == X_TRANS.at(0, 1) == "B"
    seen = X_TRANS.shifted(1, 3)
    assert all(seen.at(r, c) == X_TRANS.at(r + 1, c + 3) for r in range(12) for c in range(12))
    assert X_TRANS.shifted(6, 12) == X_TRANS
    assert X_TRANS.shifted(3, 0) != X_TRANS


def test_without_filters_sites_are_named_by_place_and_stay_where_they_are():
    assert (site_colours(MONO), site_labels(MONO)) == (("Y",) * 4, ("00", "01", "10", "11"))
    assert shift_cfa(MONO, 1, 1) == MONO
    figures = np.array([[1.0, 2.0, 3.0, 6.0]])
    assert to_phase(figures, MONO, "BGGR") is figures
    assert to_phase(figures, "RGGB", MONO).tolist() == [[3.0] * 4]


@pytest.mark.parametrize("given", BAYER)
@pytest.mark.parametrize("wanted", BAYER)
def test_figures_follow_their_colours(given, wanted):
    colours = np.array(site_colours(given))
    assert tuple(to_phase(colours, given, wanted)) == site_colours(wanted)


def test_an_unknown_phase_is_refused():
    with pytest.raises(ValueError, match="cfa must be one of RGGB, GRBG, GBRG, BGGR, MONO, got 'XTRANS'"):
        to_phase(np.zeros(4), "RGGB", "XTRANS")
