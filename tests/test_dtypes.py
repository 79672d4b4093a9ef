# SPDX-License-Identifier: Apache-2.0
"""Input and output dtypes: conversions are torch's own, to the bit; NaN and infinity keep to their sites."""

from __future__ import annotations

import hashlib
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import lrd_ext
from lrd_ext import NoiseParams, fused_synth, ops

HALVES = [torch.float16, torch.bfloat16]
CAMERA = NoiseParams(
    K=2.3, ratio=50.0, white=4095.0, black=64.0, read="gaussian", sigma_read=4.0, sigma_row=1.0
)
#: Lets the signal through untouched: out = clean, DN above a black level of 0.
OPEN = NoiseParams(K=1.0, ratio=1.0, white=1.0, black=0.0, shot=False)
THROUGH = {"seed": 0, "quantize": "none", "clip": "none", "output": "dn_float"}


def bits(values):
    return values.view(torch.int16)


def every_half(dtype):
    return torch.arange(-(2**15), 2**15, dtype=torch.int32).to(torch.int16).view(dtype).view(256, 256)


def awkward_floats():
    """float32 of every exponent with mantissas on, next to and between the halves' rounding points."""
    exponent = torch.arange(255, dtype=torch.int64)[:, None] << 23
    low = torch.tensor([0, 1, 2])
    points = torch.cat(
        [(torch.arange(16)[:, None] * 0x1000 + low - 1).flatten(), 0x7FFFFF - low, 0x7FF000 + low]
    )
    points = torch.cat([points, torch.arange(0, 0x800000, 0x8001)]).clamp(0, 0x7FFFFF)
    positive = (exponent | points[None, :]).flatten()
    both = torch.cat(
        [positive, positive | 0x80000000, torch.tensor([0x7F800000, 0xFF800000, 0x7FC00000, 0x7F800001])]
    )
    both = torch.where(both >= 2**31, both - 2**32, both).to(torch.int32).view(torch.float32)
    return torch.cat([both, both.new_zeros(-both.numel() % 4)]).view(2, -1)


@pytest.mark.parametrize("dtype", HALVES)
def test_every_half_is_read_exactly(synth, dtype):
    given = every_half(dtype)
    got = synth(given, OPEN, **THROUGH)
    assert torch.equal(got.nan_to_num(77.0), given.float().nan_to_num(77.0))


@pytest.mark.parametrize("dtype", HALVES)
def test_every_half_survives_the_way_through(synth, dtype):
    given = every_half(dtype)
    got = synth(given, OPEN, dtype=dtype, **THROUGH)
    number = ~given.isnan() & (given != 0)  # black + value turns -0 into 0
    assert torch.equal(bits(got)[number], bits(given)[number])
    assert got[given.isnan()].isnan().all()


@pytest.mark.parametrize("dtype", HALVES)
def test_rounding_to_halves_is_torchs(synth, dtype):
    given = awkward_floats()
    got = synth(given, OPEN, dtype=dtype, **THROUGH)
    expected = synth(given, OPEN, **THROUGH).to(dtype)
    number = ~given.isnan()
    assert torch.equal(bits(got)[number], bits(expected)[number])
    assert got[~number].isnan().all()


def digest_of_conversions():
    """SHA-256 of float16 and awkward float32 taken through float16, with signs and payloads of NaN."""
    floats = torch.cat(
        [awkward_floats(), awkward_floats().view(torch.int32).bitwise_or(0x7F800000).view(torch.float32)]
    )
    ways = [(every_half(torch.float16), torch.float32), (every_half(torch.float16), torch.float16)]
    ways += [(floats, torch.float16), (floats[:, :130].contiguous(), torch.float16)]  # whole and part blocks
    through = [fused_synth(given, OPEN, dtype=dtype, **THROUGH) for given, dtype in ways]
    return hashlib.sha256(b"".join(t.view(torch.uint8).numpy().tobytes() for t in through)).hexdigest()


@pytest.mark.native
def test_conversion_instructions_keep_the_bits_of_nan(isa):
    code = "import test_dtypes; print(test_dtypes.digest_of_conversions())"
    package = Path(lrd_ext.__file__).parents[1]
    path = os.pathsep.join([str(package), str(Path(__file__).parent)])

    def said(build):
        environment = os.environ | {"PYTHONPATH": path, "LRD_EXT_ISA": build}
        return subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, check=True
        ).stdout

    assert said(isa) == said(ops.NATIVE.isa_names()[0])  # which converts in integer operations


@pytest.mark.native
def test_nan_of_float16_keeps_its_payload_and_gives_none_back():
    given = every_half(torch.float16)
    nan = given.isnan()
    wide = fused_synth(given, OPEN, **THROUGH).view(torch.int32)[nan]
    halves = given.view(torch.int16).int()[nan]
    assert torch.equal(wide, (halves & 0x8000) << 16 | 0x7FC00000 | (halves & 0x3FF) << 13)
    back = fused_synth(given, OPEN, dtype=torch.float16, **THROUGH).view(torch.int16).int()[nan]
    assert torch.equal(back & 0xFFFF, halves & 0x8000 | 0x7E00)


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("output", ["normalized", "dn_float"])
def test_halves_of_camera_noise_are_the_rounded_floats(synth, dtype, output):
    frame = torch.rand(2, 34, 70, generator=torch.Generator().manual_seed(0))
    full = synth(frame, CAMERA, seed=3, output=output)
    assert torch.equal(synth(frame, CAMERA, seed=3, output=output, dtype=dtype), full.to(dtype))
    assert torch.equal(
        synth(frame.to(dtype), CAMERA, seed=3, output=output),
        synth(frame.to(dtype).float(), CAMERA, seed=3, output=output),
    )


def test_float64_is_read_as_float32(synth):
    frame = torch.rand(34, 70, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert torch.equal(synth(frame, CAMERA, seed=3), synth(frame.float(), CAMERA, seed=3))


def test_every_uint16_survives_the_way_through(synth):
    params = NoiseParams(K=1.0, ratio=1.0, white=65535.0, black=0.0, shot=False)
    given = torch.arange(2**16, dtype=torch.int32).view(256, 256).to(torch.uint16)
    assert torch.equal(synth(given, params, seed=0, output="dn"), given)


def test_dn_is_the_float_result_plus_black(synth):
    frame = torch.rand(34, 70, generator=torch.Generator().manual_seed(0))
    above = synth(frame, CAMERA, seed=3, output="dn_float")
    assert torch.equal(synth(frame, CAMERA, seed=3, output="dn").float(), above + 64.0)
    normalized = synth(frame, CAMERA, seed=3)
    assert torch.allclose(
        normalized, above / (4095.0 - 64.0) * 50.0, rtol=4e-7, atol=0
    )  # 3 roundings of 6e-8


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, *HALVES])
@pytest.mark.parametrize("shot", [True, False])
@pytest.mark.parametrize("clip", ["adc", "black", "none"])
def test_nan_stays_nan_in_floats_and_is_0_in_uint16(synth, dtype, shot, clip):
    params = NoiseParams(
        K=2.0, ratio=5.0, white=4095.0, black=64.0, read="gaussian", sigma_read=2.0, shot=shot
    )
    frame = torch.rand(20, 30, generator=torch.Generator().manual_seed(0)).to(dtype)
    holes = frame.clone()
    where = torch.zeros(20, 30, dtype=torch.bool)
    where[::3, ::4] = True
    holes[where] = math.nan
    for output in ("normalized", "dn_float", "dn"):
        got, plain = (synth(f, params, seed=3, output=output, clip=clip) for f in (holes, frame))
        assert torch.equal(got[~where], plain[~where])
        assert (got[where].int() == 0).all() if output == "dn" else got[where].isnan().all()


def test_nan_in_dark_is_like_nan_in_clean(synth):
    frame, dark = torch.full((8, 10), 0.3), torch.zeros(8, 10)
    dark[2, 3] = math.nan
    assert synth(frame, CAMERA, seed=3, dark=dark).isnan().nonzero().tolist() == [[2, 3]]
    assert synth(frame, CAMERA, seed=3, dark=dark, output="dn")[2, 3].item() == 0


def test_infinite_signal_saturates(synth):
    frame = torch.full((8, 10), 0.3)
    frame[0, 0], frame[5, 5] = math.inf, -math.inf
    got = synth(frame, CAMERA, seed=3, output="dn_float")
    assert got[0, 0].item() == 4095.0 - 64.0
    assert abs(got[5, 5].item()) < 64.0  # no electrons: read and row noise alone
    still = NoiseParams(K=1.0, ratio=1.0, white=4095.0, black=64.0, shot=False)
    free = synth(frame, still, seed=3, output="dn_float", clip="none")
    assert free[0, 0].item() == math.inf
    assert free[5, 5].item() == -math.inf


@pytest.mark.parametrize(
    "value", [0.5, 1.5, 2.5, -0.5, -1.5, 2.0**22 + 0.5, 2.0**23 + 1, 1e30, 0.49999997, -0.2]
)
def test_rounding_is_half_to_even(synth, value):
    params = NoiseParams(K=1.0, ratio=1.0, white=1e7, black=0.0, shot=False)
    got = synth(
        torch.zeros(2, 2), params, seed=0, dark=torch.full((2, 2), value), output="dn_float", clip="none"
    )
    assert torch.equal(got, torch.full((2, 2), value).round())


def test_uint16_output_of_unrounded_values_is_rounded_half_to_even(synth):
    params = NoiseParams(K=1.0, ratio=1.0, white=1e5, black=0.0, shot=False)
    dark = torch.tensor([[0.5, 1.5, 2.5, 65534.5], [65535.4, 65536.0, -0.5, -3.0]])
    got = synth(torch.zeros(2, 4), params, seed=0, dark=dark, output="dn", quantize="none", clip="none")
    assert got.int().tolist() == [[0, 2, 2, 65534], [65535, 65535, 0, 0]]
