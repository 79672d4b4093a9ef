# SPDX-License-Identifier: Apache-2.0
"""Dark frames as they lie in folders: raw files and .npy mosaics, their ISO told by Exif or by a folder."""

from __future__ import annotations

import re
from pathlib import Path

from lrd_ext import raw as raw_files
from lrd_ext.calibration.frames import NOT_RAW, even, load_mosaic
from lrd_ext.profiles import CameraProfile
from lrd_ext.raw import Raw

#: Where the AIM 2025 kit keeps a camera's dark frames, beside its pictures.
_KIT = "dark_frame"
#: A frame whose mean lies further above black than this share of the range got light.
_LIGHT = 0.05
#: A frame with more than this share of its pixels at 0 lacks the noise below black.
_CUT_OFF = 0.005
_ISO_FOLDER = re.compile(r"iso[ _-]?(\d+(?:\.\d+)?)", re.IGNORECASE)


def find_darks(root: Path) -> list[Path]:
    """List the dark frames of a folder, in the order of their names.

    Raises:
        ValueError: there is no such folder, or no dark frame in it.
    """
    folder = root / _KIT if (root / _KIT).is_dir() else root
    if not folder.is_dir():
        raise ValueError(f"{root}: no such folder; dark frames are needed, raw files or .npy mosaics")
    other = set(NOT_RAW) - {".npy"}
    found = [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and path.suffix.lower() not in other
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]
    if not found:
        raise ValueError(f"{folder}: holds no dark frames; raw files or .npy mosaics are needed")
    return found


def iso_of_folder(path: Path) -> float | None:
    """Return the ISO that the name of a dark frame's folder tells, such as iso800, None if it tells none."""
    folder = _ISO_FOLDER.fullmatch(path.parent.name)
    return float(folder[1]) if folder else None


def read_dark(path: Path, profile: CameraProfile) -> Raw:
    """Read a dark frame; an .npy mosaic has the levels and the phase of the camera's profile.

    Raises:
        ValueError: the file cannot be read, nothing tells its ISO, its folder and its Exif disagree, it got
            light, or what lies below black is cut off.
    """
    told = iso_of_folder(path)
    if path.suffix.lower() != ".npy":
        raw = raw_files.read(path)
        if not raw.black_known:
            raw = raw.replace(black=profile.black, black_known=True)
    else:
        raw = Raw(even(load_mosaic(path)), profile.cfa, profile.black, profile.white, iso=told)  # type: ignore[arg-type]
    if raw.iso is None and told is None:
        raise ValueError(f"{path}: nothing tells its ISO; put it into a folder of that name, such as iso800")
    if told is not None and raw.iso not in (None, told):
        raise ValueError(f"{path}: lies in {path.parent.name}, and its Exif says ISO {raw.iso:g}")
    _check_dark(path, raw)
    return raw.replace(iso=told or raw.iso)


def _check_dark(path: Path, raw: Raw) -> None:
    pixels, black = raw.whole_cells, float(raw.black.mean())
    level, at_0 = float(pixels.mean()), float((pixels == 0).mean())
    if level - black > _LIGHT * (raw.white - black):
        raise ValueError(f"{path}: is no dark frame: its mean is {level:.0f} DN, black {black:.0f} DN")
    if at_0 > _CUT_OFF:
        raise ValueError(
            f"{path}: is cut off at 0 ({100 * at_0:.1f} % of its pixels): the noise below black is not in it"
        )
