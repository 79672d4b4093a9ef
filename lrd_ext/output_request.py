# SPDX-License-Identifier: Apache-2.0
"""What fused_synth and reference_synth give back: its dtype, and the buffers that receive it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

FLOAT_OUTPUTS = (torch.float32, torch.float16, torch.bfloat16)


def result_dtype(output: str, dtype: torch.dtype) -> torch.dtype:
    """Return the dtype of the result.

    Raises:
        TypeError: ``dtype`` does not go with ``output``.
    """
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


def check_buffers(
    buffers: Mapping[str, Tensor | None], read: Mapping[str, Any], clean: Tensor, dtype: torch.dtype
) -> None:
    """Check what the call writes to: all of the result's dtype, and float32 beside a result of uint16.

    Args:
        buffers: by name, None where the caller gives none.
        read: by name, what the call reads; only tensors matter.
        clean: of whose shape and device the buffers must be.
        dtype: of the result.

    Raises:
        TypeError: not a tensor, or of another dtype.
        ValueError: a shape or device that does not fit, not contiguous, or memory shared with another tensor.
    """
    seen = dict(read)
    for name, buffer in buffers.items():
        of_buffer = torch.float32 if name != "out" and dtype == torch.uint16 else dtype
        if buffer is not None:
            _check_buffer(name, buffer, clean, of_buffer)
            _check_apart(name, buffer, seen)
        seen[name] = buffer


def check_dense(name: str, tensor: Tensor) -> None:
    """Refuse tensors without plain memory.

    Raises:
        TypeError: ``tensor`` is sparse, nested or without values.
    """
    if tensor.layout is not torch.strided or tensor.is_nested or tensor.device.type == "meta":
        kind = "nested" if tensor.is_nested else "meta" if tensor.device.type == "meta" else tensor.layout
        raise TypeError(f"fused_synth: {name} must be a dense tensor with values, got a {kind} one")


def _check_buffer(name: str, buffer: Tensor, clean: Tensor, dtype: torch.dtype) -> None:
    if not isinstance(buffer, Tensor) or buffer.dtype != dtype:
        got = buffer.dtype if isinstance(buffer, Tensor) else type(buffer).__name__
        raise TypeError(f"fused_synth: {name} must be a tensor of {dtype}, got {got}")
    if buffer.shape != clean.shape or buffer.device != clean.device:
        raise ValueError(
            f"fused_synth: {name} must have clean's shape {tuple(clean.shape)} and device {clean.device}, "
            f"got {tuple(buffer.shape)} on {buffer.device}"
        )
    check_dense(name, buffer)
    if not buffer.is_contiguous() or buffer.requires_grad:
        raise ValueError(f"fused_synth: {name} must be contiguous and must not require grad")


def _check_apart(name: str, buffer: Tensor, others: Mapping[str, Any]) -> None:
    """Refuse a buffer that shares memory with another tensor of the call."""
    if torch.compiler.is_compiling():
        return
    first, end = buffer.data_ptr(), _end(buffer)
    shared = [
        other
        for other, t in others.items()
        if isinstance(t, Tensor) and t.data_ptr() < end and first < _end(t) and t.numel() and buffer.numel()
    ]
    if shared:
        raise ValueError(
            f"fused_synth: {name} must not share memory with {' or '.join(shared)}; give it memory of its own"
        )


def _end(t: Tensor) -> int:
    """The address behind a tensor's last element."""
    if t.is_contiguous():
        return t.data_ptr() + t.nbytes
    last = sum((size - 1) * stride for size, stride in zip(t.shape, t.stride(), strict=True))
    return t.data_ptr() + (last + 1) * t.element_size()
