# SPDX-License-Identifier: Apache-2.0
"""fused_synth on the compiled CPU executor against the float64 reference, integer for integer."""

from __future__ import annotations

import itertools

import pytest
import torch
from exclusion import excluded_sites
from quantile_tables import tables_for

from lrd_ext import NoiseParams, fused_synth, reference_synth
from lrd_ext.read_models import READ_MODELS

pytestmark = pytest.mark.native

CAMERA = {
    "K": 2.3,
    "ratio": 100.0,
    "white": 16383.0,
    "black": [512.0, 511.0, 513.0, 512.5],
    "sigma_read": 6.0,
    "tukey_lambda": -0.1,
    "sigma_row": 1.3,
    "sigma_col": 0.7,
    "bias": [0.1, -0.2, 0.3, 0.05],
}
#: An excluded site's CDF or sum is near enough to a step for one executor to be one step further, of K DN for
#: electrons; and no mask may hide a wrong result by excluding much.
MOST_EXCLUDED = 0.002


def clean_frames(shape, seed=0, top=1.0):
    """Signal spread over the decades below ``top``, with a few exact zeros and highlights."""
    draw = torch.Generator().manual_seed(seed)
    clean = top * torch.rand(shape, generator=draw) ** 3
    clean[torch.rand(shape, generator=draw) < 0.01] = 0.0
    clean[torch.rand(shape, generator=draw) < 0.01] = 1.7
    return clean


def assert_same_integers(record, clean, params, *, most_excluded=MOST_EXCLUDED, **options):
    options = {"seed": 5} | options
    got = fused_synth(clean, params, output="dn", backend="cpu", **options).to(torch.int32)
    expected = reference_synth(clean, params, output="dn", **options).to(torch.int32)
    excluded = excluded_sites(clean, params, **options)
    differs = got != expected
    record("sites", clean.numel())
    record("excluded", int(excluded.sum()))
    record("differing", int(differs.sum()))
    assert torch.equal(got[~excluded], expected[~excluded]), (
        f"{int((differs & ~excluded).sum())} sites differ"
    )
    assert excluded.double().mean() <= most_excluded
    step = torch.ceil(params.K.max()) + 1
    assert (got - expected).abs().max() <= step


@pytest.mark.parametrize("read", READ_MODELS)
@pytest.mark.parametrize("shot", [True, False])
@pytest.mark.parametrize("quantize", ["round", "uniform", "none"])
@pytest.mark.parametrize("clip", ["adc", "black", "none"])
def test_modes(record_property, read, shot, quantize, clip):
    silent = {"sigma_read": 0.0} if read == "none" else {}
    params = NoiseParams(**(CAMERA | silent), read=read, shot=shot, **tables_for(read))
    assert_same_integers(record_property, clean_frames((1, 96, 130)), params, quantize=quantize, clip=clip)


SHAPES = [
    (2, 2),
    (6, 130),
    (128, 2),
    (1, 64, 128),
    (3, 66, 126),
    (2, 1, 34, 258),
    (1, 4, 32, 64),
    (3, 4, 17, 65),
]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.uint16])
def test_shapes_and_input_dtypes(record_property, shape, dtype):
    clean = clean_frames(shape, seed=1)
    clean = (clean * 15000 + 300).to(dtype) if dtype == torch.uint16 else clean.to(dtype)
    params = NoiseParams(**CAMERA, read="tukey_lambda")
    options = {"index": 2**40 + 3, "origin": (6, -10), "layout": "mosaic" if len(shape) == 3 else "auto"}
    # Frames of four sites may well hold one excluded site.
    assert_same_integers(record_property, clean, params, most_excluded=0.25, **options)


@pytest.mark.parametrize("K", [0.02, 0.3, 1.0, 7.7, 120.0])
@pytest.mark.parametrize("ratio", [0.5, 1.0, 3.0, 250.0])
def test_gains_and_ratios(record_property, K, ratio):
    params = NoiseParams(**(CAMERA | {"K": K, "ratio": ratio}), read="gaussian")
    # Means to 1e6 electrons have steps of 4e-4 of the CDF, of which 2e-6 are excluded.
    assert_same_integers(record_property, clean_frames((1, 128, 256), seed=2), params, most_excluded=0.02)


def test_samples_with_parameters_of_their_own(record_property):
    draw = torch.Generator().manual_seed(3)
    one = torch.rand(6, 15, generator=draw)
    read = ["tukey_lambda", "gaussian", "none", "tukey_lambda", "empirical", "gaussian"]
    params = NoiseParams(
        K=0.1 + 20 * one[:, 0],
        ratio=1 + 299 * one[:, 1],
        white=4095 + 12000 * one[:, 2],
        black=63 + 2 * one[:, 3:7],
        sigma_read=(0.5 + 20 * one[:, 7]) * torch.tensor([model != "none" for model in read]),
        tukey_lambda=-0.3 + 0.5 * one[:, 8],
        sigma_row=5 * one[:, 9],
        sigma_col=2 * one[:, 10],
        bias=one[:, 11:15] - 0.5,
        read=read,
        **tables_for(*read),
    )
    index = torch.tensor([0, 5, 2**32, 2**56 - 1, 9, 2**40])
    assert_same_integers(record_property, clean_frames((6, 64, 96), seed=4), params, index=index, seed=-1)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("packed", [False, True])
def test_dark_frames(record_property, batch, packed):
    shape = (3, 4, 20, 33) if packed else (3, 40, 66)
    dark = torch.randn((batch, *shape[1:]), generator=torch.Generator().manual_seed(6)) * 40
    params, options = NoiseParams(**CAMERA, read="gaussian"), {"dark": dark}
    options |= {"order": "rgbg", "cfa": "GRBG"} if packed else {"layout": "mosaic"}
    assert_same_integers(record_property, clean_frames(shape, seed=5), params, **options)


NOISE_DOMINATES = {"K": 1.0, "ratio": 100.0, "white": 65535.0, "black": 0.0}


@pytest.mark.parametrize(
    "noise",
    [
        {"read": "gaussian", "sigma_read": 100.0},
        {"read": "gaussian", "sigma_read": 1000.0},
        {"read": "tukey_lambda", "sigma_read": 100.0, "tukey_lambda": -0.3},
    ],
    ids=["gaussian 100", "gaussian 1000", "tukey_lambda 100"],
)
def test_noise_as_the_largest_term(record_property, noise):
    """Black 0 and no signal: the quantile's own error shows, which a black level of some 100 DN hides."""
    params = NoiseParams(**NOISE_DOMINATES, **noise, shot=False)
    assert_same_integers(record_property, torch.zeros(1, 1024, 1024), params)


@pytest.mark.parametrize(
    ("read", "output"), list(itertools.product(list(READ_MODELS)[1:], ["dn_float", "normalized"]))
)
def test_floats_without_rounding(read, output):
    """Without rounding the two differ by float32's own rounding of the sum, and of the quantile, only."""
    params = NoiseParams(**CAMERA, read=read, shot=False, **tables_for(read))
    clean = clean_frames((1, 128, 256), seed=7)
    options = {"seed": 5, "output": output, "quantize": "none", "clip": "none"}
    got = fused_synth(clean, params, backend="cpu", **options)
    error = (got.double() - reference_synth(clean, params, **options).double()).abs().max().item()
    # Ratio 100 cuts the signal to 164 DN, so raw = black + d is rounded between 2^9 and 2^10: 4 ulps of that.
    # sigma * 1.1e-6 bounds the error of the normal quantile; other models' tails reach 20 sigma.
    bound = 4 * 2.0**-14 + 1.1e-6 * CAMERA["sigma_read"] * (1 if read == "gaussian" else 20)
    scale = CAMERA["ratio"] / (CAMERA["white"] - 513) if output == "normalized" else 1.0
    assert error <= bound * scale


LIMIT = torch.finfo(torch.float32).max
NEAR_THE_LIMIT = (0.0, 1e30, 0.25 * LIMIT, 0.99 * LIMIT, LIMIT, float("inf"), float("nan"))


@pytest.mark.parametrize("span", [0.001, 0.5, 1.0, 1e4])
@pytest.mark.parametrize("ratio", [1e-6, 1.0, 1e3])
@pytest.mark.parametrize("clip", ["none", "adc"])
@pytest.mark.parametrize("output", ["normalized", "dn_float"])
def test_both_call_infinite_what_float32_does_not_hold(span, ratio, clip, output):
    """A quotient by a range below 1 DN overflows before a ratio below 1 brings it back."""
    params = NoiseParams(K=1.0, ratio=ratio, white=1.0 + span, black=1.0, read="gaussian", sigma_read=10.0)
    values = torch.tensor([sign * value for value in NEAR_THE_LIMIT for sign in (1, -1)] * 4).reshape(4, 14)
    zero = torch.zeros_like(values)
    for clean, dark in ((zero, values), (values, zero), (values / 2, values)):
        call = {"seed": 3, "dark": dark, "output": output, "clip": clip}
        got = fused_synth(clean, params, **call, backend="cpu")
        expected = reference_synth(clean, params, **call)
        torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-3 * ratio / span, equal_nan=True)
        assert torch.equal(got.isinf(), expected.isinf())
