# SPDX-License-Identifier: Apache-2.0
"""Generators that ship with the package, and files of the user."""

from __future__ import annotations

import os
from pathlib import Path

from lrd_ext import net_files

from .lite import LiteGenerator
from .unet import UNetGenerator

_LIBRARY = Path(__file__).parent / "library"


def list_generators() -> list[str]:
    """Return the names :func:`load_generator` knows, sorted."""
    return net_files.names_in(_LIBRARY)


def open_generator(path: str | os.PathLike[str]) -> LiteGenerator | UNetGenerator:
    """Load a file of either kind of generator.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged or holds something else.
    """
    kinds: tuple[type[LiteGenerator | UNetGenerator], ...] = (LiteGenerator, UNetGenerator)
    return net_files.load(path, *kinds)


def find_generator(name_or_path: str | os.PathLike[str]) -> Path:
    """Return the file :func:`load_generator` reads; same argument, and same errors of a name."""
    return net_files.shipped_or_own(name_or_path, _LIBRARY, "load_generator", "generator")


def load_generator(name_or_path: str | os.PathLike[str]) -> LiteGenerator:
    """Load a shipped generator by name, or a file by path; its ``card`` says what it was trained on.

    Args:
        name_or_path: a name of :func:`list_generators`, or a path. A string is a path when it ends in
            ".safetensors", holds a path separator, or is no such name and a file of that name exists.

    Raises:
        TypeError: it is no string or path.
        FileNotFoundError: there is no such file.
        ValueError: no generator has that name (the nearest are given), or the file holds none.
    """
    return LiteGenerator.load(find_generator(name_or_path))
