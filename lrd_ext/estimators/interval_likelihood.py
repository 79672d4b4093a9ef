# SPDX-License-Identifier: Apache-2.0
"""Read noise where rounding or the end of the range has taken most of it: the likelihood of intervals.

A recorded value says that the noise fell into an interval, an open one where values pile up at an end of the
range. Two frames of a pixel share its level, which is unknown; over the pixels of a site levels are taken as
normal. So the joint histogram of pairs of frames has the probability of intervals, integrated over the
levels, and its likelihood gives noise, shape, mean level and spread of the levels, for any noise and step.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence

import numpy as np
from scipy import special

from lrd_ext.read_models import tukey_lambda_cdf, tukey_lambda_std

from .intervals import Estimate, from_error, from_frames
from .tukey_lambda import SHAPES, Distribution, TukeyLambdaFit

#: Shapes cameras are known to have, mean and deviation: it counts where the data tell little.
PRIOR_SHAPE = (0.05, 0.15)
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(7)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()
_SMALLEST = 1e-300
_ROUNDS = 60
#: A round that gains less of the logarithm of the likelihood is the last.
_SETTLED = 1e-3

#: (ln std, shape); (level, variance of levels) by site; covariance of all ten; estimates of all by pair.
Found = tuple[np.ndarray, list[np.ndarray], np.ndarray, np.ndarray]


@dataclasses.dataclass(frozen=True)
class PairCounts:
    """Joint histograms of pairs of frames.

    ``counts`` (p, 4, b, b) pixels by pair, site, and bin in the first and the second frame; ``edges``
    (b - 1,) between the bins, raw DN: the outermost bins hold all beyond. ``values`` (b,) are what a bin
    stands for.
    """

    counts: np.ndarray
    edges: np.ndarray
    values: np.ndarray

    def of_site(self, site: int) -> PairCounts:
        """Return the counts of one site alone."""
        counts = np.zeros_like(self.counts)
        counts[:, site] = self.counts[:, site]
        return PairCounts(counts, self.edges, self.values)

    @property
    def marginal(self) -> np.ndarray:
        """Counts of single values by site, (4, b)."""
        both = self.counts.sum(axis=0)
        return both.sum(axis=1) + both.sum(axis=2)


@dataclasses.dataclass(frozen=True)
class IntervalFit:
    """What the likelihood gave: noise without that of lines [DN], shape, levels of the sites [raw DN].

    ``slopes`` are how much of the offsets of rows and of columns is left in the means of recorded values:
    line noise is seen through them. ``by_site`` is ``std`` of each site by itself; ``distributions`` hold
    recorded values beside those of each read model.
    """

    std: Estimate
    tukey_lambda: TukeyLambdaFit
    levels: tuple[Estimate, ...]
    by_site: tuple[Estimate, ...]
    slopes: tuple[Estimate, Estimate]
    distributions: dict[str, Distribution]


def bin_edges(lowest: float, highest: float, step: float, width: float) -> tuple[np.ndarray, np.ndarray]:
    """Return edges between bins of whole steps, and what each bin stands for, raw DN.

    Args:
        lowest: a recorded value: the first bin holds it and all below.
        highest: a recorded value: the last bin holds it and all above.
        step: step of the values, DN.
        width: wanted width of a bin, DN.
    """
    codes = max(round((highest - lowest) / step), 1)
    wide = max(round(width / step), 1)
    ends = np.arange(0, codes, wide) + 0.5
    centres = np.concatenate([[0.0], (ends[:-1] + ends[1:]) / 2, [max(codes, ends[-1] + 0.5)]])
    return lowest + step * ends, lowest + step * centres


def count_pair(
    first: np.ndarray, second: np.ndarray, edges: np.ndarray, skip: np.ndarray | None = None
) -> np.ndarray:
    """Count one pair of frames (H, W) by site: (4, b, b); pixels where ``skip`` is true do not count."""
    b = len(edges) + 1
    table = np.digitize(np.arange(65536), edges).astype(np.int64)
    joint = table[first] * b + table[second]
    if skip is not None:
        joint[skip] = b * b
    planes = (joint[site // 2 :: 2, site % 2 :: 2] for site in range(4))
    return np.stack([np.bincount(p.ravel(), minlength=b * b + 1)[: b * b].reshape(b, b) for p in planes])


@dataclasses.dataclass(frozen=True)
class _Model:
    """Probabilities of bins; ``line`` is the deviation of row and column noise, ``shaped``: Tukey-lambda."""

    edges: np.ndarray
    line: float
    shaped: bool

    def cdf(self, x: np.ndarray, std: float, shape: float) -> np.ndarray:
        if not self.shaped:
            return np.asarray(special.ndtr(x / math.hypot(std, self.line)))
        scale = std / tukey_lambda_std(shape)
        own: Callable[[np.ndarray], np.ndarray] = functools.partial(tukey_lambda_cdf, shape=shape)
        if self.line < 0.02 * std:
            return own(x / scale)
        return np.tensordot(_WEIGHTS, own((x[None] + self.line * _NODES[:, None, None]) / scale), 1)

    def single(self, theta: np.ndarray, u: np.ndarray) -> np.ndarray:
        """Return (len(u), b): probability of each bin at levels ``u``."""
        inner = self.cdf(self.edges[None, :] - u[:, None], math.exp(theta[0]), float(theta[1]))
        ends = np.zeros((len(u), 1)), np.ones((len(u), 1))
        return np.diff(np.concatenate([ends[0], inner, ends[1]], axis=1), axis=1)

    def levels(self, theta: np.ndarray, site: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return levels [DN] and their weights for a site of mean level and variance ``site``."""
        spread = math.sqrt(max(float(site[1]), 0.0))
        noise = math.hypot(math.exp(theta[0]), self.line)
        # Half a deviation of the noise, or of the levels, from node to node.
        n = int(np.clip(math.ceil(18 * spread / min(noise, spread)), 17, 201)) if spread else 1
        t = np.linspace(-4.5, 4.5, n) if n > 1 else np.zeros(1)
        w = np.exp(-(t**2) / 2)
        return site[0] + spread * t, w / w.sum()

    def joint(self, theta: np.ndarray, site: np.ndarray) -> np.ndarray:
        """Return (b, b): probability of each pair of bins."""
        u, w = self.levels(theta, site)
        p = self.single(theta, u)
        return np.maximum((p * w[:, None]).T @ p, _SMALLEST)


def fit_pairs(pairs: PairCounts, seen: float, step: float) -> IntervalFit:
    """Fit Tukey-lambda noise and normal levels by maximum likelihood, by Fisher scoring.

    Args:
        pairs: joint histograms, with at least one pixel a site.
        seen: deviation of row and column noise together, as means of recorded values show it, DN.
        step: step of the values, DN.
    """
    model = _Model(pairs.edges, seen, True)
    first = _fit(pairs, model, step)
    line = seen / float(_slopes(model, pairs, first[0], first[1], step).mean())
    model, gaussian = (_Model(pairs.edges, line, s) for s in (True, False))
    shaped, plain = (_fit(pairs, m, step, first[:2]) for m in (model, gaussian))
    theta, sites, covariance, per_pair = shaped
    std, shape = math.exp(theta[0]), float(theta[1])
    bend = (math.log(tukey_lambda_std(shape + 1e-4)) - math.log(tukey_lambda_std(shape - 1e-4))) / 2e-4
    to_log_scale = np.array([1.0, -bend])
    scale = _in_logarithm(
        std / tukey_lambda_std(shape),
        math.sqrt(to_log_scale @ covariance[:2, :2] @ to_log_scale),
        (per_pair[:, :2] - theta) @ to_log_scale,
    )
    fit = TukeyLambdaFit(scale, from_frames(shape, math.sqrt(covariance[1, 1]), per_pair[:, 1]), std)
    levels = tuple(
        from_frames(float(s[0]), math.sqrt(covariance[2 + 2 * i, 2 + 2 * i]), per_pair[:, 2 + 2 * i])
        for i, s in enumerate(sites)
    )
    shown = {
        name: _distribution(pairs, m, found[0], found[1])
        for name, m, found in (("gaussian", gaussian, plain), ("tukey_lambda", model, shaped))
    }
    by_site = tuple(_noise(_fit(pairs.of_site(site), model, step, (theta, sites))) for site in range(4))
    slopes = _slopes_with_errors(model, pairs, shaped, step)
    return IntervalFit(_noise(shaped), fit, levels, by_site, slopes, shown)


def _noise(found: Found) -> Estimate:
    theta, _, covariance, per_pair = found
    return _in_logarithm(math.exp(theta[0]), math.sqrt(covariance[0, 0]), per_pair[:, 0] - theta[0])


def _in_logarithm(value: float, error: float, per_pair: np.ndarray) -> Estimate:
    """Return a positive figure whose logarithm has a normal interval; one wider than e^1.2 begins at 0."""
    e = from_frames(0.0, error, per_pair)
    low = 0.0 if e.low < -1.2 else value * math.exp(e.low)
    return Estimate(value, low, value * math.exp(min(e.high, 3.0)), value * e.spread)


def _fit(
    pairs: PairCounts, model: _Model, step: float, start: tuple[np.ndarray, list[np.ndarray]] | None = None
) -> Found:
    """Return (ln std, shape), (level, variance of levels) by site, their covariance, and estimates by pair.

    The covariance (10, 10) and the estimates (p, 10) are in the order noise, then level and variance by site.
    """
    total = pairs.counts.sum(axis=0).astype(np.float64)
    theta, sites = start or _start(pairs, step)
    best = _likelihood(model, total, theta, sites)
    for _ in range(_ROUNDS):
        information, slopes = _information(model, total, theta, sites)
        gradient = _gradient(slopes, total, theta, model)
        # A spread of levels that is 0 and wants to fall stays out of the step.
        free = np.ones(10, bool)
        free[3::2] = [site[1] > 0 or g > 0 for site, g in zip(sites, gradient[3::2], strict=True)]
        step_by = np.zeros(10)
        step_by[free] = np.linalg.solve(information[np.ix_(free, free)], gradient[free])
        for half in range(12):
            tried = _moved(theta, sites, step_by * 0.5**half, step)
            found = _likelihood(model, total, *tried)
            if found >= best - 1e-9:
                break
        gain, (theta, sites), best = found - best, tried, found
        if gain < _SETTLED:
            break
    information, slopes = _information(model, total, theta, sites)
    covariance = np.linalg.inv(information)
    n = len(pairs.counts)
    now = np.concatenate([theta, *sites])
    steps = [covariance @ _gradient(slopes, own.astype(np.float64), None, model) for own in pairs.counts]
    per_pair = now + n * np.array(steps)
    return theta, sites, covariance, per_pair


def _start(pairs: PairCounts, step: float) -> tuple[np.ndarray, list[np.ndarray]]:
    """Start from moments of the bins: differences give the noise, means the levels."""
    total, v = pairs.counts.sum(axis=0).astype(np.float64), pairs.values
    apart = (v[:, None] - v[None, :]) ** 2
    noise = float((total * apart).sum() / total.sum()) / 2
    std = math.sqrt(max(noise - step**2 / 12, 0.04 * step**2))
    sites = []
    for own in total:
        single = own.sum(axis=0) + own.sum(axis=1)
        mean = float(single @ v / single.sum())
        spread = float(single @ (v - mean) ** 2 / single.sum()) - noise
        sites.append(np.array([mean, max(spread, (0.1 * step) ** 2)]))
    return np.array([math.log(std), PRIOR_SHAPE[0]]), sites


def _likelihood(model: _Model, total: np.ndarray, theta: np.ndarray, sites: Sequence[np.ndarray]) -> float:
    found = sum(
        float((own * np.log(model.joint(theta, site))).sum())
        for own, site in zip(total, sites, strict=True)
        if own.any()
    )
    return found - (theta[1] - PRIOR_SHAPE[0]) ** 2 / (2 * PRIOR_SHAPE[1] ** 2)


def _information(
    model: _Model, total: np.ndarray, theta: np.ndarray, sites: Sequence[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Return Fisher's information (10, 10), the prior's too, and slopes of ln probability (4, 4, b, b)."""
    information, slopes = np.zeros((10, 10)), []
    information[1, 1] = PRIOR_SHAPE[1] ** -2
    noise = math.hypot(math.exp(theta[0]), model.line)
    for i, (own, site) in enumerate(zip(total, sites, strict=True)):
        if not own.any():
            slopes.append(np.zeros((4, *own.shape)))
            continue
        here = np.concatenate([theta, site])
        moves = (2e-3, 2e-3, 2e-3 * noise, 0.02 * noise**2)
        u = np.stack([_slope_of(model, here, k, by) for k, by in enumerate(moves)])
        if not model.shaped:
            u[1] = 0.0
        expected = model.joint(theta, site) * own.sum()
        at = [0, 1, 2 + 2 * i, 3 + 2 * i]
        flat = u.reshape(4, -1)
        information[np.ix_(at, at)] += (flat * expected.ravel()) @ flat.T
        slopes.append(u)
    # What the data say nothing of stays where it is.
    information[np.diag_indices(10)] += 1e-9 * (1 + np.diag(information))
    return information, np.array(slopes)


def _slope_of(model: _Model, here: np.ndarray, k: int, by: float) -> np.ndarray:
    """Return the derivative of ln probability by one parameter; a variance does not go below 0."""
    up, down = here.copy(), here.copy()
    up[k] += by
    down[k] = max(here[k] - by, 0.0) if k == 3 else here[k] - by
    ends = [np.log(model.joint(x[:2], x[2:])) for x in (up, down)]
    return np.asarray((ends[0] - ends[1]) / (up[k] - down[k]))


def _gradient(slopes: np.ndarray, counts: np.ndarray, theta: np.ndarray | None, model: _Model) -> np.ndarray:
    """Return the slope of the likelihood (10,); with ``theta`` the prior's part too."""
    by_site = np.einsum("skab,sab->sk", slopes, counts)
    gradient = np.concatenate([by_site[:, :2].sum(axis=0), by_site[:, 2:].ravel()])
    if theta is not None:
        gradient[1] -= (theta[1] - PRIOR_SHAPE[0]) / PRIOR_SHAPE[1] ** 2
    return gradient if model.shaped else gradient * np.r_[1.0, 0.0, np.ones(8)]


def _moved(
    theta: np.ndarray, sites: Sequence[np.ndarray], by: np.ndarray, step: float
) -> tuple[np.ndarray, list[np.ndarray]]:
    noise = math.exp(theta[0])
    moved = theta + np.clip(by[:2], -0.5, 0.5)
    moved[0] = max(moved[0], math.log(0.02 * step))
    moved[1] = min(max(moved[1], SHAPES[0] + 0.01), SHAPES[1] - 0.01)
    limits = np.array([max(noise, step), max(noise, step) ** 2])
    new = [s + np.clip(d, -limits, limits) for s, d in zip(sites, by[2:].reshape(4, 2), strict=True)]
    return moved, [np.array([s[0], max(s[1], 0.0)]) for s in new]


def _slopes(
    model: _Model, pairs: PairCounts, theta: np.ndarray, sites: Sequence[np.ndarray], step: float
) -> np.ndarray:
    """Return the slopes of row and column means over a small change of the level, (2,).

    A line holds two of the sites; over lines the squares of their slopes count, as for a variance.
    """
    found, by = [], 0.02 * max(step, math.exp(theta[0]))
    for site in sites:
        u, w = model.levels(theta, site)
        up, down = (model.single(theta, u + d) @ pairs.values for d in (by, -by))
        found.append(float(w @ (up - down)) / (2 * by))
    plane = np.reshape(found, (2, 2))
    # Below this little is seen of lines, and the quotient says nothing.
    return np.maximum([np.sqrt(np.square(plane.mean(axis=axis)).mean()) for axis in (1, 0)], 0.05)


def _slopes_with_errors(
    model: _Model, pairs: PairCounts, found: Found, step: float
) -> tuple[Estimate, Estimate]:
    """Return the slopes of rows and of columns, known as well as noise, shape and levels are."""
    theta, sites, covariance, _ = found
    here = np.concatenate([theta, *sites])
    gradient = np.zeros((2, len(here)))
    for k, error in enumerate(np.sqrt(np.diag(covariance))):
        ends, places = [], []
        for sign in (0.5, -0.5):
            by = np.zeros(len(here))
            by[k] = sign * error
            moved = _moved(theta, sites, by, step)
            places.append(np.concatenate([moved[0], *moved[1]])[k])
            ends.append(_slopes(model, pairs, *moved, step))
        if places[0] > places[1]:
            gradient[:, k] = (ends[0] - ends[1]) / (places[0] - places[1])
    errors = np.sqrt(np.maximum(np.diag(gradient @ covariance @ gradient.T), 0.0))
    row, column = _slopes(model, pairs, theta, sites, step)
    return from_error(float(row), float(errors[0])), from_error(float(column), float(errors[1]))


def _distribution(
    pairs: PairCounts, model: _Model, theta: np.ndarray, sites: Sequence[np.ndarray]
) -> Distribution:
    """Return recorded values against those of the model, about the mean level of each site."""
    real, made = np.zeros(len(pairs.values)), np.zeros(len(pairs.values))
    for counts, site in zip(pairs.marginal, sites, strict=True):
        u, w = model.levels(theta, site)
        real += counts
        made += w @ model.single(theta, u) * counts.sum()
    middle = float(np.mean([s[0] for s in sites]))
    return Distribution(pairs.values - middle, real, made)
