# SPDX-License-Identifier: Apache-2.0
"""Public names are a promise: one that comes, goes or changes shows in public_names.json.

`python tests/test_public_names.py` writes the file anew.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import lrd_ext

COMMITTED = Path(__file__).with_name("public_names.json")
#: Rooms that are no part of the public interface: the program, the executable specification, parts of others.
INNER = {"app", "commands", "reference", "estimators"}


def rooms() -> list[str]:
    return [room.name for room in pkgutil.iter_modules(lrd_ext.__path__) if room.ispkg]


def public_names() -> dict[str, list[str]]:
    modules = {name: importlib.import_module(f"lrd_ext.{name}") for name in rooms() if name not in INNER}
    return {name: sorted(module.__all__) for name, module in {"lrd_ext": lrd_ext, **modules}.items()}


def test_public_names_are_those_committed():
    assert public_names() == json.loads(COMMITTED.read_text())


def test_every_public_name_is_there():
    for room, names in public_names().items():
        module = lrd_ext if room == "lrd_ext" else getattr(lrd_ext, room)
        for name in names:
            assert hasattr(module, name), f"{room}.{name}"


def test_every_public_room_is_an_attribute_and_in_the_help():
    code = "import lrd_ext; print(*[room for room in {!r} if not hasattr(lrd_ext, room)])"
    public = [room for room in rooms() if room not in INNER]
    done = subprocess.run([sys.executable, "-c", code.format(public)], capture_output=True, text=True)
    assert done.stdout.split() == []
    assert done.returncode == 0, done.stderr
    assert lrd_ext.__doc__ is not None
    for room in public:
        assert room in dir(lrd_ext)
        assert f"\n    lrd_ext.{room} " in lrd_ext.__doc__, f"help(lrd_ext) does not tell of {room}"


def test_rooms_load_when_they_are_named():
    code = "import sys, lrd_ext; before = 'lrd_ext.raw' in sys.modules; lrd_ext.raw.read; print(before)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("False", "")


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'lrd_ext' has no attribute 'nothing'"):
        lrd_ext.nothing  # noqa: B018


if __name__ == "__main__":
    COMMITTED.write_text(json.dumps(public_names(), indent=1) + "\n")
