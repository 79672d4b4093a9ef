# SPDX-License-Identifier: Apache-2.0
"""The quantile function of read noise measured from residuals of dark frames, with no curve in mind.

Residuals are the noise, widened by the converter's rounding and by the noise of the means they are taken
about. Their places fall anywhere on the step, which dithers the rounding: so the histogram tells of the noise
between whole values too. Its distribution of largest likelihood is found by expectation maximisation, which
starts from a fitted curve and stops where the histogram is met as well as its own counts allow: what rounding
hides keeps the curve's course. Tails beyond the data go on as a generalised Pareto distribution.

Source: Richardson, JOSA 62(1), 1972, and Lucy, Astron. J. 79, 1974 (the iteration); Pickands, Ann. Statist.
3(1), 1975 (the tails).
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from scipy import special

from lrd_ext.read_models import read_model, standard_table
from lrd_ext.reference.quantile_table import knot_probabilities

from .rounding import ROUNDING
from .tukey_lambda import ResidualHistogram, TukeyLambdaFit

#: Fewer residuals tell no quantile function.
FEWEST = 1000
#: Residuals of a tail that a generalised Pareto distribution is fitted to, and the largest share of all.
TAIL_COUNT, TAIL_SHARE = 4000, 0.02
#: Shapes a tail may have: below, it ends early; above, its fourth moment is far off.
TAIL_SHAPES = (-0.5, 0.25)
#: How far the shape of a tail may lie from that of the fitted curve, a standard deviation.
TAIL_BELIEF = 0.03
_ROUNDS = 400
#: Share of the start that is the histogram itself: where the curve has nothing, the data still count.
_OPEN = 0.01


def fit_read_quantiles(hist: ResidualHistogram, start: TukeyLambdaFit) -> np.ndarray | None:
    """Measure the quantile function of read noise.

    Args:
        hist: residuals of darks, of noise that shows beside the step of the values.
        start: the curve to begin with.

    Returns: a table of quantiles, (KNOTS,) float64, mean 0 and standard deviation 1; None of fewer than
        FEWEST residuals.
    """
    count = float(hist.total.sum()) * hist.kept
    if count < FEWEST:
        return None
    mass = _sharpened(hist, start)
    edges = (np.arange(len(mass) + 1) - len(mass) / 2) * hist.width
    below = np.concatenate([[0.0], np.cumsum(mass)]) / mass.sum()
    rest = np.concatenate([np.cumsum(mass[::-1])[::-1], [0.0]]) / mass.sum()
    p = knot_probabilities().numpy()
    half = len(p) // 2
    share = min(TAIL_COUNT / count, TAIL_SHARE)
    tail = _Tail(share, -start.shape.value, count)
    lower = -_side(-edges[::-1], below[::-1], p[: half + 1], tail)
    upper = _side(edges, rest, p[: half + 1], tail)[::-1]
    quantiles = np.concatenate([lower, upper[1:]])
    # The middle of both sides is the same number but for rounding.
    return standard_table(np.maximum.accumulate(quantiles))


def _sharpened(hist: ResidualHistogram, start: TukeyLambdaFit) -> np.ndarray:
    """Return the share of noise in each bin, rounding and noise of the means taken out."""
    seen = hist.total / hist.total.sum()
    kernel = _kernel(hist, start.std)
    ends = np.append(hist.centres - hist.width / 2, hist.centres[-1] + hist.width / 2)
    curve = np.diff(read_model("tukey_lambda").cdf(ends, start.scale.value, start.shape.value))
    mass = (1 - _OPEN) * curve / curve.sum() + _OPEN * seen
    used = seen > 0
    for _ in range(_ROUNDS):
        made = np.maximum(np.convolve(mass, kernel, "same"), 1e-300)
        lack = 2 * hist.total.sum() * float(seen[used] @ np.log(seen[used] / made[used]))
        if lack < used.sum():  # as near as counts come to their own expectation
            break
        mass = mass * np.convolve(seen / made, kernel, "same")
    return mass


def _kernel(hist: ResidualHistogram, std: float) -> np.ndarray:
    """Return what rounding and the noise of the means make of a value, by bins about it; sum 1."""
    step = hist.step
    blur = math.sqrt(max(1 / hist.kept - 1, 0.0) * (std**2 + ROUNDING * step**2))
    blur = max(blur, 1e-3 * hist.width)
    reach = math.ceil((step / 2 + 6 * blur) / hist.width) + 1
    edges = (np.arange(2 * reach + 2) - reach - 0.5) * hist.width

    def ramp(x: np.ndarray) -> np.ndarray:
        z = x / blur
        return z * special.ndtr(z) + np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)

    below = (ramp(edges + step / 2) - ramp(edges - step / 2)) * blur / step
    kernel = np.diff(below)
    return np.asarray(kernel / kernel.sum())


@dataclasses.dataclass(frozen=True)
class _Tail:
    """Below what share a tail is fitted, what shape it is expected to have, and how many values there are."""

    share: float
    shape: float
    count: float


def _side(edges: np.ndarray, beyond: np.ndarray, p: np.ndarray, tail: _Tail) -> np.ndarray:
    """Return the value that a share ``p`` of the noise lies beyond, upward.

    Args:
        edges: (n + 1,) of the bins, rising, DN.
        beyond: (n + 1,) share of the noise above each.
        p: shares, rising, to 1/2.
        tail: what is known of the tail before.
    """
    falling = np.r_[True, np.diff(beyond) < 0]
    known, values = beyond[falling][::-1], edges[falling][::-1]
    found = np.interp(p, known, values)
    first = int(np.argmax(beyond <= tail.share))  # the threshold is an edge, so that whole bins lie past it
    if beyond[first] * tail.count < 1:  # one value holds the whole tail, or nothing does
        return np.asarray(found)
    over = (edges[first:-1] + edges[first + 1 :]) / 2 - edges[first]
    tail = dataclasses.replace(tail, share=float(beyond[first]))
    return np.where(p < tail.share, edges[first] + _excess(over, -np.diff(beyond[first:]), p, tail), found)


def _excess(over: np.ndarray, weights: np.ndarray, p: np.ndarray, tail: _Tail) -> np.ndarray:
    """Fit excesses over the threshold and return the one that a share ``p`` of all values goes beyond.

    The fitted curve's own tail is such a distribution: its shape counts beside what the few excesses tell.

    Source: probability-weighted moments, Hosking and Wallis, Technometrics 29(3), 1987, section 3.
    """
    share = weights / weights.sum()
    mean = float(share @ over)
    weighted = float(share @ (over * (np.cumsum(share[::-1])[::-1] - share / 2)))  # E[y (1 - F(y))]
    seen = (
        float(np.clip(2 - mean / (mean - 2 * weighted), *TAIL_SHAPES)) if mean > 2 * weighted else tail.shape
    )
    trust = TAIL_BELIEF**2 / (TAIL_BELIEF**2 + 1 / (tail.share * tail.count))
    shape = float(np.clip(trust * seen + (1 - trust) * tail.shape, *TAIL_SHAPES))
    logs = -np.log(np.minimum(p / tail.share, 1.0))
    return mean * (1 - shape) * (np.expm1(shape * logs) / shape if abs(shape) > 1e-9 else logs)
