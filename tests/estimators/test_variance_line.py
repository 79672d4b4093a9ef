# SPDX-License-Identifier: Apache-2.0
"""The robust line through variance over mean, against lines that are known."""

from __future__ import annotations

import numpy as np
import pytest

from lrd_ext.estimators.variance_line import fit_variance_line

MEAN = np.repeat(np.linspace(0.0125, 1, 40) ** 2 * 1800, 4)
N, K, OFFSET = 2000, 0.5, 9.0


def lines(rng, share: float, off: float, runs: int = 200, mean=MEAN):
    """Lines through variances of N samples, a share of them off by so many standard errors."""
    relative = np.sqrt(2 / N)
    for _ in range(runs):
        bad = rng.random(len(mean)) < share
        variance = (K * mean + OFFSET) * (1 + relative * (rng.normal(size=len(mean)) + off * bad))
        yield fit_variance_line(mean, variance, lambda k, o: relative * (k * mean + o)), bad


@pytest.mark.parametrize(("share", "off"), [(0, 0), (0.05, 10), (0.15, 10), (0.15, -20)])
def test_interval_holds_the_truth_whatever_lies_off(share, off):
    found = [line for line, _ in lines(np.random.default_rng(1), share, off)]
    for truth, name in ((K, "K"), (OFFSET, "offset")):
        own = [getattr(line, name) for line in found]
        # Binomial: 95 % of 200 lies between 180 and 198 in 99 of 100 cases.
        assert 178 <= sum(e.low <= truth <= e.high for e in own) <= 198
    assert np.mean([line.K.value for line in found]) == pytest.approx(K, rel=0.001)


def test_points_far_off_do_not_count_and_are_told():
    for line, bad in lines(np.random.default_rng(2), 0.1, 15, runs=20):
        assert not line.used[bad].any()
        assert line.used[~bad].all()


def test_a_bend_widens_the_interval():
    relative = np.sqrt(2 / N)
    variance = (K * MEAN + OFFSET) * (1 + 0.3 * (MEAN / MEAN.max()) ** 2)
    line = fit_variance_line(MEAN, variance, lambda k, o: relative * np.maximum(k * MEAN + o, 1))
    straight = fit_variance_line(MEAN, K * MEAN + OFFSET, lambda k, o: relative * (k * MEAN + o))
    assert line.K.error > 1.3 * straight.K.error
    assert line.chi2 > 2.5 * line.dof
    assert not line.used.all()


def test_neither_falls_below_zero_where_that_is_asked():
    variance = 0.5 * MEAN - 20
    plain, held = (
        fit_variance_line(MEAN, variance, lambda k, o: 0.01 * np.maximum(k * MEAN + o, 5), nonnegative=bound)
        for bound in (False, True)
    )
    assert plain.offset.value == pytest.approx(-20)
    assert held.offset.value == 0
