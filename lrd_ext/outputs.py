# SPDX-License-Identifier: Apache-2.0
"""Whole files or none: outputs appear under their name only when they are complete."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO


def check_target(path: str | os.PathLike[str], op: str) -> Path:
    """Return the real path a file can be written to, links followed.

    Raises:
        ValueError: it is a directory, or its directory does not exist.
    """
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise ValueError(f"{op}: path must name a file, got the directory {path}")
    if not target.parent.is_dir():
        raise ValueError(
            f"{op}: path must lie in an existing directory, got {path}. Create {target.parent} first"
        )
    return target


@contextmanager
def replacing(target: Path) -> Iterator[BinaryIO]:
    """Open a temporary file beside ``target`` that takes its place when the block ends well.

    On any exception, an interrupt included, the temporary file goes and ``target`` is as it was.
    """
    temporary = target.with_name(f".{secrets.token_hex(8)}.part")
    try:
        with open(temporary, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno and error.filename in (None, str(temporary)):
            # A full disk names no file, a refused one the temporary: the user knows neither.
            raise OSError(error.errno, error.strerror, str(target)) from error
        raise


def write_files(contents: Mapping[Path, bytes], *, last_check: Callable[[], None] = lambda: None) -> None:
    """Write several files, all of them or none.

    Args:
        contents: what each file shall hold; existing files are replaced.
        last_check: called when everything is on disk under temporary names; what it raises leaves none of it.

    Raises:
        OSError: the system refuses one of the files, which is named.
    """
    with ExitStack() as files:
        for target, data in contents.items():
            file = files.enter_context(replacing(target))
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        last_check()
