# SPDX-License-Identifier: Apache-2.0
"""Text out of files, tags, names and errors as it may be shown: nothing in it that a terminal obeys."""

from __future__ import annotations

import unicodedata


def plain(text: object) -> str:
    """Return text on one line, with what is not printable as backslash escapes.

    Escaped are control characters (C0, DEL and C1, so that a title or a cleared screen stays a word), line
    ends, marks that turn the direction of writing, and bytes of a file name that are no UTF-8.
    """
    return "".join(c if c.isprintable() or unicodedata.category(c) == "Zs" else _escape(c) for c in str(text))


def cause(error: BaseException) -> str:
    """Say what was wrong with a file that made a reader fail, where Python's own text would not say it."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, OverflowError):
        return "it holds a number too large to be true"
    if isinstance(error, MemoryError):
        return "it asks for more memory than there is"
    if isinstance(error, KeyError):
        return f"it lacks {plain(error.args[0])}" if error.args else "it lacks an entry"
    return plain(error)


def _escape(character: str) -> str:
    if "\udc80" <= character <= "\udcff":  # a byte of a file name, as os.fsdecode keeps it
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")
