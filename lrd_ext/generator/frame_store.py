# SPDX-License-Identifier: Apache-2.0
"""Frames on disk as training reads them: uint16 in a row, whole or not there, known by their content."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from lrd_ext.calibration.bad_frames import Sensor
from lrd_ext.calibration.frames import Frame, Picture
from lrd_ext.calibration.statistics_store import StatisticsStore
from lrd_ext.calibration.survey import Record, look_at
from lrd_ext.outputs import replacing

INDEX = "index.json"
#: What stores write below the folder of all cameras' frames; a killed run leaves temporary files.
_OWN = re.compile(r"\d+/(pairs/)?(index\.json|(iso_[^/]+|noisy|clean)\.u16|\.lrd_ext-[^/]+\.part)")


class FrameWriter:
    """Writes frames to files of a store, each opened with its first frame.

    Args:
        store: folder of the store.
        stack: closes the files; they take their names when it ends well.
    """

    def __init__(self, store: Path, stack: ExitStack) -> None:
        self.store, self._stack = store, stack
        self._files: dict[str, BinaryIO] = {}
        self._digests: dict[str, Any] = {}
        self._counts: dict[str, int] = {}

    def add(self, name: str, mosaic: np.ndarray, to_come: int) -> int:
        """Append a frame to a file and return its number there.

        Raises:
            ValueError: the disk has no room for the ``to_come`` frames from this one on.
        """
        if name not in self._files:
            check_room(self.store, mosaic.nbytes * to_come)
            self._files[name] = self._stack.enter_context(replacing(self.store / name))
            self._digests[name], self._counts[name] = hashlib.sha256(), 0
        data = np.ascontiguousarray(mosaic)
        self._files[name].write(data.data)
        self._digests[name].update(data.data)
        self._counts[name] += 1
        return self._counts[name] - 1

    def sha256(self, name: str) -> str:
        """Return the checksum of a file."""
        return str(self._digests[name].hexdigest())


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Store:
    """What the frames of a store share.

    ``black`` (4,) by site and ``white``, raw DN; ``camera`` make and model; ``left_out`` names frames and the
    reason; ``digest`` tells the content of all files.
    """

    black: tuple[float, ...]
    white: float
    cfa: str
    camera: tuple[str, str]
    left_out: dict[str, str]
    digest: str


def index_of(store: Path, identity: str, write: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return the index of a store of these frames, which ``write`` fills where it is not there whole.

    The index is written last, so that a store is whole or not at all. Its list ``files`` holds an entry of
    ``file`` and ``sha256`` at least for each.
    """
    if not _is_of(store, identity):
        (store / INDEX).unlink(missing_ok=True)
        written = write()
        with replacing(store / INDEX) as file:
            file.write(json.dumps({"identity": identity} | written).encode())
    return dict(json.loads((store / INDEX).read_text()))


def told(first: Record | Sensor, black: Sequence[float], left_out: dict[str, str]) -> dict[str, Any]:
    """Return what an index says of all frames; ``first`` is of their camera."""
    camera = [first.make, first.model]
    shared = {"black": list(black), "white": first.white, "cfa": first.cfa, "camera": camera}
    return shared | {"left_out": left_out}


def shared(index: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of :class:`Store` from an index."""
    digest = hashlib.sha256("".join(entry["sha256"] for entry in index["files"]).encode()).hexdigest()
    same = {name: index[name] for name in ("white", "cfa", "left_out")}
    tuples = {name: tuple(index[name]) for name in ("black", "camera")}
    return {"digest": digest} | same | tuples


def _is_of(store: Path, identity: str) -> bool:
    try:
        index = json.loads((store / INDEX).read_text())
        return index["identity"] == identity and all(_is_whole(store, entry) for entry in index["files"])
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _is_whole(store: Path, entry: dict[str, Any]) -> bool:
    digest = hashlib.sha256()
    with open(store / entry["file"], "rb") as file:
        while part := file.read(1 << 22):
            digest.update(part)
    return digest.hexdigest() == entry["sha256"]


class StoredFrames:
    """The frames of a file of a store, ``shape`` (n, H, W) uint16; each is mapped while it is looked at.

    Of a file mapped as a whole every page that was ever read stays resident, gigabytes in the end.
    """

    def __init__(self, path: Path, height: int, width: int) -> None:
        self.path = path
        self.shape = (path.stat().st_size // (2 * height * width), height, width)

    def __getitem__(self, number: int) -> np.ndarray:
        frame = self.shape[1:]
        return np.memmap(self.path, "<u2", "r", 2 * math.prod(frame) * number, frame)


def look(frame: Frame) -> tuple[Record, Picture | None]:
    """Read a frame once: a first look at it, and itself; None if it cannot be read."""
    held: list[Picture] = []

    def load() -> Picture:
        if not held:
            held.append(frame.load())
        return held[0]

    record = look_at(dataclasses.replace(frame, load=load), StatisticsStore(None))
    return record, held[0] if held and not record.error else None


def check_alike(records: Sequence[Record], folder: str | os.PathLike[str], what: str) -> None:
    """Refuse the last of the frames read so far if it is not of the camera and size of the first.

    Raises:
        ValueError: it is not; the text names ``what`` must be alike.
    """
    good = [r for r in records if not r.error]
    first, last = good[0], good[-1]
    for field in ("shape", "cfa", "white", "make", "model"):
        own, others = getattr(last, field), getattr(first, field)
        if own != others:
            raise ValueError(
                f"{folder}: all {what} must be of one camera and size: {field} of {last.name} is {own}, "
                f"that of {first.name} {others}. Give each camera its own folder and profile"
            )


def check_room(store: Path, needed: int) -> None:
    """Refuse a store that would not fit on its disk.

    Raises:
        ValueError: it would not; the text tells both sizes.
    """
    folder = store
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise ValueError(
            f"{store}: the frames take {needed / 1e9:.1f} GB there, and {free / 1e9:.1f} GB are free"
        )


def check_free(kept: Path, folders: Sequence[str | os.PathLike[str]]) -> None:
    """Refuse a folder for the stores of all cameras that holds anything else, before frames are read.

    Args:
        kept: of the stores; they are removed from it when they are no longer needed.
        folders: that frames are read from.

    Raises:
        ValueError: it holds files that no store wrote, or frames are read from it.
    """
    wrong = [f"FOLDER {f} lies there" for f in folders if Path(f).resolve().is_relative_to(kept.resolve())]
    wrong += [f"{path} is none of these" for path, own in _files(kept) if not own]
    if wrong:
        raise ValueError(
            f"{kept}: is for the frames as training reads them, and {wrong[0]}. Move it, or give --output "
            "another name"
        )


def remove_stores(kept: Path) -> None:
    """Remove what stores wrote below a folder, and the folders that leaves empty."""
    for path, own in _files(kept):
        if own:
            path.unlink()
    for folder, _, _ in os.walk(kept, topdown=False):
        with suppress(OSError):  # somebody's file came in meanwhile
            os.rmdir(folder)


def _files(kept: Path) -> Iterator[tuple[Path, bool]]:
    """Yield all files below a folder, and whether a store wrote them."""
    for root, folders, names in os.walk(kept):
        links = [name for name in folders if os.path.islink(os.path.join(root, name))]
        for path in (Path(root, name) for name in (*names, *links)):
            yield path, _OWN.fullmatch(path.relative_to(kept).as_posix()) is not None
