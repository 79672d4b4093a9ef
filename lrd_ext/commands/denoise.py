# SPDX-License-Identifier: Apache-2.0
"""`lrd denoise`: raw files without their noise."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from .many_files import add_files, add_running, run_jobs

if TYPE_CHECKING:
    from jsonargparse import Namespace

#: The denoiser that ships.
NET = "low_light"


def add_to(commands: Any) -> None:
    """Add the command's parser."""
    from .parser import Parser

    parser = Parser(description="Take the noise off raw files; levels, CFA phase and tags stay.")
    add_files(parser)
    parser.add_argument(
        "--net",
        type=str,
        default=NET,
        metavar="NAME|FILE",
        help=f"denoiser: one that ships, or a file of lrd train denoiser (default {NET})",
    )
    parser.add_argument(
        "--ratio",
        type=float,
        help="how many times darker than a well-exposed shot (default: 2^BaselineExposure of the file)",
    )
    parser.add_argument(
        "--camera",
        type=str,
        metavar="NAME|FILE",
        help="camera of the library, or a profile JSON: its black-level error is taken off, and it tells a "
        "conditioned denoiser the noise",
    )
    parser.add_argument("--iso", type=float, help="ISO for --camera (default: that of the file)")
    parser.add_argument(
        "--black", type=str, metavar="DN", help="black level, one number or four by site, comma between"
    )
    parser.add_argument(
        "--tile", type=int, metavar="CELLS", help="2x2 cells a side worked on at once (default 256)"
    )
    parser.add_argument(
        "--fine",
        action="store_true",
        help="multiply values and levels by the largest whole number 16 bits allow: finer steps in shadows",
    )
    add_running(parser)
    commands.add_subcommand("denoise", parser, help="take the noise off raw files")


def run(options: Namespace) -> int:
    """Denoise every input and return the exit code: 1 if some failed, 2 if all."""
    from lrd_ext.denoise import load_denoiser
    from lrd_ext.denoise.files import Settings, denoise_file
    from lrd_ext.denoise.frames import TILE
    from lrd_ext.profiles import load_profile

    from .calibrate import read_levels

    settings = Settings(
        load_denoiser(options.net),
        Path(options.net).name,
        options.ratio,
        read_levels(options.black, None, None).black,
        None if options.camera is None else load_profile(options.camera),
        options.iso,
        TILE if options.tile is None else options.tile,
        options.fine,
    )
    return run_jobs("denoise", options, lambda job, go_on: denoise_file(job, settings, go_on))
