# SPDX-License-Identifier: Apache-2.0
"""Keeping other libraries' lines off the screen where the reader says the same in its error."""

from __future__ import annotations

import logging
import os
import re
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

# LibRaw's data_error callback and libjpeg's warnings; rawpy raises for both where pixels are concerned.
_OTHERS = re.compile(
    rb".*: (?:Unexpected end of file|data corrupted at -?\d+)|(?:Corrupt|Premature end of) JPEG .*"
)
_STDERR = 2


@contextmanager
def silenced(name: str) -> Iterator[None]:
    """Switch the logger ``name`` off while the block runs."""
    logger = logging.getLogger(name)
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before


class _Screen:
    """What C libraries write to standard error, held back while any thread decodes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._real: int | None = None
        self._kept: BinaryIO | None = None

    def hold(self) -> None:
        with self._lock:
            self._users += 1
            if self._users > 1:
                return
            try:
                self._real = os.dup(_STDERR)
            except OSError:  # closed: nothing is shown anyway
                return
            self._kept = tempfile.TemporaryFile()  # noqa: SIM115
            os.dup2(self._kept.fileno(), _STDERR)

    def release(self) -> None:
        with self._lock:
            self._users -= 1
            if self._users or self._real is None or self._kept is None:
                return
            os.dup2(self._real, _STDERR)
            self._kept.seek(0)
            for line in self._kept.read().splitlines(keepends=True):
                if not _OTHERS.fullmatch(line.rstrip(b"\r\n")):
                    os.write(_STDERR, line)
            self._kept.close()
            os.close(self._real)
            self._real = self._kept = None


_screen = _Screen()


@contextmanager
def libraw_silenced() -> Iterator[None]:
    """Drop LibRaw's own lines from standard error while the block runs; other lines come after it."""
    _screen.hold()
    try:
        yield
    finally:
        _screen.release()
