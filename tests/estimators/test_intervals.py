# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from lrd_ext.estimators.intervals import from_frames, from_scatter


def test_scatter_is_students():
    e = from_scatter(np.array([1.0, 2.0, 3.0, 4.0]))
    assert (e.low, e.high) == pytest.approx(stats.t.interval(0.95, 3, 2.5, stats.sem([1, 2, 3, 4])))


def test_frames_that_scatter_more_widen_the_interval():
    rng = np.random.default_rng(0)
    calm = from_frames(0.0, 0.25, rng.normal(0, 1, 16))
    wild = from_frames(0.0, 0.25, rng.normal(0, 5, 16))
    assert calm.high == pytest.approx(1.96 * 0.25, rel=0.01)
    assert wild.high > 1.9
