# SPDX-License-Identifier: Apache-2.0
"""What a sensor adds, as predicted and as measured between two files."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from test_pair import SITES, by_name, clean_picture

from lrd_ext import NoiseParams, fused_synth
from lrd_ext.inspection import findings, inspect_pair, predict
from lrd_ext.inspection.dark_electrons import dark_electrons

BASE = {"K": 2.0, "ratio": 8.0, "white": 16383, "black": 512, "read": "gaussian", "sigma_read": 4.0}
BODY = {
    "sigma_dsnu": 3.0, "sigma_row": 0.5, "sigma_row_fixed": 1.0, "sigma_col_fixed": 1.5,
    "row_waves": [[1.0, 12.5]], "dark_current": 5.0, "dark_current_spread": 0.5, "exposure_s": 0.5,
}  # fmt: skip


def noisy_of(clean, params, seed):
    """Each seed draws another body too."""
    drawn = fused_synth(torch.from_numpy(clean.mosaic), params, seed=seed, output="dn")
    return clean.replace(mosaic=drawn.numpy())


@pytest.mark.parametrize("shot", [True, False])
@pytest.mark.parametrize(
    "hot", [{}, {"hot_fraction": 0.05, "hot_current": 6.0, "blink_fraction": 0.4}], ids=["even", "hot"]
)
def test_cumulants_of_dark_electrons_are_those_that_are_drawn(shot, hot):
    figures = {"dark_current": 5.0, "dark_current_spread": 0.2, "exposure_s": 0.5} | hot
    params = NoiseParams(K=1, ratio=1, white=65535, black=0, shot=shot, **figures)
    plain = {"output": "dn_float", "quantize": "none", "clip": "none"}
    frames = fused_synth(torch.zeros(32, 256, 256), params, seed=5, sensor=torch.arange(32), **plain)
    values = frames.double().numpy().reshape(32, -1)
    expected = dark_electrons(params)
    centred = values - expected.mean
    second, fourth = (centred**2).mean(1), (centred**4).mean(1)
    for drawn, wanted in (
        (values.mean(1), expected.mean),
        (second, expected.variance),
        (fourth, expected.c4 + 3 * expected.variance**2),
    ):
        assert abs(drawn.mean() - wanted) < 4.5 * drawn.std(ddof=1) / math.sqrt(len(drawn))


def test_figures_of_a_whole_sensor_are_recovered():
    """Over eight bodies the means lie within 5.5 of their standard errors."""
    clean, params = clean_picture(), NoiseParams(**BASE, **BODY, sigma_prnu=0.03)
    p = predict(params, "")
    assert p.variance(np.array(2000.0)) > 1.5 * (p.offset + p.K * 2000)  # far above the knee
    figures = []
    for seed in range(8):
        r = inspect_pair(clean, noisy_of(clean, params, seed), 8.0, p.sigma_prnu)
        found = by_name(findings(r, p, SITES))
        measured = [
            found[name].measured.value / found[name].predicted - 1 for name in ("K", "read", "zero light")
        ]
        figures.append([*measured, r.sigma_row.value / p.sigma_row - 1, float(r.bias.mean()) / p.bias[0] - 1])
    means, errors = np.mean(figures, 0), np.std(figures, 0, ddof=1) / math.sqrt(8)
    assert (np.abs(means) < 5.5 * errors).all(), (means, errors)
    assert (errors < [0.004, 0.01, 0.01, 0.03, 0.02]).all(), errors


def test_photo_response_that_is_not_said_bends_the_line():
    clean, params = clean_picture(), NoiseParams(**BASE, sigma_prnu=0.03)
    noisy, p = noisy_of(clean, params, 1), predict(params, "")
    said, unsaid = (by_name(findings(inspect_pair(clean, noisy, 8.0, s), p, SITES)) for s in (0.03, 0.0))
    assert said["K"].agrees
    assert unsaid["K"].agrees is False and "above" in unsaid["K"].verdict  # noqa: PT018


def test_drift_is_allowed_for_in_the_bias_and_in_nothing_else():
    clean, params = clean_picture(), NoiseParams(**BASE, sigma_drift=2.0)
    noisy = noisy_of(clean, params, 3)
    still, drifting = (predict(NoiseParams(**BASE, sigma_drift=d), "") for d in (0.0, 2.0))
    assert drifting.offset == still.offset
    off = [f for f in findings(inspect_pair(clean, noisy, 8.0), still, SITES) if f.agrees is False]
    assert off and all(f.figure.startswith("bias") for f in off)  # noqa: PT018
    assert all(f.agrees is not False for f in findings(inspect_pair(clean, noisy, 8.0), drifting, SITES))


def test_a_tail_that_few_pixels_make_is_not_predicted():
    hot = {"exposure_s": 1.0, "hot_fraction": 1e-4, "hot_current": 1000.0}
    assert predict(NoiseParams(**BASE, **hot), "").read_c4 == math.inf
    assert math.isfinite(predict(NoiseParams(**BASE, **(hot | {"hot_current": 3.0})), "").read_c4)
