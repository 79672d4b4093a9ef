# SPDX-License-Identifier: Apache-2.0
"""Where float32 and float64 executors may give different integers, from the reference's float64 figures.

The contract: integers are equal except where the word of a Poisson draw lies within 1e-6 of a step of its CDF
or the float64 sum within 4 float32 ulps of a half integer. An ulp is that of the largest term of the sum,
because that is the size at which the float32 sum is rounded, up to seven times.
"""

from __future__ import annotations

import numpy as np
import torch

from lrd_ext.reference import bayer, synth
from lrd_ext.reference.body import body_offset, body_signal
from lrd_ext.reference.lines import drift
from lrd_ext.reference.normal import normal_quantile
from lrd_ext.reference.philox import Component
from lrd_ext.reference.read_noise import read_noise
from lrd_ext.request import check_arguments

STEP = 1e-6
ULPS = 4
MEAN_ERROR = 1e-6  # relative, of what the body makes of the signal in float32
DEFAULTS = {
    "index": 0,
    "origin": (0, 0),
    "layout": "auto",
    "generator": None,
    "sigma_init": None,
    "dark": None,
    "output": "dn",
    "quantize": "round",
    "clip": "adc",
    "dtype": torch.float32,
    "out": None,
    "order": "site",
    "cfa": "RGGB",
    "clean_out": None,
    "sigma_out": None,
    "sensor": 0,
}


def near_poisson_step(word, mean, error=0.0):
    """Whether u lies within STEP of a value of the CDF, for a mean with this relative error."""
    u = (word.double() + 0.5) * 2.0**-32
    mean = mean.double().nan_to_num(0.0, 1e7, 0.0).clamp(0, 1e7).expand(word.shape)
    z = normal_quantile(word)
    guess = torch.floor(
        mean + mean.sqrt() * z + (z * z - 1) / 6
    )  # at most 2 off for any mean (Cornish-Fisher)
    near = torch.zeros(word.shape, dtype=torch.bool)
    for offset in range(-3, 5):
        k = (guess + offset).clamp_min(0)
        low = torch.special.gammaincc(k + 1, mean * (1 + error)) - u
        high = low if error == 0 else torch.special.gammaincc(k + 1, mean * (1 - error)) - u
        near |= (low <= STEP) & (high >= -STEP)
    return near


def terms_of_the_sum(request, signal, draw):
    """Every term of raw = black + d, in float64, broadcast to cells (B, 4, h, w)."""
    p = request.params
    terms = [
        synth._site(p.black),
        synth._shot(signal, p, draw),
        read_noise(draw.site(Component.READ), p),
        synth.row_noise(p, draw),
        synth.column_noise(p, draw),
        synth._site(p.bias),
    ]
    if p.has_sensor:
        terms += [synth._site(drift(draw.seed, draw.index, p.sigma_drift)), body_offset(p, draw.body())]
    if request.dark is not None:
        terms.append(bayer.to_cells(request.dark, request.packed, request.channels))
    if request.quantize == "uniform":
        terms.append(
            synth._sample(p.step) * ((draw.site(Component.QUANTIZE).double() + 0.5) * 2.0**-32 - 0.5)
        )
    return torch.stack([term.double().expand(signal.shape) for term in terms])


def excluded_sites(clean, params, *, seed, **options):
    """Mask of clean's shape: True where the executors' integers may differ."""
    request = check_arguments(clean, params, seed=seed, **(DEFAULTS | options))
    p, cells = request.params, bayer.to_cells(request.clean, request.packed, request.channels)
    draw = synth._Words(request, cells)
    signal = synth._signal(cells, p)
    if p.has_sensor:
        signal = body_signal(signal, p, draw.body())
    terms = terms_of_the_sum(request, signal, draw)
    largest = terms.abs().amax(0).nan_to_num(0.0, 3e38).float()
    step = synth._sample(p.step).double() if request.quantize == "round" else torch.tensor(1.0)
    steps = terms.sum(0) / step
    distance = (steps - torch.floor(steps) - 0.5).abs() * step
    excluded = distance <= ULPS * torch.from_numpy(np.spacing(largest.numpy())).double()
    if p.shot:
        error = MEAN_ERROR if p.has_sensor else 0.0
        excluded |= near_poisson_step(draw.site(Component.SHOT), signal * (1 / synth._sample(p.K)), error)
    return bayer.from_cells(excluded, request.packed, request.channels).reshape(clean.shape)
