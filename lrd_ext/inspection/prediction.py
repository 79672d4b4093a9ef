# SPDX-License-Identifier: Apache-2.0
"""What noise parameters say of figures that can be measured between two files."""

from __future__ import annotations

import dataclasses

import numpy as np

from lrd_ext.estimators.rounding import rounding_variance
from lrd_ext.params import NoiseParams
from lrd_ext.read_models import read_model


@dataclasses.dataclass(frozen=True)
class Prediction:
    """Predicted noise in DN of the noisy file; None where what predicts does not say.

    ``offset`` is the variance at zero light, DN^2, rounding included; ``read_std`` the standard deviation of
    the read noise whatever its model; ``read_c4`` its fourth cumulant, DN^4 (inf where it has none); ``bias``
    per site, DN; ``step`` of the values that are rounded to, DN.
    """

    title: str
    offset: float
    K: float | None = None
    read_std: float | None = None
    read_c4: float | None = None
    sigma_row: float | None = None
    sigma_col: float | None = None
    bias: tuple[float, ...] | None = None
    step: float = 1.0


def predict(params: NoiseParams, title: str, step: float = 1.0) -> Prediction:
    """Predict from noise parameters, batch of 1, in DN of the noisy file.

    Args:
        params: the parameters.
        title: what they are called in the report.
        step: step of the noisy file's values, DN.
    """
    model = read_model(str(params.read))
    table = params.read_table
    shape = float(params.tukey_lambda) if table is None or not model.tabled else table[0].numpy()
    std = model.std(float(params.sigma_read), shape)
    row, col = float(params.sigma_row), float(params.sigma_col)
    return Prediction(
        title=title,
        offset=std**2 + row**2 + col**2 + rounding_variance(step),
        K=float(params.K) if params.shot else None,
        read_std=std,
        read_c4=model.kurtosis(shape) * std**4 if std else 0.0,
        sigma_row=row,
        sigma_col=col,
        bias=tuple(params.bias[0].tolist()),
        step=step,
    )


def predict_from_noise_profile(pairs: np.ndarray, black: np.ndarray, white: float) -> Prediction:
    """Predict from a DNG's NoiseProfile: the gain, and all noise at zero light together.

    Args:
        pairs: (1, 2), (3, 2) or (4, 2), pairs S, O.
        black: (4,) black level per site, DN.
        white: white level, DN.
    """
    shot, offset = np.average(pairs, axis=0, weights=(1, 2, 1) if len(pairs) == 3 else None)
    range_dn = white - float(black.mean())
    return Prediction("the file's NoiseProfile", offset=float(offset) * range_dn**2, K=float(shot) * range_dn)
