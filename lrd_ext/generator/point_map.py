# SPDX-License-Identifier: Apache-2.0
"""The map that turns a normal score into a pixel's value, as a small net of leaky ReLUs fitted to histograms.

It has one input beside the score, log(sigma_init), so that the shape follows ISO. A histogram within 0.5 % in
every bin, which is what a divergence of 1e-5 nats asks for, needs two layers of six: what is wanted then is
found by damped Gauss-Newton steps, which draws of noise and a gradient do not find in any bearable time.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from lrd_ext.reference.conv_stack import NEGATIVE_SLOPE

#: Normal scores at which the map is worked out, and scores that part the bins compared.
_SCORES = torch.linspace(-5.4, 5.4, 241, dtype=torch.float64)
_EDGES = torch.linspace(-4.4, 4.4, 45, dtype=torch.float64)
#: Starts tried for a while, the best of which is carried on; steps of each.
_STARTS, _FIRST_STEPS, _STEPS = 6, 60, 300
#: Enough, when so many steps leave more than this share of the sum of squares.
_LOOK, _SLOW = 20, 0.99
#: Smoothness along ISO weighs this much less than the ISOs themselves.
_BETWEEN = 0.2


class PointMap(NamedTuple):
    """``layers``: weights of each hidden layer, bias last, then of the sum, bias last.

    (h, 3) on score, log(sigma_init) and 1; then (h', h + 1) on the layer before and 1; at last (h' + 1,).
    """

    layers: tuple[Tensor, ...]

    def features(self, score: Tensor, log_sigma: float) -> Tensor:
        """Return the last hidden layer and a row of ones, (h + 1, n), at scores (n,)."""
        one = torch.ones_like(score)
        x = torch.stack([score, log_sigma * one, one])
        for weight in self.layers[:-1]:
            x = torch.cat([functional.leaky_relu(weight @ x, NEGATIVE_SLOPE), one[None]])
        return x

    def at(self, score: Tensor, log_sigma: float) -> Tensor:
        """Return the value, in sigma_init, at scores (n,)."""
        return score + self.layers[-1] @ self.features(score, log_sigma)


class Histogram(NamedTuple):
    """What a map is fitted to: ``values`` (45,), in sigma_init, below which noise stays at each of _EDGES.

    ``weight`` of it beside others.
    """

    log_sigma: float
    values: Tensor
    weight: float = 1.0


def between(histograms: Sequence[Histogram]) -> list[Histogram]:
    """Return histograms half way between neighbours in log(sigma_init): what a map should do there."""
    ordered = sorted(histograms, key=lambda h: h.log_sigma)
    pairs = [(a, b) for a, b in itertools.pairwise(ordered) if b.log_sigma - a.log_sigma > 1e-6]
    return [Histogram((a.log_sigma + b.log_sigma) / 2, (a.values + b.values) / 2, _BETWEEN) for a, b in pairs]


def histogram(log_sigma: float, levels: Tensor, edges: Tensor) -> Histogram:
    """Make a histogram of probabilities (n,) that noise stays below edges (n,), both ascending."""
    from scipy.interpolate import PchipInterpolator

    counts = torch.diff(levels, prepend=levels.new_zeros(1)) > 0
    scores = torch.special.ndtri(levels[counts].double())
    inside = torch.isfinite(scores)
    follow = PchipInterpolator(scores[inside].numpy(), edges[counts].double()[inside].numpy())
    ends = scores[inside][0], scores[inside][-1]
    x = _EDGES.clamp(*ends)
    # Beyond what was seen, on as at the end.
    slope = torch.from_numpy(follow.derivative()(x.numpy()))
    return Histogram(log_sigma, torch.from_numpy(follow(x.numpy())) + slope * (_EDGES - x))


def fit(
    histograms: Sequence[Histogram], spread: float, hidden: Sequence[int], draw: torch.Generator
) -> PointMap:
    """Fit a map so that its value, with normal noise added, has the histograms.

    Args:
        histograms: of each ISO.
        spread: standard deviation of what is added: lines, and what leaks in from neighbours; sigma_init.
        hidden: width of each hidden layer.
        draw: where the first weights come from.
    """
    task = _Task([*histograms, *between(histograms)], max(spread, 0.1), hidden)
    tried = [_gauss_newton(task, task.first(draw), _FIRST_STEPS) for _ in range(_STARTS)]
    best = min(tried, key=lambda found: found[1])[0]
    return PointMap(tuple(task.split(_gauss_newton(task, best, _STEPS)[0])))


class _Task:
    """Bins' misfit in units of the square root of their mass, and how it changes with the weights."""

    def __init__(self, histograms: Sequence[Histogram], spread: float, hidden: Sequence[int]) -> None:
        self.histograms, self.spread = histograms, spread
        inputs = [3, *(h + 1 for h in hidden)]
        self.shapes = [*zip(hidden, inputs[:-1], strict=True), (inputs[-1],)]
        density = torch.exp(-(_SCORES**2) / 2)
        self.share = density / density.sum()
        ends = torch.tensor([0.0, 1.0], dtype=torch.float64)
        self.masses = torch.cat([ends[:1], torch.special.ndtr(_EDGES), ends[1:]]).diff()

    def first(self, draw: torch.Generator) -> Tensor:
        """Return weights to begin with: scores beyond thresholds of either side, then mixed at random."""

        def normal(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=draw, dtype=torch.float64)

        count = self.shapes[0][0]
        sign = 1.0 - 2 * (torch.arange(count) % 2)
        threshold = torch.linspace(0, 2.6, (count + 1) // 2).repeat_interleave(2)[:count]
        columns = [sign + 0.1 * normal(count), 0.5 * normal(count), -threshold + 0.3 * normal(count)]
        parts = [torch.stack(columns, 1)]
        parts += [normal(*shape) / math.sqrt(shape[1]) for shape in self.shapes[1:-1]]
        parts.append(0.1 * normal(*self.shapes[-1]))
        return torch.cat([p.reshape(-1) for p in parts])

    def split(self, weights: Tensor) -> list[Tensor]:
        sizes = [math.prod(shape) for shape in self.shapes]
        return [w.view(shape) for w, shape in zip(weights.split(sizes), self.shapes, strict=True)]

    def misfit(self, weights: Tensor) -> Tensor:
        return torch.cat([(self._masses(h, weights) - self.masses) * s for h, s in self._scaled()])

    def change(self, weights: Tensor) -> Tensor:
        """Return the derivative of :meth:`misfit` by the weights."""
        rows = []
        for h, scale in self._scaled():
            by_value = self._by_value(h, weights) * scale[:, None]
            rows.append(by_value @ torch.func.jacfwd(self._at(h))(weights))
        return torch.cat(rows)

    def _scaled(self) -> list[tuple[Histogram, Tensor]]:
        scale = self.masses.rsqrt()
        return [(h, scale * math.sqrt(h.weight)) for h in self.histograms]

    def _at(self, h: Histogram) -> Callable[[Tensor], Tensor]:
        return lambda weights: PointMap(tuple(self.split(weights))).at(_SCORES, h.log_sigma)

    def _distance(self, h: Histogram, weights: Tensor) -> Tensor:
        return (h.values - self._at(h)(weights)[:, None]) / self.spread

    def _masses(self, h: Histogram, weights: Tensor) -> Tensor:
        below = self.share @ torch.special.ndtr(self._distance(h, weights))
        return functional.pad(functional.pad(below, (1, 0)), (0, 1), value=1.0).diff()

    def _by_value(self, h: Histogram, weights: Tensor) -> Tensor:
        density = torch.exp(-(self._distance(h, weights) ** 2) / 2) / (self.spread * math.sqrt(2 * math.pi))
        return functional.pad(-(self.share[:, None] * density).T, (0, 0, 1, 1)).diff(dim=0)


def _gauss_newton(task: _Task, weights: Tensor, steps: int) -> tuple[Tensor, float]:
    """Take damped Gauss-Newton steps; return the weights and the sum of squares.

    Source: Levenberg 1944, Marquardt 1963, J. SIAM 11(2).
    """
    damping, misfit = 1e-3, task.misfit(weights)
    before = math.inf
    for step in range(steps):
        if step % _LOOK == 0:
            if float(misfit @ misfit) > _SLOW * before:
                break
            before = float(misfit @ misfit)
        change = task.change(weights)
        curvature, slope = change.T @ change, change.T @ misfit
        for _ in range(10):
            damped = curvature + damping * torch.diag(curvature.diagonal() + 1e-9)
            trial = weights - torch.linalg.solve(damped, slope)
            found = task.misfit(trial)
            if found @ found < misfit @ misfit:
                break
            damping *= 4
        else:
            break
        weights, misfit, damping = trial, found, max(damping / 5, 1e-9)
    return weights, float(misfit @ misfit)
