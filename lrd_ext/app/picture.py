# SPDX-License-Identifier: Apache-2.0
"""One opened raw picture: its colours and brightness settled once, parts of it cut out as the eye sees it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from lrd_ext import raw as raw_files
from lrd_ext.raw.preview import camera_white

if TYPE_CHECKING:
    from lrd_ext.raw import Raw


@dataclasses.dataclass(frozen=True, eq=False)
class Picture:
    """A raw picture.

    Attributes:
        path: its file.
        raw: the file's content.
        shown: the same with a white balance, so that every part of it gets the same colours.
        brightening: EV that make it bright enough for the eye.
    """

    path: Path
    raw: Raw
    shown: Raw
    brightening: float

    @classmethod
    def open(cls, path: Path) -> Picture:
        """Read a raw file.

        Raises:
            RawFileError, OSError: it cannot be read.
            ValueError: it is too small to show parts of, or has more black levels than the program the page
                writes would know.
        """
        raw = raw_files.read(path)
        if min(raw.whole_cells.shape) < 16:
            height, width = raw.active.shape
            raise ValueError(f"{path}: must be at least 16 x 16 pixels, got {width} x {height}")
        if raw.black_offsets is not None:
            rows, columns = raw.black_offsets.shape
            raise ValueError(
                f"{path}: black level differs over {rows} x {columns} pixels: lrd synth takes it"
            )
        white = None if raw.cfa == raw_files.MONO else camera_white(raw)
        shown = raw.replace(as_shot_neutral=white)
        return cls(path, raw, shown, raw_files.suggest_exposure(raw))

    @property
    def upright_size(self) -> tuple[int, int]:
        """Width and height as the picture is shown, pixels."""
        height, width = self.raw.whole_cells.shape
        return (height, width) if self.raw.orientation >= 5 else (width, height)

    def part(self, x: float, y: float, width: int, height: int) -> tuple[Raw, tuple[int, int]]:
        """Cut out a part, in whole CFA cells.

        Args:
            x: its middle across the upright picture, as a share in [0, 1]; moved so that the part fits.
            y: likewise, down.
            width: of the upright part, pixels; that of the picture where it has less.
            height: likewise.

        Returns: the part, and (row, column) of its first pixel in the mosaic.
        """
        orientation = self.raw.orientation  # undone in the reverse order of raw.render
        if orientation in (2, 3, 6, 7):
            x = 1 - x
        if orientation in (3, 4, 7, 8):
            y = 1 - y
        if orientation >= 5:
            x, y, width, height = y, x, height, width
        rows, columns = self.raw.whole_cell_area
        top, bottom = _stretch(rows, y, height, self.raw.cell)
        left, right = _stretch(columns, x, width, self.raw.cell)
        mosaic = self.shown.mosaic[top:bottom, left:right].copy()
        return self.shown.replace(mosaic=mosaic, active_area=None, opcode_lists={}), (top, left)


def _stretch(whole: slice, middle: float, size: int, cell: int) -> tuple[int, int]:
    """Return first and last line of ``size`` lines about a place, inside the whole and of whole cells."""
    lines = whole.stop - whole.start
    size = min(size, lines) // cell * cell
    first = round((middle * lines - size / 2) / cell) * cell
    first = whole.start + min(max(first, 0), lines - size)
    return first, first + size
