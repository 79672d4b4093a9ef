# SPDX-License-Identifier: Apache-2.0
"""Pages in one look: light, dark and print; every axis with its unit, every plot told how it should look."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from lrd_ext.calibration.profile import profile_of
from lrd_ext.report.calibration_page import report_files
from lrd_ext.report.calibration_plots import all_plots
from lrd_ext.report.figure import COLOURS, MARKERS, SOURCES

sys.path.insert(0, str(Path(__file__).parents[2] / "docs"))
from makers import calibration_plots


@pytest.fixture(scope="module")
def found():
    """A calibration of made-up frames."""
    return calibration_plots._calibrated(calibration_plots._band)


@pytest.fixture(scope="module")
def page(found, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "r.html"
    return report_files(path, found, profile_of(found, "x"))[path].decode()


def test_a_page_has_a_dark_look_and_one_for_print_and_fetches_nothing(page):
    assert "@media(prefers-color-scheme:dark)" in page
    assert "@media print" in page
    assert not re.search(r"(?:src|href)=\"(?!data:|#)", page)
    assert len(page) < 3_000_000 / 12  # of one ISO; a report of twelve stays below 3 MB


def test_every_plot_is_told_how_it_should_look(found, page):
    plots = list(all_plots(found))
    assert len(plots) == page.count("<figure>") == page.count('href="#guide">What is wrong') == 4
    assert page.count('id="guide"') == 1
    for plot in plots:
        panels = [ax for ax in plot.figure.axes if ax.get_label() != "<colorbar>"]
        assert len(plot.reading) >= len(panels) - 1  # row and column means share a line
        assert all("should" in line for line in plot.reading)
        assert all(line in page for line in plot.reading)


def test_every_axis_has_its_unit_and_what_is_drawn_its_legend(found):
    for plot in all_plots(found):
        for ax in plot.figure.axes:
            if ax.get_label() == "<colorbar>":
                assert ax.get_ylabel() == "DN"
                continue
            units = r"\[|^row$|^column$|cycles per line|mean = 1"
            assert re.search(units, ax.get_xlabel())
            assert re.search(units, ax.get_ylabel())
            if len(ax.lines) > 1:
                assert ax.get_legend()


def brightness(colour: str) -> float:
    """Return the relative luminance of sRGB."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_sites_differ_by_marker_too_and_all_colours_are_seen_on_white():
    assert len(set(COLOURS)) == len(set(MARKERS)) == 4
    assert len(set(SOURCES)) == len(SOURCES)
    assert all(brightness(colour) < 0.5 for colour in (*COLOURS, *SOURCES))
