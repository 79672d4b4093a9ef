# SPDX-License-Identifier: Apache-2.0
"""From raw files to a store of tiles: decoded once, checksummed; a killed run goes on where it was."""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

import numpy as np

from lrd_ext import raw as raw_files
from lrd_ext.cfa import BY_SITE, check_cfa
from lrd_ext.outputs import replacing
from lrd_ext.raw import Raw

from .mosaics import black_by_site, with_black
from .tiles import FORMAT, INDEX, JOURNAL, VERSION, StoredValues, Tile, read_index, read_table

#: What can go wrong with one input without being a fault of this program.
_FILE_ERRORS = (ValueError, TypeError, OSError, MemoryError)


@dataclasses.dataclass(frozen=True)
class Prepared:
    """What a run did: tiles in the store, sources they are from, and inputs left out with the reason."""

    tiles: int
    sources: int
    left_out: dict[str, str]


def prepare_tiles(
    inputs: Sequence[str | os.PathLike[str]],
    root: str | os.PathLike[str],
    *,
    tile: int | None = None,
    jobs: int = 1,
    overwrite: bool = False,
    progress: Callable[[str], None] = lambda name: None,
    read: Callable[[Path], Raw] | None = None,
    black: float | Sequence[float] | None = None,
    given: Mapping[str, Any] | None = None,
) -> Prepared:
    """Decode raw files into a store of mosaics that :class:`~lrd_ext.datasets.RawTiles` maps into memory.

    What is stored are the unmasked pixels in whole 2x2 cells, as read. Each source is noted when its values
    are on disk: a killed run, started again with the same inputs, goes on behind it and ends with the same
    bytes. The table that makes it a store is written last; an older store is kept until then.

    Args:
        inputs: raw files.
        root: folder of the store, made where it is missing.
        tile: height and width of tiles in 2x2 cells, from the upper left, what is left over is dropped; None
            stores whole frames.
        jobs: files that are decoded at the same time.
        overwrite: make the store anew where a finished one exists.
        progress: called with the name of each input when it is done.
        read: what reads an input, on several threads; default :func:`lrd_ext.raw.read`.
        black: black level in place of the files', raw DN, one number or four by site; without it a file that
            gives none is left out.
        given: what the mosaics follow from beside the files, such as what ``read`` goes by; values JSON
            takes. The store keeps it, and a killed run of other values is not gone on with.

    Raises:
        ValueError: there are no inputs, one is given twice, a finished store exists, another process is
            writing this one, or no input can be read.
        OSError: the store cannot be written; what was noted by then stays, and the next run goes on.
    """
    paths = [Path(os.path.realpath(path)) for path in inputs]
    _check(paths, tile, jobs)
    folder = Path(root)
    levels = black_by_site(black)
    if levels is not None:
        given = {**(given or {}), "black": levels}

    def read_levels(path: Path) -> Raw:
        return with_black((read or raw_files.read)(path), levels, path)

    if (folder / INDEX).exists() and not _forget_journal(folder, paths, given) and not overwrite:
        raise ValueError(f"{root}: holds a finished store already; say --overwrite to make it anew")
    folder.mkdir(parents=True, exist_ok=True)
    store = _Store(folder, tile, given)
    left_out = {}
    try:
        for path, result in _decoded([p for p in paths if not store.holds(p)], read_levels, tile, jobs):
            if isinstance(result, Exception):
                left_out[str(path)] = str(result) or type(result).__name__
            else:
                store.add(path, result)
            progress(path.name)
    finally:
        store.close()
    tiles = store.finish(paths, left_out)
    return Prepared(len(tiles), len({t.source_sha256 for t in tiles}), left_out)


def is_prepared(
    inputs: Sequence[str | os.PathLike[str]],
    root: str | os.PathLike[str],
    given: Mapping[str, Any] | None = None,
) -> bool:
    """Whether a finished store holds these files, all of them and no others, as they are now.

    ``given``: as that of :func:`prepare_tiles`, its "black" included; a store made by other values is not it.
    """
    try:
        table = read_table(root)
        read_index(root)
    except ValueError:
        return False
    files = [_told(_state(Path(os.path.realpath(path)))) for path in inputs]
    return bool((table.get("files"), table.get("given")) == (files, given))


def verify_tiles(
    root: str | os.PathLike[str], *, progress: Callable[[str], None] = lambda name: None
) -> list[Tile]:
    """Return the tiles of a store whose values are not those that were stored.

    Raises:
        ValueError: there is no finished store.
    """
    tiles = read_index(root)
    values = StoredValues(root)
    damaged = []
    for tile in tiles:
        if _digest(values.of(tile)) != tile.sha256:
            damaged.append(tile)
        progress(tile.source)
    return damaged


def _check(paths: Sequence[Path], tile: int | None, jobs: int) -> None:
    if not paths:
        raise ValueError("inputs must name at least one raw file")
    twice = [path for path, n in collections.Counter(paths).items() if n > 1]
    if twice:
        raise ValueError(f"inputs must name each file once, got {twice[0]} twice")
    if tile is not None and tile < 1:
        raise ValueError(f"tile must be at least 1 cell, got {tile}")
    if jobs < 1:
        raise ValueError(f"jobs must be at least 1, got {jobs}")


def _forget_journal(folder: Path, paths: Sequence[Path], given: Mapping[str, Any] | None) -> bool:
    """Whether a run for these inputs was killed behind its table; the journal of one for others is removed.

    That journal names the file of the finished store, which a new run would go on writing to.
    """
    journal = folder / JOURNAL
    if not journal.is_file() or is_prepared(paths, folder, given):
        return journal.is_file()
    if [line.get("mosaics") for line in _lines(journal)[:1]] == [_finished(folder)]:
        journal.unlink()
    return False


def _finished(folder: Path) -> str | None:
    """Return the name of the file of values of the finished store in a folder, if there is one."""
    try:
        return str(read_table(folder).get("mosaics"))
    except ValueError:
        return None


#: Tiles of one source, without their place in the store, and their values.
_Decoded = list[tuple[dict[str, Any], np.ndarray]]


def _decoded(
    paths: Sequence[Path], read: Callable[[Path], Raw], tile: int | None, jobs: int
) -> Iterator[tuple[Path, _Decoded | Exception]]:
    """Decode in the order of the inputs, never more than two ahead of each worker: memory stays bounded."""
    waiting: collections.deque[tuple[Path, Future[_Decoded]]] = collections.deque()
    coming = iter(paths)
    with ThreadPoolExecutor(jobs) as pool:
        try:
            for path in coming:
                waiting.append((path, pool.submit(_decode, path, read, tile)))
                if len(waiting) >= 2 * jobs:
                    yield _outcome(*waiting.popleft())
            while waiting:
                yield _outcome(*waiting.popleft())
        finally:
            for _, future in waiting:
                future.cancel()


def _outcome(path: Path, future: Future[_Decoded]) -> tuple[Path, _Decoded | Exception]:
    try:
        return path, future.result()
    except _FILE_ERRORS as error:
        return path, error


def _decode(path: Path, read: Callable[[Path], Raw], tile: int | None) -> _Decoded:
    raw = read(path)
    check_cfa(raw.cfa, among=BY_SITE, what=f"{path}: pattern of training data")
    raw.check_black(str(path))
    mosaic = np.ascontiguousarray(raw.whole_cells, "<u2")
    about = {
        "source": path.name,
        "source_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "cfa": raw.cfa,
        "black": raw.black.tolist(),
        "white": raw.white,
        "iso": raw.iso,
        "exposure_s": raw.exposure_s,
        "camera": raw.camera,
    }
    if tile is None:
        return [_entry(about, mosaic, (0, 0))]
    side = 2 * tile
    corners = [
        (row, column)
        for row in range(0, mosaic.shape[0] - side + 1, side)
        for column in range(0, mosaic.shape[1] - side + 1, side)
    ]
    if not corners:
        raise ValueError(f"{path}: {mosaic.shape[1]} x {mosaic.shape[0]} sites hold no tile of {tile} cells")
    return [_entry(about, mosaic[r : r + side, c : c + side], (r, c)) for r, c in corners]


def _entry(
    about: dict[str, Any], values: np.ndarray, origin: tuple[int, int]
) -> tuple[dict[str, Any], np.ndarray]:
    values = np.ascontiguousarray(values)
    place = {"height": values.shape[0], "width": values.shape[1], "origin": origin}
    return about | place | {"sha256": _digest(values)}, values


def _digest(values: np.ndarray) -> str:
    return hashlib.sha256(values.data).hexdigest()


def alone(file: IO[bytes] | int) -> bool:
    """Whether no other process holds the open file, from now on this one; where that cannot be told, True."""
    try:
        import fcntl
    except ImportError:  # not POSIX
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


def _lines(journal: Path) -> list[dict[str, Any]]:
    lines = []
    for line in journal.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            lines.append(json.loads(line))
        except ValueError:  # the line a killed run was writing
            break
    return lines


class _Store:
    """A store being made: values appended to one file, a line in the journal for each source that is in."""

    def __init__(self, folder: Path, tile: int | None, given: Mapping[str, Any] | None) -> None:
        self.folder, self.tile, self.given = folder, tile, given
        self.name, self.sources = self._noted()
        self.end = max(
            (entry["offset"] + entry["height"] * entry["width"] for entry in self._entries()), default=0
        )
        self._values = open(folder / self.name, "ab")  # noqa: SIM115 (closed by close)
        if not alone(self._values):
            self._values.close()
            raise ValueError(f"{folder}: another process is writing this store; wait for it, or stop it")
        self._values.truncate(2 * self.end)  # what was written but not noted
        head = {"format": FORMAT, "version": VERSION, "mosaics": self.name, "tile": tile, "given": given}
        with replacing(folder / JOURNAL) as file:
            file.write("".join(json.dumps(line) + "\n" for line in (head, *self.sources)).encode())
        self._journal = open(folder / JOURNAL, "a", encoding="utf-8")  # noqa: SIM115

    def _noted(self) -> tuple[str, list[dict[str, Any]]]:
        """Return the name of the file of values and the sources an earlier run noted there."""
        journal = self.folder / JOURNAL
        lines = _lines(journal) if journal.is_file() else []
        head = lines[0] if lines else {}
        values = self.folder / str(head.get("mosaics"))
        made_by = (head.get("version"), head.get("tile"), head.get("given"))
        if made_by == (VERSION, self.tile, self.given) and values.is_file():
            size = values.stat().st_size
            whole = [
                s
                for s in lines[1:]
                if all(2 * (t["offset"] + t["height"] * t["width"]) <= size for t in s["tiles"])
            ]
            return values.name, whole
        first, other = "mosaics-0.u16", "mosaics-1.u16"
        return other if _finished(self.folder) == first else first, []

    def _entries(self) -> Iterator[dict[str, Any]]:
        return (entry for source in self.sources for entry in source["tiles"])

    def holds(self, path: Path) -> bool:
        """Whether the file, as it is now, was stored by an earlier run."""
        return any(source["file"] == _state(path) for source in self.sources)

    def add(self, path: Path, decoded: _Decoded) -> None:
        """Append the tiles of one source."""
        tiles: list[dict[str, Any]] = []
        try:
            for entry, values in decoded:
                self._values.write(values.data)
                tiles.append(entry | {"offset": self.end + sum(t["height"] * t["width"] for t in tiles)})
            self._values.flush()
            os.fsync(self._values.fileno())
            source = {"file": _state(path), "tiles": tiles}
            self._journal.write(json.dumps(source) + "\n")
            self._journal.flush()
            os.fsync(self._journal.fileno())
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self.folder)) from error
        # What an earlier run stored of the same file, before it was changed, is left behind.
        self.sources = [s for s in self.sources if s["file"]["path"] != str(path)] + [source]
        self.end += sum(t["height"] * t["width"] for t in tiles)

    def close(self) -> None:
        """Close the files; what was noted stays."""
        self._values.close()
        self._journal.close()

    def finish(self, paths: Sequence[Path], left_out: dict[str, str]) -> list[Tile]:
        """Write the table, in the order of the inputs, and remove what it replaces."""
        order = {str(path): i for i, path in enumerate(paths)}
        sources = [s for s in self.sources if s["file"]["path"] in order]
        sources.sort(key=lambda s: order[s["file"]["path"]])
        entries = [t for s in sources for t in s["tiles"]]
        if not entries:
            (self.folder / self.name).unlink()
            (self.folder / JOURNAL).unlink()
            raise ValueError(f"none of the inputs could be read: {next(iter(left_out.values()))}")
        table = {
            "format": FORMAT,
            "version": VERSION,
            "mosaics": self.name,
            "values": self.end,
            "given": self.given,
            # By the place among the inputs: what belongs to a picture of another store is known by its place.
            "left_out": {str(i): p.name for i, p in enumerate(paths) if str(p) in left_out},
            "files": [_told(s["file"]) for s in sources],
            "tiles": entries,
        }
        with replacing(self.folder / INDEX) as file:
            file.write(json.dumps(table, indent=1).encode())
        for old in self.folder.glob("mosaics-*.u16"):
            if old.name != self.name:
                old.unlink()
        (self.folder / JOURNAL).unlink()
        return [Tile.from_dict(entry) for entry in entries]


def _told(state: dict[str, Any]) -> dict[str, Any]:
    """Return what a finished store, which may be given away, tells of a file: its name, not where it lay."""
    return state | {"path": Path(state["path"]).name}


def _state(path: Path) -> dict[str, Any]:
    state = path.stat() if path.exists() else None
    return {"path": str(path), "size": state and state.st_size, "time": state and state.st_mtime_ns}
