# SPDX-License-Identifier: Apache-2.0
"""How far apart two histograms over the same bins are: Kullback-Leibler and Kolmogorov-Smirnov."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def kl_divergence(
    real: ArrayLike,
    fake: ArrayLike,
    *,
    totals: tuple[float, float] | None = None,
    eps: float | None = None,
) -> float:
    """Return the Kullback-Leibler divergence of ``fake`` from ``real``: sum of p ln(p / q), nats.

    Args:
        real: (bins,) counts or probabilities of the distribution p.
        fake: (bins,) of q, over the same bins.
        totals: what the counts are divided by, where values lie outside all bins; None takes their sums.
        eps: None leaves out bins that either leaves empty and does not make the rest sum to 1 again, so that
            the result may be below zero; a number is added to the probability of all bins of both, which
            keeps bins that ``fake`` leaves empty and makes them dear.

    Raises:
        ValueError: the histograms differ in shape, are empty, or hold a negative or non-finite number.
    """
    p, q = _pair(real, fake, "kl_divergence")
    p_total, q_total = totals or (p.sum(), q.sum())
    p, q = p / p_total, q / q_total
    if eps is None:
        both = (p > 0) & (q > 0)
        p, q = p[both], q[both]
    else:
        p, q = p + eps, q + eps
    return float(np.sum(p * np.log(p / q)))


def ks_distance(real: ArrayLike, fake: ArrayLike) -> float:
    """Return the Kolmogorov-Smirnov distance, the largest difference of the cumulative histograms, 0 to 1.

    Args:
        real: (bins,) counts or probabilities, bins ascending; divided by their sum.
        fake: (bins,), over the same bins.

    Raises:
        ValueError: the histograms differ in shape, are empty, or hold a negative or non-finite number.
    """
    p, q = _pair(real, fake, "ks_distance")
    return float(np.abs(np.cumsum(p / p.sum() - q / q.sum())).max())


def _pair(real: ArrayLike, fake: ArrayLike, op: str) -> tuple[np.ndarray, np.ndarray]:
    p, q = _counts(real, f"{op}: real"), _counts(fake, f"{op}: fake")
    if p.shape != q.shape:
        raise ValueError(f"{op}: real and fake must have the same bins, got {p.size} and {q.size}")
    return p, q


def _counts(counts: ArrayLike, what: str) -> np.ndarray:
    values = np.asarray(counts, np.float64)
    if values.ndim != 1:
        raise ValueError(f"{what} must be (bins,), got shape {values.shape}")
    if not np.isfinite(values).all() or (values < 0).any():
        raise ValueError(f"{what} must hold finite counts of at least 0")
    if values.sum() == 0:
        raise ValueError(f"{what} must hold at least one count, got an empty histogram")
    return values
