# SPDX-License-Identifier: Apache-2.0
"""What the pairs of a run are made by; together with the sources it decides every byte of the output."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from lrd_ext.augment import LowLightNoise
from lrd_ext.cfa import BY_SITE, check_cfa
from lrd_ext.datasets import identity_of
from lrd_ext.datasets.mosaics import packed
from lrd_ext.profiles import CameraProfile
from lrd_ext.profiles.draws import Choice
from lrd_ext.raw import Raw
from lrd_ext.reference import STREAM_VERSION
from lrd_ext.version import __version__

FORMATS = ("npz", "webdataset", "parquet", "tiles", "dng")
"""Kinds of output: .npz pairs as ``datasets.PairFolder`` reads them, tar files, Parquet files, two stores of
raw mosaics as ``datasets.RawTiles`` reads them, raw files."""

#: Pictures of one source have their numbers from source * CROPS on.
CROPS = 2**16


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What every source of a run becomes.

    Args:
        cameras: profiles; each sample gets one of them.
        iso: a number, a tuple (low, high) drawn log-uniformly, or a list of choices.
        ratio: how many times less light: a number, a tuple (low, high) drawn uniformly, or a list of choices.
        seed: of the noise and of what is drawn per sample; any int, bits taken mod 2^64.
        copies: how often each crop is made, each time with other noise, at least 1.
        size: height and width of crops in 2x2 cells, side by side from the upper left of each source, what is
            left over is dropped; None takes whole frames.
        format: a name of :data:`FORMATS`. "dng" makes whole raw files and wants one camera, ISO and ratio.

    Raises:
        ValueError: a value is out of range, or "dng" is asked for with crops or several settings.
    """

    cameras: tuple[CameraProfile, ...]
    iso: Choice
    ratio: Choice = 1.0
    seed: int = 0
    copies: int = 1
    size: int | None = 512
    format: str = "npz"

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            raise ValueError(f"format must be one of {', '.join(FORMATS)}, got {self.format!r}")
        if not 1 <= self.copies < CROPS:
            raise ValueError(f"copies must be in [1, {CROPS}), got {self.copies}")
        if self.size is not None and self.size < 1:
            raise ValueError(f"size must be at least 1 cell, got {self.size}")
        if self.format == "dng":
            several = len(self.cameras) > 1 or isinstance(self.iso, tuple | list)
            if several or isinstance(self.ratio, tuple | list):
                raise ValueError("format 'dng' wants one camera, one ISO and one ratio for all files")
            if self.size is not None:
                raise ValueError(f"format 'dng' makes whole frames: size must be None, got {self.size}")
        self.noise()

    def noise(self) -> LowLightNoise:
        """Return what draws the noise; it refuses an ISO or ratio out of range."""
        return LowLightNoise(self.cameras, iso=self.iso, ratio=self.ratio, seed=self.seed)

    def items(self, number: int, raw: Raw, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield (key, item) of every crop and copy of a source, items as those of ``datasets.RawTiles``.

        Args:
            number: of the source.
            raw: its picture.
            name: what its keys begin with.

        Raises:
            ValueError: the picture is neither Bayer nor monochrome, has no black level or more than its 2x2
                sites have, holds no crop, or more of them than there are numbers.
        """
        check_cfa(raw.cfa, among=BY_SITE, what=f"{name}: pattern of training data")
        raw.check_black(name)
        if not raw.black_known:
            raise ValueError(f"{name}: gives no black level; prepare it first: lrd data prepare --black")
        mosaic = np.ascontiguousarray(raw.whole_cells)
        height, width = mosaic.shape if self.size is None else (2 * self.size, 2 * self.size)
        corners = [
            (row, column)
            for row in range(0, mosaic.shape[0] - height + 1, height)
            for column in range(0, mosaic.shape[1] - width + 1, width)
        ]
        if not 1 <= len(corners) <= CROPS:
            raise ValueError(
                f"{mosaic.shape[1]} x {mosaic.shape[0]} sites hold {len(corners)} crops of {self.size} cells"
            )
        for copy in range(self.copies):
            for crop, (row, column) in enumerate(corners):
                item = {
                    "clean": packed(mosaic[row : row + height, column : column + width], range(4)),
                    "black": raw.black,
                    "white": raw.white,
                    "cfa": raw.cfa,
                    "origin": (row, column),
                    "iso": math.nan if raw.iso is None else raw.iso,
                    "index": identity_of(number * CROPS + crop, copy),
                }
                yield f"{name}-{crop:04d}-{copy:04d}", item

    def told(self) -> dict[str, Any]:
        """Return everything that decides the output but the sources, ready for JSON."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        told = fields | {
            "cameras": [
                {"name": one.name, "sha256": hashlib.sha256(one.to_bytes()).hexdigest()}
                for one in self.cameras
            ],
            "software": f"lrd_ext {__version__}",
            "stream_version": STREAM_VERSION,
        }
        return dict(json.loads(json.dumps(told)))  # tuples as they come back from a file
