# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import signal

from lrd_ext import metrics


def test_rows_of_an_autoregression_of_first_order():
    g = np.random.default_rng(21)
    rows = signal.lfilter([1], [1, -0.6], g.normal(size=(200, 600)))[:, 100:]
    found = metrics.line_autocorrelation(np.repeat(rows[:, :, None], 4, axis=2), "row")
    # Bartlett: an autocorrelation of n values scatters by at most sqrt((1 + 0.36) / (1 - 0.36) / n).
    limit = 4.5 * math.sqrt((1 + 0.36) / (1 - 0.36) / (200 * 500)) + 4 / 500  # own means are taken off
    assert np.abs(found - 0.6 ** np.arange(1, 9)).max() < limit


def test_columns_are_the_rows_of_the_transposed():
    noise = np.random.default_rng(22).normal(size=(3, 40, 60))
    turned = metrics.line_autocorrelation(noise.swapaxes(1, 2), "row", 5)
    assert np.allclose(metrics.line_autocorrelation(noise, "col", 5), turned)


def test_lines_that_do_not_vary_have_no_correlation():
    assert not metrics.line_autocorrelation(np.zeros((20, 30)), "row").any()


def test_site_covariance_is_numpys():
    noise = np.random.default_rng(23).normal(size=(2, 8, 10))
    sites = [noise[:, r::2, c::2].ravel() for r in (0, 1) for c in (0, 1)]
    assert np.allclose(metrics.site_covariance(noise), np.cov(sites, ddof=0))


def test_site_covariance_of_a_row_shared_by_two_sites():
    g = np.random.default_rng(24)
    noise = g.normal(size=(60, 40, 50)) + g.normal(0, 0.5, (60, 40, 1))
    expected = np.eye(4) + 0.25 * np.kron(np.eye(2), np.ones((2, 2)))
    # Row means are 60 x 20 draws of variance 0.25 each.
    assert np.abs(metrics.site_covariance(noise) - expected).max() < 4.5 * 0.25 * math.sqrt(2 / 1200) + 0.02


def test_neighbour_covariance_of_a_leak():
    g = np.random.default_rng(25)
    white = g.normal(size=(6, 202, 302))
    noise = (white + 0.25 * np.roll(white, (1, 2), axis=(1, 2)))[:, 2:, 2:]
    found = metrics.neighbour_covariance(noise)
    expected = np.zeros((4, 9))
    expected[0, 4], expected[1, 6] = 1 + 0.25**2, 0.25
    assert np.abs(found - expected).max() < 4.5 * 1.5 / math.sqrt(6 * 200 * 300)


def test_neighbour_covariance_by_hand():
    noise = np.random.default_rng(26).normal(size=(5, 7))
    noise -= noise.mean()
    found = metrics.neighbour_covariance(noise, (1, 2))
    assert found[1, 0] == pytest.approx(np.mean(noise[:-1, 2:] * noise[1:, :-2]))
    assert found[0, 3] == found[0, 1] == pytest.approx(np.mean(noise[:, :-1] * noise[:, 1:]))
    assert found[0, 2] == pytest.approx(noise.var())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: metrics.line_autocorrelation(np.ones((9, 9)), "rows"),
            "axis must be row or col, got 'rows'",
        ),
        (lambda: metrics.line_autocorrelation(np.ones((8, 9)), "row"), "lags must be below 8"),
        (lambda: metrics.site_covariance(np.ones((7, 8))), "must have even H and W"),
        (lambda: metrics.neighbour_covariance(np.ones((3, 8))), r"must be larger than \(3, 4\)"),
    ],
)
def test_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
