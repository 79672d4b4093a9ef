# SPDX-License-Identifier: Apache-2.0
"""ELD's released .npy files, read without executing anything in them.

Such a file is a pickled dictionary in a NumPy array of no dimensions, and unpickling runs whatever a file
asks for: ``numpy.load(allow_pickle=True)`` must never see a file of unknown origin. Here the pickle may use a
short list of opcodes only, and the few NumPy names it needs resolve to stand-ins that hold numbers, never to
NumPy itself.
"""

from __future__ import annotations

import io
import os
import pickle
import pickletools
import re
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lrd_ext.profiles.records import ProfileError

#: ELD's files have 2 kB.
MAX_BYTES = 1_000_000
#: Numbers and names in one file; a short pickle can refer to one object very often.
MAX_ITEMS = 10_000

_PLAIN = "PROTO FRAME STOP MARK NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG LONG1 FLOAT BINFLOAT"
_TEXT = "UNICODE BINUNICODE SHORT_BINUNICODE STRING BINSTRING SHORT_BINSTRING BINBYTES SHORT_BINBYTES"
_CONTAINERS = (
    "EMPTY_DICT DICT SETITEM SETITEMS EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_LIST LIST APPEND APPENDS"
)
_MEMO = "PUT BINPUT LONG_BINPUT GET BINGET LONG_BINGET MEMOIZE"
_OBJECTS = "GLOBAL STACK_GLOBAL REDUCE BUILD"
_OPCODES = frozenset(" ".join((_PLAIN, _TEXT, _CONTAINERS, _MEMO, _OBJECTS)).split())


def read_eld_file(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read the dictionary of an ELD .npy file: numbers, arrays as nested lists, dictionaries of these.

    Args:
        path: the file, such as camera_params/release/SonyA7S2_params.npy.

    Returns: what :func:`~lrd_ext.profiles.importers.import_eld` takes as ``figures``.

    Raises:
        ProfileError: the file cannot be read, is no such array, or its pickle asks for anything but numbers
            (what it asked for is named; it was not run).
    """
    path = Path(path)
    try:
        content = _pickle_of(_read(path))
        _check_opcodes(content)
        found = _plain(_Unpickler(io.BytesIO(content)).load(), "the array", [MAX_ITEMS])
    except ProfileError as error:
        raise ProfileError(f"{path}: {error}") from None
    except Exception as error:  # a broken pickle can fail in any way
        raise ProfileError(f"{path}: broken .npy file ({type(error).__name__}: {error})") from None
    if not isinstance(found, dict):
        raise ProfileError(f"{path}: must hold a dictionary of figures, got {type(found).__name__}")
    return found


def _read(path: Path) -> bytes:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise ProfileError("must be a regular file")
        if status.st_size > MAX_BYTES:
            raise ProfileError(f"must be at most {MAX_BYTES} bytes, got {status.st_size}")
        return path.read_bytes()
    except OSError as error:
        raise ProfileError(f"cannot be read: {error.strerror}") from None


def _pickle_of(content: bytes) -> bytes:
    file = io.BytesIO(content)
    if not content.startswith(np.lib.format.MAGIC_PREFIX):
        raise ProfileError("is no .npy file (pickles under other names are never opened)")
    version = np.lib.format.read_magic(file)
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in readers:
        raise ProfileError(f"must be an .npy file of version 1.0 or 2.0, got {version}")
    shape, _, dtype = readers[version](file)
    if shape != () or dtype != np.dtype(object):
        raise ProfileError(f"must hold ELD's dictionary, got an array of {dtype} of shape {shape}")
    return content[file.tell() :]


def _check_opcodes(content: bytes) -> None:
    for opcode, argument, _ in pickletools.genops(content):  # parses, runs nothing
        if opcode.name not in _OPCODES:
            raise ProfileError(f"its pickle uses {opcode.name}, which plain numbers do not need; refused")
        # The memo is allocated up to the index asked for.
        if opcode.name in ("PUT", "LONG_BINPUT") and not 0 <= int(argument or 0) <= len(content):
            raise ProfileError(f"its pickle numbers an object {argument}; refused")


class _Unpickler(pickle.Unpickler):
    """Knows four names of NumPy and one of codecs, all as functions that only gather what they are given."""

    def find_class(self, module: str, name: str) -> Any:
        """Return a stand-in for an accepted name."""
        home = module.replace("numpy.core", "numpy._core")
        # Made anew for each call: a pickle can set attributes on what it is handed.
        stand_ins: dict[tuple[str, str], Callable[..., Any]] = {
            ("numpy._core.multiarray", "_reconstruct"): lambda *_: _Array(),
            ("numpy._core.multiarray", "scalar"): lambda dtype, data: _numbers(dtype, data, ()),
            ("numpy", "ndarray"): lambda *_: None,
            ("numpy", "dtype"): lambda code, *_: _Dtype(code),
            ("_codecs", "encode"): lambda text, _: text.encode("latin1"),
        }
        if (home, name) not in stand_ins:
            raise ProfileError(f"its pickle asks for {module}.{name}; refused, nothing of it was run")
        return stand_ins[home, name]

    def persistent_load(self, pid: Any) -> Any:
        """Refuse references to objects outside the file."""
        raise ProfileError("its pickle refers to an object outside the file; refused")


class _Dtype:
    """What a pickled dtype says: kind and size, then the byte order."""

    def __init__(self, code: Any) -> None:
        self.code, self.order = str(code), "|"

    def __setstate__(self, state: Any) -> None:
        self.order = {b"<": "<", b">": ">"}.get(state[1], str(state[1]))


class _Array:
    """What a pickled array says of itself."""

    value: Any = None

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, fortran, data = state
        if isinstance(data, list):  # an array of objects
            if shape != () or len(data) != 1:
                raise ProfileError(f"holds an array of objects of shape {shape}; refused")
            self.value = data[0]
        else:
            self.value = _numbers(dtype, data, shape, "F" if fortran else "C")


def _numbers(dtype: Any, data: Any, shape: Any, order: Any = "C") -> Any:
    if not isinstance(dtype, _Dtype) or not re.fullmatch("[fiu][1248]", dtype.code):
        raise ProfileError(f"holds an array of {getattr(dtype, 'code', dtype)!r}; only numbers are accepted")
    data = data.encode("latin1") if isinstance(data, str) else data
    kind = np.dtype((dtype.order if dtype.order in "<>" else "") + dtype.code)
    return np.frombuffer(data, kind).reshape(shape, order=order).tolist()


def _plain(value: Any, place: str, left: list[int]) -> Any:
    """Return dictionaries, lists and numbers, and count every one of them down in ``left``."""
    left[0] -= 1
    if left[0] < 0:
        raise ProfileError(f"holds more than {MAX_ITEMS} values")
    if isinstance(value, _Array):
        return _plain(value.value, place, left)
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise ProfileError(
                f"{place} must have names as keys, got {[type(k).__name__ for k in value][:8]}"
            )
        return {key: _plain(item, key, left) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, place, left) for item in value]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    raise ProfileError(f"{place} must be numbers, got {type(value).__name__}")
