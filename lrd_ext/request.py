# SPDX-License-Identifier: Apache-2.0
"""What fused_synth and reference_synth accept, checked once and brought to one form. Mirrors csrc/request.h.

Values are checked where that neither waits for a device nor breaks a graph: on the CPU, outside of tracing.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from .cfa import BAYER, ORDERS, Order, plane_sites
from .generator_request import check_generator, may_look
from .output_request import check_buffers, check_dense, result_dtype
from .params import NoiseParams

Layout = Literal["auto", "mosaic", "packed"]
Output = Literal["normalized", "dn", "dn_float"]
Quantize = Literal["round", "uniform", "none"]
Clip = Literal["adc", "black", "none"]

LAYOUTS: tuple[str, ...] = get_args(Layout)
# Their order is that of the enums in csrc/noise/params.h.
OUTPUTS: tuple[str, ...] = get_args(Output)
QUANTIZE: tuple[str, ...] = get_args(Quantize)
CLIP: tuple[str, ...] = get_args(Clip)
INPUT_DTYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.uint16)

#: A 3-D tensor with 3 or 4 at one end and at least this much at the others is a picture, not mosaics.
PICTURE_SIDE = 32

#: Values of a scene that are looked at.
MOST_SEEN = 1024

#: Normalized signal whose median is above this, in a range of at least DN_RANGE, is raw DN passed as float.
MOST_MEDIAN = 4.0
DN_RANGE = 255.0


@dataclasses.dataclass(eq=False, slots=True)  # a frozen one takes 2 us more to make
class Request:
    """A checked call: every tensor with its batch dimension, every default resolved.

    Frames, read or written, are (B, H, W) mosaics or, with ``packed``, (B, 4, H/2, W/2); ``dark`` may have a
    batch of 1; ``clean_out`` and ``sigma_out`` are float. ``channels`` says which packed channel holds each
    site. ``seed`` is an int in [-2^63, 2^63) or () int64; ``index`` is the first sample's number,
    for those after it counted on, or (B,) int64; ``sensor`` the body of all, or (B,) int64.
    ``origin`` counts cells. ``dtype`` is the dtype of the result. ``sigma_init`` is (1,) or (B,) float32
    where there is a generator.
    """

    clean: Tensor
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
    out: Tensor | None
    shape: torch.Size
    generator: Any = None
    sigma_init: Tensor | None = None
    clean_out: Tensor | None = None
    sigma_out: Tensor | None = None
    sensor: int | Tensor = 0


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
    _choice("output", output, OUTPUTS)
    _choice("quantize", quantize, QUANTIZE)
    _choice("clip", clip, CLIP)
    packed = _check_clean(clean, layout)
    channels = _channels(order, cfa, packed)
    frames = _with_batch(clean, packed)
    batch = frames.shape[0]
    _check_params(params, batch, clean.device)
    _check_signal(frames, params)
    of_result = result_dtype(output, dtype)
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
        check_buffers(buffers, read, clean, of_result)
    return Request(
        clean=frames,
        params=params,
        seed=_checked_seed(seed, clean.device),
        index=_checked_index(index, batch, clean.device),
        origin=_cell_origin(origin),
        packed=packed,
        channels=channels,
        dark=None if dark is None else _check_dark(dark, clean, packed, batch),
        output=output,
        quantize=quantize,
        clip=clip,
        dtype=of_result,
        out=None if out is None else _with_batch(out, packed),
        shape=clean.shape,
        generator=generator,
        sigma_init=sigma,
        clean_out=None if clean_out is None else _with_batch(clean_out, packed),
        sigma_out=None if sigma_out is None else _with_batch(sigma_out, packed),
        sensor=_checked_sensor(sensor, batch, clean.device),
    )


def _choice(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"fused_synth: {name} must be one of {allowed}, got {value!r}")


def _check_clean(clean: Tensor, layout: str) -> bool:
    """Check ``clean`` and tell whether it is packed."""
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
    packed = is_packed(tuple(clean.shape), layout)
    if not packed and (clean.shape[-2] % 2 or clean.shape[-1] % 2):
        raise ValueError(
            "fused_synth: clean must have even height and width (whole 2x2 CFA cells), got "
            f"{tuple(clean.shape)}. Crop or pad at even offsets; an odd one changes the CFA phase"
        )
    return packed


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


def _check_signal(frames: Tensor, params: NoiseParams) -> None:
    """Refuse floats that look like raw DN, by the median of at most 1,024 values."""
    if frames.dtype == torch.uint16 or frames.numel() == 0 or not may_look(frames):
        return
    seen = _some_values(frames)
    if float(seen.max()) <= MOST_MEDIAN:  # a quicker look, which NaN does not pass
        return
    median = float(seen.float().nanmedian())
    if median > MOST_MEDIAN and float((params.white - params.black.amin(1)).max()) >= DN_RANGE:
        raise ValueError(
            f"fused_synth: clean must be normalized to [0, 1] if it is float, and its median is {median:g}, "
            "which looks like raw DN. Pass them as uint16, or (raw - black) / (white - black)"
        )


def _some_values(frames: Tensor) -> Tensor:
    if frames.numel() <= MOST_SEEN:
        return frames
    most = 16 if frames.ndim == 3 else 8  # 4 x 16 x 16, or 4 x 4 x 8 x 8 of packed frames
    steps = [-(-size // most) | 1 for size in frames.shape[-2:]]  # odd: to see all sites of a mosaic
    return frames[:: -(-frames.shape[0] // 4), ..., :: steps[0], :: steps[1]]


def _with_batch(frame: Tensor, packed: bool) -> Tensor:
    if packed:
        return frame if frame.ndim == 4 else frame[None]
    if frame.ndim == 4:
        return frame[:, 0]
    return frame if frame.ndim == 3 else frame[None]


def _check_params(params: NoiseParams, batch: int, device: torch.device) -> None:
    if not isinstance(params, NoiseParams):
        raise TypeError(f"fused_synth: params must be NoiseParams, got {type(params).__name__}")
    if len(params) not in (1, batch):
        raise ValueError(
            f"fused_synth: params must hold 1 sample or as many as clean, got {len(params)} "
            f"for a batch of {batch}"
        )
    if params.device != device:
        raise ValueError(
            f"fused_synth: params must be on clean's device {device}, got {params.device}. "
            f"Use params.to({str(device)!r})"
        )


def _integer(name: str, value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value  # before anything is asked of it: torch.compile traces a number as a symbol
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"fused_synth: {name} must be an int or an int64 tensor, got {value!r}")
    return int(value)


def _int64_tensor(name: str, value: Tensor, device: torch.device) -> Tensor:
    if value.dtype != torch.int64:
        raise TypeError(
            f"fused_synth: {name} must be an int64 tensor or an int, got a tensor of {value.dtype}"
        )
    return value if value.device == device else value.to(device)


def _checked_seed(seed: int | Tensor, device: torch.device) -> int | Tensor:
    if isinstance(seed, Tensor):
        if seed.numel() != 1:
            raise ValueError(f"fused_synth: seed must hold one number, got shape {tuple(seed.shape)}")
        seed = _int64_tensor("seed", seed, device)
        return seed if seed.ndim == 0 else seed.reshape(())
    number = _integer("seed", seed)
    if -(2**63) <= number <= 2**63 - 1:
        return number
    return (number + 2**63) % 2**64 - 2**63


def _checked_index(index: int | Tensor, batch: int, device: torch.device) -> int | Tensor:
    if isinstance(index, Tensor):
        if index.shape not in ((batch,), ()) or (index.ndim == 0 and batch > 1):
            raise ValueError(
                f"fused_synth: index must be an int or hold one number per sample, ({batch},), "
                f"got shape {tuple(index.shape)}"
            )
        return _identities("index", index, batch, device)
    first = _integer("index", index)
    if not 0 <= first <= 2**56 - max(batch, 1):
        raise ValueError(f"fused_synth: index must be in [0, 2^56 - batch size], got {first}")
    return first


def _identities(name: str, value: Tensor, batch: int, device: torch.device) -> Tensor:
    value = _int64_tensor(name, value, device)
    value = value if value.ndim == 1 else value.reshape(batch)
    if may_look(value) and bool((value >> 56).any()):
        raise ValueError(f"fused_synth: {name} must be in [0, 2^56), got {value[value >> 56 != 0][0].item()}")
    return value


def _checked_sensor(sensor: int | Tensor, batch: int, device: torch.device) -> int | Tensor:
    if isinstance(sensor, Tensor):
        if tuple(sensor.shape) not in ((batch,), (), (1,)):
            raise ValueError(
                f"fused_synth: sensor must be an int, one body for all, or hold one number per sample, "
                f"({batch},), got shape {tuple(sensor.shape)}"
            )
        return _identities("sensor", sensor.expand(batch), batch, device)
    number = _integer("sensor", sensor)
    if not 0 <= number < 2**56:
        raise ValueError(f"fused_synth: sensor must be in [0, 2^56), got {number}")
    return number


def _cell_origin(origin: tuple[int, int]) -> tuple[int, int]:
    if not isinstance(origin, (tuple, list)) or len(origin) != 2:
        raise TypeError(f"fused_synth: origin must be (row, col), got {origin!r}")
    row, col = _integer("origin", origin[0]), _integer("origin", origin[1])
    if row % 2 or col % 2 or not (-(2**32) < row < 2**32 and -(2**32) < col < 2**32):
        raise ValueError(
            f"fused_synth: origin must be two even numbers within 2^32 (an odd one changes the CFA phase), "
            f"got {origin}"
        )
    return row // 2, col // 2


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
