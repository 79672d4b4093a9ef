# SPDX-License-Identifier: Apache-2.0
"""Where frames come from: a folder of raw files, or a frames.csv with mosaics as .npy, .tif or .png."""

from __future__ import annotations

import csv
import dataclasses
import functools
import hashlib
import math
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from lrd_ext import raw as raw_files
from lrd_ext.estimators.masked_border import masked_strips
from lrd_ext.raw import Raw
from lrd_ext.raw.quiet import silenced

from .claimed_size import check_claimed_size

KINDS = ("dark", "flat")
COLUMNS = ("file", "kind", "iso", "exposure_s")
#: A column that may be there: photons a pixel got, from which quantum efficiency follows.
PHOTONS = "photons"
#: Another: temperature of the sensor, deg C, from which the doubling of dark current follows.
TEMPERATURE = "temperature_c"
MOSAICS = (".npy", ".tif", ".tiff", ".png")
_FOLDERS = {"dark": "dark", "darks": "dark", "flat": "flat", "flats": "flat"}
#: Endings of files that often lie beside raw files and are not raw themselves.
NOT_RAW = (
    ".jpg",
    ".jpeg",
    ".heic",
    ".png",
    ".txt",
    ".csv",
    ".json",
    ".html",
    ".xmp",
    ".pp3",
    ".dop",
    ".md",
    ".log",
    ".pdf",
    ".zip",
    ".npz",
    ".npy",
    ".safetensors",
    ".thm",
    ".mov",
    ".mp4",
    ".wav",
)


@dataclasses.dataclass(frozen=True)
class Levels:
    """Levels and phase as the user gave them; None for what is to be read from the files."""

    black: tuple[float, ...] | None = None
    white: float | None = None
    cfa: str | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class Picture:
    """One frame: (H, W) uint16 with even sides, raw DN, and what is known of it.

    ``black`` by site of ``cfa`` (4,), None where nobody told; ``border`` is the masked strip of an ordinary
    raw; ``photons`` that fell on a pixel and ``temperature_c`` of the sensor, None where nobody told.
    """

    mosaic: np.ndarray
    iso: float
    exposure_s: float
    black: tuple[float, ...] | None
    white: float
    cfa: str
    make: str = "unknown"
    model: str = "unknown"
    border: np.ndarray | None = None
    photons: float | None = None
    temperature_c: float | None = None


@dataclasses.dataclass(frozen=True)
class Frame:
    """A frame to be read: its name, what identifies its content, its kind if told, and how to read it."""

    name: str
    identity: str
    load: Callable[[], Picture]
    kind: str | None = None


def find_frames(folder: str | os.PathLike[str], levels: Levels) -> list[Frame]:
    """List the frames of a folder, in the order of their names.

    Args:
        folder: holds frames.csv, or raw files (in any depth; those under dark/ or flat/ are taken as such).
        levels: what the user gave in place of the files' own.

    Raises:
        ValueError: the folder is missing or holds no frames, or frames.csv is not as it must be; the text
            says how.
    """
    root = Path(folder)
    if not root.is_dir():
        raise ValueError(f"{folder}: no such folder; lrd calibrate needs one with raw files or a frames.csv")
    if (root / "frames.csv").is_file():
        return list(_from_csv(root, levels))
    found = sorted(p for p in root.rglob("*") if p.is_file() and not _hidden(p.relative_to(root)))
    raws = [p for p in found if p.suffix.lower() not in NOT_RAW]
    if not raws:
        jpegs = sum(p.suffix.lower() in (".jpg", ".jpeg") for p in found)
        pictures = "a JPEG picture, which holds" if jpegs == 1 else f"{jpegs} JPEG pictures, which hold"
        what = f"{pictures} no raw data, but" if jpegs else "no frames.csv and"
        raise ValueError(f"{folder}: holds {what} no raw file. Shoot raw, or list mosaics in frames.csv")
    return [_raw_frame(root, p, levels) for p in raws]


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") or part.endswith(".statistics") for part in path.parts)


def _identity(name: str, path: Path, *more: object) -> str:
    """Return what no other frame has: its name below the folder, what the system tells of the file, and more.

    Archives and copies keep names, sizes and times of writing; the inode and its time of change they cannot.
    """
    state = path.stat() if path.exists() else None
    file = state and (state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino)
    return hashlib.sha256(repr((name, file, *more)).encode()).hexdigest()[:24]


def _raw_frame(root: Path, path: Path, levels: Levels) -> Frame:
    folders = [_FOLDERS.get(part.lower()) for part in path.relative_to(root).parts[:-1]]
    kind = next((k for k in reversed(folders) if k), None)
    name = path.relative_to(root).as_posix()
    return Frame(name, _identity(name, path, levels, kind), functools.partial(_load_raw, path, levels), kind)


def _load_raw(path: Path, levels: Levels) -> Picture:
    raw = _read_raw(path)
    if raw.iso is None or raw.exposure_s is None:
        raise ValueError(f"{path.name}: tells no ISO or exposure time; list it in frames.csv with both")
    if levels.cfa is not None and levels.cfa != raw.cfa:
        raise ValueError(f"{path.name}: its phase is {raw.cfa}, --cfa says {levels.cfa}")
    black = levels.black or (tuple(float(b) for b in raw.black) if raw.black_known else None)
    return Picture(
        mosaic=raw.whole_cells,
        iso=raw.iso,
        exposure_s=raw.exposure_s,
        black=black,
        white=levels.white or raw.white,
        cfa=raw.cfa,
        make=raw.make or "unknown",
        model=raw.model or "unknown",
        border=_border(raw),
    )


def _read_raw(path: Path) -> Raw:
    raw = raw_files.read(path)
    raw.check_black(path.name)
    return raw


def _border(raw: Raw) -> np.ndarray | None:
    """Return the masked strip left of the active area, else another; None without one."""
    strip = next(iter(masked_strips(raw).values()), None)
    return None if strip is None else np.ascontiguousarray(strip)


def even(mosaic: np.ndarray) -> np.ndarray:
    """Return the mosaic without its last row or column where their number is odd."""
    return mosaic[: mosaic.shape[0] // 2 * 2, : mosaic.shape[1] // 2 * 2]


def _from_csv(root: Path, levels: Levels) -> Iterator[Frame]:
    table = root / "frames.csv"
    seen: set[str] = set()
    for line, row in read_table(table, COLUMNS, "frames"):
        name, kind = (row["file"] or "").strip(), (row["kind"] or "").strip().lower()
        if not name or name in seen:
            raise ValueError(f"{table}: line {line}: file must be named, and once only, got {name!r}")
        seen.add(name)
        if kind not in KINDS:
            raise ValueError(f"{table}: line {line}: kind must be dark or flat, got {kind!r}")
        iso, exposure = (positive(row[c], f"{table}: line {line}: {c}") for c in ("iso", "exposure_s"))
        photons = positive(row[PHOTONS], f"{table}: line {line}: {PHOTONS}") if row.get(PHOTONS) else None
        temperature = _temperature(row.get(TEMPERATURE), f"{table}: line {line}: {TEMPERATURE}")
        yield listed_frame(root, name, levels, iso, exposure, kind, photons, temperature)


def read_table(table: Path, columns: Sequence[str], what: str) -> list[tuple[int, dict[str, str | None]]]:
    """Read a table of frames in CSV.

    Args:
        table: the file.
        columns: those it must have, in the order in which a message names them.
        what: it lists, for messages.

    Returns: (number of the line, its values by column) of each line after the first.

    Raises:
        ValueError: it is no such table, or lists nothing.
    """
    try:
        with open(table, newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file, skipinitialspace=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{table}: must be a table in UTF-8 text, commas between ({error})") from error
    if not rows:
        raise ValueError(f"{table}: lists no {what}; its columns are {','.join(columns)}")
    missing = [c for c in columns if c not in rows[0]]
    if missing:
        wanted, given = ",".join(columns), ",".join(str(name) for name in rows[0])
        raise ValueError(
            f"{table}: column {missing[0]} is missing; its first line must be {wanted}, got {given}"
        )
    return list(enumerate(rows, 2))


def listed_frame(
    root: Path,
    name: str,
    levels: Levels,
    iso: float,
    exposure_s: float,
    kind: str | None,
    photons: float | None = None,
    temperature_c: float | None = None,
) -> Frame:
    """Return a frame that a table names: a raw file, or a mosaic as .npy, .tif or .png.

    Args:
        root: folder of the table.
        name: of the file, below ``root``.
        levels: what the user gave in place of the file's own.
        iso: ISO speed, in place of the file's own.
        exposure_s: exposure time likewise.
        kind: "dark", "flat" or None.
        photons: a pixel got, where told.
        temperature_c: of the sensor, where told, deg C.
    """
    path = root / name
    told = photons, temperature_c
    load = functools.partial(_load_listed, path, levels, iso, exposure_s, *told)
    return Frame(name, _identity(name, path, levels, kind, iso, exposure_s, *told), load, kind)


def _temperature(text: str | None, what: str) -> float | None:
    """Return the temperature that a table holds, deg C, None where it holds none."""
    if not (text or "").strip():
        return None
    try:
        value = float(text or "")
    except ValueError:
        value = math.nan
    if not -100 <= value <= 150:
        raise ValueError(f"{what} must be a number of degrees Celsius in -100..150, got {text!r}")
    return value


def positive(text: str | None, what: str) -> float:
    """Return the number above 0 that a table holds.

    Raises:
        ValueError: it is none; the text begins with ``what``.
    """
    try:
        value = float(text or "")
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise ValueError(f"{what} must be a number above 0, got {text or ''!r}")
    return value


def _load_listed(
    path: Path,
    levels: Levels,
    iso: float,
    exposure: float,
    photons: float | None,
    temperature_c: float | None,
) -> Picture:
    if not path.is_file():
        raise ValueError(f"{path.name}: no such file")
    if path.suffix.lower() not in MOSAICS:
        if path.suffix.lower() in (".jpg", ".jpeg"):
            raise ValueError(f"{path.name}: a JPEG picture holds no raw data")
        picture = _load_raw_listed(path, levels)
        return dataclasses.replace(
            picture, iso=iso, exposure_s=exposure, photons=photons, temperature_c=temperature_c
        )
    mosaic = load_mosaic(path)
    if levels.white is None:
        raise ValueError(
            "--white must be given for .npy, .tif and .png mosaics, which do not tell their white level"
        )
    cfa = levels.cfa or raw_files.MONO
    return Picture(
        even(mosaic),
        iso,
        exposure,
        levels.black,
        levels.white,
        cfa,
        photons=photons,
        temperature_c=temperature_c,
    )


def _load_raw_listed(path: Path, levels: Levels) -> Picture:
    raw = _read_raw(path)
    black = levels.black or (tuple(float(b) for b in raw.black) if raw.black_known else None)
    make, model = raw.make or "unknown", raw.model or "unknown"
    return Picture(
        raw.whole_cells, 1.0, 1.0, black, levels.white or raw.white, raw.cfa, make, model, _border(raw)
    )


def load_mosaic(path: Path) -> np.ndarray:
    """Read a mosaic of raw DN, (H, W) uint16, from an .npy, .tif or .png file.

    Raises:
        ValueError: the file is broken, or is no mosaic of whole raw DN.
    """
    try:
        check_claimed_size(path)
        mosaic = _READERS[path.suffix.lower()](path)
    except MemoryError:
        raise
    except Exception as error:  # zlib.error, TokenError: whatever the parts of a reader raise
        raise ValueError(f"{path.name}: truncated or broken ({error})") from error
    if mosaic.ndim != 2 or not mosaic.size:
        raise ValueError(f"{path.name}: must be one mosaic (H, W), got shape {mosaic.shape}")
    if mosaic.dtype in (np.uint8, np.int8, np.bool_):
        raise ValueError(f"{path.name}: has 8 bits a value: a picture, not raw data")
    if mosaic.dtype.kind not in "iu" or mosaic.min() < 0 or mosaic.max() > 65535:
        raise ValueError(f"{path.name}: must hold whole raw DN in 0..65535, got {mosaic.dtype}")
    return mosaic.astype(np.uint16, copy=False)


def _read_npy(path: Path) -> np.ndarray:
    # np.load would take a zip, and for anything else offers to open it as a pickle.
    with open(path, "rb") as file:
        if file.read(6) != b"\x93NUMPY":
            raise ValueError("not an .npy file")
    try:
        return np.asarray(np.load(path, allow_pickle=False))
    except ValueError as error:
        raise ValueError(str(error).partition("allow_pickle")[0]) from error


def _read_tiff(path: Path) -> np.ndarray:
    import tifffile

    try:
        with silenced("tifffile"):
            return tifffile.imread(path)
    except tifffile.TiffFileError as error:
        raise ValueError(str(error)) from error


def _read_png(path: Path) -> np.ndarray:
    from PIL import Image

    with Image.open(path) as picture:
        return np.asarray(picture)


_READERS = {".npy": _read_npy, ".tif": _read_tiff, ".tiff": _read_tiff, ".png": _read_png}
