# SPDX-License-Identifier: Apache-2.0
"""Dark frames on disk as training reads them: uint16, one file for each ISO, mapped into memory."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

from lrd_ext.calibration.bad_frames import Sorted, sort_frames
from lrd_ext.calibration.frames import Frame, Levels, Picture, find_frames
from lrd_ext.calibration.hot_pixels import find_hot_pixels
from lrd_ext.calibration.statistics_store import StatisticsStore
from lrd_ext.calibration.survey import Record, look_at
from lrd_ext.cfa import SITES
from lrd_ext.outputs import replacing

VERSION = 1
#: Darks of one ISO must be at least this many: noise is what differs between frames.
LEAST_FRAMES = 2
#: Frames with more than this share of pixels at the lowest value hold noise that was cut off.
_CLIPPED = 0.005


@dataclasses.dataclass(frozen=True, eq=False)
class Darks:
    """Darks of one camera and ISO.

    ``frames`` (n, H, W) uint16 raw DN, on disk or in memory, of which those numbered ``order`` count;
    ``levels`` (n, 4) mean of the sites of each of those, raw DN: black, bias and drift, which are no part of
    the noise; ``hot`` (m, 2) rows and columns of pixels that take their left neighbour's value; ``shading``
    (4, H/2, W/2) float32 fixed pattern, DN, or None.
    """

    iso: float
    frames: np.ndarray
    levels: np.ndarray
    order: tuple[int, ...] = ()
    hot: np.ndarray | None = None
    shading: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.levels)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of a frame, pixels."""
        return self.frames.shape[1], self.frames.shape[2]

    def mosaic(self, frame: int) -> np.ndarray:
        """Return a copy of a frame (H, W) uint16, hot pixels mended."""
        mosaic = np.array(self.frames[self.order[frame] if self.order else frame])
        if self.hot is not None and len(self.hot):
            rows, columns = self.hot.T
            mosaic[rows, columns] = mosaic[rows, np.where(columns >= 2, columns - 2, columns + 2)]
        return mosaic

    def packed(self, frame: int, rows: slice = slice(None), columns: slice = slice(None)) -> Tensor:
        """Return the noise in a window of cells of a frame, (4, h, w) float32, DN about its site's level."""
        mosaic = self.mosaic(frame)
        noise = np.stack([mosaic[r::2, c::2][rows, columns] for r, c in SITES]).astype(np.float32)
        noise -= self.levels[frame].astype(np.float32)[:, None, None]
        if self.shading is not None:
            noise -= self.shading[:, rows, columns]
        return torch.from_numpy(noise)


@dataclasses.dataclass(frozen=True, eq=False)
class DarkStore:
    """The darks of one folder by ISO, ascending, what they share, and what was left out (name: reason).

    ``digest`` tells the content of all files.
    """

    folder: Path
    darks: tuple[Darks, ...]
    black: tuple[float, ...]
    white: float
    cfa: str
    camera: tuple[str, str]
    left_out: dict[str, str]
    digest: str


def keep_darks(
    folder: str | os.PathLike[str],
    levels: Levels,
    store: Path,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> DarkStore:
    """Read the darks of a folder into a store, once; a store of the same files is used again.

    Args:
        folder: raw files, or a frames.csv; flats are passed over.
        levels: levels and phase in place of the files' own.
        store: folder of the store; its index is written last, so that it is whole or not at all.
        progress: called after every frame with how many are done and how many there are.

    Raises:
        ValueError: there are no darks or too few, they do not belong together, are constant or clipped, or
            the disk is too small. The text names the file.
    """
    frames = [frame for frame in find_frames(folder, levels) if frame.kind != "flat"]
    if not frames:
        raise ValueError(f"{folder}: holds flats only and no dark frames; shoot some with the cap on")
    identity = hashlib.sha256(repr([VERSION, *(f.identity for f in frames)]).encode()).hexdigest()
    if not _is_of(store, identity):
        _write(frames, folder, store, identity, progress)
    return _open(store)


def _is_of(store: Path, identity: str) -> bool:
    try:
        index = json.loads((store / "index.json").read_text())
        return index["identity"] == identity and all(_is_whole(store, entry) for entry in index["isos"])
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _is_whole(store: Path, entry: dict[str, Any]) -> bool:
    digest = hashlib.sha256()
    with open(store / entry["file"], "rb") as file:
        while part := file.read(1 << 22):
            digest.update(part)
    return digest.hexdigest() == entry["sha256"]


def _write(
    frames: Sequence[Frame],
    folder: str | os.PathLike[str],
    store: Path,
    identity: str,
    progress: Callable[[int, int], None],
) -> None:
    (store / "index.json").unlink(missing_ok=True)
    records: list[Record] = []
    places: dict[str, tuple[float, int]] = {}
    files: dict[float, BinaryIO] = {}
    digests: dict[float, Any] = {}
    with ExitStack() as stack:
        for done, frame in enumerate(frames, 1):
            record, picture = _look(frame)
            records.append(record)
            if picture is not None:
                _check_alike(records, folder)
                iso = picture.iso
                if iso not in files:
                    _check_room(store, picture.mosaic.nbytes * (len(frames) - done + 1))
                    files[iso] = stack.enter_context(replacing(store / f"iso_{iso:g}.u16"))
                    digests[iso] = hashlib.sha256()
                places[frame.name] = iso, sum(at == iso for at, _ in places.values())
                data = np.ascontiguousarray(picture.mosaic)
                files[iso].write(data.data)
                digests[iso].update(data.data)
            progress(done, len(frames))
        ordered = sort_frames(records)
        darks = _darks_by_iso(ordered, folder)
    entries = []
    for iso, members in darks.items():
        entry = {
            "iso": iso,
            "file": f"iso_{iso:g}.u16",
            "sha256": digests[iso].hexdigest(),
            "order": [places[r.name][1] for r in members],
            "levels": [r.means.tolist() for r in members],
            "shape": list(members[0].shape),
        }
        entries.append(entry | {"hot": _hot(store, entry).tolist()})
    _check_not_clipped(store, entries, folder)
    sensor = ordered.sensor
    index = {
        "version": VERSION,
        "identity": identity,
        "isos": entries,
        "black": list(sensor.black),
        "white": sensor.white,
        "cfa": sensor.cfa,
        "camera": [sensor.make, sensor.model],
        "left_out": ordered.left_out,
    }
    with replacing(store / "index.json") as file:
        file.write(json.dumps(index).encode())


def _look(frame: Frame) -> tuple[Record, Picture | None]:
    """Read a frame once: a first look at it, and itself; None if it cannot be read."""
    held: list[Picture] = []

    def load() -> Picture:
        if not held:
            held.append(frame.load())
        return held[0]

    record = look_at(dataclasses.replace(frame, load=load), StatisticsStore(None))
    return record, held[0] if held and not record.error else None


def _check_alike(records: Sequence[Record], folder: str | os.PathLike[str]) -> None:
    good = [r for r in records if not r.error]
    first, last = good[0], good[-1]
    for what in ("shape", "cfa", "white", "make", "model"):
        own, others = getattr(last, what), getattr(first, what)
        if own != others:
            raise ValueError(
                f"{folder}: all darks must be of one camera and size: {what} of {last.name} is {own}, "
                f"that of {first.name} {others}. Give each camera its own folder and profile"
            )


def _check_room(store: Path, needed: int) -> None:
    folder = store
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise ValueError(
            f"{store}: the frames take {needed / 1e9:.1f} GB there, and {free / 1e9:.1f} GB are free"
        )


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


def _frames(store: Path, entry: dict[str, Any]) -> np.ndarray:
    flat = np.memmap(store / entry["file"], "<u2", "r")
    return flat.reshape(-1, *entry["shape"])


def _hot(store: Path, entry: dict[str, Any]) -> np.ndarray:
    frames, order = _frames(store, entry), entry["order"]
    mean = np.zeros(entry["shape"], np.float32)
    square = 0.0
    for i in order:
        frame = frames[i].astype(np.float32)
        mean += frame / len(order)
        square += float(np.mean((frame[:, 2:] - frame[:, :-2]) ** 2)) / 2 / len(order)
    return find_hot_pixels(mean, float(np.sqrt(square / len(order))))[0]


def _check_not_clipped(
    store: Path, entries: Sequence[dict[str, Any]], folder: str | os.PathLike[str]
) -> None:
    for entry in entries:
        frame = _frames(store, entry)[entry["order"][0]]
        share = float((frame == frame.min()).mean())
        if share > _CLIPPED and frame.min() == 0:
            raise ValueError(
                f"{folder}: the darks of ISO {entry['iso']:g} are clipped at 0 ({100 * share:.1f} % of "
                "pixels): what lies below black is cut off. Shoot raw with the black level left in"
            )


def _open(store: Path) -> DarkStore:
    index = json.loads((store / "index.json").read_text())
    darks = tuple(
        Darks(
            entry["iso"],
            _frames(store, entry),
            np.array(entry["levels"]),
            tuple(entry["order"]),
            np.array(entry["hot"], dtype=np.int64).reshape(-1, 2),
        )
        for entry in index["isos"]
    )
    digest = hashlib.sha256("".join(e["sha256"] for e in index["isos"]).encode()).hexdigest()
    return DarkStore(
        store,
        darks,
        tuple(index["black"]),
        index["white"],
        index["cfa"],
        (index["camera"][0], index["camera"][1]),
        index["left_out"],
        digest,
    )
