# SPDX-License-Identifier: Apache-2.0
"""Tukey-lambda and Gaussian fitted to residuals of dark frames, with the converter's rounding removed.

A raw value is the noise rounded to a step, so a residual r (value minus the place of its pixel) has the
likelihood F(r + step/2) - F(r - step/2), F the distribution function of the noise: the interval likelihood.
The place of a pixel is known but for the noise of the mean it comes from; F is widened by that. Places must
fall evenly on the step, as they do unless noise and pattern are both below it (see interval_likelihood).
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from scipy import optimize

from lrd_ext.read_models import ReadModel, Shape, read_model, tukey_lambda_std

from .histogram_distance import kl_divergence, ks_distance
from .intervals import Estimate, from_frames
from .rounding import ROUNDING

#: Shapes the fit may find. Below, the variance goes to infinity; above, the density has edges.
SHAPES = (-0.45, 0.9)
#: Bracket of the second opinion, the shape of highest correlation in the probability plot.
PPCC_BRACKET = (-0.3, 0.3)
_STEP = (2e-3, 2e-3)
_SMALLEST = 1e-300


@dataclasses.dataclass(frozen=True)
class ResidualHistogram:
    """Residuals r of dark frames, counted by frame in bins of equal width; the outermost two hold all beyond.

    ``counts`` (n, bins) per frame, ``width`` in DN, ``kept`` the fraction of a value's variance that was left
    when means over frames, rows and columns were taken away. Residuals are divided by ``kept``: r = noise of
    the value itself + noise of the means, of variance (1/kept - 1) times the own. ``step`` of the values, DN.
    """

    counts: np.ndarray
    width: float
    kept: float
    step: float = 1.0

    @property
    def centres(self) -> np.ndarray:
        """Middle of each bin, DN."""
        bins = self.counts.shape[1]
        return (np.arange(bins) - (bins - 1) / 2) * self.width

    @property
    def total(self) -> np.ndarray:
        """Counts of all frames, (bins,)."""
        return self.counts.sum(axis=0)


@dataclasses.dataclass(frozen=True)
class TukeyLambdaFit:
    """Scale and shape with intervals; ``std`` is the standard deviation the two make, DN."""

    scale: Estimate
    shape: Estimate
    std: float


def bin_probabilities(hist: ResidualHistogram, model: ReadModel, std: float, shape: Shape) -> np.ndarray:
    """Return the probability of each bin (bins,) under a model with rounding to the step of the values.

    Args:
        hist: the bins, and how much the means have taken away.
        model: distribution of the read noise.
        std: standard deviation of the read noise, DN.
        shape: its shape, where the model has one.
    """
    scale = std / model.unit_std(shape)
    blur = math.sqrt(max(1 / hist.kept - 1, 0.0) * (std**2 + ROUNDING * hist.step**2))
    nodes, weights = np.polynomial.hermite_e.hermegauss(9)
    weights = weights / weights.sum()
    r = hist.centres

    def widened(edge: np.ndarray) -> np.ndarray:
        return weights @ model.cdf(edge[None, :] + blur * nodes[:, None], scale, shape)

    half = hist.step / 2
    inner = (widened(r + half) - widened(r - half)) * (hist.width / hist.step)
    inner[0] = widened(r[:1] + hist.width / 2)[0]
    inner[-1] = inner[0]
    return np.maximum(inner, _SMALLEST)


def fit_tukey_lambda(hist: ResidualHistogram) -> TukeyLambdaFit:
    """Fit scale and shape by maximum interval likelihood, by Fisher scoring on (ln std, shape).

    The interval comes from Fisher's information, or from one-step estimates of single frames where these
    scatter more than it allows.

    Raises:
        ValueError: the histogram is empty.
    """
    total = hist.total
    if not total.sum():
        raise ValueError("fit_tukey_lambda: hist must hold residuals, got an empty histogram")
    theta = np.array([math.log(_start_std(hist)), 0.1])
    for _ in range(40):
        information, slopes = _information(hist, theta)
        step = np.linalg.solve(information, slopes @ total)
        theta = _bounded(theta + np.clip(step, -0.3, 0.3))
        if np.abs(step).max() < 1e-7:
            break
    information, slopes = _information(hist, theta)
    # Residuals about means are fewer than they look: kept is the share that is free.
    covariance = np.linalg.inv(information) / hist.kept
    n = len(hist.counts)
    per_frame = theta + np.linalg.solve(information / n, slopes @ hist.counts.T).T
    return _as_fit(theta, covariance, per_frame)


def _as_fit(theta: np.ndarray, covariance: np.ndarray, per_frame: np.ndarray) -> TukeyLambdaFit:
    std, shape = math.exp(theta[0]), float(theta[1])
    scale = std / tukey_lambda_std(shape)
    bend = (math.log(tukey_lambda_std(shape + 1e-4)) - math.log(tukey_lambda_std(shape - 1e-4))) / 2e-4
    to_log_scale = np.array([1.0, -bend])  # ln scale = ln std - ln std(shape)
    error = scale * math.sqrt(to_log_scale @ covariance @ to_log_scale)
    scales = scale * (1 + (per_frame - theta) @ to_log_scale)
    return TukeyLambdaFit(
        from_frames(scale, error, scales),
        from_frames(shape, math.sqrt(covariance[1, 1]), per_frame[:, 1]),
        std,
    )


def _start_std(hist: ResidualHistogram) -> float:
    total = hist.total
    variance = float(total @ hist.centres**2) / total.sum() * hist.kept - ROUNDING * hist.step**2
    return math.sqrt(max(variance, 0.02 * hist.step**2))


def _bounded(theta: np.ndarray) -> np.ndarray:
    return np.array([theta[0], min(max(theta[1], SHAPES[0] + 0.01), SHAPES[1] - 0.01)])


def _information(hist: ResidualHistogram, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return Fisher's information (2, 2) of all residuals and the slopes (2, bins) of ln probability."""
    model = read_model("tukey_lambda")
    slopes = []
    for i, step in enumerate(_STEP):
        ends = []
        for sign in (1, -1):
            moved = theta.copy()
            moved[i] += sign * step
            ends.append(np.log(bin_probabilities(hist, model, math.exp(moved[0]), float(moved[1]))))
        slopes.append((ends[0] - ends[1]) / (2 * step))
    u = np.array(slopes)
    expected = bin_probabilities(hist, model, math.exp(theta[0]), float(theta[1])) * hist.total.sum()
    return (u * expected) @ u.T, u


@dataclasses.dataclass(frozen=True)
class Agreement:
    """How well darks of a model agree with the real ones: r^2 of the QQ plot, KLD (nats) and KS distance.

    ``chance`` is how much nearer by KLD, nats, a model comes by chance whose every value was fitted to the
    same darks: half of it is gained on these, half lost on others. Source: Akaike, IEEE TAC 19(6), 1974.
    """

    r2: float
    kld: float
    ks: float
    chance: float = 0.0


@dataclasses.dataclass(frozen=True)
class Distribution:
    """Real residuals and those of darks synthesised by a model, in the limit of infinitely many.

    ``centres`` (bins,) DN, ascending; ``real`` and ``model`` (bins,) counts or probabilities; bins that lie
    next to each other in ``group`` hold about one step of the values.
    """

    centres: np.ndarray
    real: np.ndarray
    model: np.ndarray
    group: int = 1

    def quantiles(self, points: int = 400) -> tuple[np.ndarray, np.ndarray]:
        """Return the quantiles of the model and of the real residuals at the same probabilities, DN."""
        p = np.linspace(0.5, points - 0.5, points) / points
        # The extremes carry the tails: a few quantiles beyond the even grid.
        tails = 10.0 ** np.arange(-3.0, -0.99 * math.log10(self.real.sum()), -0.25)
        p = np.unique(np.concatenate([tails, p, 1 - tails]))
        return self._at(p, self.model), self._at(p, self.real)

    def _at(self, p: np.ndarray, counts: np.ndarray) -> np.ndarray:
        return np.interp(p, (np.cumsum(counts) - counts / 2) / counts.sum(), self.centres)

    @property
    def agreement(self) -> Agreement:
        """How near the model comes; KLD is forward, real against model, over bins that hold a count."""
        theory, sample = self.quantiles()
        varies = np.ptp(theory) > 0 and np.ptp(sample) > 0
        r2 = float(np.corrcoef(theory, sample)[0, 1]) ** 2 if varies else 1.0
        groups = np.arange(0, len(self.real), self.group)
        real = np.add.reduceat(self.real, groups)
        kld = kl_divergence(real, np.add.reduceat(self.model, groups))
        chance = float((real > 0).sum() / real.sum())
        return Agreement(r2, max(kld, 0.0), ks_distance(self.real, self.model), chance)


def distribution_of(
    hist: ResidualHistogram, model: ReadModel, std: float, shape: Shape = 0.0
) -> Distribution:
    """Put real residuals beside those of a model, rounding and noise of the means included."""
    group = max(round(hist.step / hist.width), 1)
    return Distribution(hist.centres, hist.total, bin_probabilities(hist, model, std, shape), group)


def ppcc_shape(hist: ResidualHistogram) -> tuple[float, float]:
    """Find the shape of highest probability-plot correlation in PPCC_BRACKET, and r^2: a second opinion.

    Rounding and the noise of the means are not taken out, so that it leans to 0.14 where these count.

    Source: Filliben, Technometrics 17(1), 1975.
    """
    p = (np.arange(2000) + 0.5) / 2000
    total = hist.total
    cumulative = (np.cumsum(total) - total / 2) / total.sum()
    sample = np.interp(p, cumulative, hist.centres)

    def lack(shape: float) -> float:
        theory = np.log(p / (1 - p)) if abs(shape) < 1e-9 else (p**shape - (1 - p) ** shape) / shape
        return 1 - float(np.corrcoef(theory, sample)[0, 1]) ** 2

    found = optimize.minimize_scalar(lack, bounds=PPCC_BRACKET, method="bounded", options={"xatol": 1e-4})
    return float(found.x), 1 - float(found.fun)


def excess_kurtosis(counts: np.ndarray, centres: np.ndarray) -> float:
    """Return the excess kurtosis of values counted in bins; 0 where all are alike."""
    p = counts / counts.sum()
    second = float(p @ centres**2)
    return float(p @ centres**4) / second**2 - 3 if second > 0 else 0.0
