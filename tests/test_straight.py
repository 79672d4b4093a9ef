# SPDX-License-Identifier: Apache-2.0
"""Calls that leave torch's dispatcher out: the same bits, and never where the dispatcher has work to do."""

from __future__ import annotations

import functools

import pytest
import torch
from quantile_tables import HUMP
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils._python_dispatch import TorchDispatchMode

from lrd_ext import NoiseParams, fused_synth, ops
from lrd_ext.call_form import MOST_SEEN, steps_of

pytestmark = pytest.mark.native

LEVELS = {"K": 2.0, "ratio": 30.0, "white": 4095.0, "black": [64.0, 65.0, 66.0, 67.0]}
PARAMS = NoiseParams(**LEVELS, read="gaussian", sigma_read=3.0, sigma_row=1.0, sigma_col=2.0)
TWO = NoiseParams.cat([PARAMS, PARAMS.to_range(0.0, 1023.0)])
MOSAIC = torch.rand(8, 12, generator=torch.Generator().manual_seed(0))
MOSAICS = torch.rand(2, 1, 8, 12, generator=torch.Generator().manual_seed(1))
PACKED = torch.rand(2, 4, 70, 66, generator=torch.Generator().manual_seed(2))


@pytest.fixture
def ways(monkeypatch):
    """How many calls went straight, and how many by the op."""
    counted = {"straight": 0, "op": 0}

    def count(way, carry_out, request):
        counted[way] += 1
        carry_out(request)

    for way, name in (("straight", "_synthesize_straight"), ("op", "_dispatch")):
        monkeypatch.setattr(ops, name, functools.partial(count, way, getattr(ops, name)))
    return counted


CALLS = {
    "mosaic": (MOSAIC, PARAMS, {}),
    "mosaics": (MOSAICS, TWO, {"index": 2**55, "origin": (-6, 2**31)}),
    "packed": (PACKED, PARAMS, {"seed": -(2**63)}),
    "rgbg": (PACKED, TWO, {"order": "rgbg", "cfa": "GBRG"}),
    "half": (MOSAIC.half(), PARAMS, {"dtype": torch.bfloat16, "quantize": "uniform"}),
    "dn": ((4095 * MOSAIC).to(torch.uint16), PARAMS, {"output": "dn", "clip": "black"}),
    "dn_float": (MOSAIC, PARAMS, {"output": "dn_float", "quantize": "none", "clip": "none"}),
    "no shot": (MOSAIC, NoiseParams(**LEVELS, sigma_row=1.0, shot=False), {}),
    "empirical": (MOSAIC, NoiseParams(**LEVELS, sigma_read=2.0, read="empirical", read_table=HUMP), {}),
    "sensor": (PACKED, NoiseParams(**LEVELS, sigma_dsnu=2.0, step=4.0), {"sensor": 5}),
    "out": (MOSAIC, PARAMS, {"out": torch.empty(8, 12)}),
}


@pytest.mark.parametrize("name", CALLS)
def test_both_ways_give_the_same_bits(name, ways, monkeypatch):
    clean, params, options = CALLS[name]
    options = {"seed": 7} | options
    straight = fused_synth(clean, params, **options).clone()
    monkeypatch.setattr(ops, "_goes_straight", lambda request: False)
    by_op = fused_synth(clean, params, **options)
    assert ways == {"straight": 1, "op": 1}
    assert straight.dtype == by_op.dtype
    assert torch.equal(straight.view(torch.uint8), by_op.view(torch.uint8))


def test_out_itself_comes_back():
    out = torch.empty(8, 12)
    assert fused_synth(MOSAIC, PARAMS, seed=7, out=out) is out
    assert torch.equal(out, fused_synth(MOSAIC, PARAMS, seed=7))


class Own(torch.Tensor):
    pass


BY_OP = {
    "strided": {"clean": MOSAIC.T.contiguous().T},
    "float64": {"clean": MOSAIC.double()},
    "negated view": {"clean": torch._neg_view(-MOSAIC)},
    "class of its own": {"clean": MOSAIC.as_subclass(Own)},
    "out of its own": {"out": torch.empty(8, 12).as_subclass(Own)},
    "nothing": {"clean": MOSAIC[:0]},
    "seed": {"seed": torch.tensor(7)},
    "index": {"index": torch.tensor([0])},
    "sensor": {"sensor": torch.tensor([0])},
    "dark": {"dark": torch.zeros(8, 12)},
    "target": {"clean_out": torch.empty(8, 12)},
}


@pytest.mark.parametrize("name", BY_OP)
def test_what_is_not_plain_goes_by_the_op(name, ways):
    call = {"clean": MOSAIC, "seed": 7} | BY_OP[name]
    clean = call.pop("clean")
    got = fused_synth(clean, PARAMS, **call)
    assert ways == {"straight": 0, "op": 1}
    expected = fused_synth(clean.as_subclass(torch.Tensor).float().contiguous(), PARAMS, seed=7)
    assert torch.equal(got.as_subclass(torch.Tensor), expected)


class Seen(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.ops = []

    def __torch_dispatch__(self, op, types, args=(), kwargs=None):
        self.ops.append(op)
        return op(*args, **(kwargs or {}))


def test_modes_profilers_and_tracers_see_the_op(ways):
    the_op, expected = torch.ops.lrd_ext.fused_synth.default, fused_synth(MOSAIC, PARAMS, seed=7)
    dn = (4095 * MOSAIC).to(torch.uint16)
    with Seen() as seen:
        assert torch.equal(fused_synth(MOSAIC, PARAMS, seed=7), expected)
    assert the_op in seen.ops
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiler:
        fused_synth(MOSAIC, PARAMS, seed=7)
    assert "lrd_ext::fused_synth" in {event.key for event in profiler.key_averages()}
    graph = make_fx(lambda clean: fused_synth(clean, PARAMS, seed=7))(dn)
    assert the_op in {node.target for node in graph.graph.nodes}
    assert ways["straight"] == 1


def test_vmap_is_refused_and_not_passed_by(ways):
    dn = torch.zeros(3, 8, 12, dtype=torch.uint16)
    with pytest.raises(RuntimeError, match=r"Batching rule not implemented for lrd_ext::fused_synth"):
        torch.vmap(lambda clean: fused_synth(clean, PARAMS, seed=7))(dn)
    with pytest.raises(RuntimeError, match=r"vmap.*\.item\(\)"):
        torch.vmap(lambda clean: fused_synth(clean, PARAMS, seed=7))(dn.float())
    assert ways["straight"] == 0


def test_the_table_is_checked_on_both_ways(monkeypatch):
    params = PARAMS.to("cpu").select([0])
    params.table[:, 16] = 9.0
    for straight in (True, False):
        if not straight:
            monkeypatch.setattr(ops, "_goes_straight", lambda request: False)
        with pytest.raises(RuntimeError, match="table must hold codes of read models, got 9"):
            fused_synth(MOSAIC, params, seed=7)


def test_every_second_sample_of_a_batch_is_a_batch():
    assert torch.equal(
        fused_synth(MOSAICS, NoiseParams.cat([TWO, TWO]).select(slice(0, 4, 3)), seed=7),
        fused_synth(MOSAICS, TWO, seed=7),
    )


@pytest.mark.parametrize("shape", [(5, 4, 40, 36), (2, 1, 60, 34), (1, 1, 4, 4)])
def test_the_quick_look_sees_what_the_median_is_taken_of(shape):
    steps = steps_of(shape)
    frames = torch.rand(shape, generator=torch.Generator().manual_seed(3))
    seen = frames[:: steps[0], :, :: steps[1], :: steps[2]]
    assert seen.numel() <= MOST_SEEN
    for place in torch.randint(frames.numel(), (200,), generator=torch.Generator().manual_seed(4)).tolist():
        before = frames.view(-1)[place].item()
        for value in (4.5, torch.nan):
            frames.view(-1)[place] = value
            quick = ops.NATIVE.at_most(frames.data_ptr(), shape, steps, 4.0)
            assert quick == bool((seen <= 4.0).all())
        frames.view(-1)[place] = before
    assert ops.NATIVE.at_most(frames.data_ptr(), shape, steps, 4.0)


def test_a_module_refuses_what_it_cannot_read():
    ints = [16, 0, 16, 0, 16, 1, 3, 1, 2, 2]
    with pytest.raises(ValueError, match="synth: needs clean, out and a table as wide as the kernels read"):
        ops.NATIVE.synth(*ints, [], True, 0, 0, 0, 7, 0, 0, 0, 0)
