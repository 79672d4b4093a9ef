# SPDX-License-Identifier: Apache-2.0
"""The distributions of read noise: one entry each, asked by every place that has to tell one from another.

A distribution is known by its quantile function, drawn at scale 1 and multiplied by a scale in DN. A new one
is an entry of :data:`READ_MODELS` here, and its quantile in lrd_ext/reference and in csrc/noise.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from torch import Tensor

from .reference.read_noise import QUANTILES, UNIT_STDS
from .reference.tukey_lambda import tukey_lambda_std as tukey_lambda_std

#: Names of :data:`READ_MODELS`, for type checkers.
ReadName = Literal["none", "gaussian", "tukey_lambda"]


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
        shaped: whether it has a shape; NoiseParams and profiles keep it as ``tukey_lambda``.
    """

    name: str
    label: str
    short: str
    figure: str | None
    unit_std: Callable[[float], float]
    kurtosis: Callable[[float], float]
    unit_cdf: Callable[[np.ndarray, float], np.ndarray]
    quantile: Callable[[Tensor, Tensor], Tensor]
    shaped: bool = False

    @property
    def scale_is_std(self) -> bool:
        """Whether the scale is the standard deviation itself."""
        return not self.shaped and self.unit_std(0.0) == 1.0

    def std(self, scale: float, shape: float = 0.0) -> float:
        """Return the standard deviation at a scale, in the unit of the scale."""
        return scale * self.unit_std(shape)

    def cdf(self, x: Any, scale: float, shape: float = 0.0) -> np.ndarray:
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
    )
}
