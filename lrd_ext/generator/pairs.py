# SPDX-License-Identifier: Apache-2.0
"""Pairs of a noisy and a clean frame of one scene, as pairs.csv lists them and as training reads them."""

from __future__ import annotations

import dataclasses
import hashlib
import math
import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from lrd_ext.calibration.frames import Frame, Levels, listed_frame, positive, read_table
from lrd_ext.calibration.survey import Record
from lrd_ext.cfa import SITES

from .crops import Crop
from .frame_store import FrameWriter, Store, StoredFrames, check_alike, index_of, look, shared, told

VERSION = 2
TABLE = "pairs.csv"
COLUMNS = ("noisy", "clean", "iso", "exposure_s", "ratio")
_FILES = {"noisy": "noisy.u16", "clean": "clean.u16"}
#: The noisy frame's light may differ from the clean one's, divided by the ratio, by this factor ...
_LIGHT_WITHIN = 2.0
#: ... where it is at least so many DN: below, black-level errors count as much.
_LIGHT_FROM = 8.0
#: Cells a side of the middle of a pair, on which its noise is measured.
_MIDDLE = 256


class ListedPair(NamedTuple):
    """A line of pairs.csv."""

    noisy: Frame
    clean: Frame
    iso: float
    ratio: float


class Member(NamedTuple):
    """One pair: numbers of its frames, exposure ratio, and black levels by site (4,), raw DN."""

    noisy: int
    clean: int
    ratio: float
    black: tuple[float, ...]
    clean_black: tuple[float, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of one camera and ISO.

    ``noisy`` (n, H, W) and ``clean`` (m, H, W) uint16 raw DN, on disk, of which ``members`` count; ``white``
    raw DN. Of the profile: ``gain`` K, DN per electron, ``bias`` (4,) black-level error and ``sigma_init``,
    DN.
    """

    iso: float
    noisy: np.ndarray | StoredFrames
    clean: np.ndarray | StoredFrames
    members: tuple[Member, ...]
    white: float
    gain: float = 1.0
    bias: tuple[float, ...] = (0.0,) * 4
    sigma_init: float = 1.0

    def __len__(self) -> int:
        return len(self.members)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of a frame, pixels."""
        return self.noisy.shape[1], self.noisy.shape[2]

    def window(self, frame: int, rows: slice = slice(None), columns: slice = slice(None)) -> Crop:
        """Return a window of cells of a pair."""
        pair = self.members[frame]
        noisy, clean = (
            np.stack([frames[i][r::2, c::2][rows, columns] for r, c in SITES]).astype(np.float32)
            for frames, i in ((self.noisy, pair.noisy), (self.clean, pair.clean))
        )
        level = np.add(pair.black, self.bias).astype(np.float32)
        black = np.array(pair.clean_black, np.float32)[:, None, None]
        signal = (clean - black).clip(min=0) / np.float32(pair.ratio)
        return Crop(
            real=torch.from_numpy(noisy - level[:, None, None]),
            signal=torch.from_numpy(signal),
            known=torch.from_numpy((clean < self.white).astype(np.float32)),
            low=torch.from_numpy(-level),
            high=torch.from_numpy(np.float32(self.white) - level),
            gain=torch.tensor(self.gain),
            sigma=torch.tensor(self.sigma_init),
            ratio=torch.tensor(pair.ratio),
        )

    def middle(self, frame: int) -> Crop:
        """Return the middle of a pair."""
        starts = [max(size // 2 - _MIDDLE, 0) // 2 for size in self.shape]
        return self.window(frame, *(slice(a, a + _MIDDLE) for a in starts))


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class PairStore(Store):
    """The pairs of one folder by ISO, ascending."""

    pairs: tuple[Pairs, ...]


def has_pairs(folder: str | os.PathLike[str]) -> bool:
    """Tell whether a folder lists pairs."""
    return (Path(folder) / TABLE).is_file()


def find_pairs(folder: str | os.PathLike[str], levels: Levels) -> list[ListedPair]:
    """List the pairs of a folder in the order of its pairs.csv.

    Args:
        folder: holds pairs.csv: noisy, clean, iso and exposure_s of the noisy frame, ratio (how many times
            less light it got); frames are raw files or mosaics as .npy, .tif or .png.
        levels: what the user gave in place of the files' own.

    Raises:
        ValueError: the table is not as it must be; the text names the line.
    """
    root = Path(folder)
    listed, seen = [], set()
    for line, row in read_table(root / TABLE, COLUMNS, "pairs"):
        where = f"{root / TABLE}: line {line}"
        noisy, clean = ((row[column] or "").strip() for column in ("noisy", "clean"))
        if not noisy or not clean or noisy == clean or noisy in seen:
            raise ValueError(
                f"{where}: noisy and clean must name two files, noisy ones once only, got {noisy!r} and "
                f"{clean!r}"
            )
        seen.add(noisy)
        iso, exposure, ratio = (
            positive(row[column], f"{where}: {column}") for column in ("iso", "exposure_s", "ratio")
        )
        listed.append(
            ListedPair(
                listed_frame(root, noisy, levels, iso, exposure, None),
                # A clean frame serves several noisy ones, of other ISOs too: its own are of no use.
                listed_frame(root, clean, levels, 1.0, 1.0, None),
                iso,
                ratio,
            )
        )
    return listed


def keep_pairs(
    folder: str | os.PathLike[str],
    levels: Levels,
    black: Sequence[float],
    store: Path,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> PairStore:
    """Read the pairs of a folder into a store, once; a store of the same files is used again.

    Args:
        folder: holds pairs.csv.
        levels: levels and phase in place of the files' own.
        black: of the profile by site (4,), for mosaics that tell none.
        store: folder of the store; its index is written last, so that it is whole or not at all.
        progress: called after every frame with how many are done and how many there are.

    Raises:
        ValueError: pairs.csv is refused, no pair can be used, the frames do not belong together, or the disk
            is too small. The text names the file.
    """
    listed = find_pairs(folder, levels)
    parts = [(p.noisy.identity, p.clean.identity, p.iso, p.ratio) for p in listed]
    identity = hashlib.sha256(repr([VERSION, tuple(black), *parts]).encode()).hexdigest()
    index = index_of(store, identity, lambda: _write(listed, folder, tuple(black), store, progress))
    return PairStore(**shared(index), pairs=_pairs(store, index))


def _write(
    listed: Sequence[ListedPair],
    folder: str | os.PathLike[str],
    black: tuple[float, ...],
    store: Path,
    progress: Callable[[int, int], None],
) -> dict[str, Any]:
    noisy, clean = ({getattr(p, role).name: getattr(p, role) for p in listed} for role in _FILES)
    order = [(role, f) for role, all_ in (("noisy", noisy), ("clean", clean)) for f in all_.values()]
    records: dict[tuple[str, str], Record] = {}
    numbers: dict[tuple[str, str], int] = {}
    with ExitStack() as stack:
        writer = FrameWriter(store, stack)
        for done, (role, frame) in enumerate(order, 1):
            record, picture = look(frame)
            records[role, frame.name] = record
            if picture is not None:
                check_alike(list(records.values()), folder, "frames of pairs")
                to_come = len(order) - done + 1
                numbers[role, frame.name] = writer.add(_FILES[role], picture.mosaic, to_come)
            progress(done, len(order))
        members, left_out = _members(listed, records, numbers, black)
        if not members:
            name, reason = next(iter(left_out.items()))
            raise ValueError(f"{folder}: no pair of {TABLE} can be used; the first, {name}: {reason}")
    first = next(r for r in records.values() if not r.error)
    files = [{"file": f, "sha256": writer.sha256(f)} for f in _FILES.values()]
    own = {"files": files, "shape": list(first.shape), "members": members}
    return own | told(first, members[0][1].black, left_out)


def _members(
    listed: Sequence[ListedPair],
    records: dict[tuple[str, str], Record],
    numbers: dict[tuple[str, str], int],
    black: tuple[float, ...],
) -> tuple[list[tuple[float, Member]], dict[str, str]]:
    """Return the pairs that can be used, each with its ISO, and why others cannot (name: reason)."""
    members, left_out = [], {}
    for pair in listed:
        noisy, clean = records["noisy", pair.noisy.name], records["clean", pair.clean.name]
        own, clean_own = (noisy.black or black, clean.black or black)
        reason = noisy.error or (clean.error and f"its clean frame {clean.name}: {clean.error}")
        reason = reason or _wrong_light(noisy.means - own, clean.means - clean_own, pair.ratio)
        if reason:
            left_out[pair.noisy.name] = reason
            continue
        at = numbers["noisy", noisy.name], numbers["clean", clean.name]
        members.append((pair.iso, Member(*at, pair.ratio, own, clean_own)))
    return members, left_out


def _wrong_light(noisy: np.ndarray, clean: np.ndarray, ratio: float) -> str | None:
    """Say how the noisy frame's level belies the ratio, None where it does not."""
    got, expected = float(noisy.mean()), float(clean.mean()) / ratio
    if expected < _LIGHT_FROM or expected / _LIGHT_WITHIN < got < expected * _LIGHT_WITHIN:
        return None
    return (
        f"lies {got:.4g} DN above black; its clean frame's {expected * ratio:.4g} DN and the ratio {ratio:g} "
        f"ask for {expected:.4g} DN. Look at its ratio, at the black level (--black), and whether both show "
        "one scene"
    )


def _pairs(store: Path, index: dict[str, Any]) -> tuple[Pairs, ...]:
    noisy, clean = (StoredFrames(store / file, *index["shape"]) for file in _FILES.values())
    by_iso: dict[float, list[Member]] = {}
    for iso, member in index["members"]:
        by_iso.setdefault(iso, []).append(Member(*member[:3], *map(tuple, member[3:])))
    return tuple(Pairs(iso, noisy, clean, tuple(by_iso[iso]), index["white"]) for iso in sorted(by_iso))


def scatter(pairs: Pairs) -> tuple[float, float]:
    """Return deviations of a pair's noise, DN: as recorded, and as profile and signal have it.

    Of the pair in the middle of the list, in the middle of the frame, where the clean frame is not saturated;
    about the mean of each site.
    """
    crop = pairs.middle(len(pairs) // 2)
    known = crop.known > 0
    noise, expected = crop.real - crop.signal, crop.gain * crop.signal + crop.sigma.square()
    squares = [(n[k] - n[k].mean()).square() for n, k in zip(noise, known, strict=True) if k.sum() > 1]
    if not squares:
        return math.nan, math.nan
    return float(torch.cat(squares).mean().sqrt()), float(expected[known].mean().sqrt())
