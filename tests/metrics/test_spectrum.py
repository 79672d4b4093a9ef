# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import signal

from lrd_ext import metrics


@pytest.fixture
def white():
    return np.random.default_rng(11).normal(0, 2.0, (24, 128, 192)).astype(np.float32)


def test_white_noise_has_its_variance_in_every_band(white):
    s = metrics.power_spectrum(white)
    # A mean of m exponential powers scatters by 1/sqrt(m); 4.5 deviations are exceeded once in 1e5.
    for bands, cells in ((s.rows, 24 * 64 / 16), (s.columns, 24 * 96 / 16), (s.plane, 24 * 127 * 96 / 128)):
        assert np.abs(bands / 4 - 1).max() < 4.5 / math.sqrt(cells)


def test_power_sums_to_the_variance():
    noise = np.random.default_rng(12).normal(size=(64, 64))
    noise -= noise.mean()
    s = metrics.power_spectrum(noise)
    # Negative frequencies mirror the rest; bands of unequal width aside, mean power is the variance.
    total = s.plane.mean() * 63 * 32 * 2 + s.rows.mean() * 63 + s.columns.mean() * 63
    assert total / 64**2 == pytest.approx(noise.var(), rel=0.03)


def test_rows_follow_the_spectrum_of_an_autoregression():
    g = np.random.default_rng(13)
    lines = signal.lfilter([1], [1, -0.6], g.normal(size=(300, 400)))[:, 144:]
    noise = np.repeat(lines[:, :, None], 32, axis=2)
    frequency = (np.arange(1, 129)) / 256
    theory = 32 / np.abs(1 - 0.6 * np.exp(-2j * np.pi * frequency)) ** 2
    bands = theory.reshape(16, 8).mean(axis=1)
    s = metrics.power_spectrum(noise)
    assert np.abs(s.rows / bands - 1).max() < 4.5 / math.sqrt(300 * 8) + 0.03  # leakage of the ends
    assert s.columns.max() < 1e-9


def test_no_distance_from_itself_and_3_db_for_twice_the_power(white):
    assert metrics.psd_distance(white, white) == 0
    assert metrics.psd_distance(white, math.sqrt(2) * white) == pytest.approx(10 * math.log10(2), rel=1e-4)


def test_the_same_process_lies_at_the_floor_and_a_coloured_one_beyond(white):
    g = np.random.default_rng(14)
    again = g.normal(0, 2.0, white.shape).astype(np.float32)
    floor = metrics.psd_distance(white[:12], white[12:])
    assert metrics.psd_distance(white, again) < floor
    leaky = again + 0.25 * np.roll(again, 1, axis=2)
    assert metrics.psd_distance(white, leaky * again.std() / leaky.std()) > 2 * floor
    rows = again + g.normal(0, 0.5, (*white.shape[:2], 1)).astype(np.float32)
    assert metrics.psd_distance(white, rows) > 2 * floor


def test_power_where_there_was_none_is_infinitely_far(white):
    assert metrics.psd_distance(white, np.zeros_like(white)) == math.inf
    assert metrics.psd_distance(np.zeros_like(white), np.zeros_like(white)) == 0


def test_ready_spectra_are_accepted(white):
    a, b = metrics.power_spectrum(white[:3]), metrics.power_spectrum(white[3:])
    assert metrics.psd_distance(a, b) == metrics.psd_distance(white[:3], white[3:])
    joined = (a + a) / 2
    assert np.array_equal(joined.plane, a.plane)


def test_refused(white):
    with pytest.raises(ValueError, match="at least 4 x 4"):
        metrics.power_spectrum(np.ones((3, 8)))
    with pytest.raises(ValueError, match=r"must be \(\.\.\., H, W\), got shape \(4,\)"):
        metrics.power_spectrum(np.ones(4))
    with pytest.raises(ValueError, match="of one size"):
        metrics.psd_distance(white, white[:, :16, :16])
