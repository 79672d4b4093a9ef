# SPDX-License-Identifier: Apache-2.0
"""The distributions of read noise: one entry each, asked by every place that has to tell one from another.

A distribution is known by its quantile function, drawn at scale 1 and multiplied by a scale in DN. A new one
is an entry of :data:`READ_MODELS` here, and its quantile in lrd_ext/reference and in csrc/noise. What is not
worth a name of its own is "empirical": its shape is the quantile function itself, a table of it.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from .reference.quantile_table import KNOTS, knot_probabilities, table_kurtosis, table_moments
from .reference.read_noise import QUANTILES, UNIT_STDS
from .reference.tukey_lambda import tukey_lambda_std as tukey_lambda_std

#: Names of :data:`READ_MODELS`, for type checkers.
ReadName = Literal["none", "gaussian", "tukey_lambda", "empirical"]

#: What a distribution has beside its scale: a number, or a table of quantiles, (KNOTS,).
Shape = float | np.ndarray

#: How far mean and standard deviation of a table may lie from 0 and 1.
TABLE_TOLERANCE = 1e-3


@dataclasses.dataclass(frozen=True)
class ReadModel:
    """One distribution of read noise, centred on 0.

    Attributes:
        name: as NoiseParams and profiles spell it.
        label: as people read it.
        short: as narrow tables print it.
        figure: the profile's figure that holds its scale, DN; None for "none", which has no figure.
        unit_std: standard deviation at scale 1, of the shape.
        kurtosis: excess kurtosis, of the shape; infinite where the fourth moment is.
        unit_cdf: distribution function at scale 1, of values and the shape.
        quantile: deviates of scale 1, float64, of int64 words in [0, 2^32) and the shape: the specification.
        shaped: whether it has a number for a shape; NoiseParams and profiles keep it as ``tukey_lambda``.
        tabled: whether its shape is a table of quantiles; NoiseParams keeps it as ``read_table``, profiles as
            ``read_quantiles``.
    """

    name: str
    label: str
    short: str
    figure: str | None
    unit_std: Callable[[Any], float]
    kurtosis: Callable[[Any], float]
    unit_cdf: Callable[[np.ndarray, Any], np.ndarray]
    quantile: Callable[[Tensor, Tensor], Tensor]
    shaped: bool = False
    tabled: bool = False

    @property
    def scale_is_std(self) -> bool:
        """Whether the scale is the standard deviation itself."""
        return not self.shaped and self.unit_std(0.0) == 1.0

    def std(self, scale: float, shape: Shape = 0.0) -> float:
        """Return the standard deviation at a scale, in the unit of the scale."""
        return scale * self.unit_std(shape)

    def cdf(self, x: Any, scale: float, shape: Shape = 0.0) -> np.ndarray:
        """Return the distribution function at ``x``, which is in the unit of the scale; a step at scale 0."""
        x = np.asarray(x, dtype=np.float64)
        return self.unit_cdf(x / scale, shape) if scale > 0 else (x >= 0).astype(np.float64)


def read_model(name: Any, what: str = "read") -> ReadModel:
    """Return a read-noise model by name.

    Raises:
        ValueError: there is none of that name; the text begins with ``what`` and names the known ones.
    """
    if not isinstance(name, str) or name not in READ_MODELS:
        raise ValueError(f"{what} must be one of {', '.join(READ_MODELS)}, got {name!r}")
    return READ_MODELS[name]


def profile_models() -> tuple[ReadModel, ...]:
    """Return the models a camera profile has a figure for: all but "none"."""
    return tuple(model for model in READ_MODELS.values() if model.figure is not None)


def tukey_lambda_kurtosis(shape: float) -> float:
    """Return the excess kurtosis of the Tukey-lambda distribution; it is infinite up to shape -0.25."""
    if shape <= -0.25:
        return math.inf
    from scipy.stats import tukeylambda

    return float(tukeylambda.stats(shape, moments="k"))


def tukey_lambda_cdf(x: np.ndarray, shape: float) -> np.ndarray:
    """Return the distribution function of scale 1 at ``x``: the quantile function inverted on a grid.

    Source: quantile function (p^l - (1-p)^l)/l; relative error below 1e-4 of the smaller tail.
    """
    from scipy.special import expit

    t, q = _quantile_grid(round(shape, 12))
    tail = expit(np.interp(-np.abs(x), q, t, left=-np.inf if shape > 0 else t[0]))
    return np.where(x < 0, tail, 1 - tail)


@functools.lru_cache(maxsize=64)
def _quantile_grid(shape: float) -> tuple[np.ndarray, np.ndarray]:
    t = -(np.linspace(0, math.sqrt(70), 3000)[::-1] ** 2)  # logit of p, fine near the middle
    log_p, log_q = t - np.log1p(np.exp(t)), -np.log1p(np.exp(t))
    q = t if abs(shape) < 1e-9 else np.exp(shape * log_q) * np.expm1(shape * (log_p - log_q)) / shape
    return t, q


def normal_cdf(x: np.ndarray, shape: float = 0.0) -> np.ndarray:
    """Return the distribution function of the standard normal distribution at ``x``, which has no shape."""
    from scipy.special import ndtr

    return ndtr(x)


def table_cdf(x: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Return the distribution function of scale 1 at ``x``, of a table of quantiles (KNOTS,)."""
    return np.interp(x, table, knot_probabilities().numpy(), left=0.0, right=1.0)


def check_table(table: Tensor, what: str) -> None:
    """Refuse what is no table of quantiles, or one that is not of scale 1.

    Args:
        table: (KNOTS,) or (B, KNOTS), quantiles at ``reference.quantile_table.knot_probabilities()``.
        what: how the text begins.

    Raises:
        ValueError: another shape, a value that is not finite, one that is below the one before it, or mean
            and standard deviation further than TABLE_TOLERANCE from 0 and 1.
    """
    if table.ndim not in (1, 2) or table.shape[-1] != KNOTS:
        raise ValueError(
            f"{what} must hold {KNOTS} quantiles, one for each of knot_probabilities(), got shape "
            f"{tuple(table.shape)}"
        )
    if not bool(table.isfinite().all()):
        raise ValueError(f"{what} must be finite, got {table[~table.isfinite()][0].item():g}")
    falls = table.diff(dim=-1) < 0
    if bool(falls.any()):
        row, place = (falls if table.ndim == 2 else falls[None]).nonzero()[0].tolist()
        a, b = table.reshape(-1, KNOTS)[row, place : place + 2].tolist()
        raise ValueError(f"{what} must not fall, got {b:g} after {a:g} at knot {place + 1}")
    for name, found, wanted in zip(("mean", "standard deviation"), table_moments(table), (0, 1), strict=True):
        off = (found - wanted).abs() > TABLE_TOLERANCE
        if bool(off.any()):
            raise ValueError(
                f"{what} must have {name} {wanted}, got {found[off].flatten()[0].item():.6g}. "
                "Give what standard_table makes of it; the scale is sigma_read, the mean bias"
            )


def standard_table(quantiles: Any) -> np.ndarray:
    """Bring quantiles to mean 0 and standard deviation 1.

    Args:
        quantiles: (KNOTS,) or (B, KNOTS), not falling, in any unit, at the probabilities
            ``reference.quantile_table.knot_probabilities()``.

    Returns: tables of the same shape, float64.

    Raises:
        ValueError: another shape, or quantiles without spread.
    """
    q = torch.as_tensor(np.asarray(quantiles, dtype=np.float64))
    if q.ndim not in (1, 2) or q.shape[-1] != KNOTS:
        raise ValueError(
            f"standard_table: quantiles must be ({KNOTS},) or (B, {KNOTS}), got {tuple(q.shape)}"
        )
    mean, std = table_moments(q)
    if not bool(((std > 0) & std.isfinite()).all()):
        raise ValueError(
            f"standard_table: quantiles must have a spread, got standard deviation {std.tolist()}"
        )
    return ((q - mean[..., None]) / std[..., None]).numpy()


def table_of(model: ReadModel, shape: float = 0.0) -> np.ndarray:
    """Return the table of quantiles of a model with a curve, (KNOTS,) float64, standard deviation 1.

    At the words nearest the knots; this is what read "empirical" makes of the curve.
    """
    words = (knot_probabilities() * 2.0**32 - 0.5).round().clamp(0, 2**32 - 1).long()
    return standard_table(model.quantile(words, torch.tensor(shape, dtype=torch.float64)))


#: Every read-noise model by name. The order is that of the codes in csrc/noise/read_noise.h.
READ_MODELS: dict[str, ReadModel] = {
    model.name: model
    for model in (
        ReadModel(
            name="none",
            label="none",
            short="-",
            figure=None,
            unit_std=UNIT_STDS["none"],
            kurtosis=lambda shape: 0.0,
            unit_cdf=lambda x, shape: (x >= 0).astype(np.float64),
            quantile=QUANTILES["none"],
        ),
        ReadModel(
            name="gaussian",
            label="Gaussian",
            short="G",
            figure="sigma_gaussian",
            unit_std=UNIT_STDS["gaussian"],
            kurtosis=lambda shape: 0.0,
            unit_cdf=normal_cdf,
            quantile=QUANTILES["gaussian"],
        ),
        ReadModel(
            name="tukey_lambda",
            label="Tukey-lambda",
            short="TL",
            figure="sigma_tukey_lambda",
            unit_std=UNIT_STDS["tukey_lambda"],
            kurtosis=tukey_lambda_kurtosis,
            unit_cdf=tukey_lambda_cdf,
            quantile=QUANTILES["tukey_lambda"],
            shaped=True,
        ),
        ReadModel(
            name="empirical",
            label="empirical",
            short="E",
            figure="sigma_empirical",
            unit_std=UNIT_STDS["empirical"],
            kurtosis=lambda table: float(table_kurtosis(torch.as_tensor(table))),
            unit_cdf=table_cdf,
            quantile=QUANTILES["empirical"],
            tabled=True,
        ),
    )
}
