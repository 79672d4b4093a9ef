# SPDX-License-Identifier: Apache-2.0
"""Fit the polynomials of csrc/noise/*.h and print them as C++ arguments (needs numpy and scipy).

The tables of octaves are fit_octaves.py's.
Each fit minimizes the largest weighted error (Lawson's iteratively reweighted least squares) in double,
rounds the coefficients to float32 and prints the error that remains.
"""

from __future__ import annotations

import numpy as np
from scipy.special import gammainc, gammaincc, ndtri

from lrd_ext.read_models import tukey_lambda_std

WALK_LIMIT = 4.0  # kWalkLimit in poisson.h
EXACT_LIMIT, EXACT_TAIL = 25.0, 2.0**-14  # kExactLimit and kExactWords / 2^32 there


def lawson(basis: np.ndarray, target: np.ndarray, weight: np.ndarray, rounds: int = 200) -> np.ndarray:
    """Return coefficients c of the least max |weight * (basis @ c - target)|."""
    w = weight.copy()
    for _ in range(rounds):
        c, *_ = np.linalg.lstsq(basis * w[:, None], target * w, rcond=None)
        error = np.abs((basis @ c - target) * weight)
        if error.max() == 0:
            break
        w = w * (0.2 + error / error.max()) ** 0.5
        w /= w.max()
    return c


def minimax(basis: np.ndarray, target: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, float]:
    """Return such coefficients rounded to float32, and the error that is left."""
    c = lawson(basis, target, weight).astype(np.float32)
    return c, float(np.abs((basis @ c.astype(float) - target) * weight).max())


def powers(x: np.ndarray, count: int, first: int = 0) -> np.ndarray:
    """Columns x^first ... x^(first + count - 1)."""
    return np.stack([x ** (first + i) for i in range(count)], axis=1)


def show(name: str, c: np.ndarray, error: float) -> None:
    """Print one list of coefficients as arguments of polynomial(), lowest power first."""
    print(f"{name}, largest weighted error {error:.1e}:\n    {', '.join(f'{v:#.9g}f' for v in c)}")


def fit_log() -> None:
    """log(1 + f) = f - f^2/2 + f^3 P(f), f in [sqrt(1/2) - 1, sqrt(2) - 1]."""
    f = np.linspace(np.sqrt(0.5) - 1, np.sqrt(2) - 1, 4001)
    f = f[np.abs(f) > 1e-4]
    target = (np.log1p(f) - f + f * f / 2) / f**3
    show("log_unit", *minimax(powers(f, 7), target, np.abs(f**3 / np.log1p(f))))


def fit_exp() -> None:
    """expm1(f) = f + f^2 P(f), |f| <= ln(2)/2."""
    f = np.linspace(-0.5 * np.log(2), 0.5 * np.log(2), 4001)
    f = f[np.abs(f) > 1e-4]
    show("expm1_reduced", *minimax(powers(f, 5), (np.expm1(f) - f) / f**2, np.abs(f)))


def fit_power() -> None:
    """2^f - 1 = f log(2) + f^2 P(f), |f| <= 1/2."""
    f = np.linspace(-0.5, 0.5, 4000)
    exact = np.exp2(f) - 1
    show("power_of", *minimax(powers(f, 6), (exact - f * np.log(2)) / f**2, f**2 / np.abs(exact)))


def fit_poisson() -> None:
    """Fit x = mean + z sqrt(mean) + z^2 P(s) + C0(s) + C1(s) / mean, s = z / sqrt(mean), all three together.

    Giles 2016 has series for each; what matters is where x passes a whole number, at means from WALK_LIMIT on
    and words that the exact method does not answer. Errors are weighted as errors of the CDF.
    """
    far = 110 * WALK_LIMIT
    means = np.concatenate([np.geomspace(WALK_LIMIT, far, 110), np.geomspace(far, 1e5, 12)])
    samples = [_steps(mean) for mean in means]
    mean, x, z, weight = (np.concatenate(column) for column in zip(*samples, strict=True))
    s, counts = z / np.sqrt(mean), (8, 8, 6)
    scales = ((z * z)[:, None], 1.0, 1 / mean[:, None])
    basis = np.concatenate(
        [scale * powers(s, count) for scale, count in zip(scales, counts, strict=True)], axis=1
    )
    unit = 2.0 ** np.round(np.log2(np.abs(basis).max(0)))  # powers of two: rounding to float32 stays as it is
    c, error = minimax(basis / unit, x - mean - z * np.sqrt(mean), weight)
    c = (c / unit).astype(np.float32)
    for name, part in zip(("square", "c0", "c1"), np.split(c, np.cumsum(counts)[:-1]), strict=True):
        show(name, part, error)
    print(f"    for s from {s.min():.4f} to {s.max():.4f}")


def _steps(mean: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Whole x that words reach by the asymptotic method, their z, and the density of the CDF there."""
    root = np.sqrt(mean)
    x = np.arange(max(1.0, np.floor(mean - 7 * root)), mean + 7 * root + 12)
    x = x[:: 1 + x.size // 400]
    upper, lower = gammaincc(x, mean), gammainc(x, mean)
    z = np.where(upper < 0.5, ndtri(np.maximum(upper, 1e-300)), -ndtri(np.maximum(lower, 1e-300)))
    tail = np.minimum(upper, lower)
    step = 1e-4 * root
    rise = [np.where(upper < 0.5, gammaincc(x + h, mean), -gammainc(x + h, mean)) for h in (step, -step)]
    weight = (rise[0] - rise[1]) / (2 * step)
    keep = tail > np.where(mean < EXACT_LIMIT, 0.9 * EXACT_TAIL, 0.5 / 2**32)
    return np.full(keep.sum(), mean), x[keep], z[keep], weight[keep]


def fit_tukey_lambda_variance() -> None:
    """P of tukey_lambda.h in v = 6 / (6 + shape) - 0.8: variance (1 + 2 shape) (1 + shape)^2 / 2."""
    shape = np.concatenate([np.geomspace(1e-6, 0.3, 1500) - 0.5, np.linspace(-0.2, 5.0, 4001)])
    variance = np.array([tukey_lambda_std(v) ** 2 for v in shape])
    target = variance * (1 + 2 * shape) * (1 + shape) ** 2 / 2
    show("tukey_lambda_variance", *minimax(powers(6 / (6 + shape) - 0.8, 10), target, 1 / target))


def fit_sine() -> None:
    """sin(2 pi t) = t P(t^2), t in [0, 1/4]."""
    t = np.linspace(1e-3, 0.25, 4001)
    sine = np.sin(2 * np.pi * t)
    show("sine_of_quarter", *minimax(powers(t * t, 5), sine / t, t / sine))


if __name__ == "__main__":
    fit_sine()
    fit_log()
    fit_exp()
    fit_power()
    fit_poisson()
    fit_tukey_lambda_variance()
