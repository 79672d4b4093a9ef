# SPDX-License-Identifier: Apache-2.0
"""Colour and waves of line means, against planted taps and sinusoids, and SciPy's polynomial roots."""

from __future__ import annotations

import numpy as np
import pytest

from lrd_ext.estimators.line_colour import autocorrelation, fit_lines, minimum_phase

OWN = 0.04


def unit(taps):
    return np.asarray(taps, float) / np.sqrt(np.square(taps).sum())


def lines(rng, taps, *, frames=24, length=320, sigma=0.5, waves=()):
    """Line means of frames about the mean of the frames, with the pixels' own variance OWN."""
    drawn = rng.normal(size=(frames, length + len(taps) - 1))
    made = sigma * np.stack([np.convolve(row, taps, "valid") for row in drawn])
    for amplitude, period in waves:
        made += amplitude * np.sin(2 * np.pi * (np.arange(length) / period + rng.uniform(size=(frames, 1))))
    made += rng.normal(0, np.sqrt(OWN), made.shape)
    return made - made.mean(axis=0)


class TestFactorisation:
    @pytest.mark.parametrize("taps", [[1.0], [1.0, 0.5], [0.3, 1.0, -0.4], np.exp(-np.arange(33) / 6)])
    def test_the_autocorrelation_comes_back(self, taps):
        wanted = autocorrelation(unit(taps), len(taps) - 1)
        found = minimum_phase(wanted)
        assert np.square(found).sum() == pytest.approx(1)
        np.testing.assert_allclose(autocorrelation(found, len(taps) - 1), wanted, atol=1e-4)

    def test_taps_are_those_of_the_roots_inside_the_unit_circle(self):
        taps = unit([0.3, 1.0, -0.4, 0.2])
        roots = np.roots(taps)
        inside = np.where(np.abs(roots) > 1, 1 / np.conj(roots), roots)
        np.testing.assert_allclose(
            minimum_phase(autocorrelation(taps, 3)), unit(np.poly(inside).real), atol=1e-6
        )

    def test_a_covariance_that_no_lines_have_still_gives_taps(self):
        found = minimum_phase(np.array([1.0, 0.9, -0.5]))
        assert np.isfinite(found).all()
        assert np.square(found).sum() == pytest.approx(1)


class TestColour:
    def test_white_lines_stay_white_at_the_stated_chance(self):
        rng = np.random.default_rng(1)
        coloured = sum(not fit_lines(lines(rng, [1.0], frames=8, length=200), OWN).white for _ in range(60))
        assert coloured <= 2  # 1 in 1000 expected; binomial

    @pytest.mark.parametrize("taps", [[1.0, 0.6, 0.3], [0.5, 1.0, -0.4, 0.2, 0.3], np.exp(-np.arange(9) / 3)])
    def test_taps_draw_lines_like_those_seen(self, taps):
        rng, taps = np.random.default_rng(2), unit(taps)
        truth, errors, hits, sigmas = autocorrelation(taps, 16), [], [], []
        for _ in range(20):
            model = fit_lines(lines(rng, taps), OWN)
            errors.append(np.abs(autocorrelation(model.taps, 16) - truth))
            hits += [e.low <= t <= e.high for e, t in zip(model.correlation[1:], truth[1:], strict=False)]
            sigmas.append(model.sigma.value)
        assert np.mean(errors, axis=0).max() < 0.02
        assert 0.9 < np.mean(hits) < 0.99
        assert np.mean(sigmas) == pytest.approx(0.5, abs=4 * np.std(sigmas) / np.sqrt(20))

    def test_lines_without_noise_of_their_own_have_none(self):
        model = fit_lines(lines(np.random.default_rng(3), [1.0], sigma=0.0), OWN)
        assert model.sigma.low == 0
        assert model.white


class TestWaves:
    def test_periods_between_bins_and_amplitudes(self):
        rng, planted, hits = np.random.default_rng(4), ((0.5, 12.37), (0.3, 5.71)), []
        for _ in range(20):
            model = fit_lines(lines(rng, unit([1.0, 0.5]), waves=planted), OWN)
            assert len(model.waves) == 2
            for wave, (amplitude, period) in zip(model.waves, planted, strict=True):
                assert wave.period.value == pytest.approx(period, rel=0.005)
                hits += [wave.period.low <= period <= wave.period.high]
                hits += [wave.amplitude.low <= amplitude <= wave.amplitude.high]
        assert np.mean(hits) > 0.86  # binomial, 80 of 95 %

    def test_white_and_narrow_banded_noise_holds_none(self):
        rng = np.random.default_rng(5)
        narrow = unit(np.cos(2 * np.pi * np.arange(33) / 7) * np.exp(-np.arange(33) / 10))
        found = [len(fit_lines(lines(rng, taps), OWN).waves) for taps in ([1.0], narrow) for _ in range(15)]
        assert sum(found) <= 1

    def test_drift_of_even_and_odd_lines_is_neither(self):
        drawn = lines(np.random.default_rng(6), [1.0])
        plain = fit_lines(drawn, OWN)
        drawn = drawn + np.tile([[0.7, -0.3]], (24, 160)) * np.random.default_rng(7).normal(size=(24, 1))
        assert fit_lines(drawn, OWN).sigma.value == pytest.approx(plain.sigma.value, rel=1e-6)
