# SPDX-License-Identifier: Apache-2.0
"""Dark frames on disk as training reads them: uint16, one file for each ISO, mapped into memory."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lrd_ext.calibration.bad_frames import Sorted, sort_frames
from lrd_ext.calibration.frames import Frame, Levels, find_frames
from lrd_ext.calibration.hot_pixels import find_hot_pixels
from lrd_ext.calibration.survey import Record
from lrd_ext.cfa import SITES

from .crops import Crop
from .frame_store import FrameWriter, Store, StoredFrames, check_alike, index_of, look, shared, told
from .pairs import has_pairs

VERSION = 3
#: Darks of one ISO must be at least this many: noise is what differs between frames.
LEAST_FRAMES = 2
#: A larger share of pixels than this piled up at the lowest value is noise that was cut off.
_CLIPPED = 0.005
#: A pile is this many times what the next value has.
_PILE = 1.5


@dataclasses.dataclass(frozen=True, eq=False)
class Darks:
    """Darks of one camera and ISO.

    ``frames`` (n, H, W) uint16 raw DN, on disk or in memory, of which those numbered ``order`` count;
    ``levels`` (n, 4) mean of the sites of each of those without hot pixels, raw DN: black, bias and drift,
    which are no part of the noise; ``hot`` (m, 2) rows and columns of pixels that take their left neighbour's
    value; ``shading`` (4, H/2, W/2) float32 fixed pattern, DN, or None; ``sigma_init`` DN, for
    :meth:`window`.
    """

    iso: float
    frames: np.ndarray | StoredFrames
    levels: np.ndarray
    order: tuple[int, ...] = ()
    hot: np.ndarray | None = None
    shading: np.ndarray | None = None
    sigma_init: float = 1.0

    def __len__(self) -> int:
        return len(self.levels)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of a frame, pixels."""
        return self.frames.shape[1], self.frames.shape[2]

    def mosaic(self, frame: int, rows: slice = slice(None), columns: slice = slice(None)) -> np.ndarray:
        """Return a copy of a frame, or of a window of its cells, uint16; hot pixels are mended."""
        raw = self.frames[self.order[frame] if self.order else frame]
        (top, bottom, _), (left, right, _) = (
            part.indices(size // 2) for part, size in zip((rows, columns), self.shape, strict=True)
        )
        mosaic = np.array(raw[2 * top : 2 * bottom, 2 * left : 2 * right])
        if self.hot is not None and len(self.hot):
            at = self.hot - (2 * top, 2 * left)
            inside = ((at >= 0) & (at < mosaic.shape)).all(1)
            own_rows, own_columns = self.hot[inside].T
            mended = raw[own_rows, np.where(own_columns >= 2, own_columns - 2, own_columns + 2)]
            mosaic[tuple(at[inside].T)] = mended
        return mosaic

    def packed(self, frame: int, rows: slice = slice(None), columns: slice = slice(None)) -> Tensor:
        """Return the noise in a window of cells of a frame, (4, h, w) float32, DN about its site's level."""
        mosaic = self.mosaic(frame, rows, columns)
        noise = np.stack([mosaic[r::2, c::2] for r, c in SITES]).astype(np.float32)
        noise -= self.levels[frame].astype(np.float32)[:, None, None]
        if self.shading is not None:
            noise -= self.shading[:, rows, columns]
        return torch.from_numpy(noise)

    def window(self, frame: int, rows: slice, columns: slice) -> Crop:
        """Return a window of cells as stage 2 compares it: noise without signal, far from white."""
        noise, one = self.packed(frame, rows, columns), torch.ones(())
        return Crop(
            real=noise,
            signal=torch.zeros_like(noise),
            known=torch.ones_like(noise),
            low=-torch.from_numpy(self.levels[frame]).float(),
            high=torch.full((4,), torch.inf),
            gain=one,
            sigma=one * self.sigma_init,
            ratio=one,
        )


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class DarkStore(Store):
    """The darks of one folder by ISO, ascending."""

    darks: tuple[Darks, ...]


def tells_darks(folder: str | os.PathLike[str]) -> bool:
    """Tell whether a folder names darks: beside a pairs.csv they must be in frames.csv or below dark/.

    The noisy frames of pairs can be as dark as darks, so that light does not tell them apart.
    """
    root = Path(folder)
    if not has_pairs(folder) or (root / "frames.csv").is_file():
        return True
    return any(p.is_dir() and p.name.lower() in ("dark", "darks") for p in root.rglob("*"))


def kinds_of_darks(folder: str | os.PathLike[str]) -> tuple[str | None, ...]:
    """Return the kinds of frames that may be darks; see :func:`tells_darks` for those beside pairs."""
    return ("dark",) if has_pairs(folder) else ("dark", None)


def keep_darks(
    folder: str | os.PathLike[str],
    levels: Levels,
    store: Path,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> DarkStore:
    """Read the darks of a folder into a store, once; a store of the same files is used again.

    Args:
        folder: raw files, or a frames.csv; flats are passed over, see also :func:`tells_darks`.
        levels: levels and phase in place of the files' own.
        store: folder of the store; its index is written last, so that it is whole or not at all.
        progress: called after every frame with how many are done and how many there are.

    Raises:
        ValueError: there are no darks or too few, they do not belong together, are constant or clipped, or
            the disk is too small. The text names the file.
    """
    frames = [frame for frame in find_frames(folder, levels) if frame.kind in kinds_of_darks(folder)]
    if not frames:
        raise ValueError(f"{folder}: holds flats only and no dark frames; shoot some with the cap on")
    identity = hashlib.sha256(repr([VERSION, *(f.identity for f in frames)]).encode()).hexdigest()
    index = index_of(store, identity, lambda: _write(frames, folder, store, progress))
    return DarkStore(**shared(index), darks=tuple(_darks(store, entry) for entry in index["files"]))


def _write(
    frames: Sequence[Frame],
    folder: str | os.PathLike[str],
    store: Path,
    progress: Callable[[int, int], None],
) -> dict[str, Any]:
    records: list[Record] = []
    places: dict[str, int] = {}
    with ExitStack() as stack:
        writer = FrameWriter(store, stack)
        for done, frame in enumerate(frames, 1):
            record, picture = look(frame)
            records.append(record)
            if picture is not None:
                check_alike(records, folder, "darks")
                to_come = len(frames) - done + 1
                places[frame.name] = writer.add(_file(picture.iso), picture.mosaic, to_come)
            progress(done, len(frames))
        ordered = sort_frames(records)
        darks = _darks_by_iso(ordered, folder)
    entries = []
    for iso, members in darks.items():
        entry = {
            "iso": iso,
            "file": _file(iso),
            "sha256": writer.sha256(_file(iso)),
            "order": [places[r.name] for r in members],
            "shape": list(members[0].shape),
        }
        hot = _hot(store, entry)
        levels = _levels(store, entry, hot, [f"{folder}: {r.name}" for r in members])
        entries.append(entry | {"levels": levels, "hot": hot.tolist()})
    sensor = ordered.sensor
    return {"files": entries} | told(sensor, sensor.black, ordered.left_out)


def _file(iso: float) -> str:
    return f"iso_{iso:g}.u16"


def _darks_by_iso(ordered: Sorted, folder: str | os.PathLike[str]) -> dict[float, list[Record]]:
    groups = [g for g in ordered.groups if g.kind == "dark"]
    darks = {
        iso: [r for g in groups if g.iso == iso for r in g.frames] for iso in sorted({g.iso for g in groups})
    }
    if not darks:
        first = next(iter(ordered.left_out.items()), None)
        reason = f"; {first[0]}: {first[1]}" if first else ""
        raise ValueError(f"{folder}: holds no dark frames; shoot some with the cap on{reason}")
    for iso, members in darks.items():
        if len(members) < LEAST_FRAMES:
            raise ValueError(
                f"{folder}: at least {LEAST_FRAMES} dark frames are needed at each ISO, got 1 at ISO {iso:g}"
            )
        if all(r.std == 0 for r in members):
            raise ValueError(f"{folder}: the darks of ISO {iso:g} are constant and hold no noise to learn")
    return darks


def _hot(store: Path, entry: dict[str, Any]) -> np.ndarray:
    frames, order = StoredFrames(store / entry["file"], *entry["shape"]), entry["order"]
    mean = np.zeros(entry["shape"], np.float32)
    square = 0.0
    for i in order:
        frame = frames[i].astype(np.float32)
        mean += frame / len(order)
        square += float(np.mean((frame[:, 2:] - frame[:, :-2]) ** 2)) / 2 / len(order)
    return find_hot_pixels(mean, float(np.sqrt(square / len(order))))[0]


def _levels(store: Path, entry: dict[str, Any], hot: np.ndarray, names: Sequence[str]) -> list[list[float]]:
    """Return the mean of each site of each frame without hot pixels, raw DN; refuse clipped frames."""
    frames = StoredFrames(store / entry["file"], *entry["shape"])
    cold = np.ones(entry["shape"], bool)
    cold[tuple(hot.T)] = False
    levels = []
    for name, i in zip(names, entry["order"], strict=True):
        sites = [np.bincount(frames[i][r::2, c::2][cold[r::2, c::2]]) for r, c in SITES]
        for counts in sites:
            _check_not_clipped(counts, name)
        levels.append([float(counts @ np.arange(len(counts)) / counts.sum()) for counts in sites])
    return levels


def _check_not_clipped(counts: np.ndarray, name: str) -> None:
    """Refuse values that pile up at the lowest one (but strays), though noise would go on below it.

    Noise narrower than a DN has large piles of its own, but as little far above its median as below. What
    counts above lies two steps or more beyond the lowest value's mirror image: rounding moves the median.
    """
    counts = np.append(counts, 0)  # lest all are at the lowest
    below = np.append(0, counts.cumsum()) / counts.sum()  # share of values below each
    lowest, median = (int(np.argmax(below[1:] > share)) for share in (_CLIPPED, 0.5))
    step = 1 + int(np.argmax(counts[lowest + 1 :] > 0))
    above = 1 - below[min(2 * median - lowest + 2 * step, len(counts))]
    piled = counts[lowest] > _PILE * counts[lowest + step] and above - below[lowest] > _CLIPPED
    pile = counts[lowest] / counts.sum()
    if pile > _CLIPPED and (piled or lowest == 0):
        raise ValueError(
            f"{name}: is clipped at {lowest} ({100 * pile:.1f} % of a site's pixels): what lies below black "
            "is cut off. Shoot raw with the black level left in"
        )


def _darks(store: Path, entry: dict[str, Any]) -> Darks:
    return Darks(
        entry["iso"],
        StoredFrames(store / entry["file"], *entry["shape"]),
        np.array(entry["levels"]),
        tuple(entry["order"]),
        np.array(entry["hot"], dtype=np.int64).reshape(-1, 2),
    )
