# SPDX-License-Identifier: Apache-2.0
"""A first look at every frame: what it is, its level, its noise, and how evenly it is lit."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import Any

import numpy as np

from lrd_ext.cfa import PATTERNS
from lrd_ext.estimators.masked_border import strip_statistics

from .dark_frames import site_planes
from .frames import Frame, Picture
from .statistics_store import Arrays, StatisticsStore

#: Pixels this many deviations off the middle of a block do not count in full.
FAR = 8.0
#: Blocks a side in which the level of a frame is kept.
BLOCKS = 8


#: Errors whose text says by itself what was wrong.
_SAID = (ValueError, TypeError, OSError, RuntimeError)


@dataclasses.dataclass(frozen=True, eq=False)
class Record:
    """What is kept of one frame; ``error`` says why it could not be read, and then nothing else counts.

    ``means`` (4,) raw DN by site; ``std`` of single pixels without the fixed pattern [DN]; ``blocks`` (8,
    8) raw DN; ``clipped`` fraction at white; ``photons`` a pixel got and ``temperature_c`` of the sensor,
    where told; ``border`` (16,) of the masked strip, see ``StripStatistics``; (0,) without one; ``pixels`` is
    the same for frames of the same values.
    """

    name: str
    identity: str
    error: str | None = None
    kind: str | None = None
    iso: float = 0.0
    exposure_s: float = 0.0
    black: tuple[float, ...] | None = None
    white: float = 0.0
    cfa: str = ""
    make: str = ""
    model: str = ""
    shape: tuple[int, int] = (0, 0)
    means: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(4))
    std: float = 0.0
    blocks: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros((BLOCKS, BLOCKS)))
    clipped: float = 0.0
    border: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(0))
    photons: float | None = None
    temperature_c: float | None = None
    pixels: str = ""

    @property
    def level(self) -> float:
        """Mean of all sites, raw DN."""
        return float(self.means.mean())


_PLAIN = (
    "kind",
    "iso",
    "exposure_s",
    "black",
    "white",
    "cfa",
    "make",
    "model",
    "shape",
    "std",
    "clipped",
    "photons",
    "temperature_c",
    "pixels",
)
_ARRAYS = ("means", "blocks", "border")


def look_at(frame: Frame, store: StatisticsStore) -> Record:
    """Return the record of a frame, from the store where it was looked at before.

    What could not be read is not kept: the next run may find the disk well again.
    """
    try:
        kept = store.remember("frame", frame.identity, lambda: _measure(frame))
    except _UnreadableError as error:
        return Record(frame.name, frame.identity, error=str(error), kind=frame.kind)
    plain = json.loads(str(kept["plain"]))
    plain["black"] = tuple(plain["black"]) if plain["black"] else None
    plain["shape"] = tuple(plain["shape"])
    arrays: dict[str, Any] = {name: kept[name] for name in _ARRAYS}
    return Record(frame.name, frame.identity, **plain, **arrays)


class _UnreadableError(Exception):
    """A frame cannot be read; unlike errors of the store, which are not the fault of a frame."""


def _measure(frame: Frame) -> Arrays:
    try:
        record = _record(frame, frame.load())
    except ImportError:  # a missing package is not the fault of one frame
        raise
    except Exception as error:
        raise _UnreadableError(_reason(frame, error)) from error
    plain = json.dumps({name: getattr(record, name) for name in _PLAIN})
    return {"plain": np.array(plain), **{name: np.asarray(getattr(record, name)) for name in _ARRAYS}}


def _reason(frame: Frame, error: Exception) -> str:
    """Return what went wrong without the file's name, which stands before it wherever it is shown."""
    text = str(error) if str(error) and isinstance(error, _SAID) else repr(error)
    head, _, rest = text.partition(": ")
    return rest if rest and head.endswith(frame.name.rpartition("/")[2]) else text


def _record(frame: Frame, picture: Picture) -> Record:
    m = picture.mosaic
    if min(m.shape) < 4 * BLOCKS:
        raise ValueError(
            f"{frame.name}: at least {4 * BLOCKS} x {4 * BLOCKS} pixels are needed, got {m.shape}"
        )
    return Record(
        frame.name,
        frame.identity,
        kind=frame.kind,
        iso=picture.iso,
        exposure_s=picture.exposure_s,
        black=picture.black,
        white=picture.white,
        cfa=picture.cfa,
        make=picture.make,
        model=picture.model,
        shape=(m.shape[0], m.shape[1]),
        means=np.array([plane.mean(dtype=np.float64) for plane in site_planes(m)]),
        std=pixel_std(m, PATTERNS[picture.cfa].cell),
        blocks=block_means(m),
        clipped=float((m >= picture.white).mean()),
        photons=picture.photons,
        temperature_c=picture.temperature_c,
        pixels=hashlib.sha256(np.ascontiguousarray(m).tobytes()).hexdigest(),
        border=np.zeros(0) if picture.border is None else strip_statistics(picture.border).to_array(),
    )


def pixel_std(mosaic: np.ndarray, cell: int = 2) -> float:
    """Estimate the deviation of single pixels from differences of neighbours in equal places of cells, DN."""
    step = max(mosaic.shape[0] // 1024, 1) * 2
    rows = mosaic[::step].astype(np.int32)
    d = rows[:, cell:] - rows[:, :-cell]
    apart = np.abs(d)
    # Where most neighbours are equal, the values come in steps that are coarse beside the noise.
    least = float(np.median(apart[apart > 0])) if apart.any() else 1.0
    limit = 6 * max(1.4826 * float(np.median(apart)), least)
    return float(np.sqrt(np.mean(np.square(np.clip(d, -limit, limit), dtype=np.float64)) / 2))


def block_means(mosaic: np.ndarray) -> np.ndarray:
    """Return means over 8 x 8 blocks without single pixels far off, which may blink, raw DN."""
    h, w = (size // BLOCKS for size in mosaic.shape)
    cut = mosaic[: h * BLOCKS, : w * BLOCKS].reshape(BLOCKS, h, BLOCKS, w)
    # Odd strides meet all places of a colour pattern of even size.
    sample = cut[:, :: h // 128 * 2 + 1, :, :: w // 128 * 2 + 1].swapaxes(1, 2).reshape(BLOCKS, BLOCKS, -1)
    middle = np.median(sample, axis=2)
    reach = np.maximum(FAR * 1.4826 * np.median(np.abs(sample - middle[..., None]), axis=2), FAR)
    ends = [
        np.clip(end, 0, 65535).astype(np.uint16)[:, None, :, None] for end in (middle - reach, middle + reach)
    ]
    return np.clip(cut, *ends).mean(axis=(1, 3), dtype=np.float64)
