# SPDX-License-Identifier: Apache-2.0
"""Read, row and column noise of the darks of an ISO, by moments or by the likelihood of intervals."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from lrd_ext.estimators.interval_likelihood import IntervalFit, fit_pairs
from lrd_ext.estimators.intervals import Estimate, from_frames
from lrd_ext.estimators.line_colour import LineModel, fit_lines
from lrd_ext.estimators.line_noise import FrameLines
from lrd_ext.estimators.read_quantiles import fit_read_quantiles
from lrd_ext.estimators.rounding import ROUNDING
from lrd_ext.estimators.tukey_lambda import (
    Distribution,
    ResidualHistogram,
    TukeyLambdaFit,
    distribution_of,
    excess_kurtosis,
    fit_tukey_lambda,
    ppcc_shape,
)
from lrd_ext.read_models import ReadModel, profile_models

from .dark_frames import DarkStatistics
from .emva1288 import dark_nonuniformity
from .results import LOST, DarkGroup, ReadNoise

#: Pixels that need to leave the most frequent pair of values before anything can be told of the noise.
_FEWEST = 20


def fit_darks(d: DarkStatistics) -> IntervalFit | None:
    """Fit pairs of frames where residuals tell less; None where they tell all, or nothing is to be told."""
    pairs = d.pair_counts
    if pairs is None or _alike(pairs.counts):
        return None
    row, col = d.rows.noise().value, d.columns.noise().value
    fit = fit_pairs(pairs, math.hypot(row, col), d.step)
    # Every second line holds a site; its offsets do not average out over the pixels of the line.
    row, col = (seen / slope.value for seen, slope in zip((row, col), fit.slopes, strict=True))
    lines = math.sqrt((row**2 / (d.height / 2) + col**2 / (d.width / 2)) / d.frames)
    return dataclasses.replace(fit, levels=tuple(level.blurred(lines) for level in fit.levels))


def _alike(counts: np.ndarray) -> bool:
    both = counts.sum(axis=0).reshape(4, -1)
    return int((both.sum(axis=1) - both.max(axis=1)).sum()) < _FEWEST


def read_noise(dark: DarkGroup) -> ReadNoise:
    """Return the figures of the darks of one ISO and exposure time."""
    d, fit, hist = dark.statistics, dark.fit, dark.statistics.histogram
    kurtosis = excess_kurtosis(hist.total, hist.centres)
    pixel, pixels = float(d.pixel.mean()), d.height * d.width // 4
    row_lines, col_lines = (
        fit_lines(lines, pixel / length, pixel / length * math.sqrt((2 + kurtosis) / (d.frames * 4 * pixels)))
        for lines, length in ((d.row_lines, d.width), (d.col_lines, d.height))
    )
    row, col = _sigma(row_lines, d.rows, kurtosis), _sigma(col_lines, d.columns, kurtosis)
    total = pixel + row.value**2 + col.value**2
    found = _by_moments(d, kurtosis) if fit is None else _by_intervals(d, fit)
    return ReadNoise(
        **found,
        row=row if fit is None else _seen_through(row, fit.slopes[0]),
        col=col if fit is None else _seen_through(col, fit.slopes[1]),
        naive_row=d.rows.naive,
        dsnu=dark_nonuniformity(d.spatial, total, d.frames, pixels),
        dsnu_white=dark_nonuniformity(d.spatial_white, pixel, d.frames, pixels, True),
        ppcc=ppcc_shape(hist),
        row_lines=row_lines,
        col_lines=col_lines,
        step=d.step,
        cut=d.cut,
    )


def _sigma(model: LineModel, lines: FrameLines, kurtosis: float) -> Estimate:
    """Return the deviation of line noise, DN: of lines with a colour or waves by their model."""
    return lines.noise(kurtosis) if model.white and not model.waves else model.sigma


def _seen_through(line: Estimate, slope: Estimate) -> Estimate:
    """Return line noise from what the means of recorded values show of it."""
    own = line.scaled(1 / slope.value)
    return own.blurred(own.value * slope.error / slope.value)


def _by_moments(d: DarkStatistics, kurtosis: float) -> dict[str, Any]:
    hist = d.histogram
    fit = fit_tukey_lambda(hist)
    table = fit_read_quantiles(hist, fit) if d.pair_counts is None else None
    free = max(d.frames - 1, 1) * (d.height - 1) * (d.width - 1)
    gaussian = _std(d.pixel.mean(axis=1), kurtosis, free, d.step)
    return {
        "gaussian": gaussian,
        "tukey_lambda": fit,
        "pixel": tuple(
            _std(own, kurtosis, free / 4, step) for own, step in zip(d.pixel.T, d.steps, strict=True)
        ),
        "distributions": {
            model.name: _distribution(hist, model, gaussian, fit, table)
            for model in profile_models()
            if not model.tabled or table is not None
        },
        "quantiles": table,
    }


def _distribution(
    hist: ResidualHistogram,
    model: ReadModel,
    gaussian: Estimate,
    fit: TukeyLambdaFit,
    table: np.ndarray | None,
) -> Distribution:
    if model.shaped:
        return distribution_of(hist, model, fit.std, fit.shape.value)
    return distribution_of(hist, model, gaussian.value, 0.0 if table is None else table)


def _by_intervals(d: DarkStatistics, fit: IntervalFit) -> dict[str, Any]:
    return {
        "gaussian": fit.std,
        "tukey_lambda": fit.tukey_lambda,
        "pixel": fit.by_site,
        "distributions": fit.distributions,
    }


def _std(squares: np.ndarray, kurtosis: float, free: float, step: float) -> Estimate:
    """Return the standard deviation of pixels from mean squares of frames (n,), rounding taken out, DN."""
    pixel, rounding = float(squares.mean()), ROUNDING * step**2
    least = 1e-6 * step**2
    std = math.sqrt(max(pixel - rounding, least))
    per_frame = np.sqrt(np.maximum(squares - rounding, least))
    found = from_frames(std, pixel * math.sqrt(max(2 + kurtosis, 0.2) / free) / (2 * std), per_frame)
    # What rounding hides may be anything that it can hide.
    hidden = LOST * step
    return dataclasses.replace(found, low=0.0, high=max(found.high, hidden)) if std < hidden else found
