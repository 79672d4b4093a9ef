# SPDX-License-Identifier: Apache-2.0
"""Declarations of JSON values: each reads a value or refuses it, and says the same as JSON Schema."""

from __future__ import annotations

import dataclasses
import reprlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, TypeVar

from .records import ProfileError

T = TypeVar("T")

_SHOWN = reprlib.Repr()
_SHOWN.maxstring = _SHOWN.maxlong = _SHOWN.maxother = 80


class Refused(Exception):  # noqa: N818  # never leaves this room: Check.at makes it a ProfileError
    """A value breaks a rule; its place is put together as it is raised: valid values cost nothing."""

    def __init__(self, text: str, place: str = "") -> None:
        super().__init__(text)
        self.text, self.place = text, place

    def inside(self, place: str) -> Refused:
        """Put the place of what holds the value before its own."""
        dot = "." if place and self.place and self.place[0] != "[" else ""
        self.place = f"{place}{dot}{self.place}"
        return self

    def error(self) -> ProfileError:
        """Return the error for the user."""
        return ProfileError(f"{self.place or 'the profile'} {self.text}")


def refusal(rule: str, given: Any) -> Refused:
    """Make the refusal of a value; what was given is cut where it is long."""
    shown = _SHOWN.repr(given)
    return Refused(f"must be {rule}, got {shown if len(shown) < 80 else shown[:77] + '...'}")


@dataclasses.dataclass(frozen=True)
class Check(Generic[T]):
    """What a JSON value must be: ``read`` gives it back as a record holds it, ``schema`` is JSON Schema."""

    read: Callable[[Any], T]
    schema: Mapping[str, Any]

    def at(self, value: Any, place: str = "") -> T:
        """Read a value that stands at ``place``.

        Raises:
            ProfileError: it breaks the rule; the text names the place, the rule and what was given.
        """
        try:
            return self.read(value)
        except Refused as refused:
            raise refused.inside(place).error() from None
        except RecursionError:
            raise ProfileError(f"{place or 'the profile'} is nested too deeply") from None


def number(low: float = -1e7, high: float = 1e7, *, above: bool = False) -> Check[float]:
    """A finite number in [low, high], or (low, high] with ``above``."""
    rule = f"a number in {'(' if above else '['}{low:g}, {high:g}]"

    def read(value: Any) -> float:
        ok = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not ok or not low <= value <= high or (above and value == low):  # NaN compares false
            raise refusal(rule, value)
        return value

    return Check(read, {"type": "number", "exclusiveMinimum" if above else "minimum": low, "maximum": high})


def whole(low: int, high: int) -> Check[int]:
    """A whole number in [low, high]."""
    inside = number(low, high)

    def read(value: Any) -> int:
        if inside.read(value) != int(value):
            raise refusal(f"a whole number in [{low}, {high}]", value)
        return int(value)

    return Check(read, {"type": "integer", "minimum": low, "maximum": high})


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise refusal("a non-empty string", value)
    return value


#: A string that is not blank.
TEXT = Check(_text, {"type": "string", "pattern": r"\S"})


def one_of(accepted: Iterable[str], shown: str | None = None) -> Check[str]:
    """A string out of a few; ``shown`` names them in a message where they are many."""
    accepted = tuple(accepted)
    shown = ", ".join(accepted) if shown is None else shown

    def read(value: Any) -> str:
        if not isinstance(value, str) or value not in accepted:
            raise refusal(f"one of {shown}", value)
        return value

    return Check(read, {"enum": list(accepted)})


def exactly(expected: Any, why: str) -> Check[Any]:
    """One value and no other."""
    shown = f'"{expected}"' if isinstance(expected, str) else f"{expected}"

    def read(value: Any) -> Any:
        if value != expected or isinstance(value, bool):
            raise refusal(f"{shown}{why}", value)
        return value

    return Check(read, {"const": expected})


def each(item: Check[T]) -> Check[tuple[T, ...]]:
    """A list, every item by its own rule."""

    def read(value: Any) -> tuple[T, ...]:
        if not isinstance(value, (list, tuple)):
            raise refusal("a list", value)
        done: list[T] = []
        try:
            for one in value:
                done.append(item.read(one))
        except Refused as refused:
            raise refused.inside(f"[{len(done)}]") from None
        return tuple(done)

    return Check(read, {"type": "array", "items": item.schema})


def numbers(count: int, item: Check[float]) -> Check[tuple[float, ...]]:
    """A list of so many numbers."""
    items = each(item)

    def read(value: Any) -> tuple[float, ...]:
        done = items.read(value)
        if len(done) != count:
            raise Refused(f"must hold {count} numbers, got {len(done)}")
        return done

    return Check(read, {**items.schema, "minItems": count, "maxItems": count})


def named(item: Check[T], accepted: Iterable[str] | None = None) -> Check[dict[str, T]]:
    """An object whose values follow one rule, under the accepted names or, without these, under any."""
    known = None if accepted is None else dict.fromkeys(accepted)

    def read(value: Any) -> dict[str, T]:
        data = _object(value, () if known is None else known, anything=known is None)
        return {name: _field(item, one, name) for name, one in data.items()}

    names: dict[str, Any] = {"additionalProperties": item.schema}
    if known is not None:
        names = {"properties": {name: item.schema for name in known}, "additionalProperties": False}
    return Check(read, {"type": "object", **names})


def record(
    required: Mapping[str, Check[Any]], optional: Mapping[str, Check[Any]] | None = None
) -> Check[dict[str, Any]]:
    """An object of known fields, each by its own rule; optional ones that are absent are left out."""
    known = {**required, **(optional or {})}

    def read(value: Any) -> dict[str, Any]:
        data = _object(value, known, required)
        return {name: _field(known[name], one, name) for name, one in data.items()}

    properties = {name: check.schema for name, check in known.items()}
    schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return Check(read, schema | ({"required": list(required)} if required else {}))


def made(check: Check[dict[str, Any]], make: Callable[..., T]) -> Check[T]:
    """A record, put into the class that holds it."""
    return Check(lambda value: make(**check.read(value)), check.schema)


def nullable(check: Check[T]) -> Check[T | None]:
    """What may be null as well."""
    schema = {"anyOf": [check.schema, {"type": "null"}]}
    return Check(lambda value: None if value is None else check.read(value), schema)


def _object(
    value: Any, known: Iterable[str], required: Iterable[str] = (), *, anything: bool = False
) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise refusal("a JSON object", value)
    for name in required:
        if name not in value:
            raise Refused("is missing", name)
    for name in () if anything else value:
        if name not in known:
            raise Refused(f"is not a field of the schema; accepted: {', '.join(known)}", _shown_name(name))
    return value


def _field(check: Check[T], value: Any, name: str) -> T:
    try:
        return check.read(value)
    except Refused as refused:
        raise refused.inside(_shown_name(name)) from None


def _shown_name(name: Any) -> str:
    # Names come from the file: nothing that a terminal obeys, and no pages of text.
    plain = isinstance(name, str) and name.isprintable() and 0 < len(name) < 80
    return name if plain else _SHOWN.repr(name)


_SITE = number()
_FOUR_SITES = {"type": "array", "items": _SITE.schema, "minItems": 4, "maxItems": 4}


def _sites(value: Any) -> tuple[float, float, float, float]:
    if not isinstance(value, (list, tuple)):
        v = _SITE.read(value)
        return v, v, v, v
    if len(value) != 4:
        raise refusal("a number or four, one per CFA site", value)
    a, b, c, d = each(_SITE).read(value)
    return a, b, c, d


#: One number for all CFA sites, or four in the order (0,0), (0,1), (1,0), (1,1).
SITES = Check(_sites, {"anyOf": [_SITE.schema, _FOUR_SITES]})


def pair(item: Check[float]) -> Check[tuple[float, float]]:
    """Two numbers in order, lowest first."""

    def read(value: Any) -> tuple[float, float]:
        if not isinstance(value, (list, tuple)) or len(value) != 2:
            raise refusal("a pair of numbers, lowest first", value)
        a, b = (item.read(v) for v in value)
        if a > b:
            raise refusal("a pair of numbers, lowest first", value)
        return a, b

    return Check(read, {"type": "array", "items": item.schema, "minItems": 2, "maxItems": 2})


_FINITE = number(-1e300, 1e300)


def _free_json(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _field(FREE_JSON, item, str(name)) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return list(each(FREE_JSON).read(value))
    if value is None or isinstance(value, (str, bool)):
        return value
    return _FINITE.read(value)


_SELF = {"$ref": "#/$defs/json"}
#: Any JSON value whose numbers are finite; its schema refers to :data:`DEFINITIONS`.
FREE_JSON: Check[Any] = Check(_free_json, _SELF)
DEFINITIONS = {
    "json": {
        "anyOf": [
            {"type": ["string", "boolean", "null"]},
            _FINITE.schema,
            {"type": "array", "items": _SELF},
            {"type": "object", "additionalProperties": _SELF},
        ]
    }
}
