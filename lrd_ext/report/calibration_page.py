# SPDX-License-Identifier: Apache-2.0
"""The report of a calibration: one HTML file that needs nothing else, and its plots as PNG beside it."""

from __future__ import annotations

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

__all__ = ["is_report", "plots_folder", "report_files"]


def is_report(path: Path) -> bool:
    """Tell whether a file is a report of this command, by the mark in its head."""
    with open(path, "rb") as file:
        return mark(_COMMAND).encode() in file.read(1024)


def report_files(page: Path, found: Calibration, profile: CameraProfile) -> dict[Path, bytes]:
    """Return the report and its plots, which are in its page too, as what each file shall hold."""
    plots, files = with_plots(page, all_plots(found))
    return {page: _page(found, profile, plots).encode(errors="backslashreplace"), **files}


def _page(found: Calibration, profile: CameraProfile, plots: str) -> str:
    s = found.sensor
    black = ", ".join(f"{b:g}" for b in s.black)
    facts = (
        f"{escape(profile.camera)}, {escape(s.cfa)}, {s.shape[0]} x {s.shape[1]} pixels, "
        f"black {black}, white {s.white:g}; frames: {found.frames}. lrd_ext {__version__}"
    )
    tables = "".join(f"<h2>{escape(head)}</h2>{table}" for head, table in all_tables(found, profile))
    body = f"<p>{facts}</p>{verdict_html(verdict(found))}{tables}{plots}"
    return document(_COMMAND, f"Calibration of {profile.name}", body)
