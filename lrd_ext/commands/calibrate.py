# SPDX-License-Identifier: Apache-2.0
"""`lrd calibrate`: from a folder of dark and flat frames to a camera profile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jsonargparse import Namespace


def add_to(commands: Any) -> None:
    """Add the command's parser."""
    from .parser import Parser

    parser = Parser(description="Calibrate a camera from dark frames and pairs of flats.")
    parser.add_argument(
        "folder", type=str, metavar="FOLDER", help="raw files, or frames.csv (file,kind,iso,exposure_s)"
    )
    parser.add_argument(
        "-o", "--output", required=True, type=str, metavar="JSON", help="camera profile to write"
    )
    parser.add_argument("--report", type=str, metavar="HTML", help="report to write, with its plots as PNG")
    parser.add_argument(
        "--black", type=str, metavar="DN", help="black level, one number or four by site, comma between"
    )
    parser.add_argument("--white", type=float, metavar="DN", help="white level")
    parser.add_argument("--cfa", type=str, metavar="PHASE", help="RGGB, GRBG, GBRG, BGGR or MONO")
    parser.add_argument(
        "--overwrite", action="store_true", help="replace a profile or report not made by this command"
    )
    commands.add_subcommand("calibrate", parser, help="calibrate a camera from dark and flat frames")


def run(options: Namespace) -> int:
    """Calibrate and return the exit code: 1 if frames were left out."""
    from lrd_ext.calibration import command

    return command.run(
        options.folder,
        options.output,
        report=options.report,
        levels=command.read_levels(options.black, options.white, options.cfa),
        overwrite=options.overwrite,
    )
