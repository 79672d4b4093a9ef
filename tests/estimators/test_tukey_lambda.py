# SPDX-License-Identifier: Apache-2.0
"""Tukey-lambda and Gaussian fitted to rounded values."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from lrd_ext.estimators.tukey_lambda import (
    ResidualHistogram,
    fit_tukey_lambda,
    ppcc_shape,
)
from lrd_ext.profiles import tukey_lambda_std
from lrd_ext.read_models import tukey_lambda_cdf


@pytest.mark.parametrize("shape", [-0.2, -0.05, 0.0, 0.08, 0.14, 0.5])
def test_distribution_function_is_scipys(shape):
    x = np.linspace(-1.5, 1.5, 101)
    assert tukey_lambda_cdf(x, shape) == pytest.approx(stats.tukeylambda.cdf(x, shape), rel=2e-4)


@pytest.mark.parametrize(("scale", "shape"), [(0.35, 0.14), (0.7, -0.1), (2.0, -0.2), (9.0, 0.05)])
def test_rounded_noise_gives_scale_and_shape_back(scale, shape):
    rng = np.random.default_rng(1)
    places = rng.uniform(0, 1, (4, 60_000))
    noise = scale * stats.tukeylambda.ppf(rng.uniform(size=places.shape), shape)
    width = scale * tukey_lambda_std(shape) / 24
    cells = np.clip(np.rint((np.round(places + noise) - places) / width), -960, 960).astype(int) + 960
    hist = ResidualHistogram(np.stack([np.bincount(c, minlength=1921) for c in cells]), width, 1.0)
    fit = fit_tukey_lambda(hist)
    assert fit.scale.value == pytest.approx(scale, rel=0.01)
    assert fit.shape.value == pytest.approx(shape, abs=0.01)


def test_second_opinion_stays_in_its_bracket():
    p = (np.arange(100_000) + 0.5) / 100_000
    x = stats.tukeylambda.ppf(p, -0.1)
    counts = np.bincount(np.clip(np.rint(x * 12), -960, 960).astype(int) + 960, minlength=1921)
    shape, r2 = ppcc_shape(ResidualHistogram(counts[None], 1 / 12, 1.0))
    assert shape == pytest.approx(-0.1, abs=0.01)
    assert r2 > 0.999


def test_empty_histogram_is_refused():
    with pytest.raises(ValueError, match="empty histogram"):
        fit_tukey_lambda(ResidualHistogram(np.zeros((1, 21), int), 0.1, 1.0))
