# SPDX-License-Identifier: Apache-2.0
"""What seed, index, origin, layout, batch and crop mean: the noise is a field that calls look at."""

from __future__ import annotations

import itertools

import pytest
import torch

from lrd_ext import NoiseParams, fused_synth
from lrd_ext.cfa import BAYER, plane_sites, unpack
from lrd_ext.cfa import pack as cfa_pack
from lrd_ext.reference import bayer

CAMERA = {"K": 2.3, "ratio": 50.0, "white": 4095.0, "black": [64.0, 65.0, 63.5, 64.25]}
NOISE = {
    "read": "tukey_lambda",
    "sigma_read": 4.0,
    "tukey_lambda": -0.1,
    "sigma_row": 1.5,
    "sigma_col": 0.8,
    "bias": [0.3, -0.1, 0.2, 0.0],
}
PARAMS = NoiseParams(**CAMERA, **NOISE)


def scene(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) ** 2


def pack(mosaic):
    return bayer.to_cells(mosaic, packed=False)


MODES = [
    {},
    {"output": "dn"},
    {"output": "dn_float", "quantize": "uniform", "clip": "black"},
    {"quantize": "none", "clip": "none"},
]
mode = pytest.mark.parametrize("mode", MODES, ids=str)


@mode
def test_mosaic_and_packed_are_the_same_noise(synth, mode):
    mosaic, dark = scene(2, 38, 70), scene(1, 38, 70, seed=1) * 9
    flat = synth(mosaic, PARAMS, seed=3, index=4, dark=dark, **mode)
    packed = synth(pack(mosaic), PARAMS, seed=3, index=4, dark=pack(dark), **mode)
    assert torch.equal(pack(flat), packed)
    assert torch.equal(
        flat, synth(mosaic[:, None], PARAMS, seed=3, index=4, dark=dark[:, None], **mode)[:, 0]
    )


@mode
@pytest.mark.parametrize("cfa", BAYER)
@pytest.mark.parametrize("order", ["rgbg", "rggb"])
def test_channels_in_order_of_colour_are_the_same_sites(synth, mode, order, cfa):
    mosaic, dark = scene(2, 38, 70), scene(2, 38, 70, seed=1) * 9
    expected = synth(mosaic, PARAMS, seed=3, index=4, dark=dark, **mode)
    by_colour = {"order": order, "cfa": cfa}
    options = {"seed": 3, "index": 4, "dark": cfa_pack(dark, **by_colour), **by_colour, **mode}
    got = synth(cfa_pack(mosaic, **by_colour), PARAMS, **options)
    assert torch.equal(unpack(got, **by_colour), expected)
    by_site = synth(cfa_pack(mosaic, **by_colour), PARAMS, **options | {"order": "site"})
    assert torch.equal(got, by_site) == (plane_sites(order, cfa) == (0, 1, 2, 3))
    out = torch.empty_like(got)[:1]
    first = {"out": out, "dark": options["dark"][:1], "layout": "packed"}
    one = synth(cfa_pack(mosaic[:1], **by_colour), PARAMS, **options | first)
    assert one.data_ptr() == out.data_ptr()
    assert torch.equal(out, got[:1])


def test_every_shape_of_one_frame_gives_the_same_numbers(synth):
    frame = scene(10, 14)
    expected = synth(frame, PARAMS, seed=3, index=9)
    for shape in ((1, 10, 14), (1, 1, 10, 14)):
        got = synth(frame.view(shape), PARAMS, seed=3, index=9)
        assert got.shape == shape
        assert torch.equal(got.view(10, 14), expected)
    cells = pack(frame[None])
    assert torch.equal(synth(cells[0], PARAMS, seed=3, index=9, layout="packed"), pack(expected[None])[0])
    four = scene(4, 10, 14)
    assert synth(four, PARAMS, seed=3, layout="mosaic").shape == (4, 10, 14)
    assert not torch.equal(
        synth(four, PARAMS, seed=3, layout="mosaic"), synth(four, PARAMS, seed=3, layout="packed")
    )


@mode
@pytest.mark.parametrize(
    "window", [(0, 0, 6, 8), (2, 4, 20, 34), (64, 126, 36, 72), (98, 196, 2, 4)], ids=str
)
def test_a_crop_of_the_noise_is_the_noise_of_the_crop(synth, mode, window):
    top, left, height, width = window
    cut = (slice(top, top + height), slice(left, left + width))
    frame, dark = scene(100, 200), scene(100, 200, seed=1) * 9
    whole = synth(frame, PARAMS, seed=3, index=4, origin=(10, 20), dark=dark, **mode)
    options = {"seed": 3, "index": 4, "dark": dark[cut], **mode}
    assert torch.equal(synth(frame[cut], PARAMS, origin=(10 + top, 20 + left), **options), whole[cut])


def test_origin_wraps_where_the_sensor_field_does(synth):
    # Cells are counted mod 2^32: frames at negative rows and across the ends of the range are as good as any.
    frame = scene(8, 8)
    for edge in (2**32 - 4, -(2**32) + 2, -4):
        whole = synth(frame, PARAMS, seed=3, origin=(edge, edge))
        if abs(edge + 4) < 2**32:
            part = synth(frame[4:, 4:], PARAMS, seed=3, origin=(edge + 4, edge + 4))
            assert torch.equal(whole[4:, 4:], part)


def test_index_is_the_identity_of_a_sample(synth):
    frames = scene(1, 12, 20).expand(5, 12, 20)
    together = synth(frames, PARAMS, seed=3, index=7)
    for i in range(5):
        assert torch.equal(synth(frames[i], PARAMS, seed=3, index=7 + i), together[i])
    order = torch.tensor([11, 7, 2**40, 9, 7])
    shuffled = synth(frames, PARAMS, seed=3, index=order)
    assert torch.equal(shuffled[1], together[0])
    assert torch.equal(shuffled[1], shuffled[4])
    assert torch.equal(shuffled[3], together[2])
    strided = torch.tensor([[7, 0], [8, 0], [9, 0], [10, 0], [11, 0]])[:, 0]
    assert torch.equal(synth(frames, PARAMS, seed=3, index=strided), together)


def test_any_bit_of_seed_and_index_changes_the_noise(synth):
    frame = scene(12, 20)
    results = [synth(frame, PARAMS, seed=1 << bit, index=0) for bit in range(64)]
    results += [synth(frame, PARAMS, seed=0, index=1 << bit) for bit in range(56)]
    assert len({result.numpy().tobytes() for result in results}) == 64 + 56


def test_indices_at_both_ends_of_their_range_within_one_batch(synth):
    frames = scene(1, 6, 6).expand(3, 6, 6)
    index = torch.tensor([2**56 - 1, 0, 2**32])
    together = synth(frames, PARAMS, seed=3, index=index)
    for i, one in enumerate(index.tolist()):
        assert torch.equal(together[i], synth(frames[i], PARAMS, seed=3, index=one))
    assert not torch.equal(together[1], together[2])


def test_parameters_of_each_sample(synth):
    K = torch.tensor([0.5, 3.0, 20.0])
    params = NoiseParams(**(CAMERA | {"K": K}), **(NOISE | {"sigma_read": [1.0, 5.0, 9.0]}))
    frames = scene(3, 12, 20)
    together = synth(frames, params, seed=3, index=7)
    for i in range(3):
        assert torch.equal(synth(frames[i], params.select(i), seed=3, index=7 + i), together[i])


@mode
def test_a_batch_of_64_is_64_single_calls(synth, mode):
    frames, dark = scene(64, 6, 70), scene(64, 6, 70, seed=1)
    together = synth(frames, PARAMS, seed=3, index=100, dark=dark, **mode)
    for i in range(64):
        alone = synth(frames[i], PARAMS, seed=3, index=100 + i, dark=dark[i], **mode)
        assert torch.equal(alone, together[i])


@pytest.mark.parametrize("packed", [False, True])
def test_a_dark_frame_for_all_or_for_each(synth, packed):
    shape = (3, 4, 5, 6) if packed else (3, 10, 12)
    frames, dark = scene(*shape), scene(*shape, seed=1) * 20
    each = synth(frames, PARAMS, seed=3, dark=dark)
    for form in (dark[:1], dark[0]):
        assert torch.equal(
            synth(frames, PARAMS, seed=3, dark=form),
            synth(frames, PARAMS, seed=3, dark=dark[:1].expand(shape)),
        )
    for i in range(3):
        one = synth(frames, PARAMS, seed=3, dark=dark[i])
        assert torch.equal(one[i], each[i])


def test_a_whole_dark_frame_adds_itself(synth):
    plain = NoiseParams(K=2.0, ratio=1.0, white=4095.0, black=64.0)
    frame, dark = scene(10, 12) * 0.5, torch.arange(120.0).view(10, 12)
    options = {"seed": 3, "output": "dn_float", "clip": "none"}
    assert torch.equal(
        synth(frame, plain, dark=dark, **options), synth(frame, plain, **options) + dark
    )  # whole DN on both sides: exact


def test_bias_is_added_by_site(synth):
    plain = {"K": 2.0, "ratio": 1.0, "white": 4095.0, "black": 64.0}
    frame = scene(10, 12) * 0.5
    options = {"seed": 3, "output": "dn_float", "clip": "none"}
    shifted = synth(frame, NoiseParams(**plain, bias=[1.0, 20.0, -3.0, 400.0]), **options)
    difference = shifted - synth(frame, NoiseParams(**plain), **options)
    expected = torch.tensor([[1.0, 20.0], [-3.0, 400.0]]).repeat(5, 6)
    assert torch.equal(difference, expected)


def test_one_row_value_per_mosaic_row_and_one_column_value_per_mosaic_column(synth):
    options = {"seed": 3, "output": "dn_float", "quantize": "none", "clip": "none"}
    levels = {"K": 1.0, "ratio": 1.0, "white": 1.0, "black": 0.0, "shot": False}
    rows = synth(torch.zeros(40, 30), NoiseParams(**levels, sigma_row=1.0), **options)
    assert (rows == rows[:, :1]).all()
    assert rows[:, 0].unique().numel() == 40
    columns = synth(torch.zeros(40, 30), NoiseParams(**levels, sigma_col=1.0), **options)
    assert (columns == columns[:1]).all()
    assert columns[0].unique().numel() == 30


@pytest.mark.parametrize("output", ["normalized", "dn", "dn_float"])
@pytest.mark.parametrize("packed", [False, True])
def test_out_receives_the_result(synth, output, packed):
    frame = scene(2, 4, 6, 8) if packed else scene(2, 12, 16)
    expected = synth(frame, PARAMS, seed=3, output=output)
    out = torch.empty_like(expected)
    result = synth(frame, PARAMS, seed=3, output=output, out=out)
    assert result.data_ptr() == out.data_ptr()
    assert result.shape == frame.shape
    assert torch.equal(out, expected)


def test_out_may_be_a_slice_of_a_larger_tensor_and_nothing_else_is_written(synth):
    memory = torch.full((4, 12, 18), -7.0)
    frame = scene(2, 12, 18)
    synth(frame, PARAMS, seed=3, out=memory[1:3])
    assert torch.equal(memory[1:3], synth(frame, PARAMS, seed=3))
    assert (memory[0] == -7).all()
    assert (memory[3] == -7).all()


def test_inputs_are_left_alone(synth):
    frame, dark = scene(12, 16), scene(12, 16, seed=1)
    kept = frame.clone(), dark.clone()
    synth(frame, PARAMS, seed=3, dark=dark)
    assert torch.equal(frame, kept[0])
    assert torch.equal(dark, kept[1])


def views():
    wide = scene(40, 60)
    yield "transposed", wide.t()[:20, :30]
    yield "every other column", wide[:20, ::2]
    yield "every third row", wide[: 3 * 12 : 3, 4:34]
    yield "cropped", wide[3:23, 5:35]
    yield "expanded", scene(1, 30).expand(20, 30)
    yield "one value", torch.tensor([[0.3]]).expand(20, 30)
    yield "flipped", wide[:20, :30].flip(1)
    yield "channels last", scene(2, 6, 8, 4).permute(0, 3, 1, 2)
    yield "narrow", scene(20, 4)[:, 1:3]
    yield "batch stride 0", scene(1, 20, 30).expand(3, 20, 30)
    yield "negated lazily", torch._neg_view(-wide[:20, :30])


@pytest.mark.parametrize(("name", "view"), list(views()), ids=[name for name, _ in views()])
def test_views_of_any_strides(synth, name, view):
    copy = view.clone(memory_format=torch.contiguous_format)
    dark = view * 30
    assert torch.equal(
        synth(view, PARAMS, seed=3, dark=dark), synth(copy, PARAMS, seed=3, dark=dark.contiguous())
    )


@pytest.mark.native
def test_strides_beyond_2_to_the_31(tmp_path):
    # A sparse file as memory: 2^33 + 64 elements of which a few pages exist.
    far = 2**32 + 16
    size = 2 * far + 64
    memory = torch.from_file(str(tmp_path / "sparse"), shared=True, size=size, dtype=torch.uint16)
    clean = memory.as_strided((2, 2, 6), (far, 2**31 + 32, 1))
    clean.copy_((torch.arange(24) + 500).view(2, 2, 6).to(torch.uint16))
    got = fused_synth(clean, PARAMS, seed=3, backend="cpu")
    assert torch.equal(got, fused_synth(clean.contiguous(), PARAMS, seed=3, backend="cpu"))


@pytest.mark.native
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.uint16])
@pytest.mark.parametrize("shift", [0, 1, 8])
def test_an_output_larger_than_caches_has_the_same_bits(packed, dtype, shift):
    # From 8 MiB on outputs are written past the caches, by whole cache lines; shifted ones fill none.
    mosaic = scene(2, 1300, 4000)
    frames = pack(mosaic) if packed else mosaic
    options = {"seed": 3, "backend": "cpu"}
    options |= {"output": "dn"} if dtype == torch.uint16 else {"dtype": dtype}
    memory = torch.zeros(frames.numel() + 2 * shift, dtype=dtype)
    out = memory[shift : shift + frames.numel()].view(frames.shape)
    fused_synth(frames, PARAMS, out=out, **options)
    third = frames.shape[-2] // 6 * 2  # of a frame: 7 MB or less, written in the ordinary way
    parts = (slice(third), slice(third, 2 * third), slice(2 * third, None))
    for i, rows in itertools.product(range(2), parts):
        origin = ((rows.start or 0) * (2 if packed else 1), 0)
        part = fused_synth(frames[i : i + 1, ..., rows, :], PARAMS, index=i, origin=origin, **options)
        assert torch.equal(out[i : i + 1, ..., rows, :], part)
    assert not memory[:shift].any()
    assert not memory[shift + frames.numel() :].any()


@pytest.mark.native
@pytest.mark.parametrize("threads", [1, 2, 7])
def test_any_number_of_threads_gives_the_same_bits(threads):
    frames = scene(5, 130, 300)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        expected = fused_synth(frames, PARAMS, seed=3, backend="cpu")
        torch.set_num_threads(threads)
        got = fused_synth(frames, PARAMS, seed=3, backend="cpu")
    finally:
        torch.set_num_threads(before)
    assert torch.equal(got, expected)


@pytest.fixture
def flush_denormals():
    """Yield what switches flushing on; it is off again afterwards."""
    yield lambda: torch.set_flush_denormal(True) or pytest.skip("this processor cannot flush denormals")
    torch.set_flush_denormal(False)


def test_flushing_denormals_changes_no_camera_noise(synth, flush_denormals):
    frames = scene(2, 40, 70)
    frames[:, ::3, ::5] = 1e-40
    expected = [synth(frames, PARAMS, seed=3, **mode) for mode in MODES]
    flush_denormals()
    for mode, result in zip(MODES, expected, strict=True):
        assert torch.equal(synth(frames, PARAMS, seed=3, **mode), result)


@pytest.mark.native
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_flushing_denormals_changes_not_even_denormals(flush_denormals, dtype):
    # Black 0 and nothing rounded: signal of subnormal size is the whole result, and flushed it would be 0.
    # (float64 is left out: torch itself turns it to float32 first, and flushes.)
    params = NoiseParams(K=1.0, ratio=2.0**-10, white=1.0, black=0.0, shot=False)
    tiny = torch.full(
        (8, 8), torch.finfo(torch.float16).tiny / 8 if dtype == torch.float16 else 1e-40, dtype=dtype
    )
    options = {"seed": 3, "quantize": "none", "clip": "none", "output": "dn_float", "backend": "cpu"}
    expected = fused_synth(tiny, params, **options)
    flush_denormals()
    got = fused_synth(tiny, params, **options)
    torch.set_flush_denormal(False)
    assert (expected != 0).all()
    assert torch.equal(got, expected)


def test_no_light_gives_exactly_no_electrons(synth):
    params = NoiseParams(K=3.0, ratio=100.0, white=4095.0, black=64.0)
    for value in (0.0, -0.0, -1.0):
        got = synth(
            torch.full((64, 64), value), params, seed=3, output="dn_float", quantize="none", clip="none"
        )
        assert not got.any()


def test_negative_signal_survives_without_shot_noise(synth):
    params = NoiseParams(K=3.0, ratio=2.0, white=4095.0, black=95.0, shot=False)
    got = synth(torch.full((4, 4), -0.01), params, seed=3, output="dn_float", quantize="none")
    assert torch.allclose(got, torch.full((4, 4), -20.0))
    assert (synth(torch.full((4, 4), -0.01), params, seed=3, clip="black") == 0).all()


@pytest.mark.parametrize(("clip", "lowest"), [("adc", -64.0), ("black", 0.0)])
def test_clipping_saturates_at_both_ends(synth, clip, lowest):
    params = NoiseParams(K=1.0, ratio=1.0, white=1023.0, black=64.0, read="gaussian", sigma_read=500.0)
    got = synth(torch.full((64, 64), 0.5), params, seed=3, output="dn_float", clip=clip)
    assert got.min().item() == lowest
    assert got.max().item() == 1023.0 - 64.0
    free = synth(torch.full((64, 64), 0.5), params, seed=3, output="dn_float", clip="none")
    assert free.min().item() < -64.0
    assert torch.equal(got, free.clamp(lowest, 959.0))


def test_dn_saturates_at_both_ends_of_uint16(synth):
    params = NoiseParams(K=1.0, ratio=1.0, white=60000.0, black=1000.0, read="gaussian", sigma_read=40000.0)
    got = synth(torch.full((64, 64), 0.5), params, seed=3, output="dn", clip="none").int()
    assert got.min().item() == 0
    assert got.max().item() == 65535


def test_uint16_input_is_read_as_raw_dn(synth):
    black = torch.tensor(CAMERA["black"])
    raw = torch.randint(70, 4000, (4, 8, 10), generator=torch.Generator().manual_seed(2)).to(torch.uint16)
    clean = (raw.float() - black.view(2, 2).repeat(4, 5)) / (4095.0 - black.view(2, 2).repeat(4, 5))
    from_raw = synth(raw, PARAMS, seed=3, layout="mosaic", output="dn_float").double()
    from_float = synth(clean, PARAMS, seed=3, layout="mosaic", output="dn_float").double()
    # The two signals differ by float32 rounding, so a count may step, rarely: by K, rounded up.
    assert (from_raw != from_float).double().mean() < 0.01
    assert (from_raw - from_float).abs().max() <= 3
    top = torch.full((2, 2), 65535, dtype=torch.uint16)
    exact = NoiseParams(K=1.0, ratio=1.0, white=65535.0, black=0.0, shot=False)
    assert synth(top, exact, seed=3, output="dn_float").unique().tolist() == [65535.0]
