# SPDX-License-Identifier: Apache-2.0
"""RawTiles: mosaics of many raw pictures in one flat file mapped into memory, and fresh crops of them."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from lrd_ext.batch_memory import BatchMemory
from lrd_ext.cfa import Order
from lrd_ext.plain_text import cause

from .mosaics import Mosaic, check_arguments, item_of, mosaic_of

FORMAT, VERSION = "lrd_ext.raw_tiles", 1
#: The table of what is stored; it names the file of the mosaics, one after another, little-endian uint16, or
#: several such files, the "shards" of what ``lrd data synthesize`` made.
INDEX = "index.json"
#: Stands in place of the table until every mosaic is there; one line for each source that is.
JOURNAL = "index.part.jsonl"


@dataclasses.dataclass(frozen=True)
class Tile(Mosaic):
    """One mosaic of the store.

    Args:
        source_sha256: of the raw file it is from.
        offset: place of its first value in the file of values, counted in values.
        sha256: of its values as they lie in the store.
        file: name of that file; "" where the store has one only.
        ratio: how many times less light than the clean picture it got; None of a picture as it was taken.
    """

    source_sha256: str
    offset: int
    sha256: str
    file: str = ""
    ratio: float | None = None

    @classmethod
    def from_dict(cls, given: dict[str, Any]) -> Tile:
        """Make a tile from its line in the table."""
        a, b, c, d = (float(v) for v in given["black"])
        row, column = (int(v) for v in given["origin"])
        return cls(**given | {"black": (a, b, c, d), "origin": (row, column)})

    @property
    def end(self) -> int:
        """Place behind its last value, counted in values."""
        return self.offset + self.height * self.width


def read_index(root: str | os.PathLike[str]) -> list[Tile]:
    """Read the table of a store.

    Raises:
        ValueError: there is no store, it is not finished, or its table and its mosaics do not fit.
    """
    table = read_table(root)
    try:
        tiles = [Tile.from_dict(entry) for entry in table["tiles"]]
        files = {Path(name).name: int(n) for name, n in table.get("shards", {}).items()}
        files = files or {"": int(table["values"])}
        ends = [(tile.end, files[tile.file]) for tile in tiles]
        mosaics = {name: Path(root) / (name or Path(table["mosaics"]).name) for name in files}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{root}: its {INDEX} is broken ({cause(error)}); prepare the data again") from error
    for name, values in files.items():
        size = mosaics[name].stat().st_size if mosaics[name].is_file() else 0
        if not tiles or size != 2 * values or any(end > held for end, held in ends):
            raise ValueError(
                f"{mosaics[name]}: must hold {2 * values} bytes, got {size}; make the store again with "
                "--overwrite"
            )
    return tiles


class StoredValues:
    """The values of a store, each file mapped into memory when it is first asked for.

    Args:
        root: folder of the store.
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self._root, self._maps = Path(root), dict[str, np.ndarray]()

    def of(self, tile: Tile) -> np.ndarray:
        """Return those of a tile, (height, width) uint16, a view of the file that cannot be written."""
        if tile.file not in self._maps:
            name = tile.file or Path(read_table(self._root)["mosaics"]).name
            self._maps[tile.file] = np.memmap(self._root / name, "<u2", "r")
        return self._maps[tile.file][tile.offset : tile.end].reshape(tile.height, tile.width)

    def __getstate__(self) -> dict[str, Any]:
        # A worker maps the files itself: pickled, a map would become a copy of all values.
        return self.__dict__ | {"_maps": {}}


def read_table(root: str | os.PathLike[str]) -> dict[str, Any]:
    """Read the values of a store's table.

    Raises:
        ValueError: there is no finished store, or its table is broken.
    """
    folder = Path(root)
    table = folder / INDEX
    if not table.is_file():
        if (folder / JOURNAL).is_file():
            raise ValueError(f"{root}: is not finished; run the same lrd data prepare again, it goes on")
        raise ValueError(f"{root}: holds no raw tiles; lrd data prepare IN... -o {root} makes them")
    try:
        read = json.loads(table.read_text(encoding="utf-8"))
        found = (read["format"], read["version"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(
            f"{table}: is no table of raw tiles ({cause(error)}); prepare the data again"
        ) from error
    if found != (FORMAT, VERSION):
        raise ValueError(f"{table}: must be {FORMAT} version {VERSION}, got {found[0]} version {found[1]}")
    return dict(read)


class RawTiles(Dataset[dict[str, Any]]):
    """Fresh crops of the mosaics that ``lrd data prepare`` stored; nothing is decoded.

    An item is asked for by its identity, index + epoch * 2^40 (:class:`~lrd_ext.datasets.IdentitySampler`
    yields them): the crop depends on (seed, identity) only. A plain index is epoch 0.

    Args:
        root: folder of the store.
        size: height and width of a crop in 2x2 cells, so packed crops are (4, size, size); None gives whole
            tiles.
        samples: items in an epoch; default, one for each tile. Item i of epoch e is cut from tile
            (i + e * samples) mod (tiles): tiles take turns, over the epochs each as often as any other.
        seed: of the places of the crops.
        order: of the channels: "site"; "rgbg", R, the green of the red rows, B, the green of the blue rows,
            as SID, ELD and PMN pack; "rggb", R, the two greens likewise, B: the same colours in every phase.

    Items are dicts: ``clean`` (4, size, size) uint16, raw DN, channels in the item's ``order`` and its phase
    ``cfa``; ``black`` (4,) float32 by site and ``white``, raw DN; ``origin`` (row, column) of its first site
    on the active area; ``iso`` and ``exposure_s``, NaN where unknown; ``index``, the identity; ``id``, name
    of the source.

    Raises:
        ValueError: there is no finished store, or a tile is smaller than a crop.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        size: int | None = 512,
        samples: int | None = None,
        *,
        seed: int = 0,
        order: Order = "site",
    ) -> None:
        check_arguments(size, samples, order)
        self.tiles = read_index(root)
        self.root, self.size, self.seed, self.order = Path(root), size, seed, order
        small = [t for t in self.tiles if size is not None and min(t.height, t.width) < 2 * size]
        if small:
            named = f"{small[0].source} is {small[0].width} x {small[0].height} sites"
            raise ValueError(f"size must fit every tile, got {size} cells; {named}")
        self.samples = samples or len(self.tiles)
        self._values = StoredValues(root)
        self._memory = BatchMemory()

    def __len__(self) -> int:
        return self.samples

    def __getitem__(self, identity: int) -> dict[str, Any]:
        return self._item(identity)

    def __getitems__(self, identities: Sequence[int]) -> list[dict[str, Any]]:
        """Return the items of a batch, as a DataLoader asks for them: crops one behind another in memory."""
        if self.size is None or not identities:
            return [self._item(identity) for identity in identities]
        shape = (len(identities), 4, self.size, self.size)
        stack = self._memory.lend({"clean": shape}, torch.uint16)["clean"]
        return [self._item(identity, planes) for identity, planes in zip(identities, stack, strict=True)]

    def _item(self, identity: int, planes: torch.Tensor | None = None) -> dict[str, Any]:
        tile = self.tiles[mosaic_of(identity, self.samples, len(self.tiles))]
        values = self.mosaic(tile)

        def cut(row: int, column: int, height: int, width: int) -> np.ndarray:
            return values[row : row + height, column : column + width]

        return item_of(tile, cut, self.size, self.seed, identity, self.order, planes)

    def mosaic(self, tile: Tile) -> np.ndarray:
        """Return the values of a tile, (height, width) uint16, a view of the file that cannot be written."""
        return self._values.of(tile)
