# SPDX-License-Identifier: Apache-2.0
"""Profiles on disk: the library that ships with the package, and files of the user."""

from __future__ import annotations

import difflib
import json
import os
import stat
import warnings
from pathlib import Path
from typing import Any

from .camera_profile import CameraProfile, profile_from_dict
from .records import ProfileError
from .self_test import undeclared

#: A profile of a hundred ISOs takes some 100 kB; above this a file is refused unread.
MAX_BYTES = 10_000_000

_LIBRARY = Path(__file__).parent / "library"


def list_profiles() -> list[str]:
    """Return the names of the published cameras that :func:`load_profile` knows, sorted."""
    return sorted(path.stem for path in _LIBRARY.glob("*.json"))


def load_profile(name_or_path: str | os.PathLike[str]) -> CameraProfile:
    """Load a published camera by name, or a profile JSON by path.

    Args:
        name_or_path: a name of :func:`list_profiles`, or a path. A string is a path when it ends in ".json",
            holds a path separator, or names no camera of the library and such a file exists.

    Raises:
        TypeError: ``name_or_path`` is neither a string nor a path.
        ProfileError: there is no such camera (the nearest names are given) or file, the file is no regular
            file, larger than 10 MB or not JSON, or its content breaks the schema (the field is named).

    Warns:
        UserWarning: figures contradict each other and the profile does not name them doubtful.
    """
    if not isinstance(name_or_path, (str, os.PathLike)):
        raise TypeError(f"load_profile: name_or_path must be a name or a path, got {name_or_path!r}")
    path = _find(name_or_path)
    try:
        profile = profile_from_dict(_parse(_read(path)))
    except ProfileError as error:
        raise ProfileError(f"{path}: {error}") from None
    for entry in undeclared(profile):
        warnings.warn(f"{path}: {entry.field} looks doubtful: {entry.reason}", stacklevel=2)
    return profile


def _find(given: str | os.PathLike[str]) -> Path:
    text = os.fspath(given)
    if not isinstance(given, str) or text.endswith(".json") or os.sep in text or "/" in text:
        return Path(text)
    names = list_profiles()
    if text in names:
        return _LIBRARY / f"{text}.json"
    if text and Path(text).exists():
        return Path(text)
    near = difflib.get_close_matches(text.lower().replace("-", "_").replace(" ", "_"), names, 3, 0.4)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(names)}"
    raise ProfileError(f"load_profile: no camera or file named {text!r}; {hint}")


def _read(path: Path) -> bytes:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise ProfileError("must be a regular file" + (", got a folder" if path.is_dir() else ""))
        if status.st_size > MAX_BYTES:
            raise ProfileError(f"must be at most {MAX_BYTES} bytes, got {status.st_size}")
        return path.read_bytes()
    except FileNotFoundError:
        raise ProfileError("there is no such file") from None
    except (OSError, ValueError) as error:
        if isinstance(error, ProfileError):
            raise
        raise ProfileError(f"cannot be read: {error}") from error


def _parse(content: bytes) -> Any:
    try:
        # NaN and Infinity are let through here and refused with their field by the checks of parse.py.
        return json.loads(content.decode("utf-8-sig"), object_pairs_hook=_unique)
    except ProfileError:
        raise
    except RecursionError:
        raise ProfileError("is nested too deeply") from None
    except ValueError as error:
        raise ProfileError(
            f"is not JSON text (pickles and other binary files are never read): {error}"
        ) from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ProfileError(f"{name} is given twice in one object")
        found[name] = value
    return found
