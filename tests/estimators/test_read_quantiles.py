# SPDX-License-Identifier: Apache-2.0
"""Quantiles measured from rounded residuals, against distributions that SciPy knows."""

from __future__ import annotations

import math

import numpy as np
import pytest
from quantile_tables import hump_quantiles, skewed_quantiles
from scipy import stats

from lrd_ext.calibration.dark_frames import BINS_PER_STD, residual_counts
from lrd_ext.estimators.read_quantiles import FEWEST, fit_read_quantiles
from lrd_ext.estimators.tukey_lambda import ResidualHistogram, fit_tukey_lambda
from lrd_ext.read_models import READ_MODELS, check_table, standard_table, table_of
from lrd_ext.reference.quantile_table import KNOTS, knot_probabilities

P = knot_probabilities().numpy()


def histogram(values, std):
    """Residuals of values that were rounded to whole DN, about places that fall anywhere on the step."""
    rng = np.random.default_rng(2)
    places = rng.uniform(0, 1, values.shape)
    residuals = (np.rint(values + places) - places).astype(np.float32)
    width = std / BINS_PER_STD
    return ResidualHistogram(np.stack([residual_counts(own, 0, width) for own in residuals]), width, 1.0)


def measured(table, std, count=4_000_000):
    """Draw noise by a table of quantiles and measure it: the table found."""
    rng = np.random.default_rng(1)
    noise = np.interp(rng.random((4, count // 4)), P, standard_table(table)) * std
    hist = histogram(noise, std)
    return fit_read_quantiles(hist, fit_tukey_lambda(hist))


@pytest.mark.parametrize("std", [1.5, 12.0])
@pytest.mark.parametrize("make", [hump_quantiles, skewed_quantiles], ids=["hump", "skewed"])
def test_distributions_without_a_curve_are_found(make, std):
    """Every share of noise is met within 5 of its own standard errors and what rounding blurs."""
    truth, count = standard_table(make()), 4_000_000
    found = measured(truth, std)
    x = np.linspace(-2, 4, 61)
    share = np.interp(x, truth, P)
    error = np.sqrt(share * (1 - share) / count)
    blurred = 0.012 if std < 2 else 0.0007
    assert np.abs(np.interp(x, found, P) - share).max() <= 5 * error.max() + blurred
    assert found[0] < truth[400] < found[-1]


def test_the_rounding_is_taken_out():
    """Noise of 1.2 DN: with the rounding of 1/12 DN^2 it would be 3 % stronger."""
    gaussian = table_of(READ_MODELS["gaussian"])
    found = measured(gaussian, 1.2)
    inner = (P > 1e-3) & (P < 1 - 1e-3)
    assert np.abs(found - gaussian)[inner].max() < 0.01


@pytest.mark.parametrize(("shape", "tail"), [(0.14, 0.05), (-0.12, 0.06)])
def test_tails_go_on_beyond_the_data(shape, tail):
    """From 4 million values, the value that one in ten million lies beyond, within a few percent."""
    truth = table_of(READ_MODELS["tukey_lambda"], shape)
    found = measured(truth, 6.0)
    at = int(np.searchsorted(P, 1e-7))
    for place in (at, -1 - at):
        assert found[place] == pytest.approx(truth[place], rel=tail)
    steps = np.diff(found[: KNOTS // 4])
    assert (steps > 0).all()
    assert steps.max() < 1.0  # continuous where the data end: no jump


def test_few_values_leave_the_curve_as_it_is():
    rng = np.random.default_rng(3)
    hist = histogram(rng.normal(0, 5, (2, FEWEST)), 5.0)
    fit = fit_tukey_lambda(hist)
    curve = table_of(READ_MODELS["tukey_lambda"], fit.shape.value)
    found = fit_read_quantiles(hist, fit)
    inner = (P > 0.02) & (P < 0.98)
    assert np.abs(found - curve)[inner].max() < 4 / math.sqrt(2 * FEWEST) * 2.5
    assert fit_read_quantiles(ResidualHistogram(hist.counts[:1] // 4, hist.width, 1.0), fit) is None


def test_whatever_is_found_is_a_table():
    import torch

    rng = np.random.default_rng(4)
    for values in (rng.uniform(-9, 9, (2, 50_000)), rng.choice([-20.0, 0.0, 31.0], (2, 50_000))):
        hist = histogram(values, float(values.std()))
        check_table(torch.from_numpy(fit_read_quantiles(hist, fit_tukey_lambda(hist))), "found")


def test_a_uniform_distribution_has_no_tails():
    rng = np.random.default_rng(5)
    hist = histogram(rng.uniform(-20, 20, (2, 1_000_000)), 20 / math.sqrt(3))
    found = fit_read_quantiles(hist, fit_tukey_lambda(hist))
    assert np.abs(found - stats.uniform(-math.sqrt(3), 2 * math.sqrt(3)).ppf(P)).max() < 0.1
