# SPDX-License-Identifier: Apache-2.0
"""What noise parameters say of figures that can be measured between two files."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from lrd_ext.estimators.rounding import ROUNDING
from lrd_ext.params import NoiseParams
from lrd_ext.profiles import tukey_lambda_std


@dataclasses.dataclass(frozen=True)
class Prediction:
    """Predicted noise in DN of the noisy file; None where what predicts does not say.

    ``offset`` is the variance at zero light, DN^2, rounding included; ``read_std`` the standard deviation of
    the read noise whatever its model; ``read_c4`` its fourth cumulant, DN^4 (inf where it has none); ``bias``
    per site, DN.
    """

    title: str
    offset: float
    K: float | None = None
    read_std: float | None = None
    read_c4: float | None = None
    sigma_row: float | None = None
    sigma_col: float | None = None
    bias: tuple[float, ...] | None = None


def predict(params: NoiseParams, title: str) -> Prediction:
    """Predict from noise parameters, batch of 1, in DN of the noisy file."""
    read, shape = float(params.sigma_read), float(params.tukey_lambda)
    std = {"none": 0.0, "gaussian": read}.get(str(params.read))
    excess = 0.0
    if std is None:
        std, excess = read * tukey_lambda_std(shape), _tukey_lambda_kurtosis(shape)
    row, col = float(params.sigma_row), float(params.sigma_col)
    return Prediction(
        title=title,
        offset=std**2 + row**2 + col**2 + ROUNDING,
        K=float(params.K) if params.shot else None,
        read_std=std,
        read_c4=excess * std**4 if std else 0.0,
        sigma_row=row,
        sigma_col=col,
        bias=tuple(params.bias[0].tolist()),
    )


def predict_from_noise_profile(pairs: np.ndarray, black: np.ndarray, white: float) -> Prediction:
    """Predict from a DNG's NoiseProfile: the gain, and all noise at zero light together.

    Args:
        pairs: (1, 2), (3, 2) or (4, 2), pairs S, O.
        black: (4,) black level per site, DN.
        white: white level, DN.
    """
    shot, offset = np.average(pairs, axis=0, weights=(1, 2, 1) if len(pairs) == 3 else None)
    reach = white - float(black.mean())
    return Prediction("the file's NoiseProfile", offset=float(offset) * reach**2, K=float(shot) * reach)


def _tukey_lambda_kurtosis(shape: float) -> float:
    """Return the excess kurtosis of the Tukey-lambda distribution; it is infinite up to shape -0.25."""
    if shape <= -0.25:
        return math.inf
    from scipy.stats import tukeylambda

    return float(tukeylambda.stats(shape, moments="k"))
