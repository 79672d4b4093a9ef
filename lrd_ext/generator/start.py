# SPDX-License-Identifier: Apache-2.0
"""Weights a LiteGenerator starts its training with: the darks' histogram by bent sites, white line noise.

What is left to training is what pixels share with their neighbours, and all fine structure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from lrd_ext.reference.conv_stack import NEGATIVE_SLOPE

from .lite import LiteGenerator
from .statistics import levels
from .targets import CROP, Target

#: leaky(x) - leaky(-x) is this many x: a pair of channels passes anything through a leaky ReLU.
_PAIR = 1 + NEGATIVE_SLOPE
_SCATTER = 0.02


class Bend(NamedTuple):
    """Odd function of a normal score z: z, and what exceeds thresholds that log(sigma_init) moves.

    ``slope`` is added to 1; ``weights``, ``thresholds``, ``shifts`` (2,) are those of the near and far bend.
    """

    slope: float
    weights: tuple[float, float]
    thresholds: tuple[float, float]
    shifts: tuple[float, float]

    def at(self, z: np.ndarray, log_sigma: np.ndarray) -> np.ndarray:
        """Return the function at scores (n,) for each sigma_init (m, 1): (m, n)."""
        total = (1 + self.slope) * z
        for weight, threshold, shift in zip(self.weights, self.thresholds, self.shifts, strict=True):
            total = total + weight * _kappa(z, threshold - shift * log_sigma)
        return total


def _kappa(z: np.ndarray, threshold: np.ndarray) -> np.ndarray:
    return _leaky(z - threshold) - _leaky(-z - threshold)


def _leaky(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, NEGATIVE_SLOPE * x)


def fit_bend(targets: Sequence[Target]) -> Bend:
    """Fit the function to the darks' quantiles, all sites alike.

    Returns: the bend that turns normal scores into the darks' histograms.
    """
    from scipy import optimize

    p = levels().numpy()
    z = np.asarray(torch.special.ndtri(levels()))
    wanted = np.stack([_odd(t.mean.quantiles.mean(0).double().numpy()) for t in targets])
    log_sigma = np.log([[t.sigma_init] for t in targets])
    spread = np.gradient(z, p) * np.sqrt(p * (1 - p))  # tails are as uncertain as their samples are few

    def of(v: np.ndarray) -> Bend:
        return Bend(v[0], (v[1], v[2]), (v[3], v[4]), (v[5], v[6]))

    def misfit(v: np.ndarray) -> np.ndarray:
        return np.asarray(((of(v).at(z, log_sigma) - wanted) / spread).ravel())

    first = np.array([0.0, 0.05, 0.05, 1.2, 2.2, 0.0, 0.0])
    low = np.array([-0.9, -2, -2, 0.3, 1.2, -2, -2])
    high = np.array([0.9, 2, 2, 2.5, 4.0, 2, 2])
    return of(optimize.least_squares(misfit, first, bounds=(low, high)).x)


def _odd(quantiles: np.ndarray) -> np.ndarray:
    return (quantiles - quantiles[::-1]) / 2


def start(generator: LiteGenerator, targets: Sequence[Target], draw: torch.Generator) -> None:
    """Set the weights; small random ones break the symmetry.

    The first layer's channels are, as far as its width goes: sites beyond the near threshold, lines, sites
    beyond the far threshold, sites; each once as it is and once with its sign turned. The second adds them up
    for each site. The last adds lines of the darks' variance.

    Args:
        generator: changed in place; in units in which the mean of log(sigma_init) is 0.
        targets: what it is to be trained to.
        draw: where random numbers come from.
    """
    bend = fit_bend(targets)
    first, *hidden, last = (conv for conv in generator.convs if isinstance(conv, nn.Conv2d))
    with torch.no_grad():
        for conv in (first, *hidden, last):
            conv.weight.normal_(0, _SCATTER, generator=draw)
            nn.init.zeros_(_bias(conv))
        _set_first(first, bend, generator.log_sigma)
        for number, conv in enumerate(hidden):
            _pass_on(conv)
            if number == 0:
                _add_up(conv, bend, first.out_channels)
        _set_last(last, targets, summed=bool(hidden))


def _bias(conv: nn.Conv2d) -> Tensor:
    assert conv.bias is not None
    return conv.bias


def _set_first(conv: nn.Conv2d, bend: Bend, log_sigma: bool) -> None:
    for k in range(conv.out_channels):
        block, channel, sign = k // 8, k % 8 // 2, 1 - 2 * (k % 2)
        conv.weight[k, channel + (4 if block == 1 else 0), 1, 1] += sign
        if block in (0, 2):
            _bias(conv)[k] -= bend.thresholds[block // 2]
            if log_sigma:
                conv.weight[k, 8, 1, 1] += bend.shifts[block // 2]


def _pass_on(conv: nn.Conv2d) -> None:
    for k in range(min(conv.in_channels, conv.out_channels)):
        conv.weight[k, k, 1, 1] += 1


def _add_up(conv: nn.Conv2d, bend: Bend, features: int) -> None:
    for k in range(8):  # of sites 0, 0 turned, 1, ...
        site, sign = k // 2, 1 - 2 * (k % 2)
        conv.weight[k, k, 1, 1] -= 1  # takes back _pass_on
        for block, weight in ((0, bend.weights[0]), (2, bend.weights[1]), (3, bend.slope / _PAIR)):
            if 8 * block < features:
                conv.weight[k, 8 * block + 2 * site, 1, 1] += sign * weight
                conv.weight[k, 8 * block + 2 * site + 1, 1, 1] -= sign * weight


def _set_last(conv: nn.Conv2d, targets: Sequence[Target], *, summed: bool) -> None:
    variance = torch.stack([t.mean.lines[:, 0] for t in targets]).mean(0)
    line_std = (variance - 1 / (2 * CROP)).clamp(min=0).sqrt() / _PAIR
    for site in range(4):
        if summed:
            conv.weight[site, 2 * site, 1, 1] += 1 / _PAIR
            conv.weight[site, 2 * site + 1, 1, 1] -= 1 / _PAIR
        for line, std in ((site // 2, line_std[0]), (2 + site % 2, line_std[1])):
            conv.weight[site, 8 + 2 * line, 1, 1] += std
            conv.weight[site, 8 + 2 * line + 1, 1, 1] -= std
