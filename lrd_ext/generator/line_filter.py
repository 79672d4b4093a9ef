# SPDX-License-Identifier: Apache-2.0
"""White line noise turned into lines that follow each other: a moving average, factor by factor.

A layer of a stack reaches one cell, so two mosaic lines, to each side: five taps. A product of as many
polynomials of degree 4 as there are layers is any real polynomial of that degree, so that layers in a row,
each with two channels (one for each parity), make any moving average of that length.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

#: Degree of one layer's polynomial.
DEGREE = 4


def moving_average(autocovariance: np.ndarray, layers: int) -> np.ndarray:
    """Fit a moving average to an autocovariance.

    Args:
        autocovariance: at lags 0, 1, ... of the lines.
        layers: of the stack; the average has 4 layers + 1 taps.

    Returns: its taps (4 layers + 1,); all 0 where lines have no variance.

    Source: the likelihood of Whittle 1953, Ark. Mat. 2(5), in which shares of power count.
    """
    from scipy import optimize

    taps = DEGREE * layers + 1
    if autocovariance[0] <= 0:
        return np.zeros(taps)
    power = _power(autocovariance / autocovariance[0])
    waves = np.exp(-2j * np.pi * np.outer(_FREQUENCY, np.arange(taps)))

    def unlikely(h: np.ndarray) -> tuple[float, np.ndarray]:
        response = waves @ h
        own = np.abs(response) ** 2 + 1e-9
        by_power = (1 / own - power / own**2) / len(own)
        slope = 2 * np.real(np.conj(response)[:, None] * waves)
        return float(np.mean(np.log(own) + power / own)), np.asarray(by_power @ slope)

    first = np.zeros(taps)
    first[:2] = 1.0, 0.3
    found = optimize.minimize(unlikely, first, jac=True, method="BFGS", options={"maxiter": 2000}).x
    return np.asarray(found * np.sqrt(autocovariance[0]))


_FREQUENCY = np.linspace(0, 0.5, 129)


def _power(autocovariance: np.ndarray) -> np.ndarray:
    """Return power at _FREQUENCY; lags that are missing may make it negative, which power is not."""
    waves = np.cos(2 * np.pi * np.outer(_FREQUENCY, np.arange(1, len(autocovariance))))
    power = autocovariance[0] + 2 * waves @ autocovariance[1:]
    return np.maximum(power, 0.02 * power.mean())


def factors(average: np.ndarray, layers: int) -> list[np.ndarray]:
    """Part a moving average into one of five taps for each layer, whose convolution it is.

    White noise of unit variance has unit variance behind each but the last.
    """
    first = np.flatnonzero(average)
    if not len(first):
        return [np.zeros(DEGREE + 1) for _ in range(layers)]
    roots = np.roots(average)
    roots = np.concatenate([roots, np.zeros(len(average) - 1 - len(roots))])
    above = sorted(roots[roots.imag > 1e-12], key=np.angle)
    real = sorted(roots[np.abs(roots.imag) <= 1e-12].real)
    pairs: list[np.ndarray] = [np.poly([r, r.conjugate()]).real for r in above]
    pairs += [np.poly(real[k : k + 2]) for k in range(0, len(real), 2)]
    # Far pairs together: a factor of near ones alone would make or take nearly all of some frequencies.
    order = [pairs[k] for step in range(layers) for k in range(step, len(pairs), layers)]
    parts = [np.convolve(a, b) for a, b in zip(order[::2], order[1::2], strict=True)]
    whole = np.ones(1)
    for k, part in enumerate(parts):
        whole = np.convolve(whole, part)
        size = np.sqrt(np.sum(whole**2)) if k < layers - 1 else whole @ whole / (average @ whole)
        parts[k], whole = part / size, whole / size
    return parts


def weights(part: np.ndarray) -> Tensor:
    """Return five taps as weights (2, 2, 3): output parity, input parity, cell."""
    result = torch.zeros(2, 2, 3)
    for tap, value in enumerate(part):
        for parity in (0, 1):
            line = parity + 2 + tap - DEGREE // 2  # counted from the cell before
            result[parity, line % 2, line // 2] = float(value)
    return result
