# SPDX-License-Identifier: Apache-2.0
"""The colour of row and column noise: autocovariance of line means, and taps that draw lines like them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

from lrd_ext.sensor_figures import TAPS, WAVES

from .intervals import SUSPICION, Estimate, from_error, from_frames, root
from .line_waves import Wave, find_waves, line_spectrum

#: Longest lag of the autocovariance, lines: what as many taps can make.
REACH = TAPS - 1
#: Frequencies at which a spectrum is factorised.
_GRID = 8192
#: Share of the largest power below which a spectrum is not believed to fall.
_FLOOR = 1e-5


@dataclasses.dataclass(frozen=True)
class LineModel:
    """Lines of n frames as the noise model draws them.

    ``sigma`` of the coloured noise without waves [DN]; ``taps`` of unit energy, (t,), [1] for white lines;
    ``waves`` strongest first; ``correlation`` of the noise at lags 0, 1, ...; ``own`` variance that the
    pixels put into line means [DN^2]; ``power`` (m,) mean spectrum with the waves in it, see
    ``line_spectrum``; ``length`` lines a frame.
    """

    sigma: Estimate
    taps: np.ndarray
    waves: tuple[Wave, ...]
    correlation: tuple[Estimate, ...]
    own: float
    power: np.ndarray
    length: int

    @property
    def white(self) -> bool:
        """Whether lines know nothing of each other."""
        return len(self.taps) == 1

    def spectrum(self, cycles: np.ndarray) -> np.ndarray:
        """Return the power that the model gives line means without its waves, DN^2.

        Args:
            cycles: per line, (m,).
        """
        turns = np.exp(-2j * math.pi * np.outer(cycles, np.arange(len(self.taps))))
        return np.asarray(self.own + self.sigma.value**2 * np.square(np.abs(turns @ self.taps)))


def minimum_phase(covariance: np.ndarray) -> np.ndarray:
    """Return taps of unit energy whose autocorrelation is that of a covariance.

    A spectrum that falls below 0, as that of an estimate may, is lifted to just above it.

    Args:
        covariance: (q + 1,) at lags 0 to q.

    Returns: (q + 1,); of all such taps those that act as early as may be, the first positive.

    Source: Kolmogorov's factorisation by the cepstrum: Oppenheim and Schafer, Discrete-Time Signal
    Processing, 3rd ed., section 13.5.
    """
    both = np.zeros(_GRID)
    both[: len(covariance)] = covariance
    both[_GRID - len(covariance) + 1 :] = covariance[:0:-1]
    power = np.fft.rfft(both).real
    cepstrum = np.fft.irfft(np.log(np.maximum(power, _FLOOR * power.max())))
    causal = np.zeros(_GRID)
    causal[0], causal[1 : _GRID // 2], causal[_GRID // 2] = 0.5, 1.0, 0.5
    taps = np.fft.irfft(np.exp(np.fft.rfft(cepstrum * causal)))[: len(covariance)]
    return np.asarray(taps / math.sqrt(float(np.square(taps).sum())))


def autocorrelation(taps: np.ndarray, lags: int) -> np.ndarray:
    """Return sum_j h_j h_(j+k) over the energy of the taps, at lags 0 to ``lags``."""
    full = np.correlate(taps, taps, "full")[len(taps) - 1 :]
    found = np.zeros(lags + 1)
    found[: min(lags + 1, len(full))] = full[: lags + 1]
    return np.asarray(found / full[0])


def fit_lines(lines: np.ndarray, own: float, own_error: float = 0.0) -> LineModel:
    """Measure waves, deviation and colour of the row or column means of n frames.

    Args:
        lines: (n, L) line means of n frames about the mean of the frames, n >= 2, DN. What all even and what
            all odd lines of a frame share is drift of the level, and is taken off.
        own: variance that the pixels' own noise puts into a line's mean, DN^2.
        own_error: its standard error.

    Source: errors of covariances: Bartlett 1946, as in Brockwell and Davis, Time Series, 2nd ed., section
    7.2.
    """
    n, length = lines.shape
    level = np.stack([lines[:, parity::2].mean(axis=1) for parity in (0, 1)], axis=1)
    scaled = (lines - np.tile(level, length // 2 + 1)[:, :length]) * math.sqrt(n / (n - 1))
    waves, rest = find_waves(scaled, n - 1, WAVES)
    spent = [(0.0, 1), (0.5, 1), *((1 / wave.period.value, 2) for wave in waves)]
    whole = _covariance(rest, spent)
    samples = (n - 1) * length
    order = 0 if _is_white(whole, samples) else _order(whole, own, rest, waves)
    kept = np.where(np.arange(len(whole)) <= order, whole, 0.0)
    errors = _covariance_errors(kept, samples)
    variance = max(float(whole[0]) - own, 0.0)
    per_frame = np.square(rest).sum(axis=1) / (length - sum(m for _, m in spent)) - own
    square = from_frames(variance, math.hypot(math.sqrt(errors[0, 0]), own_error), per_frame)
    sigma = math.sqrt(variance)
    lags = np.concatenate([[variance], kept[1 : order + 1]])
    return LineModel(
        sigma=root(square, square.spread / (2 * sigma) if sigma > 0 else math.sqrt(square.spread)),
        taps=minimum_phase(lags) if order and variance > 0 else np.ones(1),
        waves=waves,
        correlation=_correlation(whole, errors, variance, own_error),
        own=own,
        power=line_spectrum(scaled),
        length=length,
    )


def _covariance(lines: np.ndarray, spent: Sequence[tuple[float, int]]) -> np.ndarray:
    """Return the autocovariance of lines at lags 0 to REACH, what was taken off them put back.

    Args:
        lines: (n, L), DN.
        spent: frequencies at which nothing is left [cycles a line], with the degrees of freedom it took.
    """
    length = lines.shape[1]
    lag = np.arange(min(REACH, length // 4) + 1)
    seen = np.array([(lines[:, : length - k] * lines[:, k:]).mean() for k in lag])
    found = seen
    for _ in range(3):
        taken = np.zeros(len(lag))
        for cycles, freedom in spent:
            wave = np.cos(2 * math.pi * cycles * lag)
            level = max(float(found[0] + 2 * (found * wave)[1:].sum()), 0.0)
            taken += freedom / length * level * wave
        found = seen + taken
    return found


def _is_white(covariance: np.ndarray, samples: int) -> bool:
    """Tell whether chance gives lines of no colour such covariances, at all lags or at the first four."""
    scores = samples * np.square(covariance[1:] / max(float(covariance[0]), 1e-300))
    chances = [stats.chi2.sf(scores[:k].sum(), k) for k in (4, len(scores))]
    return bool(min(chances) > SUSPICION / 2)


def _order(covariance: np.ndarray, own: float, rest: np.ndarray, waves: Sequence[Wave]) -> int:
    """Return the lag after which the covariance is chance, by Akaike's criterion on the spectrum."""
    frames, length = len(rest) - 1, rest.shape[1]
    power = line_spectrum(rest)
    cycles = (np.arange(len(power)) + 1) / length
    used = np.ones(len(power), bool)
    for wave in waves:
        used &= np.abs(cycles - 1 / wave.period.value) * length > 1
    lag = np.arange(1, len(covariance))
    parts = 2 * covariance[1:] * np.cos(2 * math.pi * np.outer(cycles[used], lag))
    models = covariance[0] + np.cumsum(parts, axis=1)
    models = np.maximum(models, own + _FLOOR * covariance[0])
    misfit = 2 * frames * (np.log(models) + power[used, None] / models).sum(axis=0)
    return int(lag[np.argmin(misfit + 2 * lag)])


def _covariance_errors(covariance: np.ndarray, samples: int) -> np.ndarray:
    """Return the covariance of estimated covariances at all pairs of lags, DN^4."""
    n = len(covariance)
    reach = 3 * n
    at = np.zeros(2 * reach + 1)
    at[reach - n + 1 : reach + n] = np.concatenate([covariance[:0:-1], covariance])
    m = np.arange(-n, n + 1)
    shifted = np.array([at[reach + m + k] for k in range(-n + 1, n)])  # c(m + k) by k
    lags = np.arange(n)
    same = np.array([[(at[reach + m] * shifted[k - j + n - 1]).sum() for j in lags] for k in lags])
    crossed = shifted[lags + n - 1] @ shifted[n - 1 - lags].T
    return np.asarray((same + crossed) / samples)


def _correlation(
    whole: np.ndarray, errors: np.ndarray, variance: float, own_error: float
) -> tuple[Estimate, ...]:
    """Return the autocorrelation of the lines' own noise at every lag."""
    if variance <= 0:
        return ()
    found = [Estimate(1.0, 1.0, 1.0)]
    for k in range(1, len(whole)):
        rho = float(whole[k]) / variance
        square = errors[k, k] - 2 * rho * errors[k, 0] + rho**2 * (errors[0, 0] + own_error**2)
        found.append(from_error(rho, math.sqrt(max(square, 0.0)) / variance))
    return tuple(found)
