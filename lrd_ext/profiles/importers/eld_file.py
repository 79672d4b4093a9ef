# SPDX-License-Identifier: Apache-2.0
"""ELD's released .npy files, read without executing anything in them.

Such a file is a pickled dictionary in a NumPy array of no dimensions, and unpickling runs whatever a file
asks for. So no unpickler is used: a stack machine of our own knows the few opcodes that numbers, arrays and
dictionaries of them need. The five NumPy names in such files are words to it, never looked up, and what an
array claims to be is held against its bytes first.
"""

from __future__ import annotations

import dataclasses
import io
import math
import os
import pickletools
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lrd_ext.plain_text import cause
from lrd_ext.profiles.records import ProfileError

#: ELD's files have 2 kB.
MAX_BYTES = 100_000
#: Numbers and names in one file; a short pickle can refer to one object very often.
MAX_ITEMS = 10_000

_PLAIN = "NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG LONG1 FLOAT BINFLOAT"
_TEXT = "UNICODE BINUNICODE SHORT_BINUNICODE STRING BINSTRING SHORT_BINSTRING BINBYTES SHORT_BINBYTES"
_PUSHED = frozenset(f"{_PLAIN} {_TEXT}".split())
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
#: Names a file of numbers asks for, with the module as NumPy 2 calls it.
_NAMES = {
    ("numpy._core.multiarray", "_reconstruct"): "array",
    ("numpy._core.multiarray", "scalar"): "scalar",
    ("numpy", "ndarray"): "ndarray",
    ("numpy", "dtype"): "dtype",
    ("_codecs", "encode"): "encode",
}


def read_eld_file(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read the dictionary of an ELD .npy file: numbers, arrays as nested lists, dictionaries of these.

    Args:
        path: the file, such as camera_params/release/SonyA7S2_params.npy.

    Returns: what :func:`~lrd_ext.profiles.importers.import_eld` takes as ``figures``.

    Raises:
        ProfileError: the file cannot be read, holds no such array, or its pickle asks for anything but
            numbers (what it asked for is named; it was not run).
    """
    path = Path(path)
    try:
        found = _plain(_Machine().run(_pickle_of(_read(path))), "the array", [MAX_ITEMS])
    except ProfileError as error:
        raise ProfileError(f"{path}: {error}") from None
    except Exception as error:  # a broken pickle can fail in any way
        raise ProfileError(f"{path}: broken .npy file ({cause(error)})") from None
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
        raise ProfileError("is not an .npy file (pickles under other names are never opened)")
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


@dataclasses.dataclass(frozen=True)
class _Name:
    """What stands for a name of NumPy's."""

    word: str


@dataclasses.dataclass
class _Dtype:
    """What a pickled dtype says: kind and size, then the byte order."""

    code: str
    order: str = "|"


@dataclasses.dataclass
class _Array:
    """What a pickled array says of itself."""

    value: Any = None


class _Machine:
    """Carries out the opcodes of one pickle of numbers; any other is refused by name.

    Nothing here looks into a container (to print, compare or hash it), so that lists nested by reference,
    which mean 2^n values in n bytes, cost nothing before :func:`_plain` counts them.
    """

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []  # the stacks under each MARK
        self.memo: dict[int, Any] = {}

    def run(self, content: bytes) -> Any:
        """Return what the pickle leaves at its STOP."""
        for opcode, argument, _ in pickletools.genops(content):  # parses, runs nothing
            name = opcode.name
            if name == "STOP":
                return self.stack.pop()
            if name in _PUSHED:
                self.stack.append(_CONSTANTS.get(name, argument))
            elif name not in ("PROTO", "FRAME") and not (
                self._contain(name) or self._remember(name, argument) or self._make(name, argument)
            ):
                raise ProfileError(f"its pickle uses {name}, which plain numbers do not need; refused")
        raise ProfileError("its pickle does not end")

    def _since_mark(self) -> list[Any]:
        items, self.stack = self.stack, self.below.pop()
        return items

    def _contain(self, name: str) -> bool:
        """Carry out an opcode of containers; tell whether it was one."""
        if name == "MARK":
            self.below.append(self.stack)
            self.stack = []
        elif name in ("EMPTY_DICT", "EMPTY_LIST", "EMPTY_TUPLE"):
            self.stack.append({"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}[name]())
        elif name in ("DICT", "LIST", "TUPLE"):
            items = self._since_mark()
            made = _fill({}, items) if name == "DICT" else items if name == "LIST" else tuple(items)
            self.stack.append(made)
        elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
            size = int(name[-1])
            self.stack[-size:] = [tuple(self.stack[-size:])]
        elif name in ("SETITEM", "APPEND"):
            items = [self.stack.pop() for _ in range(2 if name == "SETITEM" else 1)][::-1]
            _fill(self.stack[-1], items)
        elif name in ("SETITEMS", "APPENDS"):
            items = self._since_mark()
            _fill(self.stack[-1], items)
        else:
            return False
        return True

    def _remember(self, name: str, argument: Any) -> bool:
        """Carry out an opcode of the memo; tell whether it was one."""
        if name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
            self.memo[len(self.memo) if name == "MEMOIZE" else argument] = self.stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            self.stack.append(self.memo[argument])
        else:
            return False
        return True

    def _make(self, name: str, argument: Any) -> bool:
        """Carry out an opcode of names and objects; tell whether it was one."""
        if name == "GLOBAL":
            self.stack.append(_name(*argument.split(" ", 1)))
        elif name == "STACK_GLOBAL":
            inner, module = self.stack.pop(), self.stack.pop()
            self.stack.append(_name(module, inner))
        elif name == "REDUCE":
            given = self.stack.pop()
            self.stack.append(_call(self.stack.pop(), given))
        elif name == "BUILD":
            state = self.stack.pop()
            _set_state(self.stack[-1], state)
        else:
            return False
        return True


def _fill(target: Any, items: list[Any]) -> Any:
    """Add items to a list, or names and values in turn to a dictionary."""
    if isinstance(target, list):
        target.extend(items)
        return target
    if not isinstance(target, dict) or len(items) % 2:
        raise ProfileError(f"its pickle adds {len(items)} items to {type(target).__name__}; refused")
    for key, value in zip(items[::2], items[1::2], strict=True):
        if not isinstance(key, str):  # nothing else is hashed
            raise ProfileError(f"must have names as keys, got {type(key).__name__}")
        target[key] = value
    return target


def _name(module: Any, inner: Any) -> _Name:
    if not isinstance(module, str) or not isinstance(inner, str):
        raise ProfileError("its pickle asks for a name that is not text; refused")
    known = _NAMES.get((module.replace("numpy.core", "numpy._core"), inner))
    if known is None:
        asked = f"{module}.{inner}"[:80]
        raise ProfileError(f"its pickle asks for {asked}; refused, nothing of it was run")
    return _Name(known)


def _call(what: Any, given: Any) -> Any:
    """Return what a call of one of the names stands for."""
    word = what.word if isinstance(what, _Name) else type(what).__name__
    first = given[0] if isinstance(given, tuple) and given else None
    if word == "array":
        return _Array()
    if word == "dtype" and isinstance(first, str):
        return _Dtype(first[:8])
    if word == "scalar" and len(given) == 2:
        return _numbers(first, given[1], ())
    if word == "encode" and isinstance(first, str):
        return first.encode("latin1")
    raise ProfileError(f"its pickle calls {word}, not as plain numbers are made; refused")


def _set_state(what: Any, state: Any) -> None:
    if not isinstance(state, tuple):
        raise ProfileError(f"its pickle sets a state of {type(state).__name__}; refused")
    if isinstance(what, _Dtype) and len(state) > 1 and isinstance(state[1], (str, bytes)):
        order = state[1].decode("latin1") if isinstance(state[1], bytes) else state[1]
        what.order = order[:8]
    elif isinstance(what, _Array) and len(state) == 5:
        _, shape, dtype, fortran, data = state
        if not isinstance(data, list):
            what.value = _numbers(dtype, data, shape, "F" if fortran else "C")
        elif shape != () or len(data) != 1:  # an array of objects
            raise ProfileError("holds an array of several objects; refused")
        else:
            what.value = data[0]
    else:
        raise ProfileError(f"its pickle sets the state of {type(what).__name__}; refused")


def _numbers(dtype: Any, data: Any, shape: Any, order: Any = "C") -> Any:
    if not isinstance(dtype, _Dtype) or not re.fullmatch("[fiu][1248]", dtype.code):
        raise ProfileError(
            f"holds an array of {getattr(dtype, 'code', type(dtype).__name__)!r}; only numbers are accepted"
        )
    data = data.encode("latin1") if isinstance(data, str) else data
    sides = shape if isinstance(shape, tuple) and len(shape) <= 2 else (None,)
    if not isinstance(data, bytes) or not all(type(n) is int and 0 < n <= MAX_ITEMS for n in sides):
        raise ProfileError(f"holds an array whose shape is not one or two numbers in 1..{MAX_ITEMS}; refused")
    kind = np.dtype((dtype.order if dtype.order in ("<", ">") else "") + dtype.code)
    if len(data) != math.prod(sides) * kind.itemsize:
        raise ProfileError(f"broken: an array of {math.prod(sides)} {kind} has {len(data)} bytes")
    return np.frombuffer(data, kind).reshape(sides, order=order).tolist()


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
