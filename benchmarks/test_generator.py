# SPDX-License-Identifier: Apache-2.0
"""Shot noise and a learned generator in one pass, against eager torch. Checked before it is timed.

The weights are drawn at random: how long a stack takes does not depend on what it has learned.
"""

from __future__ import annotations

import pytest
import torch
from workloads import POISSON_GAUSSIAN, WORKLOADS

from lrd_ext import NoiseParams, fused_synth, ops
from lrd_ext.generator import LiteGenerator

SIGMA = 6.0
MODEL = POISSON_GAUSSIAN
PARAMS = NoiseParams(K=MODEL.K, ratio=MODEL.ratio, white=MODEL.white, black=MODEL.black)
WIDTHS = [(16, 16), (32, 32, 32)]
SMALL = WORKLOADS[:2]


def generator_of(widths):
    """A generator whose layers all matter."""
    torch.manual_seed(0)
    generator = LiteGenerator(widths)
    torch.nn.init.normal_(generator.convs[-1].weight, std=0.05)
    return generator.requires_grad_(False)


def normal_input(generator, shape):
    """N_init as any torch user would draw it, halo included."""
    batch, _, h, w = shape
    h, w = h + 2 * generator.halo, w + 2 * generator.halo
    rows = torch.randn(batch, 2, h, 1).expand(-1, -1, -1, w)
    columns = torch.randn(batch, 2, 1, w).expand(-1, -1, h, -1)
    return torch.cat([torch.randn(batch, 4, h, w), rows, columns], dim=1)


def torch_synth(clean, generator):
    """Torch, eager: torch.poisson, torch.randn, conv2d, a temporary per operation."""
    electrons = torch.poisson(clean * (MODEL.span / MODEL.ratio / MODEL.K))
    noisy = electrons * MODEL.K + generator(normal_input(generator, clean.shape), SIGMA)
    return noisy.clamp(-MODEL.black, MODEL.span) / MODEL.span * MODEL.ratio


def synth(clean, generator):
    """lrd_ext: one pass."""
    return fused_synth(
        clean, PARAMS, seed=7, quantize="none", generator=generator, sigma_init=SIGMA, backend="cpu"
    )


CONTENDERS = {"torch": torch_synth, "lrd_ext": synth}


def assert_right_noise(name, generator):
    """Hold the fused noise against forward on the same N_init, and eager torch's moments against its own."""
    options = {"seed": 7, "quantize": "none", "clip": "none", "output": "dn_float", "generator": generator}
    dark = NoiseParams(K=1.0, ratio=1.0, white=1.0, black=0.0)
    fused = fused_synth(torch.zeros(1, 4, 256, 256), dark, sigma_init=SIGMA, **options)
    same = generator(generator.n_init(7, 0, 256, 256), SIGMA)
    assert (fused - same).abs().max() <= 1e-4 * SIGMA
    if name == "torch":
        other = CONTENDERS[name](torch.zeros(4, 4, 256, 256), generator) * (MODEL.span / MODEL.ratio)
        assert abs(other.std() / fused.std() - 1) < 0.05


@pytest.mark.skipif(ops.NATIVE is None, reason="no compiled executor")
@pytest.mark.parametrize("workload", SMALL, ids=lambda w: w.name)
@pytest.mark.parametrize("widths", WIDTHS, ids=lambda w: "-".join(map(str, w)))
@pytest.mark.parametrize("name", CONTENDERS)
def test_generator(benchmark, medians, bandwidth, request, name, widths, workload, threads):
    if request.config.getoption("--sizes") == "quick" and workload is not SMALL[0]:
        pytest.skip("--sizes quick: the first workload only")
    generator = generator_of(widths)
    assert_right_noise(name, generator)
    model = f"shot + generator {widths}"
    clean = workload.clean()
    benchmark.group = f"{model}, {workload.name}, {threads} thread{'s' * (threads > 1)}"
    benchmark.extra_info.update(model=model, contender=name, workload=workload.name, threads=threads)
    benchmark.pedantic(CONTENDERS[name], (clean, generator), rounds=5, warmup_rounds=1)
    if benchmark.stats is None:  # --benchmark-disable
        return
    median = benchmark.stats.stats.median
    medians[model, name, workload.name, threads] = median
    benchmark.extra_info.update(
        pixels=workload.pixels,
        ns_per_pixel=median / workload.pixels * 1e9,
        copy_gb_per_s=bandwidth(threads) / 1e9,
    )
    other = medians.get((model, "torch", workload.name, threads))
    if name == "lrd_ext" and other is not None:
        benchmark.extra_info["times_faster_than_torch"] = other / median
