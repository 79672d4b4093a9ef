# SPDX-License-Identifier: Apache-2.0
"""clean_out and sigma_out: the clean target and the noise level that come with the noise."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from generators import lively_generator
from quantile_tables import tables_for
from scipy import stats

import lrd_ext
from lrd_ext import NoiseParams, fused_synth, reference_synth
from lrd_ext.read_models import READ_MODELS

CAMERA = {
    "K": [2.3, 0.7],
    "ratio": [100.0, 30.0],
    "white": 16383.0,
    "black": [512.0, 511.0, 513.0, 512.3],
    "tukey_lambda": [-0.14, 0.1],
    "sigma_row": 1.3,
    "sigma_col": 0.7,
    "bias": 0.5,
}
#: std(read) at scale 1 by SciPy, of the shape.
UNIT_STD = {
    "none": lambda shape: 0.0,
    "gaussian": lambda shape: 1.0,
    "tukey_lambda": lambda shape: float(stats.tukeylambda.std(shape)),
    "empirical": lambda shape: 1.0,
}


def camera(read, **changes):
    sigma = {} if read == "none" else {"sigma_read": [6.0, 11.0]}
    return NoiseParams(**(CAMERA | sigma | changes), read=read, **tables_for(read))


def scene(*shape, dtype=torch.float32):
    """Signal over decades: zeros, highlights beyond 1e7 electrons, negative values, one NaN."""
    draw = torch.Generator().manual_seed(3)
    frames = torch.rand(shape, generator=draw) ** 3
    for value in (0.0, 1.7, -0.2, 2.0):
        frames[torch.rand(shape, generator=draw) < 0.02] = value
    if dtype == torch.uint16:
        return (16000 * frames.clamp(0, 1)).to(dtype)
    frames.view(-1)[5] = torch.nan
    frames.view(-1)[9] = 1e6
    return frames.to(dtype)


def targets(synth, clean, params, **options):
    """Noisy frame, clean target and noise level of one call."""
    dtype = options.get("dtype", torch.float32)
    clean_out, sigma_out = (torch.full(clean.shape, 7.0, dtype=dtype) for _ in range(2))
    noisy = synth(clean, params, seed=5, clean_out=clean_out, sigma_out=sigma_out, **options)
    return noisy, clean_out, sigma_out


def by_site(values):
    """(B, 4) to what broadcasts against mosaics (B, H, W)."""
    return lambda height, width: np.tile(
        values.double().numpy().reshape(-1, 2, 2), (1, height // 2, width // 2)
    )


def formulas(clean, params, rounded=1.0, sigma_init=0.0):
    """Clean target and noise level of mosaics (B, H, W) in float64, by the formulas of the docstring."""
    black = by_site(params.black.expand(len(params), 4))(*clean.shape[1:])
    K, ratio, white, read, row, col = (
        getattr(params, name).double().numpy()[:, None, None]
        for name in ("K", "ratio", "white", "sigma_read", "sigma_row", "sigma_col")
    )
    normalized = clean.numpy().astype(np.float64)
    if clean.dtype == torch.uint16:
        normalized = (normalized - black) / (white - black)
    y = normalized * (white - black) / ratio
    unit = np.array([UNIT_STD[params.read](shape) for shape in params.tukey_lambda.tolist()])[:, None, None]
    shot = K * np.clip(y, 0, 1e7 * K) if params.shot else 0.0 * y
    variance = shot + (read * unit) ** 2 + row**2 + col**2 + sigma_init**2 + rounded / 12
    return normalized, np.sqrt(variance) * ratio / (white - black)


@pytest.mark.parametrize("read", READ_MODELS)
@pytest.mark.parametrize("shot", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.uint16])
def test_formulas(synth, read, shot, dtype):
    clean, params = scene(2, 36, 150, dtype=dtype), camera(read, shot=shot)
    for quantize, output in itertools.product(("round", "uniform", "none"), ("normalized", "dn")):
        _, target, level = targets(synth, clean, params, quantize=quantize, output=output)
        expected, sigma = formulas(clean, params, rounded=quantize != "none")
        # float32: the difference and the range are rounded, then the quotient; the unit variance by 1.2e-6.
        np.testing.assert_allclose(target, expected, rtol=2e-7, atol=1e-7)
        np.testing.assert_allclose(level, sigma, rtol=1.5e-6)


@pytest.mark.parametrize("shape", [-0.4999, -0.49, -0.3, -0.01, 0.0, 1e-5, 0.14, 0.5, 1.0, 2.0, 3.3, 5.0])
def test_noise_level_at_every_shape(synth, shape):
    params = NoiseParams(
        K=1, ratio=1, white=1, black=0, read="tukey_lambda", sigma_read=3, tukey_lambda=shape
    )
    _, _, level = targets(synth, torch.zeros(2, 2), params, quantize="none")
    # SciPy loses digits near 0 and near the pole at -1/2; read_models' own is held against it elsewhere.
    exact = 3 * READ_MODELS["tukey_lambda"].unit_std(float(params.tukey_lambda))
    np.testing.assert_allclose(level, exact, rtol=8e-7)


@pytest.mark.parametrize("read", READ_MODELS)
def test_the_noise_has_the_level_it_is_said_to_have(read):
    params = camera(read, tukey_lambda=[0.1, 0.14], sigma_row=0.0, sigma_col=0.0)
    clean = torch.full((2, 512, 512), 0.3)
    noisy, _, level = targets(fused_synth, clean, params, quantize="uniform", clip="none")
    z = ((noisy - noisy.mean((1, 2), keepdim=True)) / level).double()
    # Variance of a variance, kurtosis of Tukey-lambda at these shapes below 1: 6 standard errors.
    assert ((z**2).mean((1, 2)) - 1).abs().max() < 6 * np.sqrt(3 / 512**2)


def test_a_generators_scale_counts_as_its_standard_deviation(synth):
    clean, params = scene(2, 12, 20), camera("none")
    options = {"generator": lively_generator((16,)), "sigma_init": torch.tensor([3.0, 40.0])}
    _, _, level = targets(synth, clean, params, **options)
    _, sigma = formulas(clean, params, sigma_init=np.array([3.0, 40.0])[:, None, None])
    np.testing.assert_allclose(level, sigma, rtol=1.5e-6)


MODES = [
    {},
    {"output": "dn"},
    {"output": "dn_float", "clip": "none", "quantize": "uniform"},
    {"dtype": torch.float16},
    {"dtype": torch.bfloat16, "dark": torch.full((72, 300), 3.0)},
]


@pytest.mark.parametrize("mode", MODES, ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.uint16])
def test_the_noise_is_what_it_is_without_them(synth, mode, dtype):
    clean, params = scene(2, 72, 300, dtype=dtype), camera("tukey_lambda")
    noisy, target, level = targets(synth, clean, params, **mode)
    alone = synth(clean, params, seed=5, **mode)
    torch.testing.assert_close(noisy, alone, rtol=0, atol=0, equal_nan=True)
    one, other = torch.full_like(target, 7.0), torch.full_like(level, 7.0)
    synth(clean, params, seed=5, clean_out=one, **mode)
    synth(clean, params, seed=5, sigma_out=other, **mode)
    assert torch.equal(one.nan_to_num(), target.nan_to_num())
    assert torch.equal(other.nan_to_num(), level.nan_to_num())


@pytest.mark.native
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize(
    "source", [torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.uint16]
)
def test_clean_targets_are_the_same_bits_in_plain_torch(dtype, source):
    clean, params = scene(2, 36, 150, dtype=source), camera("gaussian")
    _, target, _ = targets(fused_synth, clean, params, dtype=dtype)
    expected = clean.to(torch.float32)
    if source == torch.uint16:
        black = params.black.view(2, 1, 2, 1, 2).expand(2, 18, 2, 75, 2).reshape(2, 36, 150)
        expected = (expected - black) / (params.white[:, None, None] - black)
    assert torch.equal(target.nan_to_num(), expected.to(dtype).nan_to_num())
    _, reference, _ = targets(reference_synth, clean, params, dtype=dtype)
    assert torch.equal(target.nan_to_num(), reference.nan_to_num())


def planes(mosaics, channels):
    """(..., H, W) to (..., 4, H/2, W/2), sites in the given order."""
    return torch.nn.functional.pixel_unshuffle(mosaics[..., None, :, :], 2)[..., channels, :, :]


@pytest.mark.native
@pytest.mark.parametrize("order", ["site", "rgbg", "rggb"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.uint16])
def test_layouts_orders_crops_and_batches_hold_the_same_bits(order, dtype):
    mosaic, params = (
        scene(2, 140, 300, dtype=dtype).nan_to_num()
        if dtype == torch.float32
        else scene(2, 140, 300, dtype=dtype),
        camera("tukey_lambda"),
    )
    whole = torch.stack(targets(fused_synth, mosaic, params))
    channels = list(lrd_ext.cfa.plane_sites(order, "GBRG"))
    clean = planes(mosaic.float(), channels).to(dtype)
    packed = torch.stack(targets(fused_synth, clean, params, order=order, cfa="GBRG"))
    assert torch.equal(packed, planes(whole, channels))
    crop = mosaic[1:, 6:90, 4:202].contiguous()
    part = torch.stack(targets(fused_synth, crop, params.select(1), index=1, origin=(6, 4)))
    assert torch.equal(part, whole[:, 1:, 6:90, 4:202])


@pytest.mark.native
@pytest.mark.parametrize("shift", [0, 1])
def test_frames_larger_than_caches_and_odd_addresses(shift):
    clean, params = scene(2, 4, 700, 1000), camera("gaussian")  # 22 MB: written past the caches
    memory = [torch.zeros(clean.numel() + 8) for _ in range(3)]
    out, target, level = (m[shift : shift + clean.numel()].view(clean.shape) for m in memory)
    fused_synth(clean, params, seed=5, out=out, clean_out=target, sigma_out=level)
    part = clean[:1, :, :100].contiguous()  # 5 MB of results, written in the ordinary way
    expected = targets(fused_synth, part, params.select(0))
    for got, small in zip((out, target, level), expected, strict=True):
        assert torch.equal(got[:1, :, :100].nan_to_num(), small.nan_to_num())
    assert not any(m[:shift].any() or m[shift + clean.numel() :].any() for m in memory)


CLEAN, ONE = torch.full((8, 12), 0.25), NoiseParams(K=1, ratio=1, white=1023, black=64)
SHARED = torch.zeros(192)


def refused(error, message, **arguments):
    return pytest.param(arguments, error, message, id=message[:60])


HALF, DN = torch.empty(8, 12, dtype=torch.float16), torch.empty(8, 12, dtype=torch.uint16)
FIRST, SECOND = SHARED[:96].view(8, 12), SHARED[95:191].view(8, 12)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        refused(TypeError, "clean_out must be a tensor of torch.float32, got list", clean_out=[]),
        refused(TypeError, "sigma_out must be a tensor of torch.float32, got bool", sigma_out=True),
        refused(TypeError, "clean_out .* of torch.float32, got torch.float16", clean_out=HALF),
        refused(TypeError, "sigma_out .* of torch.float32, got torch.uint16", output="dn", sigma_out=DN),
        refused(ValueError, r"clean_out must have clean's shape \(8, 12\)", clean_out=torch.empty(8, 10)),
        refused(ValueError, "sigma_out must have clean's .* on meta", sigma_out=CLEAN.to("meta")),
        refused(ValueError, "sigma_out must be contiguous", sigma_out=torch.empty(12, 8).T),
        refused(ValueError, "clean_out .* not require grad", clean_out=CLEAN.clone().requires_grad_()),
        refused(ValueError, "clean_out must not share memory with clean;", clean_out=CLEAN),
        refused(ValueError, "clean_out .* with out;", out=FIRST, clean_out=SECOND),
        refused(ValueError, "sigma_out .* with clean_out;", clean_out=FIRST, sigma_out=FIRST),
        refused(ValueError, "sigma_out .* with dark;", dark=FIRST, sigma_out=SECOND),
    ],
)
def test_buffers_that_do_not_fit_are_refused_by_name(synth, arguments, error, message):
    with pytest.raises(error, match=f"fused_synth: {message}"):
        synth(CLEAN, ONE, seed=5, **arguments)


def test_batches_of_nothing(synth):
    targets(synth, torch.zeros(0, 4, 6, 8), ONE)
