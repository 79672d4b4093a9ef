# SPDX-License-Identifier: Apache-2.0
"""From frames to the figures of a camera: one pass over each group, then estimators on what was kept."""

from __future__ import annotations

import functools
import hashlib
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lrd_ext.cfa import BY_SITE
from lrd_ext.estimators.intervals import Estimate, from_scatter
from lrd_ext.estimators.masked_border import BorderEstimate, StripStatistics, estimate_border
from lrd_ext.estimators.rounding import ROUNDING, rounding_variance
from lrd_ext.estimators.tukey_lambda import excess_kurtosis

from .bad_frames import Group, Sensor, Sorted, sort_frames
from .dark_frames import DarkStatistics, Read, dark_statistics
from .dark_series import DarkCurrent, SeriesStatistics, dark_current, series_statistics
from .flat_figures import linearity_of, prnu_of, standard_of
from .flat_frames import FlatStatistics, flat_statistics
from .frames import Frame
from .gain_switch import GainLine, find_branches, fit_gain_line
from .photon_transfer import DARKS, PairPoint, PhotonTransfer, photon_transfer
from .read_noise import fit_darks, read_noise
from .results import Calibration, DarkGroup, FlatGroup, IsoResult, ReadNoise
from .sensor_noise import FixedNoise, body_of, fixed_noise
from .statistics_store import Arrays, StatisticsStore
from .survey import Record, look_at

#: Groups up to this size are read from disk once and held while they are measured, bytes.
HELD = 400_000_000

Progress = Callable[[str], None]


def _silent(event: str) -> None:
    """Say nothing."""


def calibrate(
    frames: Sequence[Frame], statistics: Path | None = None, progress: Progress = _silent
) -> Calibration:
    """Calibrate a camera.

    Args:
        frames: darks and flats, see ``find_frames``.
        statistics: folder in which what was measured of frames is kept, so that a later run goes on; None
            keeps nothing.
        progress: called with a text after every frame looked at, and again when it is measured.

    Raises:
        ValueError: no frame can be read, or nothing can be made of those that can: the text says what is
            missing.
    """
    store = StatisticsStore(statistics)
    records = []
    for frame in frames:
        records.append(look_at(frame, store))
        progress("looked at")
    ordered = sort_frames(records)
    loads = {frame.name: frame.load for frame in frames}
    darks, flats = [], []
    for group in ordered.groups:
        if len(group.frames) >= 2 and group.kind == "dark":
            darks.append(_dark_group(group, loads, ordered.sensor, store))
        elif len(group.frames) >= 2:
            flats.append(_flat_group(group, loads, ordered.sensor, store, darks))
        for _ in group.frames:
            progress("measured")
    currents = _dark_currents(ordered, darks, loads, store)
    return _conclude(ordered, darks, flats, currents, records)


def _conclude(
    ordered: Sorted,
    darks: list[DarkGroup],
    flats: list[FlatGroup],
    currents: dict[float, list[DarkCurrent]],
    records: Sequence[Record],
) -> Calibration:
    kinds = {g.iso: {h.kind for h in ordered.groups if h.iso == g.iso} for g in ordered.groups}
    isos = tuple(
        _at_iso(iso, darks, flats, currents.get(iso, []), kinds[iso], ordered.sensor.cfa)
        for iso in sorted(kinds)
    )
    borders = _borders(records, ordered)
    rows = [r for r in isos if r.read is not None]
    if not rows and not any(r.kind == "dark" for r in records):
        rows = [r for r in isos if r.transfer is not None]
    if not rows and not borders:
        raise ValueError(_nothing(isos, ordered))
    branches = _branches(rows)
    return Calibration(
        sensor=ordered.sensor,
        isos=isos,
        measured=tuple(rows),
        darks=tuple(darks),
        branches=tuple(branches),
        gain_lines=tuple(_gain_line(rows[a : b + 1]) for a, b in branches),
        frames=len(records),
        left_out=dict(sorted(ordered.left_out.items())),
        unpaired=ordered.unpaired,
        borders=borders,
        body=body_of(isos),
    )


def _branches(rows: Sequence[IsoResult]) -> list[tuple[int, int]]:
    """Split the rows where the gain switches; without darks there is no telling."""
    sigmas = [max(r.read.gaussian.value, 1e-3) for r in rows if r.read is not None]
    if not sigmas:
        return [(0, len(rows) - 1)] if rows else []
    known = all(r.transfer is not None for r in rows)
    gains = [r.transfer.K.value for r in rows if r.transfer is not None] if known else None
    return find_branches([r.iso for r in rows], sigmas, gains)


def _nothing(isos: Sequence[IsoResult], ordered: Sorted) -> str:
    first = next(iter(ordered.left_out.items()), None)
    count = len(ordered.left_out)
    what = "1 frame was left out" if count == 1 else f"{count} frames were left out, the first"
    left = f"; {what}, {first[0]}: {first[1]}" if first else ""
    have = "; ".join(f"ISO {r.iso:g}: {', '.join(r.missing)}" for r in isos)
    return f"no profile can be made: read noise needs at least 2 dark frames at one ISO ({have}{left})"


def _borders(records: Sequence[Record], ordered: Sorted) -> tuple[BorderEstimate, ...]:
    found = [r for r in records if r.border.size and r.name not in ordered.left_out and not r.error]
    estimates = []
    for iso in sorted({r.iso for r in found}):
        own = [r for r in found if r.iso == iso]
        blacks = np.array([ordered.sensor.black_of(r) for r in own])
        strips = [StripStatistics.from_array(r.border) for r in own]
        estimates.append(estimate_border(iso, strips, blacks))
    return tuple(estimates)


def _gain_line(rows: Sequence[IsoResult]) -> GainLine | None:
    known = [(r.iso, r.transfer.K) for r in rows if r.transfer is not None]
    return fit_gain_line([iso for iso, _ in known], [K for _, K in known]) if known else None


def _reads(group: Group, loads: dict[str, Callable[[], Any]], sensor: Sensor) -> list[Read]:
    """Return functions that give the frames of a group; a small group is held in memory, so read once."""
    reads = [functools.partial(_mosaic, loads[r.name]) for r in group.frames]
    if 2 * math.prod(sensor.shape) * len(reads) > HELD:
        return list(reads)
    held = [read() for read in reads]
    return [functools.partial(_same, frame) for frame in held]


def _mosaic(load: Callable[[], Any]) -> np.ndarray:
    return load().mosaic


def _same(frame: np.ndarray) -> np.ndarray:
    return frame


def _identity(group: Group, sensor: Sensor) -> str:
    return f"{group.black(sensor).tolist()} {group.white} {[r.identity for r in group.frames]}"


def _dark_group(
    group: Group, loads: dict[str, Callable[[], Any]], sensor: Sensor, store: StatisticsStore
) -> DarkGroup:
    std = float(np.median([r.std for r in group.frames]))

    def measure() -> Arrays:
        found = dark_statistics(_reads(group, loads, sensor), std)
        return {name: np.asarray(value) for name, value in vars(found).items()}

    kept = store.remember("darks", _identity(group, sensor), measure)
    fields: dict[str, Any] = dict(kept)
    for scalar, kind in (("bin_width", float), ("cut", float), ("height", int), ("width", int)):
        fields[scalar] = kind(fields[scalar])
    statistics = DarkStatistics(**fields)
    blacks = np.array([sensor.black_of(r) for r in group.frames])
    over = statistics.site_means - blacks
    fit = fit_darks(statistics)
    bias = tuple(from_scatter(over[:, site]) for site in range(4))
    if fit is not None:
        told = blacks.mean(axis=0)
        bias = tuple(level.shifted(-black) for level, black in zip(fit.levels, told, strict=True))
    return DarkGroup(
        group.iso,
        group.exposure_s,
        statistics,
        bias,
        _drift(over.mean(axis=1)),
        over,
        fit,
        group.temperature_c,
    )


def _dark_currents(
    ordered: Sorted,
    darks: Sequence[DarkGroup],
    loads: dict[str, Callable[[], Any]],
    store: StatisticsStore,
) -> dict[float, list[DarkCurrent]]:
    """Return dark current by ISO, of every temperature at which darks of several exposure times were shot."""
    groups = [g for g in ordered.groups if g.kind == "dark" and len(g.frames) >= 2]
    series: dict[tuple[float, float | None], list[tuple[Group, DarkGroup]]] = {}
    for group, dark in zip(groups, darks, strict=True):
        series.setdefault((group.iso, group.temperature_c), []).append((group, dark))
    found: dict[float, list[DarkCurrent]] = {}
    for (iso, _), own in series.items():
        if len(own) >= 2 and not any(dark.statistics.cut for _, dark in own):
            found.setdefault(iso, []).append(_dark_current(own, loads, ordered.sensor, store))
    return found


def _dark_current(
    own: Sequence[tuple[Group, DarkGroup]],
    loads: dict[str, Callable[[], Any]],
    sensor: Sensor,
    store: StatisticsStore,
) -> DarkCurrent:
    def measure() -> Arrays:
        found = series_statistics(
            [(g.exposure_s, _reads(g, loads, sensor), dark.statistics) for g, dark in own]
        )
        return {name: np.asarray(value) for name, value in vars(found).items()}

    identity = " ".join(f"{g.exposure_s} {_identity(g, sensor)}" for g, _ in own)
    fields: dict[str, Any] = dict(store.remember("series", identity, measure))
    for scalar in ("kurtosis", "longest", "seen_above", "frame_noise"):
        fields[scalar] = float(fields[scalar])
    times = np.concatenate([np.full(len(dark.levels), g.exposure_s) for g, dark in own])
    levels = np.concatenate([dark.levels.mean(axis=1) for _, dark in own])
    return dark_current(
        SeriesStatistics(**fields), times, levels, math.prod(sensor.shape), own[0][0].temperature_c
    )


def _drift(levels: np.ndarray) -> Estimate | None:
    """Return the change of the level over the series in the order of the names, DN; None below 4 frames."""
    n = len(levels)
    if n < 4:
        return None
    if np.ptp(levels) == 0:  # the line's error would be 0/0
        return Estimate(0.0, 0.0, 0.0)
    from scipy import stats

    fit = stats.linregress(np.arange(n) / (n - 1), levels)
    half = float(stats.t.ppf(0.975, n - 2)) * float(fit.stderr)
    return Estimate(float(fit.slope), float(fit.slope) - half, float(fit.slope) + half)


def _flat_group(
    group: Group,
    loads: dict[str, Callable[[], Any]],
    sensor: Sensor,
    store: StatisticsStore,
    darks: Sequence[DarkGroup],
) -> FlatGroup:
    # Groups are sorted: darks of all ISOs come before flats.
    own = _best_darks(group.iso, darks)
    hot = own.statistics.hot if own else None

    black = group.black(sensor)

    def measure() -> Arrays:
        found = flat_statistics(_reads(group, loads, sensor), black, group.white, hot)
        return {name: np.asarray(value) for name, value in vars(found).items()}

    of_darks = "" if hot is None else hashlib.sha256(hot.tobytes()).hexdigest()
    kept = store.remember("flats", _identity(group, sensor) + of_darks, measure)
    statistics = FlatStatistics(
        kept["pairs"], kept["spatial"], kept["spatial_white"], int(kept["frames"]), float(kept["step"])
    )
    range_dn = group.white - float(black.mean())
    return FlatGroup(group.iso, group.exposure_s, group.name, range_dn, statistics, group.photons)


def _best_darks(iso: float, darks: Sequence[DarkGroup]) -> DarkGroup | None:
    """Return the darks of an ISO with the most frames, the shortest exposure among those."""
    own = [g for g in darks if g.iso == iso]
    return max(own, key=lambda g: (g.statistics.frames, -g.exposure_s), default=None)


def _at_iso(
    iso: float,
    darks: Sequence[DarkGroup],
    flats: Sequence[FlatGroup],
    currents: Sequence[DarkCurrent],
    kinds: set[str],
    cfa: str,
) -> IsoResult:
    dark = _best_darks(iso, darks)
    lit = tuple(g for g in flats if g.iso == iso)
    missing = []
    if dark is None:
        missing.append("only 1 dark frame, 2 are needed" if "dark" in kinds else "no dark frames")
    transfer: PhotonTransfer | str = "no pairs of flats, so K is unknown"
    if lit:
        points = [p for g in lit for p in g.statistics.points(g.name)]
        step = max(g.statistics.step for g in lit)
        transfer = photon_transfer(points, min(g.range_dn for g in lit), _dark_points(dark), step)
    if isinstance(transfer, str):
        missing.append(transfer)
    K = transfer if isinstance(transfer, PhotonTransfer) else None
    read = read_noise(dark) if dark else None
    prnu: tuple[Estimate | None, Estimate | None] = (None, None)
    if dark and K and read and not read.cut:
        if cfa in BY_SITE:
            prnu = prnu_of(lit, dark, K, read)
        else:
            missing.append(f"no PRNU: a site of {cfa} holds pixels of several colours")
    return IsoResult(
        iso=iso,
        dark=dark,
        read=read,
        transfer=K,
        flats=lit,
        prnu=prnu[0],
        prnu_all=prnu[1],
        linearity=linearity_of(lit, dark, K) if K else None,
        standard=standard_of(lit, dark, K, read) if K and dark and read else None,
        missing=tuple(missing),
        fixed=_fixed(dark, read, currents),
        currents=tuple(currents),
    )


def _fixed(
    dark: DarkGroup | None, read: ReadNoise | None, currents: Sequence[DarkCurrent]
) -> FixedNoise | None:
    """Return fixed offsets and drift; values cut off or lost in the rounding do not show them."""
    if dark is None or read is None or dark.fit is not None or read.cut:
        return None
    own = (c for c in currents if c.temperature_c == dark.temperature_c)
    return fixed_noise(dark, read, next(own, None))


def _dark_points(dark: DarkGroup | None) -> list[PairPoint]:
    """Return the darks by site as points of the photon transfer curve."""
    if dark is None:
        return []
    d, fit = dark.statistics, dark.fit
    kurtosis = excess_kurtosis(d.histogram.total, d.histogram.centres)
    count = (d.frames - 1) * d.height * d.width // 4
    # Of flats the values count, of darks the middles of codes.
    variance = d.pixel.mean(axis=0) + rounding_variance(d.step) - ROUNDING * d.step**2
    if fit is not None:
        variance = np.full(4, fit.std.value**2 + rounding_variance(d.step))
    return [
        PairPoint(site, DARKS, dark.bias[site].value, float(variance[site]), kurtosis, count, 0.0)
        for site in range(4)
    ]
