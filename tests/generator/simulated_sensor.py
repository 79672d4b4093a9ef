# SPDX-License-Identifier: Apache-2.0
"""A sensor with everything the fitted models leave out, every figure of it known.

Per site: Tukey-lambda read noise whose shape changes with ISO and of which a share leaks to the next site
of the same colour; per mosaic row: an AR(1) process and banding, an AR(2) resonance of 7 rows; per mosaic
column: an AR(1) process. All sigmas in DN, rounded to whole DN over black.
"""

from __future__ import annotations

import numpy as np
from scipy import signal

from lrd_ext.profiles import tukey_lambda_std

BLACK, WHITE, CFA = 512.0, 16383.0, "RGGB"
TRAINED_ISOS = (800, 1600, 3200, 6400)
UNTRAINED_ISO = 2400
LEAK = 0.25  # share of a site's read noise added to its neighbour two columns on
ROW_AR1 = 0.6
COLUMN_AR1 = 0.4
BANDING_PERIOD, BANDING_RADIUS = 7.0, 0.8  # rows; modulus of the AR(2) poles
ROW_SHARE, BANDING_SHARE, COLUMN_SHARE = 0.30, 0.15, 0.12  # of the pixel's sigma


def read_sigma(iso: float) -> float:
    """Standard deviation of the read noise before the leak, DN: noise before and after the gain."""
    return float(np.hypot(1.4, 1.1e-3 * iso))


def tukey_lambda(iso: float) -> float:
    """Shape of the read noise: nearly normal at low ISO, heavy tails at high ISO."""
    return 0.08 - 0.07 * float(np.log2(iso / 800))


def darks(iso: float, count: int, shape: tuple[int, int], seed: int) -> np.ndarray:
    """Draw dark frames.

    Returns: (count, H, W) uint16, raw DN.
    """
    rng = np.random.default_rng([seed, round(iso)])
    frames = np.stack([noise(rng, iso, shape) for _ in range(count)])
    return np.clip(np.rint(frames + np.float32(BLACK)), 0, WHITE).astype(np.uint16)


def noise(rng: np.random.Generator, iso: float, shape: tuple[int, int]) -> np.ndarray:
    """Draw the noise of one frame before it is rounded, (H, W) float32, DN."""
    height, width = shape
    sigma, lam = read_sigma(iso), tukey_lambda(iso)
    read = _tukey_lambda(rng, lam, (height, width + 2)) * np.float32(sigma / tukey_lambda_std(lam))
    drawn = read[:, 2:] + np.float32(LEAK) * read[:, :-2]
    rows = ROW_SHARE * _ar(rng, height, ROW_AR1) + BANDING_SHARE * _ar(rng, height, *_resonance())
    drawn += (sigma * rows).astype(np.float32)[:, None]
    drawn += (sigma * COLUMN_SHARE * _ar(rng, width, COLUMN_AR1)).astype(np.float32)
    return drawn


def _tukey_lambda(rng: np.random.Generator, lam: float, shape: tuple[int, int]) -> np.ndarray:
    p = rng.random(shape, dtype=np.float32)
    p = np.clip(p, 1e-7, 1 - 1e-7)
    if abs(lam) < 1e-6:
        return np.log(p / (1 - p))
    return (p**lam - (1 - p) ** lam) / np.float32(lam)


def _resonance() -> tuple[float, float]:
    return 2 * BANDING_RADIUS * float(np.cos(2 * np.pi / BANDING_PERIOD)), -(BANDING_RADIUS**2)


def _ar(rng: np.random.Generator, length: int, *coefficients: float) -> np.ndarray:
    """Draw an autoregressive process of unit variance, already settled."""
    settle = 200
    drawn = signal.lfilter([1.0], [1.0, *(-c for c in coefficients)], rng.standard_normal(length + settle))
    return drawn[settle:] / np.sqrt(autocovariance(coefficients, 1)[0])


def autocovariance(coefficients: tuple[float, ...], lags: int) -> np.ndarray:
    """Autocovariance of an autoregressive process driven by unit noise, from its impulse response."""
    impulse = np.zeros(4096)
    impulse[0] = 1.0
    response = signal.lfilter([1.0], [1.0, *(-c for c in coefficients)], impulse)
    return np.array([response[k:] @ response[: len(response) - k] for k in range(lags)])


def row_autocovariance(iso: float, lags: int) -> np.ndarray:
    """Autocovariance of the row noise alone at lags 0 to ``lags`` - 1, DN^2."""
    ar1, band = autocovariance((ROW_AR1,), lags), autocovariance(_resonance(), lags)
    shares = ROW_SHARE**2 * ar1 / ar1[0] + BANDING_SHARE**2 * band / band[0]
    return np.asarray(read_sigma(iso) ** 2 * shares)


def row_spectrum(iso: float, bins: int) -> np.ndarray:
    """Power of the row noise alone at ``bins`` frequencies from 0 to 1/2 per row, DN^2."""
    covariance = row_autocovariance(iso, 400)
    frequency = np.linspace(0, 0.5, bins)
    waves = np.cos(2 * np.pi * frequency[:, None] * np.arange(1, 400))
    return np.asarray(covariance[0] + 2 * waves @ covariance[1:])
