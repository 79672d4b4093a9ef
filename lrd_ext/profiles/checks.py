# SPDX-License-Identifier: Apache-2.0
"""Small checks of JSON values; each error names the place in the profile, the rule and what was given."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from .records import ProfileError

T = TypeVar("T")


def refuse(place: str, rule: str, given: Any) -> ProfileError:
    """Make the error for a value that breaks a rule; long values are cut."""
    shown = repr(given)
    return ProfileError(f"{place} must be {rule}, got {shown if len(shown) < 80 else shown[:77] + '...'}")


def fields(data: Any, place: str, required: Iterable[str], optional: Iterable[str] = ()) -> dict[str, Any]:
    """Check that ``data`` is an object with all required fields and no unknown ones."""
    if not isinstance(data, Mapping):
        raise refuse(place or "the profile", "a JSON object", data)
    dot = f"{place}." if place else ""
    missing = [name for name in required if name not in data]
    if missing:
        raise ProfileError(f"{dot}{missing[0]} is missing")
    known = (*required, *optional)
    unknown = [name for name in data if name not in known]
    if unknown:
        raise ProfileError(f"{dot}{unknown[0]} is not a field of the schema; accepted: {', '.join(known)}")
    return dict(data)


def number(value: Any, place: str, low: float = -1e7, high: float = 1e7, *, above: bool = False) -> float:
    """Check a finite number in [low, high], or (low, high] with ``above``."""
    ok = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not ok or not low <= value <= high or (above and value == low):  # NaN compares false
        raise refuse(place, f"a number in {'(' if above else '['}{low:g}, {high:g}]", value)
    return value


def whole(value: Any, place: str, low: int, high: int) -> int:
    """Check a whole number in [low, high]."""
    if number(value, place, low, high) != int(value):
        raise refuse(place, f"a whole number in [{low}, {high}]", value)
    return int(value)


def text(value: Any, place: str) -> str:
    """Check a string that is not blank."""
    if not isinstance(value, str) or not value.strip():
        raise refuse(place, "a non-empty string", value)
    return value


def one_of(value: Any, place: str, accepted: tuple[str, ...]) -> str:
    """Check a string out of a few."""
    if not isinstance(value, str) or value not in accepted:
        raise refuse(place, f"one of {', '.join(accepted)}", value)
    return value


def each(value: Any, place: str, read: Callable[[Any, str], T]) -> tuple[T, ...]:
    """Check a list and read each item with ``read(item, place)``."""
    if not isinstance(value, (list, tuple)):
        raise refuse(place, "a list", value)
    return tuple(read(item, f"{place}[{i}]") for i, item in enumerate(value))


def named(
    value: Any, place: str, read: Callable[[Any, str], T], accepted: Iterable[str] | None = None
) -> dict[str, T]:
    """Check an object and read each of its values with ``read(item, place)``."""
    data = fields(
        value, place, (), value if accepted is None and isinstance(value, Mapping) else accepted or ()
    )
    return {name: read(item, f"{place}.{name}") for name, item in data.items()}


def sites(value: Any, place: str) -> tuple[float, float, float, float]:
    """Check one number for all CFA sites, or four in the order (0,0), (0,1), (1,0), (1,1)."""
    if not isinstance(value, (list, tuple)):
        v = number(value, place)
        return v, v, v, v
    if len(value) != 4:
        raise refuse(place, "a number or four, one per CFA site", value)
    a, b, c, d = each(value, place, number)
    return a, b, c, d


def pair(value: Any, place: str, low: float = -1e7) -> tuple[float, float]:
    """Check two numbers in order, lowest first."""
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        raise refuse(place, "a pair of numbers, lowest first", value)
    a, b = (number(v, place, low) for v in value)
    if a > b:
        raise refuse(place, "a pair of numbers, lowest first", value)
    return a, b


def increasing(isos: Iterable[float], place: str) -> None:
    """Check that ISOs rise strictly."""
    isos = list(isos)
    for i in range(1, len(isos)):
        if isos[i] <= isos[i - 1]:
            raise ProfileError(
                f"{place}[{i}].iso must be above the one before, got {isos[i]:g} after {isos[i - 1]:g}"
            )


def free_json(value: Any, place: str) -> Any:
    """Check a value of any JSON shape whose numbers are finite."""
    if isinstance(value, Mapping):
        return {str(key): free_json(item, f"{place}.{key}") for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [free_json(item, f"{place}[{i}]") for i, item in enumerate(value)]
    if value is None or isinstance(value, (str, bool)):
        return value
    return number(value, place, -1e300, 1e300)
