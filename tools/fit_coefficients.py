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

WALK_LIMIT = 10.0  # kWalkLimit in poisson.h
S_LOW, S_HIGH = -1.0, 1.5  # kAsymptoticLow, kAsymptoticHigh in poisson.h


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


def ratio_of(s: np.ndarray) -> np.ndarray:
    """Solve sign(r-1) sqrt(2 (1 - r + r log r)) = s by Newton's method."""
    r = np.maximum(1 + s + s * s / 6 - s**3 / 72, 1e-3)
    for _ in range(50):
        log_r = np.log(r)
        step = np.where(
            np.abs(log_r) > 1e-9, (1 - r + r * log_r - s * s / 2) / np.where(log_r == 0, 1, log_r), 0
        )
        r = np.maximum(r - step, 0.1 * r)
    return r


def c0_of(s: np.ndarray, r: np.ndarray) -> np.ndarray:
    """Giles 2016, section 2: c0 = log(f sqrt(r) / (r - 1)) / log r."""
    return np.log(s * np.sqrt(r) / (r - 1)) / np.log(r)


def density_weight(s: np.ndarray, power: float) -> np.ndarray:
    """Largest weight of an error in CDF over mean >= WALK_LIMIT: phi(z) mean^power, z = s sqrt(mean)."""
    mean = WALK_LIMIT * np.geomspace(1, 1e6, 400)[:, None]
    log_weight = -0.5 * s**2 * mean + power * np.log(mean)
    return np.exp(log_weight.max(0)) / np.sqrt(2 * np.pi)


def fit_poisson() -> None:
    """Fit x = mean + mean (s + s^2 P(s)) + C0(s) + C1(s) / mean; errors are weighted as errors of the CDF."""
    s = np.linspace(S_LOW, S_HIGH, 4000)  # an even count steps over 0
    r = ratio_of(s)
    show("ratio", *minimax(powers(s, 8), (r - 1 - s) / s**2, density_weight(s, 0.5) * s**2))
    # The CDF's density at x is phi(z) / sqrt(mean) up to a factor near 1.
    show("c0", *minimax(powers(s, 7), c0_of(s, r), density_weight(s, -0.5)))
    samples = [_correction_samples(WALK_LIMIT * m) for m in (1, 1.1, 1.25, 1.5, 2, 3, 5, 10)]
    s, correction, weight = (np.concatenate(column) for column in zip(*samples, strict=True))
    show("c1", *minimax(powers(s, 7), correction, weight))


def _correction_samples(mean: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    root = np.sqrt(mean)
    x = np.linspace(max(0.05, mean - 8 * root), mean + 8 * root + 8, 4000)
    upper, lower = gammaincc(x, mean), gammainc(x, mean)
    z = np.where(upper < 0.5, ndtri(np.maximum(upper, 1e-300)), -ndtri(np.maximum(lower, 1e-300)))
    s = z / root
    keep = (s > S_LOW) & (s < S_HIGH) & (np.abs(z) < 6.4) & (np.abs(s) > 1e-5)
    s, x, z = s[keep], x[keep], z[keep]
    r = ratio_of(s)
    density = np.exp(-z * z / 2) / np.sqrt(2 * np.pi) * np.gradient(z, x)
    return s, (x - mean * r - c0_of(s, r)) * mean, density / mean


def fit_tukey_lambda_variance() -> None:
    """P of tukey_lambda.h in v = 6 / (6 + shape) - 0.8: variance (1 + 2 shape) (1 + shape)^2 / 2."""
    shape = np.concatenate([np.geomspace(1e-6, 0.3, 1500) - 0.5, np.linspace(-0.2, 5.0, 4001)])
    variance = np.array([tukey_lambda_std(v) ** 2 for v in shape])
    target = variance * (1 + 2 * shape) * (1 + shape) ** 2 / 2
    show("tukey_lambda_variance", *minimax(powers(6 / (6 + shape) - 0.8, 10), target, 1 / target))


if __name__ == "__main__":
    fit_log()
    fit_exp()
    fit_power()
    fit_poisson()
    fit_tukey_lambda_variance()
