# SPDX-License-Identifier: Apache-2.0
"""What a request of the page asks for, checked."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import Self

#: Most pixels of one view, and the least of a side, for there is noise to be measured in it.
MOST_PIXELS, LEAST_SIDE = 4_000_000, 16
#: Parameters that are numbers, with the lowest and highest accepted.
_RANGES: dict[str, tuple[float, float]] = {
    "x": (0, 1),
    "y": (0, 1),
    "width": (LEAST_SIDE, 16384),
    "height": (LEAST_SIDE, 16384),
    "ev": (-16, 16),
    "iso": (1, 1e7),
    "ratio": (0.01, 1e5),
    "seed": (0, 2**53),
}


@dataclasses.dataclass(frozen=True)
class Part:
    """A part of a picture at 100 %.

    Attributes:
        picture: its number among those the user named.
        x: middle of the part across the upright picture, a share of its width.
        y: likewise, down.
        width: of the part, upright, pixels.
        height: likewise.
        ev: brightening for the eye besides the picture's own and the ratio's.
    """

    picture: int
    x: float
    y: float
    width: int
    height: int
    ev: float

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Self:
        """Read the parameters of a request; others than the fields are left alone.

        Raises:
            ValueError: one is missing, no number, or out of range.
        """
        part = cls(**{field.name: _value(query, field) for field in dataclasses.fields(cls)})
        if part.width * part.height > MOST_PIXELS:
            raise ValueError(f"width x height must be at most {MOST_PIXELS}, got {part.width * part.height}")
        return part


@dataclasses.dataclass(frozen=True)
class View(Part):
    """A part of a picture under a camera's noise.

    Attributes:
        camera: name of the camera among those on offer.
        iso: ISO of the shot.
        ratio: how many times less light it gets.
        noise: "profile", "read:MODEL" or "generator:NAME".
        seed: of the noise.
    """

    camera: str
    iso: float
    ratio: float
    noise: str
    seed: int

    @property
    def drawn(self) -> View:
        """The view without what changes no noise."""
        return dataclasses.replace(self, ev=0.0)

    @property
    def read(self) -> str | None:
        """Read-noise model in place of the profile's own, None for that."""
        return self.noise[len("read:") :] if self.noise.startswith("read:") else None

    @property
    def generator(self) -> str | None:
        """Name of the generator, None for none."""
        return self.noise[len("generator:") :] if self.noise.startswith("generator:") else None


def _value(query: Mapping[str, str], field: dataclasses.Field) -> Any:
    if field.name not in query:
        raise ValueError(f"{field.name} must be given")
    text, kind = query[field.name], str(field.type)
    if kind == "str":
        return text
    try:
        number = int(text) if kind == "int" else float(text)
    except ValueError:
        what = "a whole number" if kind == "int" else "a number"
        raise ValueError(f"{field.name} must be {what}, got {text[:40]!r}") from None
    low, high = _RANGES.get(field.name, (0, math.inf))
    if not low <= number <= high:
        raise ValueError(f"{field.name} must be {low:g} to {high:g}, got {text[:40]}")
    return number
