# SPDX-License-Identifier: Apache-2.0
"""A gain that changes with the light: told, covered by the interval, and given for low light."""

from __future__ import annotations

import numpy as np
import pytest

from lrd_ext.calibration.photon_transfer import DARKS, PairPoint, photon_transfer

LEVELS = (100, 300, 500, 800, 1200, 1600, 2000, 2500, 3000)
COUNT = 200_000


def points(gain, seed: int = 1):
    """Flats of a gain that depends on the mean, with their own scatter."""
    rng = np.random.default_rng(seed)
    made = []
    for site in range(4):
        for mean in LEVELS:
            variance = (gain(mean) * mean + 4) * (1 + rng.normal(0, np.sqrt(2 / COUNT)))
            made.append(PairPoint(site, f"{mean}", float(mean), variance, 0.0, COUNT, 0.0))
    return made


DARK = [PairPoint(site, DARKS, 0.0, 4.0, 0.0, 10 * COUNT, 0.0) for site in range(4)]


def test_a_steady_gain_does_not_drift():
    found = photon_transfer(points(lambda mean: 0.5), 4000, DARK)
    assert not found.drifts
    assert found.far_off == ()
    assert found.low_light.value == pytest.approx(0.5, rel=0.005)
    assert (found.K.high - found.K.low) / 2 < 0.002


def test_a_gain_two_tenths_of_a_per_cent_off_is_noticed():
    # So well known is the line of noiseless points: a gain scaled by 1.002 anywhere would show here.
    exact = [PairPoint(s, f"{m}", float(m), 0.5 * m + 4, 0.0, COUNT, 0.0) for s in range(4) for m in LEVELS]
    found = photon_transfer(exact, 4000, DARK)
    assert found.K.value == pytest.approx(0.5, rel=1e-6)
    assert [g.K.value for g in found.by_level] == pytest.approx([0.5] * len(LEVELS), rel=1e-6)


def test_a_gain_that_falls_with_the_light_is_told_and_covered():
    found = photon_transfer(points(lambda mean: 0.5 * (1 - 0.04 * mean / 3000)), 4000, DARK)
    assert found.drifts
    assert found.low_light.value == pytest.approx(0.4975, rel=0.004)
    assert found.K.low <= found.K.value < found.low_light.value <= found.K.high


def test_levels_far_off_are_named_by_their_mean():
    flat = points(lambda mean: 0.5 * (1.2 if mean == 1200 else 1))
    assert photon_transfer(flat, 4000, DARK).far_off == (1200.0,)
