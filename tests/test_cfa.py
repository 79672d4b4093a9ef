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
    QUAD,
    XTRANS,
    Cfa,
    Pattern,
    name_of_filters,
    pack,
    plane_sites,
    shift_cfa,
    site_colours,
    site_labels,
    to_phase,
)

# Fujifilm's 6x6 pattern, as cameras since the X-T1 tell it: every row and column holds all three colours.
FUJI = ("GBGGRG", "RGRBGB", "GBGGRG", "GRGGBG", "BGBRGR", "GRGGBG")
X_TRANS = Pattern(tuple(map(tuple, FUJI)))


def test_names_are_those_type_checkers_know():
    whole = tuple(name for name in PATTERNS if "@" not in name)
    assert get_args(Cfa) == whole == (*BAYER, MONO, XTRANS, QUAD)


def test_every_phase_has_one_name_and_a_shift_leads_to_it():
    # X-Trans is the same again three rows and columns on: 18 phases in place of 36; quad-Bayer has 16.
    assert sum(name.startswith(XTRANS) for name in PATTERNS) == 18
    assert sum(name.startswith(QUAD) for name in PATTERNS) == 16
    assert len(set(PATTERNS.values())) == len(PATTERNS)
    for name in (XTRANS, QUAD, "XTRANS@1,2", "QUAD@3,1"):
        for row in range(7):
            for column in range(7):
                seen = PATTERNS[name].letters(20, 20)[row:, column:][:12, :12]
                there = shift_cfa(name, row, column)
                np.testing.assert_array_equal(PATTERNS[there].letters(12, 12), seen)
                assert shift_cfa(there, -row, -column) == name


def test_a_phase_tells_from_where_it_sees_the_pattern():
    assert shift_cfa(XTRANS, 2, 5) == "XTRANS@2,5"
    assert shift_cfa(XTRANS, 3, 3) == XTRANS
    assert shift_cfa(XTRANS, 4, 4) == "XTRANS@1,1"
    assert shift_cfa(QUAD, 5, 2) == "QUAD@1,2"


def test_filters_of_a_file_are_named_whatever_block_it_tells():
    assert name_of_filters(FUJI) in PATTERNS
    assert PATTERNS[name_of_filters(FUJI)] == X_TRANS
    assert name_of_filters([row * 2 for row in FUJI] * 2) == name_of_filters(FUJI)
    assert name_of_filters(["RGRG", "GBGB"] * 2) == "RGGB"
    assert name_of_filters(["RRGG", "RRGG", "GGBB", "GGBB"]) == QUAD
    assert name_of_filters(["BGGB", "GRRG", "GRRG", "BGGB"]) == "QUAD@3,3"


@pytest.mark.parametrize(
    ("filters", "says"),
    [
        (["RG", "GW"], "RGBW sensor.* 2 x 2 CFA pattern RG/GW"),
        (["RWGW", "WRWG", "GWBW", "WGWB"], "RGBW sensor.* 4 x 4 CFA pattern RWGW/WRWG"),
        (["RRRGGG"] * 3 + ["GGGBBB"] * 3, "sensor with the 6 x 6 CFA pattern RRRGGG"),
        (["RM", "MB"], "2 x 2 CFA pattern RM/MB"),
        (["R"], "1 x 1 CFA pattern R"),
        (["RGB"], "1 x 3"),
    ],
)
def test_other_filters_are_refused_by_name(filters, says):
    with pytest.raises(ValueError, match=says):
        name_of_filters(filters)


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


@pytest.mark.parametrize("name", [XTRANS, "QUAD@1,1"])
def test_sites_of_a_larger_pattern_have_no_colour(name):
    assert site_labels(name) == ("00", "01", "10", "11")
    with pytest.raises(ValueError, match="must be one of RGGB, GRBG, GBRG, BGGR, MONO, got"):
        site_colours(name)


@pytest.mark.parametrize(
    ("given", "wanted"), [("RGGB", XTRANS), ("RGGB", QUAD), (XTRANS, "RGGB"), (XTRANS, "XTRANS@1,0")]
)
def test_figures_that_differ_by_site_contradict_a_larger_pattern(given, wanted):
    same = np.full((3, 4), 2.5)
    assert to_phase(same, given, wanted) is same
    differ = np.array([[2.0, 2, 2, 2], [2, 2, 2, 2.5]])
    with pytest.raises(
        ValueError, match=f"of {given} .2 2 2 2.5 DN. has no place on {wanted}: leave the bias"
    ):
        to_phase(differ, given, wanted)
    assert to_phase(differ, given, given) is differ
    assert to_phase(differ, MONO, wanted) is differ


@pytest.mark.parametrize("given", BAYER)
@pytest.mark.parametrize("wanted", BAYER)
def test_figures_follow_their_colours(given, wanted):
    colours = np.array(site_colours(given))
    assert tuple(to_phase(colours, given, wanted)) == site_colours(wanted)


def test_an_unknown_phase_is_refused():
    says = "cfa must be one of RGGB, GRBG, GBRG, BGGR, MONO, XTRANS, QUAD, or a phase such as XTRANS@0,1, got"
    for name in ("RGBW", "XTRANS@3,0", "XTRANS@0,6"):  # @3,0 is @0,3: each phase has one name
        with pytest.raises(ValueError, match=f"{says} '{name}'"):
            to_phase(np.zeros(4), "RGGB", name)
