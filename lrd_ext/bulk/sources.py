# SPDX-License-Identifier: Apache-2.0
"""What pairs are made of: raw files, folders of them, stores of tiles, and lists of files."""

from __future__ import annotations

import collections
import csv
import dataclasses
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lrd_ext import raw as raw_files
from lrd_ext.datasets.raw_folder import raw_files_in
from lrd_ext.datasets.tiles import INDEX, RawTiles
from lrd_ext.plain_text import cause
from lrd_ext.raw import Raw

from .storage import Storage

#: Lists of files: a table with a column of this name.
COLUMN, LISTS = "path", (".csv", ".parquet")


@dataclasses.dataclass(frozen=True)
class Source:
    """One picture that pairs are made of.

    Args:
        number: its place among all sources of a run; the noise is drawn by it.
        path: of the raw file, or of a folder that ``lrd data prepare`` made.
        tile: number of the mosaic in that folder; -1 of a raw file.
    """

    number: int
    path: str
    tile: int = -1

    @property
    def name(self) -> str:
        """What the files made of it are called by: its number first, so that names differ and sort."""
        return f"{self.number:06d}-{Path(self.path).stem}"

    def read(self) -> tuple[Raw, str]:
        """Return its picture and the SHA-256 of what was read.

        Raises:
            ValueError: it is damaged or no raw file.
            OSError: it is gone or cannot be read.
        """
        if self.tile < 0:
            return raw_files.read(self.path), hashlib.sha256(Path(self.path).read_bytes()).hexdigest()
        store = RawTiles(self.path, None)
        tile = store.tiles[self.tile]
        mosaic = np.array(store.mosaic(tile))
        if hashlib.sha256(mosaic.data).hexdigest() != tile.sha256:
            raise ValueError(f"{self.path}: mosaic {self.tile}, of {tile.source}, is damaged")
        raw = Raw(
            mosaic, tile.cfa, np.array(tile.black), tile.white, iso=tile.iso, exposure_s=tile.exposure_s
        )
        return raw, tile.sha256


def find_sources(inputs: Sequence[str | os.PathLike[str]], *, output: str | None = None) -> list[Source]:
    """List what pairs are made of, in the order given and by name inside a folder.

    Args:
        inputs: raw files; folders of raw files, in any depth; folders that ``lrd data prepare`` made; and
            lists of raw files, .csv or .parquet with a column ``path``, relative to the list's folder.
        output: where pairs shall go; what lies in it is no source where it is in one of those folders.

    Raises:
        ValueError: there is nothing, a file is named twice, a list has no such column, a folder holds no
            raw file or is the output. Files themselves are not looked at.
    """
    found: list[tuple[str, int]] = []
    for given in map(Path, inputs):
        if (given / INDEX).is_file():
            found += [(str(given), tile) for tile in range(len(RawTiles(given, None).tiles))]
        elif given.is_dir():
            found += [(str(path), -1) for path in _raw_files_but(output, given)]
        elif given.suffix.lower() in LISTS:
            found += [(str(given.parent / path), -1) for path in _listed(given)]
        else:
            found.append((str(given), -1))
    if not found:
        raise ValueError("inputs must name at least one raw file")
    twice = [path for (path, _), n in collections.Counter(found).items() if n > 1]
    if twice:
        raise ValueError(f"inputs must name each file once, got {twice[0]} twice")
    return [Source(number, path, tile) for number, (path, tile) in enumerate(found)]


def _raw_files_but(output: str | None, folder: Path) -> list[Path]:
    """List the raw files in a folder, without those below an output inside it."""
    found = raw_files_in(folder)
    if output is None or not (storage := Storage(output)).local:
        return found
    out, within = Path(os.path.realpath(storage.root)), Path(os.path.realpath(folder))
    if out == within:
        raise ValueError(
            f"{folder}: would take the pairs written there for pictures; write them to a folder of their own"
        )
    if not out.is_relative_to(within):
        return found
    return [path for path in found if not path.is_relative_to(folder / out.relative_to(within))]


def _listed(table: Path) -> list[str]:
    try:
        if table.suffix.lower() == ".csv":
            with open(table, newline="", encoding="utf-8-sig") as file:
                rows = csv.DictReader(file)
                names = list(rows.fieldnames or ())
                paths = [row[COLUMN] for row in rows] if COLUMN in names else []
        else:
            from pyarrow import parquet

            names = parquet.read_schema(table).names
            paths = parquet.read_table(table, columns=[COLUMN])[COLUMN].to_pylist() if COLUMN in names else []
    except (csv.Error, UnicodeDecodeError, ValueError) as error:  # pyarrow's errors are ValueErrors
        raise ValueError(f"{table}: cannot be read ({cause(error)})") from error
    if COLUMN not in names:
        raise ValueError(f"{table}: must have a column {COLUMN}, got {', '.join(map(str, names)) or 'none'}")
    if not all(isinstance(path, str) and path for path in paths):
        raise ValueError(f"{table}: column {COLUMN} must name a file in every row")
    return list(paths)
