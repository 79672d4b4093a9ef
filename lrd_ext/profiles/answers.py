# SPDX-License-Identifier: Apache-2.0
"""What a profile answers at given ISOs: calibrated rows, interpolation between them, laws elsewhere.

Everything here works on arrays of ISOs in float64 and knows nothing of draws or tensors. What
depends on the profile alone is put into arrays once, figure by figure, when it is first asked for.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np

from lrd_ext.read_models import profile_models, read_model, standard_table

from .records import BiasRow, Branch, Law, QuantileRow, Row
from .sensor import SensorRow

_AtIso = TypeVar("_AtIso", Row, BiasRow, QuantileRow, SensorRow)


@dataclasses.dataclass
class Answer:
    """Figures at n ISOs, (n,) each but bias (n, 4), and the spread of the logarithm of each sigma, (n,).

    ``branch`` is the number of the gain branch each ISO lies in; ``quantiles`` (n, KNOTS) are there where the
    read model has a table.
    """

    branch: np.ndarray
    K: np.ndarray
    sigma_read: np.ndarray
    sigma_row: np.ndarray
    sigma_col: np.ndarray
    tukey_lambda: np.ndarray
    bias: np.ndarray
    spread_read: np.ndarray
    spread_row: np.ndarray
    spread_col: np.ndarray
    quantiles: np.ndarray | None = None


def iso_ranges(branches: Sequence[Branch]) -> str:
    """Tell the ISO range of each gain branch, for messages; of very many branches the first and the last."""
    shown = [*branches[:8], branches[-1]] if len(branches) > 9 else branches
    spans = (f"{low:g}" if low == high else f"{low:g} to {high:g}" for low, high in (b.iso for b in shown))
    if len(branches) == 1:  # its name would tell nothing more
        return f"ISO {next(spans)}"
    named = " and ".join(f"ISO {span} ({b.name})" for span, b in zip(spans, shown, strict=True))
    return named if len(shown) == len(branches) else f"{named}, {len(branches)} branches in all"


def by_branch(branches: Sequence[Branch], entries: Sequence[_AtIso]) -> list[Sequence[_AtIso]]:
    """Return the rows that lie in each gain branch; their ISOs rise."""
    isos = [entry.iso for entry in entries]
    return [entries[bisect_left(isos, b.iso[0]) : bisect_right(isos, b.iso[1])] for b in branches]


class Answers:
    """A camera's answers over all of its gain branches.

    Args:
        name: the camera, for messages.
        branches: its gain branches, ISOs rising.
        rows: its calibrated rows, ISOs rising.
        bias: its black-level errors, ISOs rising.
        quantiles: tables of its read noise, ISOs rising.
    """

    def __init__(
        self,
        name: str,
        branches: Sequence[Branch],
        rows: Sequence[Row],
        bias: Sequence[BiasRow],
        quantiles: Sequence[QuantileRow] = (),
    ) -> None:
        tables = by_branch(branches, quantiles)
        parts = zip(branches, by_branch(branches, rows), by_branch(branches, bias), tables, strict=True)
        self.name = name
        self.branches = [BranchAnswers(*part) for part in parts]
        self._starts = np.array([branch.iso[0] for branch in branches], dtype=np.float64)
        ends = np.array([branch.iso[1] for branch in branches], dtype=np.float64)
        # A branch known at one ISO only has nothing to continue into the gap above it.
        self._lasts = np.where(self._starts == ends, ends, np.append(self._starts[1:], ends[-1]))
        self._lasts[-1] = ends[-1]

    def index(self, iso: np.ndarray) -> np.ndarray:
        """Find the gain branch of each ISO, (n,): a branch reaches up to the first ISO of the next one.

        Raises:
            ValueError: an ISO lies outside the range, or in a gap above a branch of a single ISO.
        """
        index = self._starts.searchsorted(iso, side="right") - 1
        bad = (index < 0) | (iso > self._lasts[index])
        if bad.any():
            ranges = iso_ranges([own.branch for own in self.branches])
            raise ValueError(f"{self.name}: iso must be in the range {ranges}, got {iso[bad][0]:g}")
        return index

    def at(self, iso: np.ndarray, read: str, *, nearest_bias: bool = False) -> Answer:
        """Answer for ISOs of any gain branches.

        Args:
            iso: (n,) float64.
            read: a read-noise model.
            nearest_bias: give the bias row of the nearest ISO, not a linear mixture of two.

        Raises:
            ValueError: an ISO is out of range, or a figure the read model needs is not known there.
        """
        index = self.index(iso)
        if len(iso) == 1 or (index == index[0]).all():
            return Answer(index, **self._of(int(index[0]), iso, read, nearest_bias))
        columns: dict[str, np.ndarray] = {}
        for i in np.unique(index).tolist():
            here = index == i
            for name, values in self._of(i, iso[here], read, nearest_bias).items():
                columns.setdefault(name, np.zeros((len(iso), *values.shape[1:])))[here] = values
        return Answer(index, **columns)

    def _of(self, i: int, iso: np.ndarray, read: str, nearest_bias: bool) -> dict[str, np.ndarray]:
        try:
            return self.branches[i].at(Isos(iso), read, nearest_bias)
        except ValueError as error:
            raise ValueError(f"{self.name}: {error}") from None

    @functools.cached_property
    def holes(self) -> list[tuple[float, float]]:
        """Return the ranges of ISO without an answer: from a branch of a single ISO up to the next branch."""
        pairs = itertools.pairwise(own.branch.iso for own in self.branches)
        return [(a[1], b[0]) for a, b in pairs if a[0] == a[1]]

    def check(self, isos: np.ndarray, *, whole_range: bool) -> None:
        """Refuse what no draw may meet: an ISO out of range, or with ``whole_range`` a range with a hole.

        Raises:
            ValueError: as :meth:`index`, or the range has a hole.
        """
        self.index(isos)
        for low, high in self.holes if whole_range else ():
            if min(isos) <= low < max(isos):
                raise ValueError(
                    f"{self.name}: iso as a range must not cross what is not known between ISO {low:g} and "
                    f"{high:g}, got {min(isos):g} to {max(isos):g}; the camera answers at "
                    f"{iso_ranges([own.branch for own in self.branches])}"
                )


class BranchAnswers:
    """The answers of one gain branch."""

    def __init__(
        self,
        branch: Branch,
        rows: Sequence[Row],
        bias: Sequence[BiasRow],
        quantiles: Sequence[QuantileRow] = (),
    ) -> None:
        self.branch, self.rows = branch, rows
        self._quantile_rows = quantiles
        self.jitter = branch.K.jitter if branch.K else 0.0
        self._bias_rows = bias
        self._grids: dict[tuple[float, ...], _Grid] = {}
        self._figures: dict[str, _Points | None] = {}
        self._spreads: dict[str, _Points | None] = {}

    @functools.cached_property
    def shapes(self) -> np.ndarray:
        """The branch's list of shapes, which sampling draws from."""
        return np.array(self.branch.tukey_lambda, dtype=np.float64)

    @functools.cached_property
    def _bias(self) -> _Points | None:
        return self._at_isos([(row.iso, row.dn) for row in self._bias_rows])

    @functools.cached_property
    def held(self) -> set[str]:
        """The figures a law or a row of the branch gives."""
        return set(self.branch.laws).union(*(row.figures for row in self.rows))

    def at(self, isos: Isos, read: str, nearest_bias: bool) -> dict[str, np.ndarray]:
        """Return the fields of :class:`Answer` at ISOs of this branch."""
        model, K, zero = read_model(read), self.gain(isos), np.zeros(len(isos.iso))
        out = {"K": K, "bias": self.bias(isos, nearest_bias)}
        for name, figure in (("read", model.figure), ("row", "sigma_row"), ("col", "sigma_col")):
            sigma = self.sigma(figure, isos, K) if figure else zero
            if sigma is None and name == "read":
                raise ValueError(
                    f"read must be one of {', '.join(self._known_models())} in the branch "
                    f"{self.branch.name!r}, got {read!r}"
                )
            out[f"sigma_{name}"] = zero if sigma is None else sigma
            out[f"spread_{name}"] = self.spread(figure, isos) if figure and sigma is not None else zero
        out["tukey_lambda"] = self.shape(isos) if model.shaped else zero
        return out | ({"quantiles": self.quantiles(isos)} if model.tabled else {})

    def gain(self, isos: Isos) -> np.ndarray:
        """K in DN/e- at each ISO: rows, else the branch's law, else in proportion to ISO; 1 if unknown."""
        law, points = self.branch.K, self._points("K")
        if points is None:
            return law.per_iso * isos.iso + law.offset if law else np.ones(len(isos.iso))
        if law is None:
            return points.log_log(isos, lambda: points.values[-1] * isos.iso / points.grid.isos[-1])
        per_iso, offset = law.per_iso, law.offset
        return points.log_log(isos, lambda: per_iso * isos.iso + offset)

    def sigma(self, figure: str, isos: Isos, K: np.ndarray) -> np.ndarray | None:
        """One sigma at each ISO, DN: a row, log-log between rows, else the law's mean; None if unknown."""
        points, law = self._points(figure), self.branch.laws.get(figure)
        if law is None:
            return points.log_log(isos, None) if points else None
        mean = functools.partial(_law_mean, law, K)
        return points.log_log(isos, mean) if points else mean()

    def shape(self, isos: Isos) -> np.ndarray:
        """Shape of the read noise: linear in log ISO between rows, held outside; else the list's mean."""
        points = self._points("tukey_lambda")
        if points is not None:
            return points.linear(isos)
        return np.full(len(isos.iso), self.shapes.mean() if self.shapes.size else np.nan)

    def spread(self, figure: str, isos: Isos) -> np.ndarray:
        """Spread of ln(sigma) at each ISO: of the rows that surround it, over frames, else the law's."""
        if figure not in self._spreads:
            self._spreads[figure] = self._relative_spreads(figure)
        law, points = self.branch.laws.get(figure), self._spreads[figure]
        if points is None:
            return np.full(len(isos.iso), law.spread if law else 0.0)
        covered = isos.on(points.grid).covered
        between = points.linear(isos)
        return between if law is None or covered is None else np.where(covered, between, law.spread)

    def bias(self, isos: Isos, nearest: bool) -> np.ndarray:
        """Black-level error by site (n, 4), DN: linear in log ISO, or the row of the nearest ISO; else 0."""
        if self._bias is None:
            return np.zeros((len(isos.iso), 4))
        known, values = self._bias.grid.log_isos, self._bias.values
        if nearest:
            return values[np.abs(isos.x[:, None] - known).argmin(1)]
        return np.stack([np.interp(isos.x, known, values[:, site]) for site in range(4)], axis=1)

    @functools.cached_property
    def _quantiles(self) -> _Points | None:
        return self._at_isos([(row.iso, row.quantiles) for row in self._quantile_rows])

    def quantiles(self, isos: Isos) -> np.ndarray:
        """Quantiles at scale 1 (n, KNOTS): linear in log ISO, knot by knot, held outside.

        Between two ISOs they are brought to standard deviation 1 again: quantiles of unlike distributions
        have less together. Source: displacement interpolation, McCann, Adv. Math. 128(1), 1997.
        """
        assert self._quantiles is not None  # a profile without is refused
        known, values = self._quantiles.grid.log_isos, self._quantiles.values
        place = np.interp(isos.x, known, np.arange(len(known)))
        below = place.astype(int)
        share = (place - below)[:, None]
        mixed = (1 - share) * values[below] + share * values[np.minimum(below + 1, len(known) - 1)]
        between = place != below
        if between.any():
            mixed[between] = standard_table(mixed[between])
        return mixed

    def _points(self, figure: str) -> _Points | None:
        if figure not in self._figures:
            known = [(row.iso, row.figures[figure]) for row in self.rows if figure in row.figures]
            self._figures[figure] = self._at_isos(known)
        return self._figures[figure]

    def _relative_spreads(self, figure: str) -> _Points | None:
        return self._at_isos(
            [
                (row.iso, row.spread[figure] / row.figures[figure])
                for row in self.rows
                if row.spread and figure in row.spread and row.figures.get(figure)
            ]
        )

    def _at_isos(self, known: Sequence[tuple[float, Any]]) -> _Points | None:
        """Put values at ISOs into arrays; figures known at the same ISOs share their grid."""
        if not known:
            return None
        isos, values = zip(*known, strict=True)
        return _Points(self._grids.setdefault(isos, _Grid(isos)), values)

    def _known_models(self) -> list[str]:
        return [model.name for model in profile_models() if model.figure in self.held] + ["none"]


class Isos:
    """ISOs that are asked for, (n,) float64, and where they lie on each grid of calibrated ones."""

    def __init__(self, iso: np.ndarray) -> None:
        self.iso = iso
        self.x = np.log(iso)
        self._on: dict[int, _Located] = {}

    def on(self, grid: _Grid) -> _Located:
        """Locate the ISOs on a grid, once for all figures on it."""
        if id(grid) not in self._on:
            self._on[id(grid)] = grid.locate(self.iso)
        return self._on[id(grid)]


class _Located(NamedTuple):
    """Which ISOs two points of a grid bracket (None: all), which lie on one (None: none), and on which."""

    covered: np.ndarray | None
    on_point: np.ndarray | None
    point: np.ndarray


class _Grid:
    """Calibrated ISOs, rising."""

    def __init__(self, isos: Sequence[float]) -> None:
        self.isos = np.array(isos, dtype=np.float64)
        self.log_isos = np.log(self.isos)

    def locate(self, iso: np.ndarray) -> _Located:
        # A single point speaks for its own ISO only.
        covered = (iso >= self.isos[0]) & (iso <= self.isos[-1])
        point = np.minimum(self.isos.searchsorted(iso), len(self.isos) - 1)
        on_point = self.isos[point] == iso
        return _Located(None if covered.all() else covered, on_point if on_point.any() else None, point)


class _Points:
    """Values of a figure on a grid of ISOs."""

    def __init__(self, grid: _Grid, values: Sequence[Any]) -> None:
        self.grid = grid
        self.values = np.array(values, dtype=np.float64)
        self._logs = np.log(self.values) if (self.values > 0).all() else None

    def linear(self, isos: Isos) -> np.ndarray:
        """Interpolate linearly over ln ISO, held outside."""
        return np.interp(isos.x, self.grid.log_isos, self.values)

    def log_log(self, isos: Isos, beyond: Callable[[], np.ndarray] | None) -> np.ndarray:
        """Interpolate log-log; outside the points take ``beyond``, else go on along the last two."""
        known, logs, located = self.grid.log_isos, self._logs, isos.on(self.grid)
        # Where a value is 0 there is no logarithm: linear, held outside.
        out = self.linear(isos) if logs is None else np.exp(np.interp(isos.x, known, logs))
        if located.covered is not None:
            if beyond is not None:
                out = np.where(located.covered, out, beyond())
            elif logs is not None and len(logs) > 1:
                above = isos.iso > self.grid.isos[-1]
                slope = (logs[-1] - logs[-2]) / (known[-1] - known[-2])
                out[above] = np.exp(logs[-1] + slope * (isos.x[above] - known[-1]))
        if located.on_point is None:
            return out
        # exp(log(v)) may differ from v in the last bit: a calibrated row is given back as it stands.
        return np.where(located.on_point, self.values[located.point], out)


def _law_mean(law: Law, K: np.ndarray) -> np.ndarray:
    # The mean of ln(sigma), hence the median of sigma: E[sigma] would depend on the spread's shape.
    return np.exp(law.slope * np.log(K) + law.intercept)
