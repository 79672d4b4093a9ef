# SPDX-License-Identifier: Apache-2.0
"""The buffers that receive what fused_synth and reference_synth give back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


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
    if tensor.layout is not torch.strided or tensor.is_nested or tensor.is_meta:
        kind = "nested" if tensor.is_nested else "meta" if tensor.is_meta else tensor.layout
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
    """Refuse a contiguous buffer that shares memory with another tensor of the call."""
    if torch.compiler.is_compiling():
        return
    first = buffer.data_ptr()
    end = first + buffer.nbytes
    shared = [other for other, t in others.items() if _is_tensor(t) and _shares(t, first, end)]
    if shared:
        raise ValueError(
            f"fused_synth: {name} must not share memory with {' or '.join(shared)}; give it memory of its own"
        )


def _is_tensor(value: Any) -> bool:
    return value is not None and not isinstance(value, int) and isinstance(value, Tensor)  # ints are many


def _shares(t: Tensor, first: int, end: int) -> bool:
    """Whether one of a tensor's elements lies in memory from ``first`` up to ``end``."""
    begin = t.data_ptr()
    if begin >= end or first >= end or t.numel() == 0:
        return False
    if t.is_contiguous():
        return first < begin + t.nbytes
    last = sum((size - 1) * stride for size, stride in zip(t.shape, t.stride(), strict=True))
    return first < begin + (last + 1) * t.element_size()
