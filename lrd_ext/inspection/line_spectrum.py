# SPDX-License-Identifier: Apache-2.0
"""The spectrum that lines of a colour, fixed lines and sinusoids are predicted to have."""

from __future__ import annotations

import numpy as np

from lrd_ext.params import NoiseParams


def line_spectrum(params: NoiseParams, axis: str, lines: int) -> np.ndarray:
    """Predict the power of row or column noise at the frequencies 1 ... lines // 2 over ``lines``.

    Args:
        params: a batch of 1.
        axis: "row" or "col".
        lines: how many rows or columns there are.

    Returns: (lines // 2,) float64, DN^2; white noise has its variance at every frequency.

    Source: of taps h the power is the square of sum_j h_j exp(-2 pi i f j); of a sinusoid of random phase the
    square of its amplitude times that of Dirichlet's kernel, Oppenheim and Schafer, Discrete-Time Signal
    Processing, on windows.
    """
    sigma, fixed, taps, waves = (
        getattr(params, name)[0].double().numpy()
        for name in (f"sigma_{axis}", f"sigma_{axis}_fixed", f"{axis}_taps", f"{axis}_waves")
    )
    frequency = np.arange(1, lines // 2 + 1) / lines
    colour = np.abs(np.exp(-2j * np.pi * np.multiply.outer(frequency, np.arange(len(taps)))) @ taps) ** 2
    power = sigma**2 * colour + fixed**2
    for amplitude, period in waves[waves[:, 0] > 0]:
        both = _dirichlet(frequency - 1 / period, lines) + _dirichlet(frequency + 1 / period, lines)
        power += amplitude**2 / 4 * both / lines
    return power


def _dirichlet(frequency: np.ndarray, lines: int) -> np.ndarray:
    """Return (sin(pi n f) / sin(pi f))^2 of n lines: n^2 at f = 0."""
    return (lines * np.sinc(lines * frequency) / np.sinc(frequency)) ** 2
