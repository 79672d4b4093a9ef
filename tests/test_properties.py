# SPDX-License-Identifier: Apache-2.0
"""The noise field's invariances on shapes, strides, dtypes, origins and splits that hypothesis chooses."""

from __future__ import annotations

import math

import pytest
import torch
from quantile_tables import tables_for

from lrd_ext import NoiseParams, fused_synth, reference_synth
from lrd_ext.read_models import READ_MODELS
from lrd_ext.reference import bayer

hypothesis = pytest.importorskip("hypothesis")
st = hypothesis.strategies

pytestmark = pytest.mark.native

settings = hypothesis.settings(max_examples=60, deadline=None, derandomize=True)

cells = st.integers(1, 70)
seeds = st.integers(-(2**63), 2**64 - 1)
indices = st.integers(0, 2**56 - 8)
origins = st.tuples(*[st.integers(-(2**31) + 1, 2**31 - 200).map(lambda v: 2 * v)] * 2)
modes = st.fixed_dictionaries(
    {
        "output": st.sampled_from(["normalized", "dn", "dn_float"]),
        "quantize": st.sampled_from(["round", "uniform", "none"]),
        "clip": st.sampled_from(["adc", "black", "none"]),
    }
)
dtypes = st.sampled_from([torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.uint16])


@st.composite
def params(draw, batch=1):
    def each(low, high):
        return [draw(st.floats(low, high, width=32)) for _ in range(batch)]

    read = [draw(st.sampled_from(list(READ_MODELS))) for _ in range(batch)]
    return NoiseParams(
        K=each(0.125, 64),
        ratio=each(0.5, 512),
        white=each(1000, 65535),
        black=[each(0, 512)[0] for _ in range(4)],
        sigma_read=[0.0 if model == "none" else each(0, 64)[0] for model in read],
        tukey_lambda=each(-0.375, 0.5),
        sigma_row=each(0, 8),
        sigma_col=each(0, 8),
        bias=[each(-8, 8)[0] for _ in range(4)],
        read=read,
        shot=draw(st.booleans()),
        **tables_for(*read),
    )


def mosaics(batch, rows, cols, dtype, seed):
    frames = torch.rand(batch, 2 * rows, 2 * cols, generator=torch.Generator().manual_seed(seed % 2**63)) ** 2
    return (frames * 60000).to(dtype) if dtype == torch.uint16 else frames.to(dtype)


def same(one, other):
    return torch.equal(one.view(torch.uint8), other.contiguous().view(torch.uint8))


@settings
@hypothesis.given(
    data=st.data(), rows=cells, cols=cells, seed=seeds, index=indices, origin=origins, mode=modes
)
def test_a_crop_in_either_layout_is_a_window_on_the_whole(data, rows, cols, seed, index, origin, mode):
    p, dtype = data.draw(params()), data.draw(dtypes)
    top, left = data.draw(st.integers(0, rows - 1)), data.draw(st.integers(0, cols - 1))
    height, width = data.draw(st.integers(1, rows - top)), data.draw(st.integers(1, cols - left))
    frame = mosaics(1, rows, cols, dtype, seed)
    whole = fused_synth(frame, p, seed=seed, index=index, origin=origin, **mode)
    inner = (origin[0] + 2 * top, origin[1] + 2 * left)
    cut = (..., slice(2 * top, 2 * (top + height)), slice(2 * left, 2 * (left + width)))
    expected = whole[cut]
    assert same(fused_synth(frame[cut], p, seed=seed, index=index, origin=inner, **mode), expected)
    packed = bayer.to_cells(frame[cut], packed=False)
    got = fused_synth(packed, p, seed=seed, index=index, origin=inner, **mode)
    assert same(got, bayer.to_cells(expected, packed=False))


@settings
@hypothesis.given(
    data=st.data(), rows=cells, cols=cells, batch=st.integers(1, 5), seed=seeds, index=indices, mode=modes
)
def test_a_batch_splits_anywhere(data, rows, cols, batch, seed, index, mode):
    p, dtype = data.draw(params(batch)), data.draw(dtypes)
    split = data.draw(st.integers(0, batch))
    frames = mosaics(batch, rows, cols, dtype, seed)
    mode = mode | {"layout": "mosaic", "seed": seed}
    together = fused_synth(frames, p, index=index, **mode)
    for part in (slice(0, split), slice(split, batch)):
        if part.start < part.stop:
            got = fused_synth(frames[part], p.select(part), index=index + part.start, **mode)
            assert same(got, together[part])


@settings
@hypothesis.given(data=st.data(), rows=cells, cols=cells, seed=seeds, mode=modes)
def test_strides_do_not_matter(data, rows, cols, seed, mode):
    p, dtype = data.draw(params()), data.draw(dtypes)
    frame = mosaics(2, rows, cols, dtype, seed)
    order = data.draw(st.permutations(range(3)))
    inverse = [order.index(i) for i in range(3)]
    strided = frame.permute(order).contiguous().permute(inverse)
    assert same(fused_synth(strided, p, seed=seed, **mode), fused_synth(frame, p, seed=seed, **mode))


@settings
@hypothesis.given(
    data=st.data(), rows=st.integers(1, 12), cols=cells, seed=seeds, index=indices, origin=origins
)
def test_executors_are_within_one_step_of_each_other(data, rows, cols, seed, index, origin):
    p, dtype = data.draw(params()), data.draw(dtypes)
    frame = mosaics(1, rows, cols, dtype, seed)
    options = {"seed": seed, "index": index, "origin": origin, "output": "dn"}
    got, expected = (synth(frame, p, **options).int() for synth in (fused_synth, reference_synth))
    differs = got != expected
    # A word within 1e-6 of a step may give one electron more or less, K DN; a sum near a half integer 1 DN.
    assert (got - expected).abs().max() <= math.ceil(p.K.item()) + 1
    assert differs.double().mean() <= 0.01 or differs.sum() <= 2
