# SPDX-License-Identifier: Apache-2.0
"""Frames sorted into groups of one kind, ISO, exposure and level; the others named, with the reason."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .survey import Record

#: A frame darker than this share of the range is a dark where no folder tells.
DARK_BELOW = 0.01
#: A "dark" brighter than this share of the range holds light.
LIGHT_ABOVE = 0.05
#: Flats within this relative difference are of one level.
SAME_LEVEL = 0.04
#: Darks are of one temperature if they round to the same multiple of this, deg C.
SAME_TEMPERATURE = 1.0
#: Stands for a temperature that nobody told, and sorts before all others, deg C.
_UNKNOWN = -273.15
WRONG_RATE = 0.15
#: Files of one camera tell black levels within this share of white of each other (masked pixels, ISO) ...
BLACK_WITHIN = 0.02
#: ... and white levels within this: 12 and 14 bits lie farther apart.
WHITE_WITHIN = 0.2


@dataclasses.dataclass(frozen=True)
class Sensor:
    """What all frames share: levels [raw DN], phase, size and names.

    ``black`` and ``white`` are what most files tell; ``blacks`` and ``whites`` the lowest and highest told.
    """

    black: tuple[float, ...]
    white: float
    cfa: str
    shape: tuple[int, int]
    make: str
    model: str
    blacks: tuple[float, float]
    whites: tuple[float, float]

    @property
    def range_dn(self) -> float:
        """White minus mean black."""
        return self.white - float(np.mean(self.black))

    def black_of(self, r: Record) -> np.ndarray:
        """Return the black level by site of one frame (4,), raw DN: its own where its file tells one."""
        return np.array(self.black if r.black is None else r.black)

    def above_black(self, r: Record) -> float:
        """Return the level of a frame above its black, DN."""
        return r.level - float(self.black_of(r).mean())


@dataclasses.dataclass(frozen=True)
class Group:
    """Frames that repeat each other: one kind, ISO, exposure, level and, of darks, temperature where told."""

    kind: str
    iso: float
    exposure_s: float
    frames: tuple[Record, ...]
    temperature_c: float | None = None

    @property
    def name(self) -> str:
        """What it is, for messages."""
        return f"ISO {self.iso:g}, {self.exposure_s:g} s, {self.level:.0f} DN"

    @property
    def level(self) -> float:
        """Median level, raw DN."""
        return float(np.median([r.level for r in self.frames]))

    def above_black(self, sensor: Sensor) -> float:
        """Return the median level above black, DN."""
        return float(np.median([sensor.above_black(r) for r in self.frames]))

    def black(self, sensor: Sensor) -> np.ndarray:
        """Return the median black level by site, (4,), raw DN."""
        return np.median([sensor.black_of(r) for r in self.frames], axis=0)

    @property
    def photons(self) -> float | None:
        """Photons a pixel got on average, None where a frame does not tell."""
        told = [r.photons for r in self.frames if r.photons is not None]
        return float(np.mean(told)) if len(told) == len(self.frames) else None

    @property
    def white(self) -> float:
        """Lowest white level any of the frames tells, raw DN."""
        return min(r.white for r in self.frames)


@dataclasses.dataclass(frozen=True)
class Sorted:
    """Groups of frames, why frames were left out (name: reason), and frames without another like them."""

    sensor: Sensor
    groups: tuple[Group, ...]
    left_out: dict[str, str]
    unpaired: tuple[str, ...]


def sort_frames(records: Sequence[Record]) -> Sorted:
    """Sort frames and leave out those that do not belong.

    Raises:
        ValueError: no frame can be read, or no dark frames and no flats can be told.
    """
    out = {r.name: str(r.error) for r in records if r.error}
    good = [r for r in records if not r.error]
    if not good:
        first = next(iter(out.items()), ("", "no frames"))
        raise ValueError(f"no frame can be read; the first, {first[0]}: {first[1]}")
    good = _of_one_camera(_without_copies(good, out), out)
    sensor = _sensor(good)
    groups, unpaired, single = [], [], []
    keys = {r.name: _key(r, sensor) for r in good}
    for key in sorted(set(keys.values())):
        kind, iso, exposure, temperature = key
        members = [r for r in good if keys[r.name] == key]
        if kind == "dark":
            members = _steady_darks(members, sensor, out)
            told = temperature if temperature > _UNKNOWN else None
            groups += [Group(kind, iso, exposure, tuple(members), told)] if members else []
            single += [r.name for r in members if len(members) == 1]
        else:
            for level in _levels(members, sensor):
                level = _steady_flats(level, out)
                groups += [Group(kind, iso, exposure, tuple(level))] if len(level) > 1 else []
                unpaired += [r for r in level if len(level) == 1]
    alone = _wrong_exposures(unpaired, groups, sensor, out)
    return Sorted(sensor, tuple(groups), out, (*single, *(r.name for r in alone)))


def _key(r: Record, sensor: Sensor) -> tuple[str, float, float, float]:
    dark = sensor.above_black(r) < DARK_BELOW * sensor.range_dn
    kind = r.kind or ("dark" if dark else "flat")
    temperature = _UNKNOWN
    if kind == "dark" and r.temperature_c is not None:
        temperature = round(r.temperature_c / SAME_TEMPERATURE) * SAME_TEMPERATURE
    return kind, r.iso, float(f"{r.exposure_s:.4g}"), temperature


def _without_copies(good: list[Record], out: dict[str, str]) -> list[Record]:
    """Name frames of the same values as an earlier one: they would count as frames of their own."""
    first: dict[str, str] = {}
    for r in good:
        # Frames of one value, cut off at black or at white, may well be equal.
        if r.std > 0 and first.setdefault(r.pixels, r.name) != r.name:
            out[r.name] = f"the same pixels as {first[r.pixels]}"
    return [r for r in good if r.name not in out]


def _of_one_camera(good: list[Record], out: dict[str, str]) -> list[Record]:
    for what in ("make", "model", "shape", "cfa", "white", "black"):
        common = _most_common(good, what)
        for r in good:
            if not _alike(what, getattr(r, what), common, r.white):
                out[r.name] = f"{what} is {getattr(r, what)}, that of the others {common}"
        good = [r for r in good if r.name not in out]
    return good


def _most_common(good: Sequence[Record], what: str) -> Any:
    return collections.Counter(getattr(r, what) for r in good).most_common(1)[0][0]


def _alike(what: str, own: Any, common: Any, white: float) -> bool:
    """Tell whether a frame may be of the camera of the others: levels move a little with ISO and file."""
    if what == "white":
        return abs(own - common) <= WHITE_WITHIN * common
    if what == "black" and own is not None and common is not None:
        return max(abs(a - b) for a, b in zip(own, common, strict=True)) <= BLACK_WITHIN * white
    return bool(own == common)


def _sensor(good: list[Record]) -> Sensor:
    first = good[0]
    black, white = _most_common(good, "black"), _most_common(good, "white")
    if black is None:
        darks = sorted((r.exposure_s, r.iso, i) for i, r in enumerate(good) if r.kind == "dark")
        if not darks:
            raise ValueError("--black must be given where the files do not tell it and there are no darks")
        chosen = [good[i].means for t, iso, i in darks if (t, iso) == darks[0][:2]]
        # Shared by all sites: what sites differ by is bias, and belongs in the table.
        black = (float(np.round(np.median(chosen))),) * 4
    if max(black) >= white:
        raise ValueError(f"black must be below white, got {max(black):g} and {white:g}")
    told = [b for r in good for b in (r.black or black)]
    whites = [r.white for r in good]
    return Sensor(
        tuple(black),
        white,
        first.cfa,
        first.shape,
        first.make,
        first.model,
        (min(told), max(told)),
        (min(whites), max(whites)),
    )


def _spread(values: np.ndarray) -> float:
    return 1.4826 * float(np.median(np.abs(values - np.median(values))))


def _steady_darks(members: list[Record], sensor: Sensor, out: dict[str, str]) -> list[Record]:
    for r in members:
        if sensor.above_black(r) > LIGHT_ABOVE * sensor.range_dn:
            out[r.name] = f"a dark with light: {sensor.above_black(r):.0f} DN above black. Put the cap on"
    members = [r for r in members if r.name not in out]
    return _steady(members, out, "a light leak, or another exposure", lambda std, level: 0.3 * std)


def _steady_flats(members: list[Record], out: dict[str, str]) -> list[Record]:
    # A lamp flickers: what scales the whole frame cancels in the pair.
    return _steady(members, out, "uneven light", lambda std, level: SAME_LEVEL * level)


def _steady(
    members: list[Record], out: dict[str, str], reason: str, floor: Callable[[float, float], float]
) -> list[Record]:
    """Leave out frames whose noise, level or evenness differs from that of their group (3 frames or more)."""
    if len(members) < 3:
        return members
    std = np.array([r.std for r in members])
    middle = float(np.median(std))
    level = np.array([r.level for r in members])
    blocks = np.array([r.blocks for r in members])
    # Evenness is judged about the frame's own level; levels are judged by themselves.
    uneven = blocks - level[:, None, None]
    uneven -= np.median(uneven, axis=0)
    patchy = 7 * _spread(uneven)  # by all blocks of all frames: far beyond the largest of 64
    uneven = np.abs(uneven).max(axis=(1, 2))
    least = floor(middle, float(np.median(level)))
    for i, r in enumerate(members):
        if abs(std[i] - middle) > max(8 * _spread(std), 0.12 * middle):
            out[r.name] = f"noise of {std[i]:.3g} DN, that of its group {middle:.3g}: another ISO or camera"
        elif abs(level[i] - np.median(level)) > max(8 * _spread(level), least):
            out[r.name] = f"level {level[i]:.1f} DN, that of its group {np.median(level):.1f}: {reason}"
        elif uneven[i] > max(patchy, least):
            out[r.name] = f"brighter or darker in places by {uneven[i]:.3g} DN than its group: {reason}"
    return [r for r in members if r.name not in out]


def _levels(members: list[Record], sensor: Sensor) -> list[list[Record]]:
    """Split flats of one ISO and exposure where the light was changed between them."""
    ordered = sorted(members, key=lambda r: r.level)
    levels: list[list[Record]] = []
    for r in ordered:
        if levels and r.level - levels[-1][-1].level <= SAME_LEVEL * max(sensor.above_black(r), 1.0):
            levels[-1].append(r)
        else:
            levels.append([r])
    return [sorted(level, key=lambda r: r.name) for level in levels]


def _wrong_exposures(
    unpaired: list[Record], groups: list[Group], sensor: Sensor, out: dict[str, str]
) -> list[Record]:
    """Name lone flats whose level is not what their exposure gives; return the other lone ones."""
    alone = []
    for r in unpaired:
        rates = [g.above_black(sensor) / g.exposure_s for g in groups if g.kind == "flat" and g.iso == r.iso]
        rate = float(np.median(rates)) if len(rates) > 1 else 0.0
        # Only where exposure tells the level: a lamp dimmed between levels breaks the proportion.
        level = sensor.above_black(r)
        expected = rate * r.exposure_s if rate > 0 and _spread(np.array(rates)) < 0.1 * rate else level
        off = abs(level - expected)
        if off > max(WRONG_RATE * expected, 0.005 * sensor.range_dn) and r.level < 0.9 * sensor.white:
            factor = f"{level / expected:.2f}"
            out[r.name] = f"{factor} times the level its exposure should give: wrong exposure or other light"
        else:
            alone.append(r)
    return alone
