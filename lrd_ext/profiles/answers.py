# SPDX-License-Identifier: Apache-2.0
"""What a profile answers at given ISOs: calibrated rows, interpolation between them, laws elsewhere.

Everything here works on arrays of ISOs in float64 and knows nothing of random numbers or tensors.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from .records import READ_FIGURE, BiasRow, Branch, Law, Row

if TYPE_CHECKING:
    from .camera_profile import CameraProfile


@dataclasses.dataclass(frozen=True)
class Answer:
    """Figures at n ISOs, (n,) each but bias (n, 4), and the spread of the logarithm of each sigma, (n,)."""

    K: np.ndarray
    sigma_read: np.ndarray
    sigma_row: np.ndarray
    sigma_col: np.ndarray
    tukey_lambda: np.ndarray
    bias: np.ndarray
    spread_read: np.ndarray
    spread_row: np.ndarray
    spread_col: np.ndarray


def branch_index(profile: CameraProfile, iso: np.ndarray) -> np.ndarray:
    """Find the gain branch of each ISO: a branch reaches up to the first ISO of the next one.

    Raises:
        ValueError: an ISO lies outside the profile's range, or in a gap above a branch of a single ISO.
    """
    starts = np.array([branch.iso[0] for branch in profile.branches])
    ends = np.array([branch.iso[1] for branch in profile.branches])
    index = np.searchsorted(starts, iso, side="right") - 1
    last = index == len(starts) - 1
    # A branch known at one ISO only has nothing to continue into the gap above it.
    alone = starts[index] == ends[index]
    bad = (index < 0) | ((last | alone) & (iso > ends[index]))
    if bad.any():
        raise ValueError(
            f"{profile.name}: iso must be in the range {profile.iso_ranges()}, got {iso[bad][0]:g}"
        )
    return index


def answer(profile: CameraProfile, iso: np.ndarray, read: str, *, nearest_bias: bool = False) -> Answer:
    """Answer for ISOs of any gain branches.

    Args:
        profile: the camera.
        iso: (n,) float64.
        read: read-noise model, "none", "gaussian" or "tukey_lambda".
        nearest_bias: give the bias row of the nearest ISO, not a linear mixture of two.

    Raises:
        ValueError: an ISO is out of range, or a figure the read model needs is not known there.
    """
    index = branch_index(profile, iso)
    columns: dict[str, np.ndarray] = {}
    for i in np.unique(index):
        here = index == i
        part = _branch_answer(profile, profile.branches[i], iso[here], read, nearest_bias)
        for name, values in part.items():
            columns.setdefault(name, np.zeros((len(iso), *values.shape[1:])))[here] = values
    return Answer(**columns)


def _branch_answer(
    profile: CameraProfile, branch: Branch, iso: np.ndarray, read: str, nearest_bias: bool
) -> dict[str, np.ndarray]:
    rows = rows_of(profile, branch)
    K = gain(rows, branch, iso)
    zero = np.zeros_like(iso)
    out = {"K": K, "bias": _bias(profile.bias, branch, iso, nearest_bias)}
    for name, figure in (("read", READ_FIGURE.get(read)), ("row", "sigma_row"), ("col", "sigma_col")):
        sigma = sigma_of(rows, branch, figure, iso, K) if figure else zero
        if sigma is None and name == "read":
            raise ValueError(
                f"{profile.name}: read must be one of {', '.join(_known_models(rows, branch))} "
                f"in the branch {branch.name!r}, got {read!r}"
            )
        out[f"sigma_{name}"] = zero if sigma is None else sigma
        out[f"spread_{name}"] = spread_of(rows, branch, figure, iso) if figure else zero
    out["tukey_lambda"] = shape_of(rows, branch, iso) if read == "tukey_lambda" else zero
    return out


def rows_of(profile: CameraProfile, branch: Branch) -> list[Row]:
    """Return the calibrated rows of one gain branch."""
    return [row for row in profile.rows if branch.iso[0] <= row.iso <= branch.iso[1]]


def gain(rows: Sequence[Row], branch: Branch, iso: np.ndarray) -> np.ndarray:
    """K in DN/e- at each ISO: rows, else the branch's law, else in proportion to ISO; 1 if unknown."""
    law = branch.K
    points = _points(rows, "K")
    if not points[0].size:
        return law.per_iso * iso + law.offset if law else np.ones_like(iso)
    beyond = (lambda x: law.per_iso * x + law.offset) if law else None
    return _table(points, iso, beyond or (lambda x: points[1][-1] * x / points[0][-1]))


def sigma_of(
    rows: Sequence[Row], branch: Branch, figure: str, iso: np.ndarray, K: np.ndarray
) -> np.ndarray | None:
    """One sigma at each ISO, DN: a row, log-log between rows, else the law's mean; None if unknown."""
    points, law = _points(rows, figure), branch.laws.get(figure)
    if not points[0].size:
        return None if law is None else _law_mean(law, K)
    if law is None:
        return _table(points, iso, None)
    from_law = _law_mean(law, K)
    return np.where(_covered(points, iso), _table(points, iso, None), from_law)


def shape_of(rows: Sequence[Row], branch: Branch, iso: np.ndarray) -> np.ndarray:
    """Tukey-lambda shape at each ISO: linear in log ISO between rows, held outside; else the list's mean."""
    isos, shapes = _points(rows, "tukey_lambda")
    if not isos.size:
        return np.full_like(iso, np.mean(branch.tukey_lambda))
    return np.interp(np.log(iso), np.log(isos), shapes)


def holes(profile: CameraProfile) -> list[tuple[float, float]]:
    """Return the ranges of ISO without an answer: from a branch of a single ISO up to the next branch."""
    pairs = itertools.pairwise(profile.branches)
    return [(a.iso[1], b.iso[0]) for a, b in pairs if a.iso[0] == a.iso[1]]


def check_isos(profile: CameraProfile, isos: np.ndarray, *, whole_range: bool) -> None:
    """Refuse what no draw may meet: a single ISO out of range, or with ``whole_range`` a range with a hole.

    Raises:
        ValueError: as :func:`branch_index`, or the range has a hole.
    """
    branch_index(profile, isos)
    for low, high in holes(profile) if whole_range else ():
        if min(isos) <= low < max(isos):
            raise ValueError(
                f"{profile.name}: iso as a range must not cross what is not known between ISO {low:g} and "
                f"{high:g}, got {min(isos):g} to {max(isos):g}; the camera answers at {profile.iso_ranges()}"
            )


def spread_of(rows: Sequence[Row], branch: Branch, figure: str, iso: np.ndarray) -> np.ndarray:
    """Spread of ln(sigma) at each ISO: of the rows that surround it, over frames, else the law's."""
    law = branch.laws.get(figure)
    outside = np.full_like(iso, law.spread if law else 0.0)
    relative = [
        (row.iso, row.spread[figure] / getattr(row, figure))
        for row in rows
        if row.spread and figure in row.spread and getattr(row, figure)
    ]
    if not relative:
        return outside
    isos, values = np.array(relative).T
    between = np.interp(np.log(iso), np.log(isos), values)
    return between if law is None else np.where((iso >= isos[0]) & (iso <= isos[-1]), between, outside)


def _bias(table: Sequence[BiasRow], branch: Branch, iso: np.ndarray, nearest: bool) -> np.ndarray:
    rows = [row for row in table if branch.iso[0] <= row.iso <= branch.iso[1]]
    if not rows:
        return np.zeros((len(iso), 4))
    x, known = np.log(iso), np.log([row.iso for row in rows])
    dn = np.array([row.dn for row in rows])
    if nearest:
        return dn[np.abs(x[:, None] - known).argmin(1)]
    return np.stack([np.interp(x, known, dn[:, site]) for site in range(4)], axis=1)


def _known_models(rows: Sequence[Row], branch: Branch) -> list[str]:
    return [m for m, f in READ_FIGURE.items() if f in branch.laws or _points(rows, f)[0].size] + ["none"]


def _points(rows: Sequence[Row], figure: str) -> tuple[np.ndarray, np.ndarray]:
    known = [(row.iso, getattr(row, figure)) for row in rows if getattr(row, figure) is not None]
    isos, values = np.array(known, dtype=np.float64).reshape(-1, 2).T
    return isos, values


def _law_mean(law: Law, K: np.ndarray) -> np.ndarray:
    # The mean of ln(sigma), hence the median of sigma: E[sigma] would depend on the spread's shape.
    return np.exp(law.slope * np.log(K) + law.intercept)


def _covered(points: tuple[np.ndarray, np.ndarray], iso: np.ndarray) -> np.ndarray:
    isos = points[0]
    # Two rows bracket what is between them; a single row speaks for its own ISO only.
    return (iso >= isos[0]) & (iso <= isos[-1])


def _table(
    points: tuple[np.ndarray, np.ndarray], iso: np.ndarray, beyond: Callable[[np.ndarray], np.ndarray] | None
) -> np.ndarray:
    """Interpolate log-log; outside the rows ask ``beyond``, else go on along the last two rows."""
    isos, values = points
    if (values == 0).any():  # no logarithm: linear in log ISO, held outside
        out = np.interp(np.log(iso), np.log(isos), values)
    else:
        x, known, logs = np.log(iso), np.log(isos), np.log(values)
        out = np.exp(np.interp(x, known, logs))
        above = iso > isos[-1]
        if len(isos) > 1 and above.any():
            slope = (logs[-1] - logs[-2]) / (known[-1] - known[-2])
            out[above] = np.exp(logs[-1] + slope * (x[above] - known[-1]))
    if beyond is not None:
        out = np.where(_covered(points, iso), out, beyond(iso))
    at_row = np.searchsorted(isos, iso).clip(max=len(isos) - 1)
    # exp(log(v)) may differ from v in the last bit: a calibrated row is given back as it stands.
    return np.where(isos[at_row] == iso, values[at_row], out)
