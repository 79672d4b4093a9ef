# SPDX-License-Identifier: Apache-2.0
"""The API reference: one page a room, with every public name and its docstring."""

from __future__ import annotations

import ast
import importlib
import inspect
import itertools
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import lrd_ext

#: Rooms whose names users do not call: the program, the executable specification, parts of others.
INNER = {"app", "commands", "reference", "estimators"}


def rooms() -> list[str]:
    """Name the public rooms, the front door first."""
    packages = [found.name for found in pkgutil.iter_modules(lrd_ext.__path__) if found.ispkg]
    return ["lrd_ext", *(f"lrd_ext.{name}" for name in packages if name not in INNER)]


def pages() -> dict[str, str]:
    """Return the pages as reStructuredText, by the name of their room."""
    return {room: _page(importlib.import_module(room)) for room in rooms()}


def _page(room: ModuleType) -> str:
    name = room.__name__
    title = "lrd_ext, the front door" if room is lrd_ext else name
    parts = [f"{title}\n{'=' * len(title)}", f".. automodule:: {name}\n   :no-members:"]
    parts += [_entry(room, public) for public in sorted(room.__all__, key=_kind_first)]
    return "\n\n".join(parts) + "\n"


def _kind_first(name: str) -> tuple[bool, str]:
    """Sort functions and classes before constants."""
    return name.isupper() or name.startswith("_"), name.lower()


def _entry(room: ModuleType, name: str) -> str:
    full, value = f"{room.__name__}.{name}", getattr(room, name)
    if room is not lrd_ext and name in lrd_ext.__all__ and value is getattr(lrd_ext, name):
        return f".. py:data:: {full}\n   :no-index:\n\n   The same as :obj:`lrd_ext.{name}`."
    if inspect.isclass(value):
        return f".. autoclass:: {full}\n   :members:"
    if callable(value):
        return f".. autofunction:: {full}"
    text = constant_doc(room, name) or ""
    return f".. py:data:: {full}\n   :value: {_short(value)}\n\n" + _indented(text)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:117]}..."


def _indented(text: str) -> str:
    return "\n".join(f"   {line}".rstrip() for line in text.splitlines())


def constant_doc(room: ModuleType, name: str) -> str | None:
    """Return what is written at a constant: the string after it, or the lines ``#:`` before it."""
    for module in _homes(room, name):
        source = Path(module.__file__ or "").read_text("utf-8")
        body = ast.parse(source).body
        for place, statement in enumerate(body):
            if name in _assigned(statement):
                after = body[place + 1 : place + 2]
                return _string(after) or _comment(source.splitlines(), statement.lineno - 1)
    return None


def _homes(room: ModuleType, name: str) -> Iterator[ModuleType]:
    """Give the module that names a constant, then those it got it from."""
    module: ModuleType | None = room
    while module is not None:
        yield module
        module = _source_of(module, name)


def _source_of(module: ModuleType, name: str) -> ModuleType | None:
    for statement in ast.walk(ast.parse(Path(module.__file__ or "").read_text("utf-8"))):
        if isinstance(statement, ast.ImportFrom) and name in {alias.name for alias in statement.names}:
            relative = "." * statement.level + (statement.module or "")
            package = module.__name__ if hasattr(module, "__path__") else module.__package__
            return importlib.import_module(relative, package)
    return None


def _assigned(statement: ast.stmt) -> set[str]:
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    targets = [statement.target] if isinstance(statement, ast.AnnAssign) else targets
    return {target.id for target in targets if isinstance(target, ast.Name)}


def _string(statements: list[ast.stmt]) -> str | None:
    match statements:
        case [ast.Expr(value=ast.Constant(value=str(text)))]:
            return inspect.cleandoc(text)
    return None


def _comment(lines: list[str], place: int) -> str | None:
    first = place
    while first and lines[first - 1].startswith("#:"):
        first -= 1
    text = "\n".join(line[2:].strip() for line in lines[first:place])
    return text or None


def tidy_docstring(lines: list[str]) -> None:
    """Give ``Returns: text`` and indented code the form that Sphinx reads, in place."""
    for place, line in enumerate(lines):
        found = re.match(r"(\s*)(Returns|Yields): (\S.*)", line)
        if found:
            indent, word, text = found.groups()
            lines[place : place + 1] = [f"{indent}{word}:", f"{indent}    {text}"]
            _indent_rest(lines, place + 2)
            break
    for place in range(len(lines) - 2, 0, -1):
        before, gap, after = lines[place - 1 : place + 2]
        if before[:1].strip() and not gap.strip() and after.startswith("    "):
            lines[place : place + 1] = ["", f".. code-block:: {_language(lines[place + 1 :])}", ""]


def _language(lines: list[str]) -> str:
    """Tell whether the indented block that ``lines`` begin with is Python."""
    block = itertools.takewhile(lambda line: not line.strip() or line.startswith(" "), lines)
    try:
        ast.parse(inspect.cleandoc("\n".join(["", *block])))
    except SyntaxError:
        return "text"
    return "python"


def _indent_rest(lines: list[str], place: int) -> None:
    while place < len(lines) and lines[place].strip():
        lines[place] = f"    {lines[place]}"
        place += 1
