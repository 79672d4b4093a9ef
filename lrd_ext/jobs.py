# SPDX-License-Identifier: Apache-2.0
"""Many input files, each with its outputs: planned before any work, carried out side by side."""

from __future__ import annotations

import dataclasses
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from .outputs import check_target, write_files


@dataclasses.dataclass(frozen=True)
class Job:
    """One input, where its results go, and the identity of its noise."""

    source: Path
    target: Path
    preview: Path | None
    index: int


@dataclasses.dataclass(frozen=True)
class Done:
    """What was done for one input: lines for the user, and the same as facts by name."""

    lines: list[str]
    facts: dict[str, Any]


def plan(
    inputs: Sequence[Path], output: str | Path, preview: Path | None, index: int, overwrite: bool
) -> list[Job]:
    """Decide where every result goes and refuse what cannot be written, before any work.

    Args:
        inputs: the files.
        output: a name that ends in .dng, for one input; else a folder, which may be missing.
        preview: the same for a PNG picture; None makes none.
        index: of the first.
        overwrite: whether existing files may be replaced.

    Raises:
        ValueError: two inputs would write one file, a file exists already, its ending is another kind's, or a
            folder is read-only.
    """
    ends_open, output = os.fspath(output).endswith(os.sep), Path(output)
    if output.suffix.lower() not in ("", ".dng") and not ends_open and not output.is_dir():
        raise ValueError(
            f"--output must end in .dng or name a folder, got {output}. End a new folder's name with {os.sep}"
        )
    single = len(inputs) == 1 and not output.is_dir() and output.suffix.lower() == ".dng"
    if len(inputs) > 1 and output.suffix.lower() == ".dng" and not output.is_dir():
        raise ValueError(f"--output must be a folder for {len(inputs)} inputs, got the file name {output}")
    folder_of_previews = preview is not None and not (single or len(inputs) == 1)
    if preview is not None:
        named_png = preview.suffix.lower() == ".png"
        if not folder_of_previews and not named_png:
            raise ValueError(f"--preview must end in .png, got {preview}")
        if folder_of_previews and named_png and not preview.is_dir():
            raise ValueError(f"--preview must be a folder for several inputs, got {preview}")
    jobs = []
    for number, source in enumerate(inputs):
        target = output if single else output / f"{source.stem}.dng"
        picture = preview / f"{source.stem}.png" if preview is not None and folder_of_previews else preview
        jobs.append(Job(source, target, picture, index + number))
    _check_distinct(jobs)
    for job in jobs:
        check_target(job.target, "--output", overwrite=overwrite, make_folders=True)
        if job.preview is not None:
            check_target(job.preview, "--preview", overwrite=overwrite, make_folders=True)
    return jobs


def _check_distinct(jobs: Sequence[Job]) -> None:
    sources: dict[str, list[Path]] = {}
    for job in jobs:
        sources.setdefault(_real(job.source).casefold(), []).append(job.source)
    seen: dict[str, Path] = {}
    for job in jobs:
        for option, target in (("--output", job.target), ("--preview", job.preview)):
            if target is None:
                continue
            real = _real(target)
            if any(_is_same(target, source) for source in sources.get(real.casefold(), ())):
                raise ValueError(f"{option} must not be an input itself, got {target}")
            if real in seen:
                raise ValueError(f"{seen[real]} and {job.source} would both be written to {target}")
            seen[real] = job.source


def _real(path: Path) -> str:
    return os.path.normcase(os.path.realpath(path))


def _is_same(target: Path, source: Path) -> bool:
    """Tell whether both name one file; on some file systems names that differ in case do."""
    if _real(target) == _real(source):
        return True
    return target.exists() and source.exists() and os.path.samefile(target, source)


def write_results(job: Job, dng: bytes, picture: Callable[[], bytes], go_on: Callable[[], None]) -> None:
    """Write the results of one input, both or neither.

    Args:
        job: the input and its outputs.
        dng: content of the raw file.
        picture: makes the content of the before/after picture, where one is asked for.
        go_on: called once that is made, and once more before the outputs get their names; what it raises
            ends the job without a trace.

    Raises:
        OSError: the system refuses one of the files, which is named.
    """
    outputs = {job.target: dng}
    if job.preview is not None:
        outputs[job.preview] = picture()
    go_on()
    write_files(outputs, last_check=go_on)


def carry_out(
    jobs: Sequence[Job],
    work: Callable[[Job, Callable[[], None]], Done],
    *,
    workers: int = 1,
    done: Callable[[Job, Done | Exception], Any],
) -> int:
    """Carry out all jobs; a bad file does not stop the others.

    Args:
        jobs: what :func:`plan` gave.
        work: does one job and returns what was done. Its second argument is to be called
            between steps and before outputs get their names; what that raises ends the job.
        workers: files in work at the same time.
        done: called in this thread for each job as it ends, with what was done or what went wrong.

    Returns: number of jobs that failed.
    """
    stop, failed = threading.Event(), 0

    def go_on() -> None:
        if stop.is_set():
            raise InterruptedError("interrupted")

    pool = ThreadPoolExecutor(max_workers=workers)
    try:
        pending = {pool.submit(work, job, go_on): job for job in jobs}
        for future in as_completed(pending):
            error = future.exception()
            if isinstance(error, ImportError) or not isinstance(error, Exception | None):
                raise error  # a missing package is not the fault of one file
            failed += error is not None
            done(pending[future], future.result() if error is None else error)
    except BaseException:  # Ctrl-C above all: what is not complete by now shall not appear
        stop.set()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return failed
