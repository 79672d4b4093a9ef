# SPDX-License-Identifier: Apache-2.0
"""What noise parameters say of figures that can be measured between two files."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import torch
from torch import Tensor

from lrd_ext.estimators.rounding import rounding_variance
from lrd_ext.params import NoiseParams
from lrd_ext.read_models import read_model

from .dark_electrons import dark_electrons


@dataclasses.dataclass(frozen=True)
class Prediction:
    """Predicted noise in DN of the noisy file; None where what predicts does not say.

    All is of one frame: what is fixed in the body counts like the rest. ``offset`` is the variance at zero
    light, DN^2, rounding included; ``read_std`` the standard deviation of the pixels' own noise without
    light: read noise whatever its model, offsets, dark current; ``read_c4`` its fourth cumulant, DN^4 (inf
    where it has none, or none a frame tells); ``sigma_row`` and ``sigma_col`` of whole lines, with fixed ones
    and sinusoids; ``bias`` per site, DN, with the mean of the dark current; ``sigma_drift``, DN, how far a
    frame's bias may lie off that; ``sigma_prnu`` the photo response, a share of the signal; ``step`` of the
    values, DN.
    """

    title: str
    offset: float
    K: float | None = None
    read_std: float | None = None
    read_c4: float | None = None
    sigma_row: float | None = None
    sigma_col: float | None = None
    bias: tuple[float, ...] | None = None
    sigma_drift: float = 0.0
    sigma_prnu: float = 0.0
    step: float = 1.0

    def variance(self, signal: np.ndarray) -> np.ndarray:
        """Return the variance of the noise at a signal, DN^2, where K is known."""
        return self.offset + (self.K or 0.0) * signal + (self.sigma_prnu * signal) ** 2


def predict(params: NoiseParams, title: str, step: float = 1.0) -> Prediction:
    """Predict from noise parameters, batch of 1, in DN of the noisy file.

    Args:
        params: the parameters.
        title: what they are called in the report.
        step: step of the noisy file's values, DN.
    """
    step = max(step, float(params.step))
    model = read_model(str(params.read))
    table = params.read_table
    shape = float(params.tukey_lambda) if table is None or not model.tabled else table[0].numpy()
    read, K, dark = model.std(float(params.sigma_read), shape), float(params.K), dark_electrons(params)
    without_hot = dark_electrons(params.with_figures(hot_fraction=torch.zeros(1))) if dark.mean else dark
    std = math.sqrt(read**2 + float(params.sigma_dsnu) ** 2 + K**2 * dark.variance)
    row = _line_std(params.sigma_row, params.sigma_row_fixed, params.row_waves)
    col = _line_std(params.sigma_col, params.sigma_col_fixed, params.col_waves)
    offset = std**2 + row**2 + col**2 + rounding_variance(step)
    c4 = (model.kurtosis(shape) * read**4 if read else 0.0) + K**4 * dark.c4
    if K**4 * (dark.c4 - without_hot.c4) > offset**2:
        c4 = math.inf  # the few hottest pixels decide on it
    return Prediction(
        title=title,
        offset=offset,
        K=K if params.shot else None,
        read_std=std,
        read_c4=c4,
        sigma_row=row,
        sigma_col=col,
        bias=tuple(bias + K * dark.mean for bias in params.bias[0].tolist()),
        sigma_drift=float(params.sigma_drift),
        sigma_prnu=float(params.sigma_prnu),
        step=step,
    )


def _line_std(sigma: Tensor, fixed: Tensor, waves: Tensor) -> float:
    """Return the standard deviation of a line's level, DN: its draw, its fixed offset, its sinusoids."""
    return math.sqrt(float(sigma) ** 2 + float(fixed) ** 2 + float(waves[..., 0].square().sum()) / 2)


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
