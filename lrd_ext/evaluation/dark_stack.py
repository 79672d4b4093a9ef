# SPDX-License-Identifier: Apache-2.0
"""Dark frames of a folder by ISO: each read once, of each the middle kept."""

from __future__ import annotations

import dataclasses
import math
import os
import warnings
from collections.abc import Callable, Sequence

import numpy as np

from lrd_ext.calibration.bad_frames import Group, sort_frames
from lrd_ext.calibration.frames import Frame, Levels, Picture, find_frames
from lrd_ext.calibration.statistics_store import StatisticsStore
from lrd_ext.calibration.survey import Record, look_at
from lrd_ext.generator.dark_store import kinds_of_darks

#: Frames of one ISO and exposure that are kept at most, and pixels a side.
MOST_FRAMES = 32
LARGEST_CROP = 1024
SMALLEST_CROP = 32
#: What all that is kept may take, bytes.
HELD = 400_000_000

Progress = Callable[[str], None]


@dataclasses.dataclass(frozen=True, eq=False)
class DarkStack:
    """Darks of one ISO and exposure, (H, W) uint16 raw DN each, the same middle of every frame.

    ``found`` is how many there were before the most was cut off; ``std`` the rough deviation of pixels, DN.
    """

    iso: float
    exposure_s: float
    frames: tuple[np.ndarray, ...]
    found: int
    std: float


@dataclasses.dataclass(frozen=True, eq=False)
class DarkSet:
    """The darks of a folder by ISO, what they share, and which frames were left out, with the reason."""

    folder: str
    stacks: dict[float, DarkStack]
    cfa: str
    sensor: tuple[int, int]
    black: float
    white: float
    left_out: dict[str, str]


def find_darks(folder: str | os.PathLike[str], levels: Levels) -> list[Frame]:
    """List the frames of a folder that are, or may be, darks, by the rule of `lrd train generator`.

    Beside a pairs.csv those that nothing calls darks may be noisy pictures: a warning tells how many.

    Raises:
        ValueError: there are none.
    """
    found, kinds = find_frames(folder, levels), kinds_of_darks(folder)
    frames = [frame for frame in found if frame.kind in kinds]
    untold = sum(frame.kind is None for frame in found) if None not in kinds else 0
    rule = "beside pairs.csv darks are what lies below dark/ or is listed in frames.csv"
    if not frames:
        reason = rule if untold else "shoot some with the cap on"
        raise ValueError(f"{folder}: holds {'no' if untold else 'flats only and no'} dark frames; {reason}")
    if untold:
        warnings.warn(f"{folder}: {untold} frames do not count: {rule}", stacklevel=2)
    return frames


def fitting_crop(frames: int, crop: int = LARGEST_CROP) -> int:
    """Return pixels a side of so many frames that memory has room for, ``crop`` at most.

    Raises:
        ValueError: crop is below SMALLEST_CROP.
    """
    if crop < SMALLEST_CROP:
        raise ValueError(f"crop must be at least {SMALLEST_CROP} pixels a side, got {crop}")
    return max(min(crop, int(math.sqrt(HELD / 2 / max(frames, 1)))), SMALLEST_CROP)


def read_darks(
    folder: str | os.PathLike[str],
    levels: Levels,
    *,
    crop: int = LARGEST_CROP,
    least: int = 2,
    progress: Progress = lambda what: None,
) -> DarkSet:
    """Read the darks of a folder as `lrd calibrate` does; what does not belong is left out.

    Of several exposure times at one ISO that with the most frames counts, and of those the shortest; a
    warning tells of the others.

    Args:
        folder: raw files, or frames.csv with mosaics.
        levels: levels and phase in place of the files' own.
        crop: pixels a side that are kept of the middle of a frame, see ``fitting_crop``.
        least: ISOs with fewer darks are left out.
        progress: called with its name after every frame.

    Raises:
        ValueError: no frame can be read, or there are no darks, too few of them, or constant ones.
    """
    records, kept = [], {}
    for frame in find_darks(folder, levels):
        record, middle = _look(frame, crop)
        records.append(record)
        kept[frame.name] = middle
        progress(frame.name)
    ordered = sort_frames(records)
    groups = [group for group in ordered.groups if group.kind == "dark"]
    left_out = dict(ordered.left_out)
    stacks = {}
    for iso in sorted({group.iso for group in groups}):
        own = sorted((g for g in groups if g.iso == iso), key=lambda g: (-len(g.frames), g.exposure_s))
        if len(own[0].frames) >= least:
            stacks[iso] = _stack(own[0], kept)
            _name_others(folder, own)
        else:
            reason = f"the only dark of its exposure at ISO {iso:g}; {least} at least are needed"
            left_out |= {group.frames[0].name: reason for group in own}
    if not stacks:
        raise ValueError(_too_few(folder, left_out, least))
    _check_not_constant(folder, stacks)
    sensor = ordered.sensor
    black = float(np.mean(sensor.black))
    return DarkSet(str(folder), stacks, sensor.cfa, sensor.shape, black, sensor.white, left_out)


def _look(frame: Frame, side: int) -> tuple[Record, np.ndarray]:
    """Read a frame once: a first look at all of it, and its middle."""
    held: list[Picture] = []

    def load() -> Picture:
        held.append(frame.load())
        return held[0]

    record = look_at(dataclasses.replace(frame, load=load), StatisticsStore(None))
    return record, _middle(held[0].mosaic, side) if held else np.zeros((0, 0), np.uint16)


def _middle(mosaic: np.ndarray, side: int) -> np.ndarray:
    """Return the middle of a mosaic, even in size and from an even row and column on, as a copy."""
    starts = [max(size - side, 0) // 4 * 2 for size in mosaic.shape]
    rows, columns = (
        slice(a, a + min(side, size) // 2 * 2) for a, size in zip(starts, mosaic.shape, strict=True)
    )
    return mosaic[rows, columns].copy()


def _stack(group: Group, kept: dict[str, np.ndarray]) -> DarkStack:
    taken = group.frames[:MOST_FRAMES]
    std = float(np.median([r.std for r in taken]))
    frames = tuple(kept[r.name] for r in taken)
    return DarkStack(group.iso, group.exposure_s, frames, len(group.frames), std)


def _name_others(folder: str | os.PathLike[str], groups: Sequence[Group]) -> None:
    """Warn of darks of one ISO beside the first group, which do not count."""
    first, *others = (
        f"{len(g.frames)} of {g.exposure_s:g} s"
        + ("" if g.temperature_c is None else f" and {g.temperature_c:g} °C")
        for g in groups
    )
    if others:
        warnings.warn(
            f"{folder}: of the darks of ISO {groups[0].iso:g} {first} are used; {', '.join(others)} are not",
            stacklevel=3,
        )


def _too_few(folder: str | os.PathLike[str], left_out: dict[str, str], least: int) -> str:
    first = next(iter(left_out.items()), None)
    reason = f"; {first[0]}: {first[1]}" if first else ""
    return f"{folder}: needs at least {least} dark frames at one ISO{reason}"


def _check_not_constant(folder: str | os.PathLike[str], stacks: dict[float, DarkStack]) -> None:
    for iso, stack in stacks.items():
        values = {int(f.flat[0]) for f in stack.frames}
        if len(values) == 1 and all((f == f.flat[0]).all() for f in stack.frames):
            raise ValueError(
                f"{folder}: the darks of ISO {iso:g} are constant: every value is {values.pop()} DN"
            )
