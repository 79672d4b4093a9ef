# SPDX-License-Identifier: Apache-2.0
"""Commands of the form IN... -o OUT: their lines, bar and exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lrd_ext.jobs import Done, Job, carry_out, plan
from lrd_ext.plain_text import plain

from .errors import say
from .json_output import add_json, print_json
from .progress import add_quiet, bar

if TYPE_CHECKING:
    from jsonargparse import Namespace


def add_files(parser: Any) -> None:
    """Add IN... and -o OUT to a command's parser."""
    parser.add_argument(
        "inputs", nargs="+", metavar="IN", type=str, help="raw files (Bayer: DNG, CR2, NEF, ARW ...)"
    )
    parser.add_argument(
        "-o", "--output", required=True, type=str, metavar="OUT", help="DNG to write, or a folder"
    )


def add_running(parser: Any) -> None:
    """Add the options :func:`run_jobs` reads beside them: a picture, files at a time, what is printed."""
    parser.add_argument(
        "--preview", type=str, metavar="PNG", help="before/after picture; a folder for many inputs"
    )
    parser.add_argument("--jobs", type=int, default=1, help="files in work at the same time (default 1)")
    parser.add_argument("--overwrite", action="store_true", help="replace existing outputs")
    add_json(parser)
    add_quiet(parser)


def run_jobs(
    command: str,
    options: Namespace,
    work: Callable[[Job, Callable[[], None]], Done],
    *,
    index: int = 0,
) -> int:
    """Carry out a command on every input and return its exit code: 1 if some failed, 2 if all.

    Args:
        command: its name.
        options: ``inputs``, ``output``, ``preview``, ``jobs``, ``overwrite`` and ``json``.
        work: does one job, see :func:`lrd_ext.jobs.carry_out`.
        index: of the first job.

    Raises:
        ValueError: an output is refused; nothing was done.
    """
    from tqdm import tqdm

    if options.jobs < 1:
        raise ValueError(f"--jobs must be at least 1, got {options.jobs}")
    jobs = plan(
        [Path(p) for p in options.inputs],
        options.output,
        Path(options.preview) if options.preview else None,
        index,
        options.overwrite,
    )
    told: dict[Job, dict[str, Any]] = {}
    with bar(len(jobs), "file", least=2) as move:

        def done(job: Job, outcome: Done | Exception) -> None:
            failed = isinstance(outcome, Exception)
            told[job] = {"error": say(outcome)} if isinstance(outcome, Exception) else outcome.facts
            if failed or not options.json:
                tqdm.write(_told(command, job, outcome), file=sys.stderr if failed else sys.stdout)
            move(job.source.name)

        failed = carry_out(jobs, work, workers=options.jobs, done=done)
    if options.json:
        print_json([{"input": job.source, "output": job.target} | told[job] for job in jobs])
    elif len(jobs) > 1:
        print(f"{len(jobs) - failed} of {len(jobs)} files written")
    return 0 if failed == 0 else 2 if failed == len(jobs) else 1


def _told(command: str, job: Job, outcome: Done | Exception) -> str:
    if isinstance(outcome, Done):
        return "\n".join(map(plain, outcome.lines))
    text, source = say(outcome), plain(job.source)
    return f"lrd {command}: error: {text if text.startswith(source) else f'{source}: {text}'}"
