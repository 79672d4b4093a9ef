# SPDX-License-Identifier: Apache-2.0
"""The form of a call: what its options and the shape of its frames say, whatever the frames hold.

Most programs make calls of few forms, so each is checked and worked out once.
"""

from __future__ import annotations

import contextlib
import functools
from typing import Any, Literal, NamedTuple, get_args

import torch

from .cfa import BAYER, ORDERS, plane_sites

Layout = Literal["auto", "mosaic", "packed"]
Output = Literal["normalized", "dn", "dn_float"]
Quantize = Literal["round", "uniform", "none"]
Clip = Literal["adc", "black", "none"]

LAYOUTS: tuple[str, ...] = get_args(Layout)
# Their order is that of the enums in csrc/noise/params.h.
OUTPUTS: tuple[str, ...] = get_args(Output)
QUANTIZE: tuple[str, ...] = get_args(Quantize)
CLIP: tuple[str, ...] = get_args(Clip)
FLOAT_OUTPUTS = (torch.float32, torch.float16, torch.bfloat16)

#: A 3-D tensor with 3 or 4 at one end and at least this much at the others is a picture, not mosaics.
PICTURE_SIDE = 32

#: Values of a scene that are looked at.
MOST_SEEN = 1024

#: Forms that are kept.
MOST_KEPT = 1024


class Form(NamedTuple):
    """What :class:`~lrd_ext.request.Request` holds under the same names, and the shape of its frames.

    ``frames`` is (batch, planes, height, width), one plane of a mosaic.
    """

    batch: int
    frames: tuple[int, int, int, int]
    packed: bool
    channels: tuple[int, int, int, int]
    output: str
    quantize: str
    clip: str
    dtype: torch.dtype


_KEPT: dict[Any, Form] = {}


def form_of(*given: Any) -> Form:
    """Return :func:`new_form` of the same arguments, kept from call to call."""
    if torch.compiler.is_compiling():  # sizes may be symbols
        return new_form(*given)
    try:
        form = _KEPT.get(given)
    except TypeError:  # what has no hash is no option, or a size that is being traced
        form = None
    if form is None:
        form = new_form(*given)
        if len(_KEPT) >= MOST_KEPT:
            _KEPT.clear()
        with contextlib.suppress(TypeError):
            _KEPT[given] = form
    return form


def new_form(
    shape: torch.Size,
    layout: str,
    order: str,
    cfa: str,
    output: str,
    quantize: str,
    clip: str,
    dtype: torch.dtype,
) -> Form:
    """Check and work out the form of a call whose clean frames have a shape; see :func:`lrd_ext.fused_synth`.

    Raises:
        TypeError: ``dtype`` does not go with ``output``.
        ValueError: an option is unknown, or the shape does not fit.
    """
    _choice("output", output, OUTPUTS)
    _choice("quantize", quantize, QUANTIZE)
    _choice("clip", clip, CLIP)
    packed = is_packed(tuple(shape), layout)
    if not packed and (shape[-2] % 2 or shape[-1] % 2):
        raise ValueError(
            "fused_synth: clean must have even height and width (whole 2x2 CFA cells), got "
            f"{tuple(shape)}. Crop or pad at even offsets; an odd one changes the CFA phase"
        )
    batch = shape[0] if len(shape) == 4 or (len(shape) == 3 and not packed) else 1
    return Form(
        batch=batch,
        frames=(batch, 4 if packed else 1, shape[-2], shape[-1]),
        packed=packed,
        channels=_channels(order, cfa, packed),
        output=output,
        quantize=quantize,
        clip=clip,
        dtype=_result_dtype(output, dtype),
    )


@functools.lru_cache(maxsize=MOST_KEPT)
def steps_of(frames: tuple[int, int, int, int]) -> tuple[int, int, int]:
    """Say which values are looked at, MOST_SEEN at most: those in every so many frames, rows and columns."""
    batch, planes, height, width = frames
    if batch * planes * height * width <= MOST_SEEN:
        return 1, 1, 1
    most = 16 if planes == 1 else 8  # 4 x 16 x 16, or 4 x 4 x 8 x 8 of packed frames
    # Odd along the sides: to see all sites of a mosaic.
    return -(-batch // 4), -(-height // most) | 1, -(-width // most) | 1


def _choice(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"fused_synth: {name} must be one of {allowed}, got {value!r}")


def is_packed(shape: tuple[int, ...], layout: str) -> bool:
    """Whether a tensor of that shape is read as packed planes, and not as mosaics.

    Raises:
        ValueError: it can be neither, or ``layout`` is unknown.
    """
    _choice("layout", layout, LAYOUTS)
    accepted = "mosaic (H, W), (B, H, W), (B, 1, H, W) or packed (B, 4, H/2, W/2)"
    if layout == "packed":
        if len(shape) not in (3, 4) or shape[-3] != 4:
            raise ValueError(
                f"fused_synth: clean with layout='packed' must be (4, h, w) or (B, 4, h, w), got {shape}"
            )
        return True
    if len(shape) == 4 and shape[1] == 4 and layout == "auto":
        return True
    if len(shape) == 3 and shape[0] == 4 and layout == "auto":
        raise ValueError(
            f"fused_synth: clean of shape {shape} is ambiguous; say layout='packed' for one packed frame "
            "or layout='mosaic' for four mosaics"
        )
    if layout == "auto" and len(shape) == 3:
        _refuse_picture(shape)
    if len(shape) in (2, 3) or (len(shape) == 4 and shape[1] == 1):
        return False
    raise ValueError(f"fused_synth: clean must be {accepted}, got {shape}")


def _refuse_picture(shape: tuple[int, ...]) -> None:
    if shape[0] == 3 and min(shape[1:]) >= PICTURE_SIDE:
        raise ValueError(
            f"fused_synth: clean of shape {shape} looks like an RGB picture, and noise is drawn on raw "
            "mosaics, one colour per site. Pass the mosaic (H, W), or layout='mosaic' if these are 3 mosaics"
        )
    if shape[2] in (3, 4) and min(shape[:2]) >= PICTURE_SIDE:
        planes = "clean.permute(2, 0, 1) with layout='packed' if these are four planes of a mosaic"
        mosaics = f"layout='mosaic' if these are {shape[0]} mosaics"
        raise ValueError(
            f"fused_synth: clean of shape {shape} looks like a picture with its channels last. Pass the raw "
            f"mosaic (H, W){f', or {planes}, or {mosaics}' if shape[2] == 4 else ''}"
        )


def _channels(order: str, cfa: str, packed: bool) -> tuple[int, int, int, int]:
    """Return the packed channel of each site."""
    _choice("order", order, ORDERS)
    _choice("cfa", cfa, BAYER)
    if order == "site":
        return 0, 1, 2, 3
    if not packed:
        raise ValueError(
            f"fused_synth: order={order!r} names the channels of packed frames, and clean is a mosaic. Leave "
            "order out, or pass packed frames (B, 4, h, w)"
        )
    sites = plane_sites(order, cfa)
    return sites.index(0), sites.index(1), sites.index(2), sites.index(3)


def _result_dtype(output: str, dtype: torch.dtype) -> torch.dtype:
    """Return the dtype of the result."""
    if output == "dn":
        if dtype not in (torch.float32, torch.uint16):  # float32 is merely the default of the argument
            raise TypeError(
                f"fused_synth: output 'dn' is uint16, got dtype={dtype}; ask for 'dn_float' instead"
            )
        return torch.uint16
    if dtype not in FLOAT_OUTPUTS:
        raise TypeError(
            f"fused_synth: dtype must be float32, float16 or bfloat16 for output {output!r}, got {dtype}"
        )
    return dtype
