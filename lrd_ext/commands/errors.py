# SPDX-License-Identifier: Apache-2.0
"""Errors in words for the user of the program."""

from __future__ import annotations


def say(error: BaseException) -> str:
    """Return what went wrong, with the file where the system names one."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error)
