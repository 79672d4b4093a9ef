# SPDX-License-Identifier: Apache-2.0
"""Sinusoids along rows or columns, of a phase that every frame draws anew: mains hum, banding of a clock."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .intervals import FEW, Estimate, from_error, root

#: Waves of fewer periods over the frame are drift, not banding.
SLOWEST = 4
#: What noise alone would show in one of so many spectra is no wave.
CHANCE = 1e-4
#: By how much the logarithm of the likelihood must favour a sinusoid over noise with a narrow band.
_FAVOUR = 2.0
#: Bins of the running median that tells the noise about a wave.
_AROUND = 17


@dataclasses.dataclass(frozen=True)
class Wave:
    """A sinusoid along an axis: amplitude [DN] and period [lines]."""

    amplitude: Estimate
    period: Estimate

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON values."""
        return {"amplitude_dn": self.amplitude.to_dict(), "period_lines": self.period.to_dict()}


def line_spectrum(lines: np.ndarray) -> np.ndarray:
    """Return the mean power of lines at 1/L, 2/L ... below 1/2 cycles a line, DN^2: level if they are white.

    Args:
        lines: (n, L) row or column means of n frames, DN.
    """
    length = lines.shape[1]
    power = np.square(np.abs(np.fft.rfft(lines, axis=1))).mean(axis=0) / length
    # The highest frequency of an even sequence has one degree of freedom, not two: left out.
    return np.asarray(power[1 : (length - 1) // 2 + 1])


def find_waves(lines: np.ndarray, frames: int, most: int) -> tuple[tuple[Wave, ...], np.ndarray]:
    """Find sinusoids that stand out of the noise about them, white or not.

    Each is placed where the energy it explains over all frames is largest: the likelihood's maximum for
    sinusoids whose phase differs from frame to frame.

    Args:
        lines: (n, L) line means about their own mean, of the variance that one frame's have, DN.
        frames: how many of the n are independent: n - 1 for residuals about the mean of n.
        most: waves to return at most.

    Returns: the waves, strongest first, and the lines without them, (n, L).

    Source: Quinn and Hannan, The Estimation and Tracking of Frequency, 2001, ch. 3 (position, its error).
    """
    cycles: list[float] = []
    rest = lines
    while len(cycles) < most:
        power = line_spectrum(rest)
        start = _strongest(power, frames)
        if start is None:
            break
        place = _placed(rest, start / lines.shape[1])
        if not _steady(rest, place, float(_background(power, frames)[start - 1])):
            break
        cycles.append(place)
        if len(cycles) > 1:  # each beside the others
            for i in range(len(cycles)):
                others = cycles[:i] + cycles[i + 1 :]
                cycles[i] = _placed(_without(lines, others), cycles[i])
        rest = _without(lines, cycles)
    waves = _measured(lines, cycles, line_spectrum(rest), frames)
    return tuple(sorted(waves, key=lambda wave: -wave.amplitude.value)), rest


def _background(power: np.ndarray, frames: int) -> np.ndarray:
    from scipy import ndimage, stats

    median = float(stats.gamma(frames, scale=1 / frames).median())
    return np.asarray(ndimage.median_filter(power, _AROUND, mode="nearest")) / median


def _strongest(power: np.ndarray, frames: int) -> int | None:
    """Return the periods over the frame of what stands out most, None where nothing does."""
    from scipy import stats

    if len(power) <= _AROUND:
        return None
    excess = power / np.maximum(_background(power, frames), 1e-300)
    excess[: SLOWEST - 1] = 0
    at = int(np.argmax(excess))
    # White noise gives each power the distribution Gamma(frames)/frames about its level.
    limit = stats.gamma(frames, scale=1 / frames).isf(CHANCE / len(power))
    return at + 1 if excess[at] > limit else None


def _steady(lines: np.ndarray, cycles: float, noise: float) -> bool:
    """Tell a sinusoid from noise of a narrow band: its power differs little from frame to frame."""
    from scipy import special, stats

    if len(lines) < FEW:  # residuals about a mean of two frames are equal
        return True
    power = _about_their_centre(lines @ _basis([cycles], lines.shape[1])) / max(noise, 1e-300)
    mean = float(power.mean())
    own = max(mean - 2, 0.0)
    # Non-central chi-square of two degrees of freedom against an exponential of the same mean.
    through = np.sqrt(own * power)
    wave = np.log(special.ive(0, through)) + through - (power + own) / 2 - math.log(2)
    # A strong one varies by more than noise gives it, as by its rounding: by a gamma distribution's fifth.
    rough = stats.gamma.logpdf(power, 5, scale=mean / 5)
    band = stats.expon.logpdf(power, scale=mean)
    return max(float((model - band).sum()) for model in (wave, rough)) > _FAVOUR


def _basis(cycles: Sequence[float], length: int) -> np.ndarray:
    angle = 2 * math.pi * np.outer(np.arange(length), cycles)
    return np.linalg.qr(np.concatenate([np.cos(angle), np.sin(angle)], axis=1))[0]


def _without(lines: np.ndarray, cycles: Sequence[float]) -> np.ndarray:
    if not cycles:
        return lines
    basis = _basis(cycles, lines.shape[1])
    return np.asarray(lines - (lines @ basis) @ basis.T)


def _placed(lines: np.ndarray, near: float) -> float:
    """Return where within a bin of ``near`` a sinusoid explains most, cycles a line."""
    from scipy import optimize

    length = lines.shape[1]

    def unexplained(cycles: float) -> float:
        return -float(np.square(lines @ _basis([cycles], length)).sum())

    grid = near + np.linspace(-1, 1, 17) / length
    grid = grid[(grid > 1 / length) & (grid < 0.5 - 0.5 / length)]
    best = float(min(grid, key=unexplained))
    around = (best - 0.15 / length, best + 0.15 / length)
    found = optimize.minimize_scalar(unexplained, bounds=around, method="bounded", options={"xatol": 1e-8})
    return float(found.x)


def _measured(lines: np.ndarray, cycles: Sequence[float], power: np.ndarray, frames: int) -> list[Wave]:
    if not cycles:
        return []
    length, count = lines.shape[1], len(cycles)
    angle = 2 * math.pi * np.outer(np.arange(length), cycles)
    design = np.concatenate([np.cos(angle), np.sin(angle)], axis=1)
    parts = np.linalg.lstsq(design, lines.T, rcond=None)[0]
    noise = np.interp(np.array(cycles) * length, np.arange(len(power)) + 1, _background(power, frames))
    waves = []
    for i, f in enumerate(cycles):
        squared = _about_their_centre(parts[[i, i + count]].T)
        waves.append(_wave(f, float(squared.mean()), noise[i], length, frames))
    return waves


def _about_their_centre(parts: np.ndarray) -> np.ndarray:
    """Return squared amplitudes (n,) of sinusoids whose mean over frames was taken off.

    Their cosine and sine parts (n, 2) lie on a circle about what was taken off.

    Source: Kasa, A circle fitting procedure, IEEE Trans. Instrumentation and Measurement 25, 1976.
    """
    n = len(parts)
    if n < FEW:
        return np.asarray(np.square(parts).sum(axis=1))
    design = np.concatenate([2 * parts, np.ones((n, 1))], axis=1)
    centre = np.linalg.lstsq(design, np.square(parts).sum(axis=1), rcond=None)[0][:2]
    return np.asarray(np.square(parts - centre).sum(axis=1) * (n - 1) / n)


def _wave(cycles: float, squared: float, noise: float, length: int, frames: int) -> Wave:
    """Take the share of noise of that power out of a squared amplitude; give both figures their errors."""
    share = 4 * noise / length
    own = max(squared - share * frames / (frames + 1), 0.0)
    # |s + z|^2 with z of power ``share``: mean s^2 + share, variance share^2 + 2 share s^2.
    amplitude = root(from_error(own, math.sqrt((share**2 + 2 * share * own) / frames)))
    # Cramer and Rao for a sinusoid of unknown phase and amplitude in each of the frames.
    turn = math.sqrt(24 * noise / (max(own, share) * length * (length**2 - 1) * frames)) / (2 * math.pi)
    return Wave(amplitude, from_error(1 / cycles, turn / cycles**2))
