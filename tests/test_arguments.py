# SPDX-License-Identifier: Apache-2.0
"""Every argument of both synthesisers, given wrong: a clear error or the right answer, never a crash."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import lrd_ext
from lrd_ext import NoiseParams, fused_synth, ops, reference_synth

PARAMS = NoiseParams(
    K=2.0, ratio=10.0, white=1023.0, black=64.0, read="gaussian", sigma_read=3.0, sigma_row=1.0
)
THREE = PARAMS.select([0, 0, 0])
CLEAN = torch.full((8, 12), 0.25)
PACKED = torch.full((2, 4, 4, 6), 0.25)


def aliased(shift):
    """A clean frame, and an out tensor that begins ``shift`` elements later in the same memory."""
    memory = torch.full((CLEAN.numel() + abs(shift),), 0.25)
    return {
        "clean": memory[: CLEAN.numel()].view(8, 12),
        "out": memory[shift : shift + CLEAN.numel()].view(8, 12),
    }


def refused(error, message, **arguments):
    return pytest.param(arguments, error, message, id=f"{next(iter(arguments))}: {message[:50]}")


TABLE = [
    # clean
    refused(TypeError, "clean must be a torch.Tensor, got ndarray", clean=np.zeros((8, 12), np.float32)),
    refused(TypeError, "clean must be a torch.Tensor, got NoneType", clean=None),
    refused(TypeError, "clean must be a torch.Tensor, got list", clean=[[0.0, 0.0], [0.0, 0.0]]),
    *(
        refused(TypeError, f"or uint16 raw DN, got torch.{name}", clean=CLEAN.to(getattr(torch, name)))
        for name in ("int32", "int64", "uint8", "int16", "bool", "complex64", "uint32", "float8_e5m2")
    ),
    refused(ValueError, r"must not require grad.*clean\.detach\(\)", clean=CLEAN.clone().requires_grad_()),
    refused(ValueError, r"even height and width.*\(7, 12\)", clean=CLEAN[:7]),
    refused(ValueError, r"even height and width.*\(8, 11\)", clean=CLEAN[:, :11]),
    refused(ValueError, r"even height and width.*\(2, 1, 3, 4\)", clean=torch.zeros(2, 1, 3, 4)),
    refused(ValueError, r"clean must be mosaic.*got \(\)", clean=torch.tensor(0.5)),
    refused(ValueError, r"clean must be mosaic.*got \(12,\)", clean=CLEAN[0]),
    refused(ValueError, r"clean must be mosaic.*got \(2, 3, 8, 12\)", clean=torch.zeros(2, 3, 8, 12)),
    refused(ValueError, r"clean must be mosaic.*got \(1, 2, 1, 8, 12\)", clean=torch.zeros(1, 2, 1, 8, 12)),
    refused(ValueError, r"\(4, 8, 12\) is ambiguous; say layout=", clean=torch.zeros(4, 8, 12)),
    refused(
        ValueError, r"\(3, 32, 40\) looks like an RGB picture.*layout='mosaic'", clean=torch.zeros(3, 32, 40)
    ),
    refused(
        ValueError, r"\(32, 40, 3\) looks like .*channels last. Pass the raw", clean=torch.zeros(32, 40, 3)
    ),
    refused(
        ValueError,
        r"\(40, 32, 4\) looks like .*permute\(2, 0, 1\) with layout='packed'.*layout='mosaic' .*40 mosaics",
        clean=torch.zeros(40, 32, 4),
    ),
    *(
        refused(ValueError, r"normalized.*median is \d+.*raw DN. Pass them as uint16, or \(raw - b", clean=dn)
        for dn in (
            512 + 100 * CLEAN,
            (512 + 100 * CLEAN).double().T,
            torch.where(torch.arange(12) < 4, torch.nan, 512 * CLEAN),
            100 * PACKED.half(),
            torch.full((5, 1000, 2002), 5.0),
        )
    ),
    refused(TypeError, "clean must be a dense tensor.*sparse_coo", clean=CLEAN.to_sparse()),
    refused(TypeError, "clean must be a dense tensor.*mkldnn", clean=CLEAN.to_mkldnn()),
    refused(TypeError, "clean must be a dense tensor.*meta", clean=CLEAN.to("meta")),
    # layout
    refused(ValueError, "layout must be one of .*got 'bayer'", layout="bayer"),
    refused(ValueError, "layout must be one of .*got None", layout=None),
    refused(ValueError, r"layout='packed' must be .*got \(8, 12\)", layout="packed"),
    refused(
        ValueError, r"layout='packed' must be .*got \(3, 4, 6\)", layout="packed", clean=torch.zeros(3, 4, 6)
    ),
    refused(ValueError, r"clean must be mosaic.*\(2, 4, 4, 6\)", layout="mosaic", clean=PACKED),
    # params
    refused(TypeError, "params must be NoiseParams, got dict", params=PARAMS.to_dict()),
    refused(TypeError, "params must be NoiseParams, got NoneType", params=None),
    refused(ValueError, "1 sample or as many as clean, got 3 for a batch of 1", params=THREE),
    refused(ValueError, "1 sample or as many as clean, got 3 for a batch of 2", params=THREE, clean=PACKED),
    refused(
        ValueError, r"params must be on clean's device cpu, got meta.*params\.to", params=PARAMS.to("meta")
    ),
    # seed
    refused(TypeError, "seed must be an int or an int64 tensor, got True", seed=True),
    refused(TypeError, "seed must be an int or an int64 tensor, got 1.0", seed=1.0),
    refused(TypeError, "seed must be an int or an int64 tensor, got None", seed=None),
    refused(TypeError, "seed must be an int or an int64 tensor, got '7'", seed="7"),
    refused(TypeError, "seed must be an int64 tensor or an int.*float32", seed=torch.tensor(1.0)),
    refused(
        TypeError, "seed must be an int64 tensor or an int.*int32", seed=torch.tensor(1, dtype=torch.int32)
    ),
    refused(TypeError, "seed must be an int64 tensor or an int.*bool", seed=torch.tensor(True)),
    refused(ValueError, r"seed must hold one number, got shape \(2,\)", seed=torch.tensor([1, 2])),
    refused(
        ValueError, r"seed must hold one number, got shape \(0,\)", seed=torch.tensor([], dtype=torch.int64)
    ),
    # index
    refused(TypeError, "index must be an int or an int64 tensor, got True", index=True),
    refused(TypeError, "index must be an int or an int64 tensor, got 0.0", index=0.0),
    refused(TypeError, r"index must be an int or an int64 tensor, got \[0\]", index=[0]),
    refused(TypeError, "index must be an int64 tensor.*float64", index=torch.tensor([0.0]).double()),
    refused(ValueError, r"index must be in \[0, 2\^56", index=-1),
    refused(ValueError, r"index must be in \[0, 2\^56", index=2**56),
    refused(ValueError, r"index must be in \[0, 2\^56", index=2**56 - 1, clean=PACKED),
    refused(
        ValueError, r"index .*one number per sample, \(1,\), got shape \(2,\)", index=torch.tensor([0, 1])
    ),
    refused(
        ValueError,
        r"index .*one number per sample, \(2,\), got shape \(\)",
        index=torch.tensor(0),
        clean=PACKED,
    ),
    refused(ValueError, r"got shape \(1, 1\)", index=torch.tensor([[0]])),
    refused(ValueError, r"index must be in \[0, 2\^56\), got -1", index=torch.tensor([-1])),
    refused(ValueError, rf"index must be in .*got {2**56}", index=torch.tensor([3, 2**56]), clean=PACKED),
    # origin
    refused(TypeError, r"origin must be \(row, col\), got 4", origin=4),
    refused(TypeError, r"origin must be \(row, col\), got \(0, 0, 0\)", origin=(0, 0, 0)),
    refused(TypeError, r"origin must be \(row, col\), got None", origin=None),
    refused(TypeError, "origin must be an int", origin=(0.0, 2.0)),
    refused(TypeError, "origin must be an int", origin=(False, 2)),
    refused(ValueError, "origin must be two even numbers", origin=(1, 0)),
    refused(ValueError, "origin must be two even numbers", origin=(0, -3)),
    refused(ValueError, r"within 2\^32", origin=(2**32, 0)),
    refused(ValueError, r"within 2\^32", origin=(0, 2**70)),
    # order, cfa
    refused(ValueError, "order must be one of .*got 'grbg'", order="grbg"),
    refused(ValueError, "cfa must be one of .*got 'MONO'", cfa="MONO"),
    refused(ValueError, "cfa must be one of .*got 'rggb'", cfa="rggb", order="rgbg", clean=PACKED),
    refused(
        ValueError, "order='rgbg' names the channels of packed frames, and clean is a mosaic", order="rgbg"
    ),
    refused(ValueError, "order='rggb' .* clean is a mosaic", order="rggb", clean=torch.zeros(2, 8, 12)),
    # generator, sigma_init
    refused(TypeError, "generator must be a lrd_ext.generator.LiteGenerator, got object", generator=object()),
    refused(ValueError, "sigma_init only goes with generator, got 1.0", sigma_init=1.0),
    # dark
    refused(TypeError, "dark must be a float32 tensor, DN above black, got float", dark=1.0),
    refused(TypeError, "dark must be a float32 tensor.*got torch.float64", dark=CLEAN.double()),
    refused(TypeError, "dark must be a float32 tensor.*got torch.uint16", dark=CLEAN.to(torch.uint16)),
    refused(ValueError, "dark must not require grad", dark=CLEAN.clone().requires_grad_()),
    refused(ValueError, r"dark must have clean's layout and size \(8, 12\)", dark=torch.zeros(8, 10)),
    refused(ValueError, "dark must have clean's layout", dark=torch.tensor(0.0)),
    refused(ValueError, "dark must have clean's layout", dark=torch.zeros(2, 8, 12)),
    refused(ValueError, "dark must have clean's layout", dark=torch.zeros(1, 4, 4, 6)),
    refused(ValueError, "dark must have clean's layout", dark=torch.zeros(8, 12), clean=PACKED),
    refused(ValueError, "dark must have clean's layout", dark=torch.zeros(3, 4, 4, 6), clean=PACKED),
    refused(ValueError, "dark must be on clean's device", dark=torch.zeros(8, 12, device="meta")),
    # output, quantize, clip
    refused(ValueError, "output must be one of .*got 'raw'", output="raw"),
    refused(ValueError, "quantize must be one of .*got True", quantize=True),
    refused(ValueError, "clip must be one of .*got 'white'", clip="white"),
    refused(ValueError, "clip must be one of", clip=["adc"]),
    # dtype
    refused(
        TypeError,
        "dtype must be .*float16 or .*bfloat16 .*got torch.float64",
        dtype=torch.float64,
    ),
    refused(TypeError, "dtype must be .*bfloat16 .*got torch.uint16", dtype=torch.uint16),
    refused(TypeError, "dtype must be .*got float32", dtype="float32"),
    refused(TypeError, "dtype must be", dtype=None),
    refused(TypeError, "output 'dn' is uint16, got dtype=torch.float16", output="dn", dtype=torch.float16),
    # out
    refused(TypeError, "out must be a tensor of torch.float32, got list", out=[]),
    refused(TypeError, "out must be a tensor of torch.float32, got torch.float64", out=CLEAN.double()),
    refused(
        TypeError, "out must be a tensor of torch.uint16, got torch.float32", out=CLEAN.clone(), output="dn"
    ),
    refused(
        ValueError, r"out must have clean's shape \(8, 12\).*got \(1, 8, 12\)", out=torch.empty(1, 8, 12)
    ),
    refused(ValueError, "out must have clean's shape", out=torch.empty(8, 12, device="meta")),
    refused(ValueError, "out must be contiguous", out=torch.empty(12, 8).T),
    refused(ValueError, "out must be contiguous", out=torch.empty(1).expand(8, 12)),
    refused(ValueError, "must not require grad", out=torch.empty(8, 12).requires_grad_()),
    refused(ValueError, "out must not share memory with clean;", **aliased(0)),
    refused(ValueError, "out must not share memory with clean;", **aliased(95)),
]


def test_out_may_not_be_what_the_call_reads(synth):
    from generators import lively_generator

    memory = torch.full((96,), 2.0)
    call = {
        "params": PARAMS.shot_only(),
        "seed": 7,
        "generator": lively_generator((16,)),
        "sigma_init": memory[:1],
    }
    with pytest.raises(ValueError, match="out must not share memory with sigma_init;"):
        synth(CLEAN, **call, out=memory.reshape(8, 12))
    seeds = torch.zeros(48, dtype=torch.int64)
    with pytest.raises(ValueError, match="out must not share memory with seed or index;"):
        synth(CLEAN, PARAMS, seed=seeds[3], index=seeds[5:6], out=seeds.view(torch.float32).reshape(8, 12))
    params = PARAMS.to("cpu")
    frame = torch.zeros(96)
    frame[: params.table.numel()] = params.table.flatten()
    object.__setattr__(params, "table", frame[: params.table.numel()].reshape(params.table.shape))
    with pytest.raises(ValueError, match="out must not share memory with params;"):
        synth(CLEAN, params, seed=7, out=frame.reshape(8, 12))


def assert_refused(synth, arguments, error, message):
    call = {"clean": CLEAN, "params": PARAMS, "seed": 7} | arguments
    with pytest.raises(error, match=message) as caught:
        synth(call.pop("clean"), call.pop("params"), **call)
    assert str(caught.value).startswith("fused_synth: ")


@pytest.mark.parametrize(("arguments", "error", "message"), TABLE)
def test_wrong_arguments_are_refused_by_both(arguments, error, message):
    assert_refused(reference_synth, arguments, error, message)
    assert_refused(fused_synth, arguments, error, message)


def test_seed_is_required_and_options_are_keywords():
    for synth in (reference_synth, fused_synth):
        with pytest.raises(TypeError, match="seed"):
            synth(CLEAN, PARAMS)
        with pytest.raises(TypeError):
            synth(CLEAN, PARAMS, 7)


def test_backends():
    with pytest.raises(ValueError, match=r"backend must be one of .*got 'gpu'"):
        fused_synth(CLEAN, PARAMS, seed=7, backend="gpu")
    with pytest.raises(ValueError, match="backend='cuda' needs clean on that device, got cpu"):
        fused_synth(CLEAN, PARAMS, seed=7, backend="cuda")
    same = fused_synth(CLEAN, PARAMS, seed=7, backend="reference")
    assert torch.equal(same, reference_synth(CLEAN, PARAMS, seed=7))


def test_without_the_compiled_module_the_reference_runs_with_one_warning(monkeypatch):
    from lrd_ext import synth

    monkeypatch.setattr(ops, "NATIVE", None)
    monkeypatch.setattr(ops, "WHY_NOT_NATIVE", "this installation holds no compiled module")
    synth._warn_once.cache_clear()
    with pytest.warns(RuntimeWarning, match="no compiled module.*LRD_EXT_NATIVE=1 pip install") as caught:
        got = [fused_synth(CLEAN, PARAMS, seed=7) for _ in range(3)]
    synth._warn_once.cache_clear()
    assert len(caught) == 1
    assert torch.equal(got[0], reference_synth(CLEAN, PARAMS, seed=7))
    with pytest.raises(RuntimeError, match="backend='cpu' is not available: this installation holds no"):
        fused_synth(CLEAN, PARAMS, seed=7, backend="cpu")


def test_out_is_not_written_by_a_refused_call():
    out = torch.full((8, 12), 5.0)
    with pytest.raises(ValueError, match="origin"):
        fused_synth(CLEAN, PARAMS, seed=7, origin=(1, 1), out=out)
    assert (out == 5.0).all()


@pytest.mark.parametrize(
    "shape", [(0, 8, 12), (0, 1, 8, 12), (0, 4, 4, 6), (2, 0, 12), (2, 8, 0), (0, 0), (2, 4, 0, 6)]
)
@pytest.mark.parametrize("output", ["normalized", "dn"])
def test_nothing_in_gives_nothing_out(synth, shape, output):
    got = synth(torch.zeros(shape), PARAMS, seed=7, output=output)
    assert got.shape == shape
    assert got.dtype == (torch.uint16 if output == "dn" else torch.float32)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"seed": 7}, {"seed": torch.tensor(7)}),
        ({"seed": 7}, {"seed": torch.tensor([[7]])}),
        ({"seed": 7}, {"seed": np.int64(7)}),
        ({"seed": 7}, {"seed": 7 + 2**64}),
        ({"seed": -1}, {"seed": 2**64 - 1}),
        ({"seed": -1}, {"seed": torch.tensor(-1)}),
        ({"seed": 2**63}, {"seed": torch.tensor(-(2**63))}),
        ({"seed": 7 - 2**70}, {"seed": 7}),
        ({"index": 5}, {"index": torch.tensor(5)}),
        ({"index": 5}, {"index": torch.tensor([5])}),
        ({"index": 2**56 - 1}, {"index": torch.tensor([2**56 - 1])}),
        ({"origin": (2, 4)}, {"origin": [2, 4]}),
        ({"origin": (2, 4)}, {"origin": (np.int32(2), torch.tensor(4))}),
    ],
    ids=str,
)
def test_equivalent_ways_to_say_it(synth, one, other):
    first = synth(CLEAN, PARAMS, **({"seed": 7} | one))
    assert torch.equal(first, synth(CLEAN, PARAMS, **({"seed": 7} | other)))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e38, -1e38, 1e-45])
@pytest.mark.parametrize("shot", [True, False])
def test_extreme_signal_never_crashes_and_stays_in_its_site(synth, value, shot):
    params = NoiseParams(
        K=2.0, ratio=10.0, white=1023.0, black=64.0, read="tukey_lambda", sigma_read=3.0, shot=shot
    )
    clean = CLEAN.clone()
    clean[3, 5] = value
    got, plain = (synth(c, params, seed=7, output="dn", clip="none") for c in (clean, CLEAN))
    touched = got.int() != plain.int()
    touched[3, 5] = False
    assert not touched.any()
    if math.isnan(value):
        assert got[3, 5].item() == 0
    if value == math.inf:
        assert got[3, 5].item() == 65535


@pytest.mark.parametrize(
    ("clean", "more"),
    [
        (torch.full((40, 40), torch.nan), {}),
        (torch.full((40, 40), 3.9), {}),  # overexposed
        (torch.where(torch.rand(40, 40) < 0.4, 1e4, 0.1), {}),  # many wild values
        (torch.full((40, 40), -500.0), {}),
        (torch.full((40, 40), 900, dtype=torch.uint16), {}),
        (torch.zeros(3, 30, 4), {}),
        (torch.zeros(3, 32, 30), {}),
        (torch.zeros(3, 32, 32), {"layout": "mosaic"}),
        (torch.zeros(40, 40, 4), {"layout": "mosaic"}),
        (torch.zeros(1, 40, 40), {}),
        (torch.zeros(5, 40, 40), {}),
    ],
    ids=lambda v: str(tuple(v.shape)) if isinstance(v, torch.Tensor) else "",
)
def test_what_only_seems_wrong_is_accepted(synth, clean, more):
    assert synth(clean, PARAMS, seed=7, **more).shape == clean.shape


def test_signal_in_electrons_of_a_range_of_1_is_no_raw_dn(synth):
    counting = NoiseParams(K=1.0, ratio=1.0, white=1.0, black=0.0)
    assert synth(torch.full((8, 8), 1e6), counting, seed=7, clip="none", output="dn_float").min() > 9e5


def test_version_is_public():
    assert lrd_ext.__version__
