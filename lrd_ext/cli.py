# SPDX-License-Identifier: Apache-2.0
"""The program `lrd`. Exit codes: 0 done, 1 some inputs failed, 2 wrong use, refused input or interrupted."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .version import __version__

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program on ``argv`` (default: the command line) and return its exit code."""
    parser = _parser()
    options = parser.parse_args(None if argv is None else list(argv))
    command = {"synth": _synth, "doctor": _doctor}[options.subcommand]
    try:
        return command(options[options.subcommand])
    except KeyboardInterrupt:
        print(f"lrd {options.subcommand}: interrupted", file=sys.stderr)
    except (ValueError, TypeError, OSError) as error:
        print(f"lrd {options.subcommand}: error: {_say(error)}", file=sys.stderr)
    return 2


def _say(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error)


def _parser() -> ArgumentParser:
    from jsonargparse import ArgumentParser

    parser = ArgumentParser(
        prog="lrd", version=__version__, description="Low-light raw noise: synthesis and modeling."
    )
    commands = parser.add_subcommands(metavar="COMMAND")
    commands.add_subcommand("synth", _synth_parser(), help="make low-light versions of raw files")
    doctor = ArgumentParser(description="Tell what was compiled, which executor runs, and why not CUDA.")
    commands.add_subcommand("doctor", doctor, help="tell how this installation runs")
    return parser


def _synth_parser() -> ArgumentParser:
    from jsonargparse import ArgumentParser

    parser = ArgumentParser(
        description="Make low-light versions of raw files, with the noise of a named camera."
    )
    parser.add_argument(
        "inputs", nargs="+", metavar="IN", type=str, help="raw files (Bayer: DNG, CR2, NEF, ARW ...)"
    )
    parser.add_argument(
        "-o", "--output", required=True, type=str, metavar="OUT", help="DNG to write, or a folder"
    )
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
        "--preview", type=str, metavar="PNG", help="before/after picture; a folder for many inputs"
    )
    parser.add_argument("--jobs", type=int, default=1, help="files in work at the same time (default 1)")
    parser.add_argument("--overwrite", action="store_true", help="replace existing outputs")
    return parser


def _synth(options: Namespace) -> int:
    from tqdm import tqdm

    from . import lowlight

    if options.jobs < 1:
        raise ValueError(f"--jobs must be at least 1, got {options.jobs}")
    settings = lowlight.settings_for(options.camera, options.iso, options.ratio, options.seed)
    jobs = lowlight.plan(
        [Path(p) for p in options.inputs],
        Path(options.output),
        Path(options.preview) if options.preview else None,
        options.index,
        options.overwrite,
    )
    with tqdm(total=len(jobs), unit="file", disable=len(jobs) == 1 or not sys.stderr.isatty()) as bar:

        def done(job: lowlight.Job, outcome: list[str] | Exception) -> None:
            failed = isinstance(outcome, Exception)
            text = f"lrd synth: error: {job.source}: {_say(outcome)}" if failed else "\n".join(outcome)  # type: ignore[arg-type]
            bar.write(text, file=sys.stderr if failed else sys.stdout)
            bar.update()

        failed = lowlight.synthesize_files(jobs, settings, workers=options.jobs, done=done)
    if len(jobs) > 1:
        print(f"{len(jobs) - failed} of {len(jobs)} files written")
    return 0 if failed == 0 else 2 if failed == len(jobs) else 1


def _doctor(options: Namespace) -> int:
    from rich.console import Console
    from rich.table import Table

    from . import doctor

    table = Table(show_header=False, box=None)
    for subject, finding in doctor.report():
        table.add_row(subject, finding)
    Console(highlight=False).print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
