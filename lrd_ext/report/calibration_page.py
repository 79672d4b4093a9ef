# SPDX-License-Identifier: Apache-2.0
"""The report of a calibration: one HTML file that needs nothing else, and its plots as PNG beside it."""

from __future__ import annotations

import datetime
from html import escape
from pathlib import Path

from lrd_ext.calibration.results import Calibration
from lrd_ext.calibration.verdict import verdict
from lrd_ext.profiles import CameraProfile
from lrd_ext.version import __version__

from .calibration_plots import all_plots
from .calibration_tables import all_tables
from .page import document, mark, plots_folder, verdict_html, with_plots

_COMMAND = "lrd calibrate"

#: In short what docs/calibrate.md, section 4, says.
_GUIDE = (
    (
        "photon transfer",
        "bends down: saturation, or charge shared by neighbours; bends up: light that flickers; sites apart: "
        "gains by channel",
    ),
    ("gain by level", "falls with the light: take the gain of the lowest third for low light"),
    ("quantiles", "an S: the model misses the tails; only the last few points: hot pixels"),
    (
        "spectrum",
        "spikes: banding; high at the left: the level drifts within a frame; dashed: what the profile holds",
    ),
    ("drift", "a ramp: the sensor warmed up over the series"),
    ("dark current over time", "off the line: a light leak, or the temperature changed"),
    ("dark shading, row and column means", "a bright side or corner: glow, or a light leak"),
    ("hot pixels", "a line: a defect column; thousands: the sensor was warm"),
    ("over ISO", "one ISO off: its flats moved; the top ISOs: they are multiplied digitally"),
)

__all__ = ["is_report", "plots_folder", "report_files"]


def is_report(path: Path) -> bool:
    """Tell whether a file is a report of this command, by the mark in its head."""
    with open(path, "rb") as file:
        return mark(_COMMAND).encode() in file.read(1024)


def report_files(
    page: Path, found: Calibration, profile: CameraProfile, command: str = _COMMAND
) -> dict[Path, bytes]:
    """Return the report and its plots, which are in its page too, as what each file shall hold.

    Args:
        page: where the report goes.
        found: the calibration.
        profile: what was made of it.
        command: the command line, as the user typed it.
    """
    plots, files = with_plots(page, all_plots(found), _GUIDE)
    return {page: _page(found, profile, plots, command).encode(errors="backslashreplace"), **files}


def _page(found: Calibration, profile: CameraProfile, plots: str, command: str) -> str:
    s = found.sensor
    black = ", ".join(f"{b:g}" for b in s.black)
    facts = (
        f"{escape(profile.camera)}, {escape(s.cfa)}, {s.shape[0]} x {s.shape[1]} pixels, "
        f"black {black}, white {s.white:g}; frames: {found.frames}. lrd_ext {__version__}"
    )
    tables = "".join(f"<h2>{escape(head)}</h2>{table}" for head, table in all_tables(found, profile))
    made = f"Made on {datetime.date.today().isoformat()} by <code>{escape(command)}</code>"
    guide = '<p><a href="#guide">How to read the plots</a></p>' if plots else ""
    body = f"<p>{facts}<br>{made}</p>{verdict_html(verdict(found))}{guide}{tables}{plots}"
    return document(_COMMAND, f"Calibration of {profile.name}", body)
