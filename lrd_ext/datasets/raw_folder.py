# SPDX-License-Identifier: Apache-2.0
"""RawFolder: fresh crops straight from raw files, nothing prepared."""

from __future__ import annotations

import dataclasses
import functools
import importlib.util
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from lrd_ext import raw as raw_files
from lrd_ext.calibration.frames import NOT_RAW
from lrd_ext.cfa import BY_SITE, Order, check_cfa
from lrd_ext.raw import Raw

from .mosaics import Mosaic, black_by_site, check_arguments, item_of, mosaic_of, with_black


@dataclasses.dataclass(frozen=True)
class _Known(Mosaic):
    """What a first reading of a file told; ``top`` and ``left`` of the mosaic on the whole sensor.

    ``regions``: whether flashraw is there and gave the whole sensor as LibRaw did, bit for bit.
    """

    top: int
    left: int
    regions: bool


class RawFolder(Dataset[dict[str, Any]]):
    """Fresh crops of the raw files in a folder, decoded when they are asked for.

    Items are those of :class:`RawTiles` on the same files in whole frames, bit for bit. A file is decoded
    whole for every item, which takes tens of milliseconds and more: ``lrd data prepare`` does it once. Where
    the package flashraw is installed (``pip install 'lrd_ext[flashraw]'``), the first item of a file in each
    process compares its decoder with LibRaw's; where they agree in every value, later items read the region
    of the crop alone. Keep workers alive (``persistent_workers=True``), so that they compare once, and start
    them by "forkserver" or "spawn": LibRaw's threads may hang in forked ones, and rawpy warns of it.

    Args:
        root: folder with raw files, in any depth; other files beside them, such as JPEGs, are passed over.
        size: height and width of a crop in 2x2 cells, so packed crops are (4, size, size); None gives whole
            frames.
        samples: items in an epoch; default, one for each file. Item i of epoch e is cut from file
            (i + e * samples) mod (files), in the order of their names.
        seed: of the places of the crops.
        order: of the channels, see :class:`RawTiles`.
        regions: False to have LibRaw decode every file whole, flashraw or not.
        black: black level in place of the files', raw DN, one number or four by site.

    An item raises :class:`lrd_ext.raw.RawFileError` where its file cannot be read, and ValueError where it is
    smaller than a crop, gives no black level, or one that differs beyond the 2x2 sites; both name the file.

    Raises:
        ValueError: there is no such folder, or no raw file in it.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        size: int | None = 512,
        samples: int | None = None,
        *,
        seed: int = 0,
        regions: bool = True,
        order: Order = "site",
        black: float | Sequence[float] | None = None,
    ) -> None:
        check_arguments(size, samples, order)
        self.paths = raw_files_in(Path(root))
        self.size, self.seed, self.regions, self.order = size, seed, regions, order
        self.black = black_by_site(black)
        self.samples = samples or len(self.paths)
        self._known: dict[Path, _Known] = {}

    def __len__(self) -> int:
        return self.samples

    def __getitem__(self, identity: int) -> dict[str, Any]:
        path = self.paths[mosaic_of(identity, self.samples, len(self.paths))]
        known = self._known.get(path)
        if known is not None and known.regions:
            cut = functools.partial(_region, path, known)
        else:
            raw = with_black(raw_files.read(path), self.black, path)
            known = self._known[path] = known or self._look(path, raw)
            cut = functools.partial(_window, raw.whole_cells)
        return item_of(known, cut, self.size, self.seed, identity, self.order)

    def _look(self, path: Path, raw: Raw) -> _Known:
        check_cfa(raw.cfa, among=BY_SITE, what=f"{path}: pattern of training data")
        raw.check_black(str(path))
        height, width = raw.whole_cells.shape
        if self.size is not None and min(height, width) < 2 * self.size:
            raise ValueError(
                f"{path}: size must fit every file, got {self.size} cells of {width} x {height} sites"
            )
        a, b, c, d = (float(level) for level in raw.black)
        top, left = raw.active_area[:2]
        return _Known(
            source=path.name,
            height=height,
            width=width,
            origin=(0, 0),
            cfa=raw.cfa,
            black=(a, b, c, d),
            white=raw.white,
            iso=raw.iso,
            exposure_s=raw.exposure_s,
            camera=raw.camera,
            top=top + top % 2,
            left=left + left % 2,
            regions=self.regions and _agrees(path, raw.mosaic),
        )


def raw_files_in(root: Path) -> list[Path]:
    """List the raw files in a folder, in any depth, in the order of their names.

    Raises:
        ValueError: there is no such folder, or no raw file in it.
    """
    if not root.is_dir():
        raise ValueError(f"{root}: no such folder; one with raw files is needed")
    found = [
        path
        for path in sorted(root.rglob("*"))
        if path.is_file()
        and path.suffix.lower() not in NOT_RAW
        and not any(part.startswith(".") for part in path.relative_to(root).parts)
    ]
    if not found:
        raise ValueError(f"{root}: holds no raw files")
    return found


def _agrees(path: Path, mosaic: np.ndarray) -> bool:
    """Whether flashraw is installed and decodes the whole sensor of a file as LibRaw does."""
    if importlib.util.find_spec("flashraw") is None:
        return False
    import flashraw

    try:
        with flashraw.open(path) as file:
            values = file.decode(threads=1, corruption_policy="strict").array
    except Exception:  # a young library: whatever it raises, LibRaw has read the file
        return False
    return values.dtype == np.uint16 and np.array_equal(values.squeeze(), mosaic)


def _window(pixels: np.ndarray, row: int, column: int, height: int, width: int) -> np.ndarray:
    return pixels[row : row + height, column : column + width]


def _region(path: Path, known: _Known, row: int, column: int, height: int, width: int) -> np.ndarray:
    import flashraw

    place = (known.left + column, known.top + row, width, height)
    with flashraw.open(path) as file:
        return np.asarray(file.decode_region(place, threads=1, corruption_policy="strict").array).squeeze()
