# SPDX-License-Identifier: Apache-2.0
"""Bars of progress on terminals; and --quiet, which shows neither them nor what was done."""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any, TextIO

from lrd_ext.plain_text import plain


def add_quiet(parser: Any) -> None:
    """Add the option to a command that writes files."""
    parser.add_argument(
        "--quiet", action="store_true", help="print errors and what was left out, nothing else"
    )


class _NoTerminal:
    """A stream that says it is no terminal: nobody draws a bar there."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def isatty(self) -> bool:
        return False


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Print nothing to standard output, and neither bars nor notes to standard error."""
    with (
        open(os.devnull, "w") as nowhere,
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(_NoTerminal(sys.stderr)),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def bar(total: int, unit: str, least: int = 1) -> Iterator[Callable[[str], None]]:
    """Show progress on a terminal; what is called with the name of each piece of work moves it on.

    Where there are fewer pieces than ``least`` no bar is shown.
    """
    from tqdm import tqdm

    hidden = total < least or not sys.stderr.isatty()
    with tqdm(total=total, unit=unit, disable=hidden, leave=False) as shown:

        def move(what: str) -> None:
            shown.set_description(plain(what), refresh=False)
            shown.update()

        yield move
