# SPDX-License-Identifier: Apache-2.0
"""Distances between real and made-up noise by their values: KLD in the field's presets, AKLD, KS, tails."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lrd_ext.estimators.histogram_distance import kl_divergence, ks_distance

from .values import as_planes, as_values

#: Names of the recipes of :func:`kld`, each of one project.
KLD_PRESETS = ("noiseflow", "starlight", "adu", "2shots", "lrd")

_NOISEFLOW_EDGES = np.concatenate([[-1000.0], np.arange(-0.1, 0.1 + 1e-9, 0.2 / 64), [1000.0]])
_STARLIGHT_EDGES = np.linspace(0.0, 1.0, 1001)
_TWO_SHOTS_EDGES = np.linspace(-0.001, 0.001, 500)
_TWO_SHOTS_EPS = 1e-10
#: OpenCV's 7-tap Gaussian, getGaussianKernel(7, -1).
_KERNEL = np.array([1.0, 3.5, 7.0, 9.0, 7.0, 3.5, 1.0]) / 32


def kld(real: Any, fake: Any, preset: str = "noiseflow") -> float:
    """Return the Kullback-Leibler divergence of fake noise from real noise over a preset's bins, nats.

    Presets, forward (real against fake) but for "lrd"; bins that either leaves empty are skipped without
    making the rest sum to 1 again, but for "2shots":

    - "noiseflow": noise on the [0, 1] range in 64 bins from -0.1 to 0.1 and one beyond each end (Abdelhamed
      et al., ICCV 2019). Made for phones: dark frames of a good camera fall into two of these bins.
    - "lrd": the same bins, the mean of both directions (Zhang et al., ICCV 2023, released code).
    - "starlight": pictures, not noise, in 1000 bins from 0 to 1; what lies outside counts in the total only
      (Monakhova et al., CVPR 2022, released code).
    - "adu": raw DN rounded to whole numbers, one bin a DN (Feng et al., PNNP, arXiv 2310.09126, released
      code). The best for dark frames; black may be taken off as a whole number of DN.
    - "2shots": noise on the [0, 1] range between 500 edges from -0.001 to 0.001, as densities of what lies
      inside, 1e-10 added to all (Lu et al., CVPR 2026, released code).

    Args:
        real: any shape, array or tensor; in the preset's unit.
        fake: likewise; another number of values is allowed.
        preset: one of :data:`KLD_PRESETS`.

    Returns: nats; may be slightly below 0 where empty bins are skipped.

    Raises:
        ValueError: the preset is unknown, there are no values, some are not finite, or none lies in the
            preset's bins.
    """
    check_preset(preset)
    p, q = as_values(real, "kld: real"), as_values(fake, "kld: fake")
    if preset == "adu":
        p, q = np.rint(p), np.rint(q)
        values = np.arange(min(p.min(), q.min()), max(p.max(), q.max()) + 1)
        counts = [np.bincount((v - values[0]).astype(np.int64), minlength=len(values)) for v in (p, q)]
        return kl_divergence(*counts)
    return _binned(preset, (p, None), (q, None))


def kld_of_counts(dn: np.ndarray, real: np.ndarray, fake: np.ndarray, range_dn: float, preset: str) -> float:
    """Return :func:`kld` of noise counted by whole DN.

    Args:
        dn: (n,) DN of each count, ascending by 1.
        real: (n,) how many values of real noise had it.
        fake: (n,) of the fake.
        range_dn: white minus black, DN: 1 of the [0, 1] range.
        preset: one of :data:`KLD_PRESETS`.

    Raises:
        ValueError: the preset is unknown, or no value lies in its bins.
    """
    check_preset(preset)
    if preset == "adu":
        return kl_divergence(real, fake)
    return _binned(preset, (dn / range_dn, real), (dn / range_dn, fake))


def check_preset(preset: str) -> None:
    """Refuse a preset that is not one.

    Raises:
        ValueError: it is unknown.
    """
    if preset not in KLD_PRESETS:
        raise ValueError(f"kld: preset must be one of {', '.join(KLD_PRESETS)}, got {preset!r}")


_Weighted = tuple[np.ndarray, "np.ndarray | None"]


def _binned(preset: str, real: _Weighted, fake: _Weighted) -> float:
    edges = {"starlight": _STARLIGHT_EDGES, "2shots": _TWO_SHOTS_EDGES}.get(preset, _NOISEFLOW_EDGES)
    p, q = (np.histogram(values, edges, weights=weights)[0] for values, weights in (real, fake))
    if not p.any() or not q.any():
        raise ValueError(f"kld: preset {preset} has bins from {edges[0]:g} to {edges[-1]:g}; no value there")
    if preset == "2shots":  # the eps is that of a density
        return kl_divergence(p, q, eps=_TWO_SHOTS_EPS * float(edges[1] - edges[0]))
    totals = _total(real), _total(fake)
    forward = kl_divergence(p, q, totals=totals)
    return forward if preset != "lrd" else (forward + kl_divergence(q, p, totals=totals[::-1])) / 2


def _total(values: _Weighted) -> float:
    return float(values[0].size if values[1] is None else values[1].sum())


def ks(real: Any, fake: Any) -> float:
    """Return the two-sample Kolmogorov-Smirnov statistic, 0 to 1.

    Args:
        real: any shape, array or tensor.
        fake: likewise, in the same unit; another number of values is allowed.

    Raises:
        ValueError: there are no values, or some are not finite.
    """
    p, q = as_values(real, "ks: real"), as_values(fake, "ks: fake")
    _, place = np.unique(np.concatenate([p, q]), return_inverse=True)
    bins = int(place.max()) + 1
    return ks_distance(*(np.bincount(v, minlength=bins) for v in np.split(place.ravel(), [p.size])))


def akld(real: Any, fake: Any) -> float:
    """Return the average Kullback-Leibler divergence of local variances, nats.

    Local variance v is squared noise under a 7 x 7 Gaussian, at least 1e-10; with d = v_fake / v_real held
    in [0.1, 10] the divergence is half the mean of ln(1/d) + d - 1. Noise of the same law gives more than 0:
    compare with real noise against other real noise.

    Args:
        real: (..., H, W) noise on the [0, 1] range, H and W at least 7, array or tensor.
        fake: of a shape that broadcasts against it: several draws of one noise are averaged.

    Raises:
        ValueError: a shape that does not fit, or values that are not finite.

    Source: Yue et al., ECCV 2020 (DANet), released code.
    """
    p, q = as_planes(real, "akld: real"), as_planes(fake, "akld: fake")
    try:
        np.broadcast_shapes(p.shape, q.shape)
    except ValueError:
        raise ValueError(
            f"akld: real and fake must have shapes that fit, got {p.shape} and {q.shape}"
        ) from None
    if min(p.shape[-2:]) < len(_KERNEL):
        raise ValueError(f"akld: real must be at least 7 x 7, got {p.shape}")
    ratio = np.clip(_local_variance(q) / _local_variance(p), 0.1, 10)
    return float(np.mean(-np.log(ratio) + ratio - 1) / 2)


def _local_variance(noise: np.ndarray) -> np.ndarray:
    from scipy import ndimage

    blurred = np.square(noise)
    for axis in (-2, -1):
        blurred = ndimage.correlate1d(blurred, _KERNEL, axis=axis, mode="mirror")
    return np.maximum(blurred, 1e-10)


def tail_mass(noise: Any, reach: float, std: float | None = None) -> float:
    """Return the share of values farther than ``reach`` standard deviations from 0.

    Args:
        noise: any shape, array or tensor, about 0.
        reach: in standard deviations.
        std: the standard deviation, in noise's unit; None takes noise's own about 0. Give that of the real
            noise to compare fake noise with it.

    Raises:
        ValueError: there are no values, some are not finite, or std is not above 0.
    """
    values = as_values(noise, "tail_mass: noise")
    scale = math.sqrt(float(np.mean(np.square(values, dtype=np.float64)))) if std is None else std
    if not scale > 0:
        raise ValueError(f"tail_mass: std must be above 0, got {scale:g}")
    return float(np.mean(np.abs(values) > reach * scale))
