# SPDX-License-Identifier: Apache-2.0
"""What is left of a noisy picture without its expected signal, beside what noise parameters say of it."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np

from lrd_ext.estimators.rounding import rounding_variance
from lrd_ext.metrics.spectrum import LINE_BANDS, in_bands, power_spectrum
from lrd_ext.params import NoiseParams
from lrd_ext.read_models import read_model

from .dark_electrons import dark_electrons
from .expectation import above_black, by_site, expected_signal
from .line_spectrum import line_spectrum
from .prediction import predict

if TYPE_CHECKING:
    from lrd_ext.raw import Raw

#: Levels of light the predicted histogram is summed over, and the bins it has at most.
_LEVELS, _BINS = 256, 120
#: How far histograms reach, standard deviations.
_REACH = 8


@dataclasses.dataclass(frozen=True, eq=False)
class Residual:
    """Noise of one picture as it is and as predicted, DN of the noisy file.

    Attributes:
        noise: (H, W) float32, noisy less expected signal and predicted black-level error, of the active area;
            0 where the clean picture is at its white level, since nothing is known there.
        std: predicted root of the mean variance.
        edges: (bins + 1,) of the histogram; the first and last bin hold all beyond them too.
        counts: (bins,) pixels, those at the clean picture's white level left out.
        predicted_counts: (bins,) likewise, as predicted.
        rows: (bands,) power of row means by frequency, 0 to 1/2 cycles a row, DN^2 times the row's length, as
            :class:`lrd_ext.metrics.Spectrum` has it.
        columns: (bands,) likewise.
        predicted_rows: (bands,) the power predicted.
        predicted_columns: likewise.
    """

    noise: np.ndarray
    std: float
    edges: np.ndarray
    counts: np.ndarray
    predicted_counts: np.ndarray
    rows: np.ndarray
    columns: np.ndarray
    predicted_rows: np.ndarray
    predicted_columns: np.ndarray


def measure_residual(clean: Raw, noisy: Raw, ratio: float, params: NoiseParams) -> Residual:
    """Take the expected signal off a noisy picture, and predict histogram and spectrum of what is left.

    Args:
        clean: the picture taken as noiseless, at least 4 x 4 in its active area.
        noisy: the dark one, same size and CFA phase, in steps of 1 DN.
        ratio: how many times less light it got.
        params: what to expect, a batch of 1, in the noisy file's DN.

    Raises:
        ValueError: the files do not fit each other, or the clean one is at its white level everywhere.
    """
    top, left, bottom, right = noisy.active_area
    area = np.s_[top:bottom, left:right]
    expected = expected_signal(clean, noisy, ratio)[area]
    known = np.isfinite(expected)
    if not known.any():
        raise ValueError("the clean file is at its white level everywhere: nothing can be expected")
    p = predict(params, "")
    bias = by_site(np.array(p.bias, dtype=np.float32), *noisy.mosaic.shape)[area]
    noise = np.where(known, above_black(noisy)[area] - expected - bias, np.float32(0))
    signal = expected[known]
    variance = float(p.variance(signal.astype(np.float64)).mean())
    own = variance - (p.sigma_row or 0.0) ** 2 - (p.sigma_col or 0.0) ** 2
    edges = _edges(math.sqrt(variance))
    counts = _histogram(noise[known], edges)
    spectrum = power_spectrum(noise)
    return Residual(
        noise=noise,
        std=math.sqrt(variance),
        edges=edges,
        counts=counts,
        predicted_counts=counts.sum() * predicted_shares(params, signal, edges),
        rows=spectrum.rows,
        columns=spectrum.columns,
        predicted_rows=_line_power(known, own, params, "row"),
        predicted_columns=_line_power(known, own, params, "col"),
    )


def predicted_shares(params: NoiseParams, signal: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return the share of noise predicted in each bin; the first and last hold all beyond them too.

    Characteristic functions multiply where independent noise adds up: that of Poisson noise of gain K is
    exp(y/K (exp(itK) - 1 - itK)) for a signal y, summed here over the picture's levels of light. Whole lines
    and what a sensor adds count as normal, but for dark current's own shot noise.

    Args:
        params: a batch of 1; black-level error is left out.
        signal: (n,) expected signal of the pixels, DN above black, >= 0.
        edges: (bins + 1,) of even width, DN about 0.
    """
    p, K = predict(params, ""), _gain(params)
    levels, weights = _levels_of_light(signal)
    widest = math.sqrt(float(p.variance(levels.max())))
    period = 2 * max(2 * _REACH * widest, 1.5 * float(edges[-1]))
    size = 2 ** math.ceil(math.log2(8 * period / math.sqrt(p.offset)))
    step = period / size
    inner = (np.arange(size + 1) - size // 2 - 0.5) * step
    t = 2 * math.pi * np.fft.rfftfreq(size, step)
    model, scale, shape = read_model(params.read), float(params.sigma_read), float(params.tukey_lambda)
    transform = np.fft.rfft(np.fft.ifftshift(np.diff(model.cdf(inner, scale, shape))))
    dark = dark_electrons(params).mean if K > 0 else 0.0
    normal = p.offset - model.std(scale, shape) ** 2 - rounding_variance(p.step) - K**2 * dark
    transform *= np.exp(-normal * t**2 / 2) * np.sinc(p.step * t / (2 * math.pi))  # the latter is rounding's
    if K > 0:
        counts = np.abs(transform) > 1e-9  # the rest adds nothing, and is most of it
        turn = np.exp(-1j * K * t[counts]) - 1
        shot = np.multiply.outer(levels / K + dark, turn + 1j * K * t[counts])
        if p.sigma_prnu:  # of a normal gain of the signal, whose shot noise goes with it
            shot += np.multiply.outer((p.sigma_prnu * levels / K) ** 2 / 2, turn**2)
        transform[counts] *= weights @ np.exp(shot)
    below = np.cumsum(np.fft.fftshift(np.fft.irfft(transform, size)))
    at_edges = np.interp(edges, inner[1:], below)
    at_edges[0], at_edges[-1] = 0, 1
    return np.diff(at_edges)


def _gain(params: NoiseParams) -> float:
    return float(params.K) if params.shot else 0.0


def _levels_of_light(signal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gather signal in bins of even width in its root, in which shot noise is even: means and shares."""
    top = float(signal.max())
    cell = np.sqrt(signal * (_LEVELS**2 / top)) if top > 0 else np.zeros_like(signal)
    cell = np.minimum(cell, _LEVELS - 1).astype(np.int64)
    count = np.bincount(cell, minlength=_LEVELS)
    held = count > 0
    total = np.bincount(cell, weights=signal, minlength=_LEVELS)
    return total[held] / count[held], count[held] / len(signal)


def _edges(std: float) -> np.ndarray:
    width = max(1, math.ceil(2 * _REACH * std / _BINS))  # whole DN: finer bins would show a comb
    half = math.ceil(_REACH * std / width)
    return (np.arange(-half, half + 2) - 0.5) * width


def _histogram(noise: np.ndarray, edges: np.ndarray) -> np.ndarray:
    bins = len(edges) - 1
    place = np.floor((noise - np.float32(edges[0])) / np.float32(edges[1] - edges[0]))
    return np.bincount(np.clip(place, 0, bins - 1).astype(np.int64), minlength=bins)


def _line_power(known: np.ndarray, own: float, params: NoiseParams, line: str) -> np.ndarray:
    """Return the power of means of rows or columns in bands: the pixels' own variance, and whole lines."""
    axis = 1 if line == "row" else 0
    length = known.sum(axis, dtype=np.float64)
    whole = line_spectrum(params, line, len(length)) * float((length**2).mean()) / known.shape[axis]
    # Lines across are one number in every mean.
    return own * float(known.mean()) + in_bands(whole, 0, LINE_BANDS)
