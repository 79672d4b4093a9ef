# SPDX-License-Identifier: Apache-2.0
"""The generator inside fused_synth against LiteGenerator.forward, and its bits against themselves."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from generators import PARAMS, STACKS, lively_generator, noise

import lrd_ext
from lrd_ext import NoiseParams, fused_synth, ops, reference_synth
from lrd_ext.generator import LiteGenerator
from lrd_ext.reference import bayer


@pytest.mark.parametrize(("widths", "log_sigma"), STACKS)
def test_noise_is_forwards_on_the_same_n_init(synth, widths, log_sigma):
    generator = lively_generator(widths, log_sigma)
    sigma = torch.tensor([0.5, 40.0])
    got = noise(generator, 2, 36, 140, synth=synth, sigma_init=sigma, origin=(-6, 62))
    cells = generator.n_init(7, torch.tensor([3, 4]), 18, 70, origin=(-3, 31))
    with torch.no_grad():
        expected = bayer.from_cells(generator(cells, sigma), packed=False)
    error = (got - expected).abs().amax((1, 2)) / sigma
    # The contract's bound; the stack's gain here is about 1.5, errors of a few float32 ulps of that are 1e-6.
    assert error.max() <= 1e-4


def has_matrix_unit():
    """Whether this process runs bfloat16 stacks on one: an AMX processor and the AVX-512 build on Linux."""
    cpuinfo = Path("/proc/cpuinfo")
    return ops.NATIVE is not None and ops.NATIVE.isa() == "avx512" and " amx_bf16" in cpuinfo.read_text()


@pytest.mark.parametrize(("widths", "log_sigma"), STACKS)
def test_bfloat16_stays_within_its_bound_of_float32_sums(synth, widths, log_sigma):
    generator = lively_generator(widths, log_sigma).bfloat16()
    rounded = lively_generator(widths, log_sigma)
    rounded.load_state_dict(generator.state_dict())
    drawn = noise(generator, 2, 150, 140, synth=synth, sigma_init=3.0)
    in_float32 = noise(rounded, 2, 150, 140, synth=synth, sigma_init=3.0)
    error = (drawn - in_float32).abs().max() / 3.0
    assert error <= 0.04  # docs/train_generator.md
    assert (error > 0) == (synth is not reference_synth and has_matrix_unit())
    assert not torch.equal(in_float32, noise(lively_generator(widths, log_sigma), 2, 150, 140, synth=synth))


@pytest.mark.native
def test_fused_with_the_whole_model_stays_within_the_bound_of_the_reference():
    params = NoiseParams(
        K=2.0, ratio=50.0, white=16383.0, black=512.0, sigma_row=2.0, sigma_col=1.0, bias=[1.0, 2.0, 3.0, 4.0]
    )
    clean = torch.rand(2, 40, 132, generator=torch.Generator().manual_seed(0))
    options = {"params": params, "clean": clean, "dark": torch.rand(40, 132), "sigma_init": 20.0}
    generator = lively_generator()
    error = noise(generator, **options) - noise(generator, synth=reference_synth, **options)
    assert error.abs().max() <= 1e-4 * 20.0 + 2 * 2.0**-13  # and the rounding of sums near 1000 DN
    rounded = {"quantize": "round", "output": "dn", "clip": "adc"}
    pair = [
        noise(generator, synth=s, **options, **rounded).to(torch.int32)
        for s in (fused_synth, reference_synth)
    ]
    assert (pair[0] != pair[1]).double().mean() < 1e-3
    assert (pair[0] - pair[1]).abs().max() <= 1


@pytest.mark.parametrize("log_sigma", [True, False])
def test_zero_weights_give_gaussian_noise_of_sigma_init(synth, log_sigma):
    generator = LiteGenerator((16, 16), log_sigma=log_sigma)
    with torch.no_grad():
        for weight in generator.parameters():
            weight.zero_()
    drawn = noise(generator, 1, 256, 512, synth=synth, sigma_init=5.0).double().flatten() / 5
    n = drawn.numel()
    assert abs(drawn.mean()) < 5 / n**0.5
    assert abs(drawn.var() - 1) < 5 * (2 / n) ** 0.5
    assert abs((drawn**4).mean() - 3) < 5 * (96 / n) ** 0.5
    grid = torch.linspace(-4, 4, 81).double()
    empirical = torch.searchsorted(drawn.sort().values, grid).double() / n
    assert (empirical - torch.special.ndtr(grid)).abs().max() < 2 / n**0.5  # Kolmogorov, p about 7e-4


@pytest.mark.native
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("widths", "log_sigma"), STACKS)
def test_crops_batches_layouts_and_tiles_are_windows_on_one_field(widths, log_sigma, precision):
    generator = lively_generator(widths, log_sigma).to(precision)
    sigma = torch.tensor([0.7, 3.0, 11.0])
    whole = noise(generator, 3, 150, 140, sigma_init=sigma, origin=(-10, -20))
    for top, left, height, width in [(0, 0, 2, 2), (2, 6, 30, 128), (64, 126, 6, 14), (34, 0, 116, 140)]:
        origin = (-10 + top, -20 + left)
        crop = noise(generator, 3, height, width, sigma_init=sigma, origin=origin)
        assert torch.equal(crop, whole[:, top : top + height, left : left + width])
    packed = noise(generator, 3, 4, 75, 70, sigma_init=sigma, origin=(-10, -20))
    assert torch.equal(bayer.from_cells(packed, packed=False), whole)
    for i in range(3):
        one = noise(generator, 150, 140, sigma_init=float(sigma[i]), index=3 + i, origin=(-10, -20))
        assert torch.equal(one, whole[i])


@pytest.mark.native
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("widths", [(16, 16, 16), (32, 32)])
def test_a_sample_among_many_is_made_in_taller_tiles_of_the_same_noise(widths, precision):
    generator = lively_generator(widths).to(precision)
    many = noise(generator, 64, 400, 8)  # 128 tiles of 104 cell rows
    for i in (0, 40):
        assert torch.equal(noise(generator, 400, 8, index=i + 3), many[i])  # 4 tiles


@pytest.mark.native
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_a_sample_that_overflows_leaves_the_next_alone(precision):
    generator = lively_generator((16, 16, 16))
    with torch.no_grad():
        generator.convs[0].weight[:, -1] = 3e37  # log sigma's, where the net has one
    sigma = torch.tensor([1e6, 1.0])
    both = noise(generator.to(precision), 2, 300, 140, sigma_init=sigma)
    alone = noise(generator.to(precision), 300, 140, sigma_init=1.0, index=4)
    assert not both[0].isfinite().all()
    assert torch.equal(both[1], alone)


@pytest.mark.native
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_threads_do_not_matter(precision):
    generator = lively_generator().to(precision)
    before = torch.get_num_threads()
    results = []
    for threads in (1, 2, 5):
        torch.set_num_threads(threads)
        results.append(noise(generator, 2, 130, 260))
    torch.set_num_threads(before)
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[0], results[2])


def hashes_of_build(isa):
    environment = os.environ | {"LRD_EXT_ISA": isa, "PYTHONPATH": str(Path(lrd_ext.__file__).parents[1])}
    script = str(Path(__file__).with_name("generators.py"))
    done = subprocess.run(
        [sys.executable, script], env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.native
def test_every_build_gives_the_same_bits(isa):
    assert hashes_of_build(isa) == hashes_of_build(ops.NATIVE.isa())


@pytest.mark.native
def test_flushed_subnormals_of_the_caller_do_not_matter():
    generator = lively_generator()
    expected = noise(generator, 40, 140, sigma_init=1e-6)
    try:
        assert torch.set_flush_denormal(True) or pytest.skip("no flushing here")
        assert torch.equal(noise(generator, 40, 140, sigma_init=1e-6), expected)
    finally:
        torch.set_flush_denormal(False)


def test_sigma_follows_iso_where_none_is_given(synth):
    generator = lively_generator(isos=(800, 3200), sigmas=(2.0, 8.0))
    assert torch.equal(
        noise(generator, 12, 20, synth=synth, sigma_init=None),
        noise(generator, 12, 20, synth=synth, sigma_init=generator.sigma_init(PARAMS.iso)),
    )


def test_generator_adds_to_the_signal_and_the_other_components(synth):
    generator = lively_generator()
    params = NoiseParams(K=1.0, ratio=1.0, white=1000.0, black=0.0, shot=False, bias=5.0)
    clean = torch.full((1, 12, 20), 0.25)
    alone = noise(generator, 1, 12, 20, synth=synth)
    together = noise(generator, synth=synth, params=params, clean=clean, dark=torch.full((12, 20), 7.0))
    assert (together - alone - (250.0 + 5.0 + 7.0)).abs().max() < 1e-3
