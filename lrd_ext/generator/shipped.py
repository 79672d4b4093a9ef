# SPDX-License-Identifier: Apache-2.0
"""Generators that ship with the package, and files of the user."""

from __future__ import annotations

import difflib
import os
from pathlib import Path

from .lite import LiteGenerator
from .storage import kind_in
from .unet import UNetGenerator

_LIBRARY = Path(__file__).parent / "library"


def list_generators() -> list[str]:
    """Return the names :func:`load_generator` knows, sorted."""
    return sorted(path.stem for path in _LIBRARY.glob("*.safetensors"))


def open_generator(path: str | os.PathLike[str]) -> LiteGenerator | UNetGenerator:
    """Load a file of either kind of generator.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged or holds something else.
    """
    if kind_in(path) == UNetGenerator.__name__:
        return UNetGenerator.load(path)
    return LiteGenerator.load(path)


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
    if not isinstance(name_or_path, (str, os.PathLike)):
        raise TypeError(f"load_generator: name_or_path must be a name or a path, got {name_or_path!r}")
    text = os.fspath(name_or_path)
    named = isinstance(name_or_path, str) and not text.endswith(".safetensors") and os.sep not in text
    if not named:
        return LiteGenerator.load(text)
    if text in list_generators():
        return LiteGenerator.load(_LIBRARY / f"{text}.safetensors")
    if text and Path(text).is_file():
        return LiteGenerator.load(text)
    near = difflib.get_close_matches(text.lower().replace("-", "_"), list_generators(), 3, 0.4)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(list_generators())}"
    raise ValueError(f"load_generator: no generator or file named {text!r}; {hint}")
