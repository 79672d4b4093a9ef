# SPDX-License-Identifier: Apache-2.0
"""Measured figures against predicted ones, with a verdict in words."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from lrd_ext.estimators.intervals import Estimate, from_error, root
from lrd_ext.estimators.rounding import ROUNDING_C4

from .pair import PairReport
from .prediction import Prediction

#: What the figures of black-level error are called, before the name of their site.
BIAS = "bias"
#: How far a figure may lie from its prediction, relative, besides three of its standard errors.
TOLERANCE = {"K": 0.01, "read": 0.02, "row": 0.05, "column": 0.05}


@dataclasses.dataclass(frozen=True)
class Finding:
    """One figure: measured with its standard error, predicted (None = not said), verdict; all in ``unit``.

    ``agrees`` is None where nothing can be told.
    """

    figure: str
    unit: str
    measured: Estimate
    predicted: float | None
    verdict: str
    agrees: bool | None

    @property
    def difference(self) -> float | None:
        """Measured over predicted minus 1; None without a prediction above 0."""
        return self.measured.value / self.predicted - 1 if self.predicted else None


def findings(
    report: PairReport, prediction: Prediction | None, sites: tuple[str, ...]
) -> tuple[Finding, ...]:
    """Judge every figure of a pair.

    Args:
        report: what was measured.
        prediction: what was to be expected; None judges nothing.
        sites: names of the four sites.
    """
    p = prediction
    measured = {
        "K": ("DN/e-", report.K, p.K if p else None),
        "read": ("DN", report.sigma_read, p.read_std if p else None),
        "row": ("DN", report.sigma_row, p.sigma_row if p else None),
        "column": ("DN", report.sigma_col, p.sigma_col if p else None),
    }
    made = [
        _judge(name, *figures, relative=TOLERANCE[name], deviation=name != "K")
        for name, figures in measured.items()
    ]
    made += [
        _zero_light(report, p),
        _judge("dark kurtosis", "", report.dark.kurtosis, _kurtosis(report, p), relative=0.1, absolute=0.05),
        _judge("brightness", "", report.scale, 1.0, relative=0.005),
    ]
    for i, site in enumerate(sites):
        bias = from_error(float(report.bias[i]), float(report.bias_error[i]))
        expected = p.bias[i] if p and p.bias is not None else None
        drift = 3 * p.sigma_drift if p else 0.0
        made.append(_judge(f"{BIAS} {site}", "DN", bias, expected, absolute=0.05 + drift))
    return tuple(made)


def in_one_sentence(found: tuple[Finding, ...], prediction: Prediction) -> str:
    """Say whether the noise is the predicted one, and if not, what is not."""
    off = [f for f in found if f.agrees is False]
    if off:
        # Four biases would drown the rest: they are in the table.
        told = dict.fromkeys(BIAS if BIAS in f.figure else f"{f.figure} {f.verdict}" for f in off)
        return f"The noise is not that of {prediction.title}: {'; '.join(told)}."
    agreeing = dict.fromkeys(BIAS if BIAS in f.figure else f.figure for f in found if f.agrees)
    return f"The noise is that of {prediction.title}: {', '.join(agreeing)} agree."


def _zero_light(report: PairReport, p: Prediction | None) -> Finding:
    measured = root(report.line.offset)
    predicted = math.sqrt(p.offset) if p else None
    return _judge("zero light", "DN", measured, predicted, relative=0.02, deviation=True)


def _kurtosis(report: PairReport, p: Prediction | None) -> float | None:
    """Predict the dark pixels' excess kurtosis: fourth cumulants add, and light that differs adds its own."""
    if p is None or p.read_c4 is None or not math.isfinite(p.read_c4):
        return None
    dark, K = report.dark, p.K
    if K is None:  # made of darks alone: the light in the darkest pixels is there all the same
        K = report.K.value if math.isfinite(report.K.value) else 0.0
    c4 = p.read_c4 + ROUNDING_C4 * p.step**4 + K**3 * dark.signal + 3 * K**2 * dark.signal_variance
    return c4 / (p.offset + K * dark.signal) ** 2


def _judge(
    figure: str,
    unit: str,
    measured: Estimate,
    predicted: float | None,
    *,
    relative: float = 0.0,
    absolute: float = 0.0,
    deviation: bool = False,
) -> Finding:
    def made(verdict: str, agrees: bool | None) -> Finding:
        return Finding(figure, unit, measured, predicted, verdict, agrees)

    if not np.isfinite(measured.value):
        return made("cannot be measured", None)
    if predicted is None:
        return made("not predicted", None)
    allowed, difference = relative * abs(predicted) + absolute, measured.value - predicted
    within = _within_error(measured, predicted, deviation=deviation)
    if within and 3 * measured.error > 10 * allowed and predicted:
        return made("cannot tell", None)
    if abs(difference) <= allowed:
        return made("agrees", True)
    if within:
        return made("within its error", True)
    way = "above" if difference > 0 else "below"
    size = f"{abs(difference / predicted):.1%}" if relative and predicted else f"{abs(difference):.2g} {unit}"
    return made(f"{size.strip()} {way}", False)


def _within_error(measured: Estimate, predicted: float, *, deviation: bool) -> bool:
    """Whether three standard errors reach the prediction."""
    if not math.isfinite(measured.error):
        return False
    if abs(measured.value - predicted) <= 3 * measured.error:
        return True
    # Near 0 only the square of a deviation has an error that reaches as far down as up.
    return deviation and abs(measured.value**2 - predicted**2) <= 3 * measured.square_error
