# SPDX-License-Identifier: Apache-2.0
"""A camera at a glance: its figures at single ISOs, in electrons too, and its range in a few numbers."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from lrd_ext.read_models import read_model

from .camera_profile import CameraProfile, figures_used
from .records import sigmas


@dataclasses.dataclass(frozen=True)
class IsoFigures:
    """What a profile answers at one ISO.

    ``read_std`` is the standard deviation of the read noise, DN, whatever its model; ``read_e`` the same in
    electrons and ``K`` DN/e-, both None where K is unknown; ``shape`` is None where the model has none;
    ``doubtful`` names the fields (of the profile's ``doubtful``) the figures rest on.
    """

    iso: float
    branch: str
    K: float | None
    read_std: float
    read_e: float | None
    shape: float | None
    sigma_row: float
    sigma_col: float
    bias: tuple[float, float, float, float]
    doubtful: frozenset[str]


def figures_at(profile: CameraProfile, iso: float, read: str | None = None) -> IsoFigures:
    """Answer like ``profile.at(iso)``, in double precision, with standard deviations and without warnings.

    Args:
        profile: the camera.
        iso: ISO speed inside the profile's range.
        read: a read-noise model in place of the profile's own.

    Raises:
        ValueError: the ISO is out of range, or the read-noise model is not known there.
    """
    model = read_model(profile.read if read is None else read)
    isos = np.array([iso], dtype=np.float64)
    found = profile.answers.at(isos, model.name)
    shape = float(found.tukey_lambda[0]) if model.shaped else None
    std = model.std(float(found.sigma_read[0]), shape or 0.0)
    K = None if profile.dark_only else float(found.K[0])
    a, b, c, d = (float(v) for v in found.bias[0])
    used = figures_used(model)
    return IsoFigures(
        iso=float(iso),
        branch=profile.branches[int(profile.answers.index(isos)[0])].name,
        K=K,
        read_std=std,
        read_e=None if K is None else std / K,
        shape=shape,
        sigma_row=float(found.sigma_row[0]),
        sigma_col=float(found.sigma_col[0]),
        bias=(a, b, c, d),
        doubtful=frozenset(e.field for e in profile.doubtful if e.field in used and e.concerns(iso)),
    )


#: ISOs a summary shows.
MOST_ISOS = 500


def typical_isos(profile: CameraProfile) -> list[float]:
    """Return ISOs that show a profile: its rows, its branches' ends, and full stops beyond its rows.

    At most :data:`MOST_ISOS`, evenly out of more: no camera has as many, but a file may hold 100,000.
    """
    isos = {float(end) for branch in profile.branches for end in branch.iso}
    for own in profile.answers.branches:
        rows = [float(row.iso) for row in own.rows]
        first, last = (rows[0], rows[-1]) if rows else (math.inf, -math.inf)
        isos |= {*rows, *(stop for stop in _full_stops(*own.branch.iso) if not first <= stop <= last)}
    ordered = sorted(isos)
    kept = min(len(ordered), MOST_ISOS)
    return [ordered[round(i)] for i in np.linspace(0, len(ordered) - 1, kept)]


def widest_range(profile: CameraProfile) -> tuple[float, float]:
    """Return the widest range of ISO, in stops, that is answered throughout."""
    low, high = profile.iso_range
    gaps = profile.answers.holes
    starts, ends = [low, *(b for _, b in gaps)], [*(a for a, _ in gaps), high]
    return max(zip(starts, ends, strict=True), key=lambda ends: ends[1] / ends[0])


def low_middle_high(profile: CameraProfile) -> tuple[float, float, float]:
    """Return the lowest ISO, the full stop (100, 200, 400, ...) nearest the middle, and the highest."""
    low, high = profile.iso_range
    middle = 100.0 * 2.0 ** round(math.log2(math.sqrt(low * high) / 100))
    return low, min(max(middle, low), high), high


def gain_breaks(profile: CameraProfile) -> list[tuple[float, float]]:
    """Return the pairs of ISOs a gain switch lies between: end of a branch, start of the next.

    A branch known at a single ISO says nothing of the ISOs above it: what follows it is a hole, not a switch.
    """
    pairs = zip(profile.branches, profile.branches[1:], strict=False)
    return [(a.iso[1], b.iso[0]) for a, b in pairs if a.iso[0] < a.iso[1]]


def shape_range(profile: CameraProfile) -> tuple[float, float] | None:
    """Return the lowest and highest shape of the read noise, None where the profile's model has none."""
    if not read_model(profile.read).shaped:
        return None
    shapes = [row.tukey_lambda for row in profile.rows if row.tukey_lambda is not None]
    shapes += [shape for branch in profile.branches for shape in branch.tukey_lambda]
    return (min(shapes), max(shapes)) if shapes else None


def row_over_read(profile: CameraProfile) -> tuple[float, float] | None:
    """Return the lowest and highest row noise over read noise, deviations both; None without row noise."""
    found = answers_at(profile, typical_isos(profile))
    ratios = [f.sigma_row / f.read_std for f in found if f and f.sigma_row and f.read_std]
    return (min(ratios), max(ratios)) if ratios else None


def known_noise(profile: CameraProfile) -> list[str]:
    """Name the sigmas, and "bias" and "sensor", that the profile holds anywhere."""
    held = {name for branch in profile.branches for name in branch.laws}
    held = held.union(*(row.figures for row in profile.rows))
    others = {"bias": profile.bias, "sensor": profile.sensor}
    return [name for name in sigmas() if name in held] + [name for name, held in others.items() if held]


def answers_at(profile: CameraProfile, isos: Sequence[float]) -> list[IsoFigures | None]:
    """Return :func:`figures_at` of each ISO, None where the profile has no answer."""
    found: list[IsoFigures | None] = []
    for iso in isos:
        try:
            found.append(figures_at(profile, iso))
        except ValueError:
            found.append(None)
    return found


def _full_stops(low: float, high: float) -> list[float]:
    stops = (100.0 * 2.0**i for i in range(math.floor(math.log2(low / 100)), 40))
    return [stop for stop in stops if low <= stop <= high]
