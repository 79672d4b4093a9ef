# SPDX-License-Identifier: Apache-2.0
"""The options --plot and --overwrite, the same for every command that draws."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace


def add_plot(parser: ArgumentParser, text: str) -> None:
    """Add the options to a parser."""
    parser.add_argument("--plot", type=str, metavar="PNG", help=text)
    parser.add_argument("--overwrite", action="store_true", help="replace an existing plot")


def plot_target(options: Namespace) -> Path | None:
    """Return where the plot goes, None for no plot; checked before any work.

    Raises:
        ValueError: it does not end in .png, exists and is not to be replaced, or cannot be written.
    """
    from lrd_ext.outputs import check_target

    if options.plot is None:
        return None
    return check_target(options.plot, "--plot", suffix=".png", overwrite=options.overwrite, make_folders=True)


def told(plot: Path | None) -> list[str]:
    """Return the line that says where the plot is."""
    return [] if plot is None else [f"plot: {plot}"]
