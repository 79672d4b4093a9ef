# SPDX-License-Identifier: Apache-2.0
"""Generators with weights that do something, and the parameters they are tried with.

``python tests/generator/generators.py`` prints hashes of what they make, for other builds to compare.
"""

from __future__ import annotations

import hashlib

import torch

from lrd_ext import NoiseParams, fused_synth
from lrd_ext.generator import LiteGenerator

PARAMS = NoiseParams(K=2.0, ratio=50.0, white=16383.0, black=0.0, iso=1600.0)
STACKS = [((16,), True), ((16, 16), True), ((16, 16, 16), False), ((32, 16), False), ((16, 32, 16), True)]
STACKS += [((32, 32, 32), False)]


def lively_generator(widths=(16, 16), log_sigma=True, **options):
    """A generator whose layers all matter: weights that keep the size of what passes through."""
    generator = LiteGenerator(widths, log_sigma=log_sigma, **options)
    draw = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for conv in generator.convs:
            fan = conv.weight[0].numel()
            conv.weight.copy_(torch.randn(conv.weight.shape, generator=draw) * fan**-0.5)
            conv.bias.copy_(torch.randn(conv.bias.shape, generator=draw) * 0.1)
    return generator


def noise(generator, *shape, synth=fused_synth, sigma_init=3.0, **options):
    """Noise alone: nothing is shot, quantized or clipped."""
    options = {"seed": 7, "index": 3, "quantize": "none", "clip": "none", "output": "dn_float"} | options
    clean = options.pop("clean", torch.zeros(shape))
    params = options.pop("params", PARAMS)
    options.setdefault("layout", "mosaic" if clean.ndim == 3 else "auto")
    return synth(clean, params, generator=generator, sigma_init=sigma_init, **options)


def main():
    """Print a line for each stack: uint16 raw with every component of the model, and noise alone."""
    params = NoiseParams(
        K=2.0, ratio=50.0, white=16383.0, black=512.0, sigma_row=1.0, sigma_col=0.5, bias=[0.1, 0.2, 0.3, 0.4]
    )
    clean = torch.linspace(0, 1, 2 * 36 * 140).view(2, 36, 140)
    for widths, log_sigma in STACKS:
        generator = lively_generator(widths, log_sigma)
        digest = hashlib.sha256(noise(generator, 2, 36, 140, sigma_init=torch.tensor([3.0, 8.0])).numpy())
        options = {"quantize": "round", "clip": "adc", "output": "dn", "params": params, "clean": clean}
        digest.update(noise(generator, **options).numpy())
        print(widths, log_sigma, digest.hexdigest())


if __name__ == "__main__":
    main()
