# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from scipy import stats

from lrd_ext.calibration.dark_frames import without_pixels
from lrd_ext.calibration.gain_switch import find_branches, fit_gain_line
from lrd_ext.calibration.hot_pixels import find_hot_pixels
from lrd_ext.calibration.laws import fit_law
from lrd_ext.calibration.photon_transfer import DARKS, PairPoint, pair_point, photon_transfer
from lrd_ext.estimators.intervals import from_error
from lrd_ext.profiles import load_profile


class TestGainSwitch:
    def test_a7s2_switches_between_1600_and_2000(self):
        rows = load_profile("sony_a7s2").rows
        isos = [row.iso for row in rows]
        found = find_branches(isos, [row.sigma_gaussian for row in rows], [row.K for row in rows])
        assert [(isos[a], isos[b]) for a, b in found] == [(50, 1600), (2000, 25600)]

    def test_without_gain_iso_stands_for_it(self):
        rows = load_profile("sony_a7s2").rows
        assert len(find_branches([r.iso for r in rows], [r.sigma_gaussian for r in rows], None)) == 2

    def test_one_branch_stays_whole(self):
        K = np.array([0.1, 0.2, 0.4, 0.8, 1.6])
        assert find_branches(K * 1000, np.sqrt((3 * K) ** 2 + 1), K) == [(0, 4)]

    def test_line_takes_an_offset_only_where_it_must(self):
        isos = [100, 200, 400, 800]
        straight = fit_gain_line(isos, [from_error(1e-3 * i, 1e-3 * i * 0.002) for i in isos])
        bent = fit_gain_line(isos, [from_error(1e-3 * i + 0.02, 1e-3 * i * 0.002) for i in isos])
        assert straight.offset == 0
        assert straight.per_iso_estimate.low < 1e-3 < straight.per_iso_estimate.high
        assert straight.tested
        assert bent.offset == pytest.approx(0.02, rel=0.01)


class TestPhotonTransfer:
    def points(self, levels, K=0.5, n=40_000):
        rng = np.random.default_rng(9)
        return [
            PairPoint(s, f"{m}", m, (K * m + 4) * (1 + rng.normal(0, math.sqrt(2 / n))), 0.0, n, 0.0)
            for s in range(4)
            for m in levels
        ]

    def test_gain_is_the_slope(self):
        found = photon_transfer(self.points([100, 500, 1000, 2000, 3000]), 4000)
        assert found.K.value == pytest.approx(0.5, rel=0.01)
        assert found.K.low < 0.5 < found.K.high

    def test_points_on_a_line_give_its_slope_exactly(self):
        points = [
            dataclasses.replace(p, variance=0.5 * p.mean + 4) for p in self.points([100, 500, 1000, 3000])
        ]
        assert photon_transfer(points, 4000).K.value == pytest.approx(0.5, rel=1e-6)

    def test_outlier_does_not_move_the_line(self):
        points = self.points([100, 500, 1000, 2000, 3000])
        points[2] = PairPoint(0, "1000", 1000, 2000, 0.0, 40_000, 0.0)
        found = photon_transfer(points, 4000)
        assert found.K.value == pytest.approx(0.5, rel=0.01)
        assert not found.lines[0].line.used[2]

    def test_too_few_levels_are_named(self):
        assert "3 or more levels of light, got 2" in photon_transfer(self.points([100, 500]), 4000)

    def test_darks_stand_in_for_missing_levels(self):
        darks = [PairPoint(s, DARKS, 0.0, 4.0, 0.0, 40_000, 0.0) for s in range(4)]
        found = photon_transfer(self.points([2000]), 4000, darks)
        assert found.with_darks
        assert found.K.value == pytest.approx(0.5, rel=0.01)

    @pytest.mark.parametrize("bend", [-0.06, 0.0, 0.06])
    def test_bend_of_the_curve_is_measured(self, bend):
        straight = self.points([100, 500, 1000, 1500, 2000, 2500, 3000], n=4_000_000)
        bent = [
            dataclasses.replace(p, variance=p.variance + bend * 1500 * (p.mean / 3000) ** 2) for p in straight
        ]
        assert photon_transfer(bent, 4000).bend == pytest.approx(bend, abs=0.01)

    def test_intercept_gives_read_noise(self):
        found = photon_transfer(self.points([10, 30, 60, 100, 200], n=4_000_000), 4000)
        assert found.read_noise.low < math.sqrt(4 - 1 / 12) < found.read_noise.high
        assert found.read_noise.value == pytest.approx(math.sqrt(4 - 1 / 12), rel=0.05)

    def test_flicker_and_prnu_do_not_count(self):
        rng = np.random.default_rng(0)
        light = 1000 * (1 + 0.02 * rng.standard_normal((200, 200))) * np.linspace(0.7, 1.3, 200)
        first, second = (rng.poisson(light * f / 0.5) * 0.5 + 64 for f in (1.0, 0.98))
        point = pair_point(
            np.round(first).astype(np.uint16), np.round(second).astype(np.uint16), 0, "", 64, 4095
        )
        assert point.variance == pytest.approx(0.5 * 1000 + 1 / 12, rel=0.03)


def test_hot_pixels_are_found_and_heavy_tails_are_none():
    rng = np.random.default_rng(6)
    mean = stats.tukeylambda.ppf(rng.uniform(size=(16, 300, 400)), -0.1).mean(axis=0)
    at = rng.choice(mean.size, 25, replace=False)
    mean.ravel()[at] += 20
    hot, excess, _ = find_hot_pixels(mean.astype(np.float32), 2.19 / 4)
    assert sorted(hot[:, 0] * 400 + hot[:, 1]) == sorted(at)
    assert excess == pytest.approx(20, abs=4)


def test_hot_pixels_in_clusters_leave_nothing_behind():
    mean = np.full((24, 32), 100.0, np.float32)
    hot = [(r, c) for r in range(8, 16) for c in range(10, 18)] + [(0, 0), (23, 31), (0, 2)]
    at = np.array(hot)
    mean[at[:, 0], at[:, 1]] = 900.0
    assert (without_pixels(mean, at) == 100).all()
    assert (mean[at[:, 0], at[:, 1]] == 900).all()


class TestLaw:
    def test_intervals_of_slope_and_intercept_hold_the_truth(self):
        rng = np.random.default_rng(3)
        K, hits = np.array([0.1, 0.2, 0.4, 0.8, 1.6, 3.2]), []
        for _ in range(200):
            sigma = np.exp(0.8 * np.log(K) + 1.2 + rng.normal(0, 0.03, len(K)))
            law = fit_law(list(K), [from_error(s, 0.001 * s, 0.002 * s) for s in sigma])
            hits.append(
                [law.slope.low <= 0.8 <= law.slope.high, law.intercept.low <= 1.2 <= law.intercept.high]
            )
        # Binomial: 95 % of 200 lies between 180 and 198 in 99 of 100 cases.
        assert ((np.sum(hits, axis=0) >= 180) & (np.sum(hits, axis=0) <= 198)).all()

    def test_two_isos_take_their_interval_from_the_sigmas(self):
        law = fit_law([1.0, 2.0], [from_error(1.0, 0.01), from_error(2.0, 0.02)])
        assert law.slope.value == pytest.approx(1)
        assert law.slope.high - law.slope.low == pytest.approx(
            2 * 1.96 * 0.01 * math.sqrt(2) / math.log(2), rel=1e-3
        )

    def test_no_law_without_noise_or_change_of_gain(self):
        assert fit_law([1.0, 2.0], [from_error(0.0, 0.01), from_error(2.0, 0.02)]) is None
        assert fit_law([1.0, 1.0], [from_error(1.0, 0.01), from_error(2.0, 0.02)]) is None
        doubtful = (from_error(1.0, 0.6), from_error(1.0, 0.01, 0.6))  # may be 0; scatters by its own error
        for sigma in doubtful:
            assert fit_law([1.0, 2.0], [sigma, from_error(2.0, 0.02)]) is None
