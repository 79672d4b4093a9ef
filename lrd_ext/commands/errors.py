# SPDX-License-Identifier: Apache-2.0
"""Errors in words for the user of the program: one line each, nothing in it that a terminal obeys."""

from __future__ import annotations

import os
import re
import sys
import traceback
import warnings

from lrd_ext.plain_text import plain

#: Errors whose text says by itself what was wrong with the input or the call.
_SAID = (ValueError, TypeError, OSError, RuntimeError)


def say(error: BaseException) -> str:
    """Return what went wrong on one line, with the file where the system names one."""
    if isinstance(error, OSError) and error.strerror:
        name = os.fsdecode(error.filename) if isinstance(error.filename, (str, bytes)) else error.filename
        return plain(f"{name}: {error.strerror}" if name else error.strerror)
    memory = _out_of_memory(error)
    if memory:
        return memory
    if isinstance(error, RecursionError) or not isinstance(error, _SAID) or not str(error):
        return plain(_unforeseen(error))
    return plain(error)


def complain(name: str, error: BaseException) -> None:
    """Print the line of an error to standard error after the name of the command."""
    print(f"{name}: error: {say(error)}", file=sys.stderr)


def show_warnings_of(name: str) -> None:
    """Let warnings be one line after the name of the command, without lines of source, each told once."""
    told = set()

    def show(message: object, *_: object) -> None:
        text = plain(message)
        if text not in told:
            told.add(text)
            print(f"{name}: note: {text}", file=sys.stderr)

    warnings.simplefilter("always")
    warnings.showwarning = show  # type: ignore[assignment]


def _out_of_memory(error: BaseException) -> str:
    if isinstance(error, MemoryError):
        return plain(f"not enough memory ({error})" if str(error) else "not enough memory")
    # torch has no type of its own for the allocator of the CPU.
    asked = (
        re.search(r"tried to allocate ([\d.]+ \w+)", str(error)) if isinstance(error, RuntimeError) else None
    )
    return f"not enough memory ({asked[1]} asked for)" if asked else ""


def _unforeseen(error: BaseException) -> str:
    places = [f for f in traceback.extract_tb(error.__traceback__) if "lrd_ext" in f.filename]
    where = f" at {os.path.basename(places[-1].filename)}, line {places[-1].lineno}" if places else ""
    return (
        f"{type(error).__name__}{f' ({error})' if str(error) else ''}{where}: this was not foreseen. "
        "Please report it with the input"
    )
