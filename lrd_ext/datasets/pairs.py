# SPDX-License-Identifier: Apache-2.0
"""Pairs of a noisy and a clean raw file, as the published data sets hold them."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from lrd_ext import raw as raw_files
from lrd_ext.calibration.claimed_size import check_claimed_size
from lrd_ext.cfa import BAYER, ORDERS, pack, plane_sites, to_phase
from lrd_ext.plain_text import cause
from lrd_ext.raw import Raw

#: A file's exposure is that of its place in the data set within this factor, or it is another file. SID has
#: one pair of two ISOs, 00207_02_0.033s, which is 1.98 off.
_SAME_EXPOSURE = 2.0


@dataclasses.dataclass(frozen=True)
class Pair:
    """A noisy file and its clean one.

    Args:
        id: names the pair in its data set.
        group: pairs of one group are averaged in tables, such as "SID x100".
        noisy: raw file of the short exposure.
        clean: file of the long one.
        ratio: what the noisy signal is multiplied by; None takes the exposures.
        times_s: exposure times of the noisy and the clean file as their names tell them, in place of the
            files' own.
        nominal: ratio of exposures that the place in the data set promises; a file that is far from it is
            refused.
    """

    id: str
    group: str
    noisy: Path
    clean: Path
    ratio: float | None = None
    times_s: tuple[float, float] | None = None
    nominal: float | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class Frame:
    """One exposure of a pair: the whole cells of its mosaic, (H, W), raw DN, and what is told of it.

    ``black`` is by site; None where the file does not tell.
    """

    path: Path
    mosaic: np.ndarray
    cfa: str
    black: np.ndarray | None
    white: float
    iso: float | None
    exposure_s: float | None


class RawPairs(Dataset[dict[str, Any]]):
    """Pairs of raw files as packed signal; every published data set of this package is one.

    Items are dicts: ``noisy`` (4, h, w) float32, the short exposure above black over white - black, times
    ``ratio``, with what lies below black and above white; ``clean`` (4, h, w) float32, likewise, cut to
    [0, 1]; ``ratio``; ``iso`` of the noisy file, NaN where it tells none; ``id`` and ``group``, texts.

    Args:
        pairs: the files; a data set with none is refused.
        order: channels of the packed planes: "rggb" (R, the green of the red rows, the other green, B),
            "rgbg" (R, G, B, G) as ELD, SID and PMN pack, or "site".
        black: black level in raw DN in place of the files' own.
        white: white level in raw DN in place of the files' own.
        dark: gives for an ISO the dark shading to take off the noisy mosaic, DN above black: of the size of
            its whole cells or of the whole sensor, or four numbers for R, the greens of red and blue rows, B.

    Raises:
        ValueError: an unknown order or no pairs; an item whose files do not fit together, are not of the
            exposure their place promises, or cannot be read. The file is named.
    """

    def __init__(
        self,
        pairs: Sequence[Pair],
        *,
        order: str = "rggb",
        black: float | None = None,
        white: float | None = None,
        dark: Callable[[float], np.ndarray] | None = None,
    ) -> None:
        if order not in ORDERS:
            raise ValueError(f"order must be one of {', '.join(ORDERS)}, got {order!r}")
        if not pairs:
            raise ValueError("pairs must hold at least one pair of files")
        self.pairs, self.order, self.black, self.white, self.dark = list(pairs), order, black, white, dark

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> dict[str, Any]:
        pair = self.pairs[index]
        noisy = self._read_noisy(pair)
        clean = self._read_clean(pair, noisy)
        _check_alike(pair, noisy, clean)
        _check_exposure(pair, noisy, clean)
        ratio = _ratio(pair, noisy, clean)
        return {
            "noisy": torch.from_numpy(self._signal(noisy) * np.float32(ratio)),
            "clean": torch.from_numpy(self._signal(clean)).clamp_(0, 1),
            "ratio": ratio,
            "iso": math.nan if noisy.iso is None else noisy.iso,
            "id": pair.id,
            "group": pair.group,
        }

    @property
    def clean_files(self) -> list[Path]:
        """The clean files, each once: what ``lrd data prepare`` makes training data of."""
        return list(dict.fromkeys(pair.clean for pair in self.pairs))

    def _read_noisy(self, pair: Pair) -> Frame:
        return read_frame(pair.noisy, dark=self.dark)

    def _read_clean(self, pair: Pair, noisy: Frame) -> Frame:
        return read_frame(pair.clean)

    def _signal(self, frame: Frame) -> np.ndarray:
        """Return a frame as (4, h, w) float32, 0 the black level and 1 the white level."""
        planes = pack(frame.mosaic.astype(np.float32, copy=False), self.order, cfa=frame.cfa)
        levels = frame.black if self.black is None else np.full(4, self.black, np.float32)
        if levels is None:
            raise ValueError(f"{frame.path}: tells no black level; say black=")
        black = levels[list(plane_sites(self.order, frame.cfa))].reshape(4, 1, 1)
        white = np.float32(frame.white if self.white is None else self.white)
        planes -= black
        planes /= white - black
        return np.asarray(planes)


def read_frame(
    path: Path,
    *,
    area: tuple[int, int, int, int] | None = None,
    dark: Callable[[float], np.ndarray] | None = None,
    iso: float | None = None,
) -> Frame:
    """Read a raw file of a data set.

    Args:
        path: the file.
        area: (top, left, bottom, right) in place of the unmasked pixels that the file tells, where it fits.
        dark: as :class:`RawPairs`.
        iso: ISO in place of the file's own.

    Raises:
        ValueError: it cannot be read, is no Bayer picture, or its dark shading is not known; it is named.
    """
    raw = raw_files.read(path)
    if raw.cfa not in BAYER:
        raise ValueError(f"{path}: a Bayer picture is needed, got {raw.cfa}")
    if area is not None:
        raw = raw.replace(active_area=area)
    if iso is not None:
        raw = raw.replace(iso=iso)
    mosaic = raw.whole_cells.astype(np.float32)
    if dark is not None:
        mosaic -= _dark_of(dark, raw, path)
    black = raw.black if raw.black_known else None
    return Frame(path, mosaic, raw.cfa, black, raw.white, raw.iso, raw.exposure_s)


def read_array(path: Path) -> np.ndarray:
    """Read a .npy array of numbers; nothing in it is run.

    Raises:
        ValueError: it is none, or cut short; the file is named.
    """
    try:
        check_claimed_size(path)
        values = np.asarray(np.load(path, allow_pickle=False))
    except Exception as error:  # TokenError, SyntaxError: whatever NumPy's parts raise
        raise ValueError(f"{path}: is no whole .npy array ({cause(error)})") from error
    if values.dtype.kind not in "uif":
        raise ValueError(f"{path}: must hold numbers, got {values.dtype}")
    return values


def check_present(root: Path, paths: Sequence[Path], what: str, hint: str) -> None:
    """Refuse a data set of which files are missing or empty.

    Args:
        root: its folder.
        paths: the files it needs.
        what: names the data set and split.
        hint: how its files lie, or what to do.

    Raises:
        ValueError: some are missing; the first is named.
    """
    lacking = [path for path in paths if not (path.is_file() and path.stat().st_size)]
    if len(lacking) == len(paths):
        raise ValueError(f"{root}: holds no file of {what}, such as {shown(root, paths[0])}. {hint}")
    if lacking:
        raise ValueError(
            f"{root}: {len(lacking)} of {len(paths)} files of {what} are missing or empty, the first "
            f"{shown(root, lacking[0])}; the download is not complete"
        )


def found_root(root: str | os.PathLike[str], inner: Sequence[str], holds: str) -> Path:
    """Return ``root``, or the folder inside it, that holds ``holds``; ``root`` where none does.

    Args:
        root: folder of the data set, or the folder that holds it.
        inner: names under which the data set may lie in ``root``.
        holds: a folder that the data set has.

    Raises:
        ValueError: there is no such folder.
    """
    folder = Path(root)
    if not folder.is_dir():
        raise ValueError(f"{root}: is no folder")
    return next((place for place in _places(folder, inner) if (place / holds).is_dir()), folder)


def holds(root: str | os.PathLike[str], inner: Sequence[str], folder: str) -> bool:
    """Whether ``root``, or one of the folders ``inner`` in it, holds ``folder``."""
    return any((place / folder).is_dir() for place in _places(Path(root), inner))


def _places(root: Path, inner: Sequence[str]) -> list[Path]:
    return [root, *(root / name for name in inner)]


def shown(root: Path, path: Path) -> str:
    """Return a path as it is named beside its root."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def _ratio(pair: Pair, noisy: Frame, clean: Frame) -> float:
    if pair.ratio is not None:
        return pair.ratio
    told = _told_ratio(noisy, clean, pair.times_s)
    if told is None:
        lacks = pair.noisy if noisy.iso is None or noisy.exposure_s is None else pair.clean
        raise ValueError(f"{lacks}: tells no ISO or exposure time, so the ratio is not known")
    return told


def _told_ratio(noisy: Frame, clean: Frame, times_s: tuple[float, float] | None = None) -> float | None:
    """Return ISO times exposure time of the clean frame over that of the noisy one, where all are told."""
    short, long = times_s or (noisy.exposure_s, clean.exposure_s)
    if noisy.iso is None or clean.iso is None or short is None or long is None:
        return None
    return (clean.iso * long) / (noisy.iso * short)


def _check_exposure(pair: Pair, noisy: Frame, clean: Frame) -> None:
    told = _told_ratio(noisy, clean)
    if pair.nominal is None or told is None:
        return
    if not 1 / _SAME_EXPOSURE < told / pair.nominal < _SAME_EXPOSURE:
        raise ValueError(
            f"{pair.noisy}: a wrong file, or {pair.clean.name} is: by their exposures the clean one got "
            f"{told:.4g} times the light, by their names {pair.nominal:.4g} times"
        )


def _check_alike(pair: Pair, noisy: Frame, clean: Frame) -> None:
    for what, a, b in (
        ("filters", noisy.cfa, clean.cfa),
        ("size", *("{1} x {0}".format(*frame.mosaic.shape) for frame in (noisy, clean))),
    ):
        if a != b:
            raise ValueError(f"{pair.noisy}: is no pair with {pair.clean}: {what} {a} and {b}")


def _dark_of(dark: Callable[[float], np.ndarray], raw: Raw, path: Path) -> np.ndarray:
    """Return the dark shading of the whole cells."""
    if raw.iso is None:
        raise ValueError(f"{path}: tells no ISO, so its dark shading is not known")
    try:
        given = np.asarray(dark(raw.iso), np.float32)
    except ValueError as error:  # an ISO that the camera's profile does not know
        raise ValueError(f"{path}: {error}") from error
    if given.shape == (4,):
        cells = [side // 2 for side in raw.whole_cells.shape]
        return np.tile(to_phase(given, "RGGB", raw.cfa).reshape(2, 2), cells)
    if given.shape == raw.mosaic.shape:
        given = given[raw.whole_cell_area]
    if given.shape != raw.whole_cells.shape:
        raise ValueError(
            f"{path}: its dark shading must be of its size, {raw.whole_cells.shape} or "
            f"{raw.mosaic.shape}, or four numbers, got {given.shape}"
        )
    return given
