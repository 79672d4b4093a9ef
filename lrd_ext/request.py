# SPDX-License-Identifier: Apache-2.0
"""What fused_synth and reference_synth accept, checked once and brought to one form. Mirrors csrc/request.h.

Values are checked where that neither waits for a device nor breaks a graph: on the CPU, outside of tracing.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from torch import Tensor

from .call_form import Clip, Form, Layout, Output, Quantize, form_of, steps_of
from .cfa import Order
from .generator_request import check_generator
from .identity_request import cell_origin, checked_index, checked_seed, checked_sensor
from .native import NATIVE
from .output_request import check_buffers, check_dense
from .params import NoiseParams
from .torch_state import is_plain, may_look

INPUT_DTYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.uint16)

#: Normalized signal whose median is above this, in a range of at least DN_RANGE, is raw DN passed as float.
MOST_MEDIAN = 4.0
DN_RANGE = 255.0


@dataclasses.dataclass(eq=False, slots=True)  # a frozen one takes 2 us more to make
class Request:
    """A checked call: every tensor with its batch dimension, every default resolved.

    Frames, read or written, are (B, H, W) mosaics or, with ``packed``, (B, 4, H/2, W/2); ``dark`` may have a
    batch of 1; ``clean_out`` and ``sigma_out`` are float. ``given`` and ``result`` are what is read and given
    back, in the shape clean was given in. ``channels`` says which packed channel holds each site. ``seed`` is
    an int in [-2^63, 2^63) or () int64; ``index`` is the first sample's number, for those after it counted
    on, or (B,) int64; ``sensor`` the body of all, or (B,) int64. ``origin`` counts cells. ``dtype`` is the
    dtype of the result. ``sigma_init`` is (1,) or (B,) float32 where there is a generator. ``plain``: see
    :func:`~lrd_ext.torch_state.is_plain`, of ``given``.
    """

    given: Tensor
    batch: int
    params: NoiseParams
    seed: int | Tensor
    index: int | Tensor
    origin: tuple[int, int]
    packed: bool
    channels: tuple[int, int, int, int]
    dark: Tensor | None
    output: str
    quantize: str
    clip: str
    dtype: torch.dtype
    result: Tensor
    plain: bool
    generator: Any = None
    sigma_init: Tensor | None = None
    clean_out: Tensor | None = None
    sigma_out: Tensor | None = None
    sensor: int | Tensor = 0

    @property
    def clean(self) -> Tensor:
        """Frames that are read."""
        return _with_batch(self.given, self.packed)

    @property
    def out(self) -> Tensor:
        """Frames that receive the result."""
        return _with_batch(self.result, self.packed)


def check_arguments(
    clean: Tensor,
    params: NoiseParams,
    *,
    seed: int | Tensor,
    index: int | Tensor,
    origin: tuple[int, int],
    layout: Layout,
    generator: Any,
    sigma_init: Any,
    dark: Tensor | None,
    output: Output,
    quantize: Quantize,
    clip: Clip,
    dtype: torch.dtype,
    out: Tensor | None,
    order: Order,
    cfa: str,
    clean_out: Tensor | None,
    sigma_out: Tensor | None,
    sensor: int | Tensor,
) -> Request:
    """Check the arguments of one call; see :func:`lrd_ext.fused_synth` for their meaning.

    Raises:
        TypeError: an argument of the wrong type or dtype.
        ValueError: a shape, size, mode or device that does not fit.
    """
    _check_clean(clean)
    form = form_of(clean.shape, layout, order, cfa, output, quantize, clip, dtype)
    batch, packed, device, plain = form.batch, form.packed, clean.device, is_plain(clean)
    _check_params(params, batch, device)
    if not (plain and _is_dim(clean, form)):
        _check_signal(clean, form, params)
    sigma = check_generator(generator, sigma_init, params, batch)
    if out is not None or clean_out is not None or sigma_out is not None:
        buffers = {"out": out, "clean_out": clean_out, "sigma_out": sigma_out}
        read = {
            "clean": clean,
            "dark": dark,
            "params": params.table,
            "sigma_init": sigma,
            "seed": seed,
            "index": index,
            "sensor": sensor,
        }
        check_buffers(buffers, read, clean, form.dtype)
    seed, index = checked_seed(seed, device), checked_index(index, batch, device)
    sensor, cells = checked_sensor(sensor, batch, device), cell_origin(origin)
    dark = None if dark is None else _check_dark(dark, clean, packed, batch)
    if out is None:
        out = torch.empty_like(clean, dtype=form.dtype, memory_format=torch.contiguous_format)
    return Request(
        given=clean,
        batch=batch,
        params=params,
        seed=seed,
        index=index,
        origin=cells,
        packed=packed,
        channels=form.channels,
        dark=dark,
        output=output,
        quantize=quantize,
        clip=clip,
        dtype=form.dtype,
        result=out,
        plain=plain,
        generator=generator,
        sigma_init=sigma,
        clean_out=None if clean_out is None else _with_batch(clean_out, packed),
        sigma_out=None if sigma_out is None else _with_batch(sigma_out, packed),
        sensor=sensor,
    )


def _check_clean(clean: Tensor) -> None:
    if not isinstance(clean, Tensor):
        raise TypeError(f"fused_synth: clean must be a torch.Tensor, got {type(clean).__name__}")
    check_dense("clean", clean)
    if clean.dtype not in INPUT_DTYPES:
        raise TypeError(
            "fused_synth: clean must be float32, float64, float16 or bfloat16 in [0, 1], or uint16 raw DN, "
            f"got {clean.dtype}"
        )
    if clean.requires_grad:
        raise ValueError(
            "fused_synth: clean must not require grad, because drawing noise is not differentiable; "
            "pass clean.detach()"
        )


def _is_dim(clean: Tensor, form: Form) -> bool:
    """A quick look, the most common way: whether no value is above MOST_MEDIAN, as NaN would be."""
    if NATIVE is None or clean.dtype is not torch.float32 or not clean.is_contiguous():
        return False
    return NATIVE.at_most(clean.data_ptr(), form.frames, steps_of(form.frames), MOST_MEDIAN)


def _check_signal(clean: Tensor, form: Form, params: NoiseParams) -> None:
    """Refuse floats that look like raw DN, by the median of at most 1,024 values."""
    if clean.dtype == torch.uint16 or not may_look(clean) or clean.numel() == 0:
        return
    frame_step, row_step, column_step = steps_of(form.frames)
    seen = _with_batch(clean, form.packed)[::frame_step, ..., ::row_step, ::column_step]
    if float(seen.max()) <= MOST_MEDIAN:  # a quicker look, which NaN does not pass
        return
    median = float(seen.float().nanmedian())
    if median > MOST_MEDIAN and float((params.white - params.black.amin(1)).max()) >= DN_RANGE:
        raise ValueError(
            f"fused_synth: clean must be normalized to [0, 1] if it is float, and its median is {median:g}, "
            "which looks like raw DN. Pass them as uint16, or (raw - black) / (white - black)"
        )


def _with_batch(frame: Tensor, packed: bool) -> Tensor:
    if packed:
        return frame if frame.ndim == 4 else frame[None]
    if frame.ndim == 4:
        return frame[:, 0]
    return frame if frame.ndim == 3 else frame[None]


def _check_params(params: NoiseParams, batch: int, device: torch.device) -> None:
    if not isinstance(params, NoiseParams):
        raise TypeError(f"fused_synth: params must be NoiseParams, got {type(params).__name__}")
    table = params.table
    if table.shape[0] not in (1, batch):
        raise ValueError(
            f"fused_synth: params must hold 1 sample or as many as clean, got {len(params)} "
            f"for a batch of {batch}"
        )
    if table.device != device:
        raise ValueError(
            f"fused_synth: params must be on clean's device {device}, got {params.device}. "
            f"Use params.to({str(device)!r})"
        )


def _check_dark(dark: Tensor, clean: Tensor, packed: bool, batch: int) -> Tensor:
    if not isinstance(dark, Tensor) or dark.dtype != torch.float32:
        got = dark.dtype if isinstance(dark, Tensor) else type(dark).__name__
        raise TypeError(f"fused_synth: dark must be a float32 tensor, DN above black, got {got}")
    if dark.device != clean.device:
        raise ValueError(f"fused_synth: dark must be on clean's device {clean.device}, got {dark.device}")
    check_dense("dark", dark)
    if dark.requires_grad:
        raise ValueError("fused_synth: dark must not require grad; pass dark.detach()")
    size = tuple(clean.shape[-3:]) if packed else tuple(clean.shape[-2:])
    if packed:
        ok = dark.ndim in (3, 4) and tuple(dark.shape[-3:]) == size
    else:
        ok = (
            dark.ndim in (2, 3, 4)
            and tuple(dark.shape[-2:]) == size
            and (dark.ndim < 4 or dark.shape[1] == 1)
        )
    frames = _with_batch(dark, packed) if ok else dark
    if not ok or frames.shape[0] not in (1, batch):
        raise ValueError(
            f"fused_synth: dark must have clean's layout and size {size}, for one sample or for all {batch}, "
            f"got {tuple(dark.shape)}"
        )
    return frames
