# SPDX-License-Identifier: Apache-2.0
"""`lrd synth`: low-light versions of raw files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lrd_ext.plain_text import plain

from .errors import say

if TYPE_CHECKING:
    from jsonargparse import Namespace

    from lrd_ext.synth_files import Job


def add_to(commands: Any) -> None:
    """Add the command's parser."""
    from .parser import Parser

    parser = Parser(description="Make low-light versions of raw files, with the noise of a named camera.")
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
        "--generator",
        type=str,
        metavar="NAME|FILE",
        help="learned noise in place of the profile's read, row and column noise: one that ships, or a file",
    )
    parser.add_argument(
        "--preview", type=str, metavar="PNG", help="before/after picture; a folder for many inputs"
    )
    parser.add_argument(
        "--step",
        nargs="?",
        const="file",
        type=str,
        metavar="DN",
        help="round to steps of so many DN, alone to those the file's values come in (default 1)",
    )
    parser.add_argument("--jobs", type=int, default=1, help="files in work at the same time (default 1)")
    parser.add_argument("--overwrite", action="store_true", help="replace existing outputs")
    commands.add_subcommand("synth", parser, help="make low-light versions of raw files")


def _outcome(job: Job, outcome: list[str] | Exception) -> str:
    if not isinstance(outcome, Exception):
        return "\n".join(map(plain, outcome))
    text, source = say(outcome), plain(job.source)
    return f"lrd synth: error: {text if text.startswith(source) else f'{source}: {text}'}"


def run(options: Namespace) -> int:
    """Synthesise every input and return the exit code: 1 if some failed, 2 if all."""
    from tqdm import tqdm

    from lrd_ext import synth_files

    if options.jobs < 1:
        raise ValueError(f"--jobs must be at least 1, got {options.jobs}")
    settings = synth_files.settings_for(
        options.camera, options.iso, options.ratio, options.seed, options.generator, options.step
    )
    jobs = synth_files.plan(
        [Path(p) for p in options.inputs],
        Path(options.output),
        Path(options.preview) if options.preview else None,
        options.index,
        options.overwrite,
    )
    with tqdm(total=len(jobs), unit="file", disable=len(jobs) == 1 or not sys.stderr.isatty()) as bar:

        def done(job: synth_files.Job, outcome: list[str] | Exception) -> None:
            stream = sys.stderr if isinstance(outcome, Exception) else sys.stdout
            bar.write(_outcome(job, outcome), file=stream)
            bar.update()

        failed = synth_files.synthesize_files(jobs, settings, workers=options.jobs, done=done)
    if len(jobs) > 1:
        print(f"{len(jobs) - failed} of {len(jobs)} files written")
    return 0 if failed == 0 else 2 if failed == len(jobs) else 1
