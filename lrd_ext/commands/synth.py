# SPDX-License-Identifier: Apache-2.0
"""`lrd synth`: low-light versions of raw files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .many_files import add_files, add_running, run_jobs

if TYPE_CHECKING:
    from jsonargparse import Namespace


def add_to(commands: Any) -> None:
    """Add the command's parser."""
    from .parser import Parser

    parser = Parser(description="Make low-light versions of raw files, with the noise of a named camera.")
    add_files(parser)
    parser.add_argument(
        "--camera",
        required=True,
        type=str,
        metavar="NAME|FILE",
        help="camera of the library, or a profile JSON",
    )
    parser.add_argument("--iso", required=True, type=float, help="ISO of the shot to synthesise")
    parser.add_argument(
        "--ratio", type=float, default=1.0, help="how many times darker than the input (default 1)"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the noise (default 0)")
    parser.add_argument(
        "--index", type=int, default=0, help="identity of the first input's noise; then +1 (default 0)"
    )
    parser.add_argument(
        "--read",
        type=str,
        metavar="MODEL",
        help="none, gaussian or tukey_lambda in place of the profile's own model of read noise",
    )
    parser.add_argument(
        "--generator",
        type=str,
        metavar="NAME|FILE",
        help="learned noise in place of the profile's read, row and column noise: one that ships, or a file",
    )
    parser.add_argument(
        "--step",
        nargs="?",
        const="file",
        type=str,
        metavar="DN",
        help="round to steps of so many DN, alone to those the file's values come in (default 1)",
    )
    parser.add_argument(
        "--no-bias",
        action="store_true",
        help="leave out the camera's black-level error, which moves the mean",
    )
    parser.add_argument(
        "--exposure-s",
        type=float,
        metavar="S",
        help="exposure of the shot, for dark current and hot pixels (default: the file's by ISO and ratio)",
    )
    parser.add_argument(
        "--temperature-c",
        type=float,
        metavar="C",
        help="temperature of the sensor (default: that the camera was measured at)",
    )
    parser.add_argument(
        "--sensor",
        type=int,
        default=0,
        metavar="N",
        help="which body: what is fixed in it stays from file to file (default 0)",
    )
    add_running(parser)
    commands.add_subcommand("synth", parser, help="make low-light versions of raw files")


def run(options: Namespace) -> int:
    """Synthesise every input and return the exit code: 1 if some failed, 2 if all."""
    from lrd_ext import synth_files

    settings = synth_files.settings_for(
        options.camera,
        options.iso,
        options.ratio,
        options.seed,
        options.generator,
        options.step,
        options.read,
        not options.no_bias,
        exposure_s=options.exposure_s,
        temperature_c=options.temperature_c,
        sensor=options.sensor,
    )
    return run_jobs(
        "synth",
        options,
        lambda job, go_on: synth_files.synthesize_file(job, settings, go_on=go_on),
        index=options.index,
    )
