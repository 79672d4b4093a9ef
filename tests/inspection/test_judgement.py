# SPDX-License-Identifier: Apache-2.0
"""Verdicts: what counts as agreement."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from lrd_ext import NoiseParams, fused_synth, raw
from lrd_ext.estimators.intervals import from_error
from lrd_ext.estimators.line_noise import as_deviation
from lrd_ext.inspection import findings, inspect_pair, predict
from lrd_ext.inspection.judgement import _judge

SITES = ("R", "Gr", "Gb", "B")


@pytest.mark.parametrize(
    ("variance", "verdict"),
    [(0.0, "agrees"), (2.0, "within its error"), (2.9, "within its error"), (3.2, "1.8 DN above")],
)
def test_three_standard_errors_of_no_line_noise_are_counted_in_variance(variance, verdict):
    """A deviation near 0 has no symmetric error: sqrt(2) +- 0.35 would look four errors off."""
    found = _judge("column", "DN", as_deviation(variance, 1.0), 0.0, relative=0.05, deviation=True)
    assert found.verdict == verdict


@pytest.mark.parametrize(
    ("measured", "verdict"),
    [(1.04, "agrees"), (1.17, "within its error"), (1.25, "25.0% above"), (0.75, "25.0% below")],
)
def test_a_deviation_far_from_zero_is_judged_as_before(measured, verdict):
    found = _judge("row", "DN", from_error(measured, 0.06), 1.0, relative=0.05, deviation=True)
    assert found.verdict == verdict


def test_false_alarms_are_rare():
    """Eleven figures of 60 pairs that fit their prediction: three standard errors let one in 370 pass."""
    levels = np.linspace(512, 8000, 16).astype(np.uint16).repeat(16)
    mosaic = np.broadcast_to(levels[:, None], (256, 256)).copy()
    clean = raw.Raw(mosaic=mosaic, cfa="RGGB", black=512, white=16383)
    params = NoiseParams(
        K=2.0, ratio=8, white=16383, black=512, sigma_read=4.0, read="gaussian", sigma_row=0.5
    )
    alarms = 0
    for seed in range(60):
        drawn = fused_synth(torch.from_numpy(mosaic), params, seed=seed, output="dn").numpy()
        report = inspect_pair(clean, clean.replace(mosaic=drawn), 8.0)
        alarms += sum(f.agrees is False for f in findings(report, predict(params, ""), SITES))
    assert alarms <= 8  # Poisson of mean 1.8 exceeds 8 once in 5000


def test_kurtosis_without_a_known_gain_counts_the_light_that_was_measured():
    """A profile of darks alone: shot noise in the darkest pixels waters the kurtosis down all the same."""
    mosaic = np.broadcast_to(np.linspace(540, 8000, 256).astype(np.uint16)[:, None], (256, 256)).copy()
    clean = raw.Raw(mosaic=mosaic, cfa="RGGB", black=512, white=16383)
    params = NoiseParams(
        K=2.0, ratio=8, white=16383, black=512, sigma_read=4.0, tukey_lambda=-0.1, read="tukey_lambda"
    )
    drawn = fused_synth(torch.from_numpy(mosaic), params, seed=1, output="dn").numpy()
    report, whole = inspect_pair(clean, clean.replace(mosaic=drawn), 8.0), predict(params, "")
    known, unknown = (
        next(f for f in findings(report, p, SITES) if f.figure == "dark kurtosis").predicted
        for p in (whole, dataclasses.replace(whole, K=None))
    )
    assert unknown == pytest.approx(known, rel=0.1)
    alone = whole.read_c4 / whole.offset**2
    assert known < 0.7 * alone
