# SPDX-License-Identifier: Apache-2.0
"""The same work by other means, each written from the published formula of its model.

A contender is a function (clean, model) -> noisy: normalized, amplified by the ratio, of clean's shape,
clipped to what the converter can give. Row noise is drawn per mosaic row, in packed frames too.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy import stats

import lrd_ext

RNG = np.random.default_rng(0)


def line_shape(shape):
    """Shapes of (frames seen by mosaic line, one value per mosaic row, one per mosaic column)."""
    if len(shape) == 4:
        batch, _, h, w = shape
        return (batch, 2, 2, h, w), (batch, 2, 1, h, 1), (batch, 1, 2, 1, w)
    return shape, (*shape[:-1], 1), (*shape[:-2], 1, shape[-1])


def numpy_synth(clean, model):
    """NumPy and SciPy: Generator.poisson, tukeylambda.rvs, one temporary per component."""
    signal = clean.numpy() * (model.span / model.ratio)
    noisy = RNG.poisson(signal / model.K) * model.K
    if model.read == "tukey_lambda":
        noisy += stats.tukeylambda.rvs(
            model.tukey_lambda, scale=model.sigma_read, size=noisy.shape, random_state=RNG
        )
    else:
        noisy += RNG.normal(0.0, model.sigma_read, noisy.shape)
    if model.sigma_row:
        lines, row, column = line_shape(noisy.shape)
        by_line = noisy.reshape(lines)
        by_line += RNG.normal(0.0, model.sigma_row, row)
        by_line += RNG.normal(0.0, model.sigma_col, column)
    if model.quantize == "round":
        noisy = np.rint(noisy)
    noisy = np.clip(noisy, -model.black, model.span)
    return torch.from_numpy((noisy / model.span * model.ratio).astype(np.float32))


def torch_synth(clean, model):
    """Torch, eager: torch.poisson, inverse CDF of torch.rand, one temporary per operation."""
    signal = clean * (model.span / model.ratio)
    noisy = torch.poisson(signal / model.K) * model.K
    if model.read == "tukey_lambda":
        # rand lies in [0, 1): keep both ends out, where the quantile is infinite.
        u = torch.rand_like(clean).clamp(2.0**-25, 1 - 2.0**-24)
        powers = u**model.tukey_lambda - (1 - u) ** model.tukey_lambda
        noisy = noisy + powers * (model.sigma_read / model.tukey_lambda)
    else:
        noisy = noisy + torch.randn_like(clean) * model.sigma_read
    if model.sigma_row:
        lines, row, column = line_shape(clean.shape)
        noisy = noisy.view(lines) + torch.randn(row) * model.sigma_row
        noisy = (noisy + torch.randn(column) * model.sigma_col).view(clean.shape)
    if model.quantize == "round":
        noisy = noisy.round()
    return noisy.clamp(-model.black, model.span) / model.span * model.ratio


def eld_noise(clean, model):
    """NumPy on its global state, step by step in double, as data sets of the publication draw it.

    Source: Wei et al., CVPR 2020, section 3: K Poisson(x / K) + Tukey-lambda + row + U(-1/2, 1/2).
    """
    signal = clean.numpy() * (model.span / model.ratio)
    noisy = np.random.poisson(signal / model.K).astype(np.float32) * model.K
    noisy = noisy + stats.tukeylambda.rvs(model.tukey_lambda, scale=model.sigma_read, size=noisy.shape)
    batch, _, h, w = noisy.shape
    rows = np.random.randn(batch, 1, 2 * h, 1) * model.sigma_row
    noisy = noisy + np.repeat(rows, w, -1).reshape(batch, h, 2, 1, w).repeat(2, 3).transpose(
        0, 2, 3, 1, 4
    ).reshape(noisy.shape)
    noisy = noisy + np.random.uniform(-0.5, 0.5, noisy.shape)
    noisy = np.clip(noisy / model.span * model.ratio, -model.black, model.ratio)
    return torch.from_numpy(noisy.astype(np.float32))


def led_noise(clean, model):
    """Torch, eager, every component a tensor of its own, row noise drawn on the mosaic and packed.

    Source: Jin et al., "Lighting Every Darkness in Two Pairs", ICCV 2023, section 3 and supplement.
    """
    signal = clean * (model.span / model.ratio)
    shot = torch.poisson(signal / model.K) * model.K - signal
    u = torch.rand_like(clean).clamp(1e-10, 1 - 2.0**-24)
    read = (u**model.tukey_lambda - (1 - u) ** model.tukey_lambda) / model.tukey_lambda * model.sigma_read
    batch, _, h, w = clean.shape
    lines = torch.randn(batch, 1, 2 * h, 1).expand(batch, 1, 2 * h, 2 * w) * model.sigma_row
    row = torch.nn.functional.pixel_unshuffle(lines, 2)
    quantization = torch.rand_like(clean) - 0.5
    bias = torch.zeros(batch, 4, 1, 1)
    noisy = (signal + shot + read + row + quantization + bias) / model.span * model.ratio
    return noisy.clamp(max=model.ratio)


def fused_synth(clean, model):
    """lrd_ext: one pass."""
    return lrd_ext.fused_synth(clean, params_of(model), seed=7, quantize=model.quantize, backend="cpu")


OUT = {}


def fused_synth_into(clean, model):
    """lrd_ext into memory that is there already, as a data loader does: out= saves the page faults."""
    if clean.shape not in OUT:
        OUT[clean.shape] = torch.empty_like(clean)
    options = {"quantize": model.quantize, "backend": "cpu", "out": OUT[clean.shape]}
    return lrd_ext.fused_synth(clean, params_of(model), seed=7, **options)


def params_of(model):
    """The model as NoiseParams."""
    names = ("K", "ratio", "white", "black", "sigma_read", "tukey_lambda", "sigma_row", "sigma_col")
    return lrd_ext.NoiseParams(**{name: getattr(model, name) for name in names}, read=model.read)
