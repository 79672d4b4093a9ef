# SPDX-License-Identifier: Apache-2.0
"""How far apart two histograms over the same bins are: Kullback-Leibler and Kolmogorov-Smirnov."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

#: What is done about bins that one of the histograms leaves empty.
EMPTY_BINS = ("skip", "eps")


def kl_divergence(real: ArrayLike, fake: ArrayLike, *, empty: str = "skip", eps: float = 1e-10) -> float:
    """Return the Kullback-Leibler divergence of ``fake`` from ``real``: sum of p ln(p / q), nats.

    Args:
        real: (bins,) counts or probabilities of the distribution p; divided by their sum.
        fake: (bins,) of q, over the same bins.
        empty: "skip" leaves out bins that either leaves empty, and does not make the rest sum to 1 again, so
            that the result may be below zero; "eps" adds ``eps`` to all bins of both, which keeps bins that
            ``fake`` leaves empty and makes them dear.
        eps: what "eps" adds, probability a bin.

    Raises:
        ValueError: the histograms differ in shape, are empty, or hold a negative or non-finite number; or
            ``empty`` is unknown.
    """
    p, q = _probabilities(real, "kl_divergence: real"), _probabilities(fake, "kl_divergence: fake")
    _check_same_bins(p, q, "kl_divergence")
    if empty not in EMPTY_BINS:
        raise ValueError(f"kl_divergence: empty must be one of {', '.join(EMPTY_BINS)}, got {empty!r}")
    if empty == "eps":
        p, q = p + eps, q + eps
    else:
        both = (p > 0) & (q > 0)
        p, q = p[both], q[both]
    return float(np.sum(p * np.log(p / q)))


def ks_distance(real: ArrayLike, fake: ArrayLike) -> float:
    """Return the Kolmogorov-Smirnov distance, the largest difference of the cumulative histograms, 0 to 1.

    Args:
        real: (bins,) counts or probabilities, bins ascending.
        fake: (bins,), over the same bins.

    Raises:
        ValueError: the histograms differ in shape, are empty, or hold a negative or non-finite number.
    """
    p, q = _probabilities(real, "ks_distance: real"), _probabilities(fake, "ks_distance: fake")
    _check_same_bins(p, q, "ks_distance")
    return float(np.abs(np.cumsum(p - q)).max())


def _probabilities(counts: ArrayLike, what: str) -> np.ndarray:
    values = np.asarray(counts, np.float64)
    if values.ndim != 1:
        raise ValueError(f"{what} must be (bins,), got shape {values.shape}")
    if not np.isfinite(values).all() or (values < 0).any():
        raise ValueError(f"{what} must hold finite counts of at least 0")
    total = values.sum()
    if total == 0:
        raise ValueError(f"{what} must hold at least one count, got an empty histogram")
    return values / total


def _check_same_bins(p: np.ndarray, q: np.ndarray, op: str) -> None:
    if p.shape != q.shape:
        raise ValueError(f"{op}: real and fake must have the same bins, got {p.size} and {q.size}")
