# SPDX-License-Identifier: Apache-2.0
"""What fused_synth and reference_synth accept as generator and sigma_init.

Values are checked where that neither waits for a device nor breaks a graph; the compiled op checks again.
ISOs on a GPU are waited for, so that an unknown one is an error: giving sigma_init avoids the wait.
"""

from __future__ import annotations

import functools
import warnings
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from .torch_state import may_look, may_wait_for

if TYPE_CHECKING:
    from .params import NoiseParams

#: Range of sigma_init, DN: as wide as that of sigma_read, and what log() serves without special cases.
SIGMA_RANGE = (1e-6, 1e6)


def check_generator(generator: Any, sigma_init: Any, params: NoiseParams, batch: int) -> Tensor | None:
    """Check a call's generator and return its sigma_init, (1,) or (B,) float32 on params' device.

    Raises:
        TypeError: it is not a generator, or neither float32 nor bfloat16; sigma_init is not a number.
        ValueError: wrong device, size or value; an ISO that the generator does not know.
    """
    if generator is None:
        if sigma_init is not None:
            raise ValueError(f"fused_synth: sigma_init only goes with generator, got {sigma_init!r}")
        return None
    _check_module(generator, params.device)
    if sigma_init is None:
        sigma = _sigma_of_iso(generator, params)
    else:
        sigma = _sigma_tensor(sigma_init, batch, params.device)
    if params.read != "none" and not torch.compiler.is_compiling():
        _warn_of_read_noise_once()
    return sigma


def _check_module(generator: Any, device: torch.device) -> None:
    if not all(hasattr(generator, name) for name in ("widths", "once", "packed_weights", "sigma_init")):
        raise TypeError(
            f"fused_synth: generator must be a lrd_ext.generator.LiteGenerator, got "
            f"{type(generator).__name__}"
        )
    generator.once(("checked", device), lambda: _check_weights(generator, device))


def _check_weights(generator: Any, device: torch.device) -> None:
    first = next(generator.parameters()).dtype
    for name, weight in generator.named_parameters():
        if weight.dtype not in (torch.float32, torch.bfloat16) or weight.dtype != first:
            raise TypeError(
                "fused_synth: generator must hold float32 or bfloat16 weights, all alike, got "
                f"{weight.dtype} in {name}. Use generator.float() or generator.bfloat16()"
            )
        if weight.device != device:
            raise ValueError(
                f"fused_synth: generator must be on clean's device {device}, got {weight.device}. "
                f"Use generator.to({str(device)!r})"
            )
        if may_look(weight) and not bool(torch.isfinite(weight).all()):
            raise ValueError(
                f"fused_synth: generator must hold finite weights, got NaN or infinity in {name}"
            )


def _sigma_of_iso(generator: Any, params: NoiseParams) -> Tensor:
    if may_wait_for(params.iso) and bool(torch.isnan(params.iso).any()):
        raise ValueError(
            "fused_synth: sigma_init must be given where params.iso is NaN (unknown), because the "
            "generator's sigma_init follows ISO; pass sigma_init= or NoiseParams(iso=...)"
        )
    return generator.sigma_init(params.iso)


def _sigma_tensor(sigma_init: Any, batch: int, device: torch.device) -> Tensor:
    low, high = SIGMA_RANGE
    if isinstance(sigma_init, Tensor):
        if not sigma_init.is_floating_point() or sigma_init.requires_grad:
            raise TypeError(
                "fused_synth: sigma_init must be a number or a float tensor (B,) that requires no grad, got "
                f"{sigma_init.dtype}{' that requires grad' if sigma_init.requires_grad else ''}. "
                "LiteGenerator.forward is differentiable"
            )
        if sigma_init.shape not in ((), (1,), (batch,)):
            raise ValueError(
                f"fused_synth: sigma_init must be a number or ({batch},), got shape {tuple(sigma_init.shape)}"
            )
        if sigma_init.device != device:
            raise ValueError(
                f"fused_synth: sigma_init must be on clean's device {device}, got {sigma_init.device}"
            )
        sigma = sigma_init if sigma_init.dtype == torch.float32 else sigma_init.to(torch.float32)
        sigma = sigma if sigma.ndim == 1 else sigma.reshape(-1)
        if may_look(sigma) and not bool(((sigma >= low) & (sigma <= high)).all()):
            raise ValueError(
                f"fused_synth: sigma_init must be in [{low:g}, {high:g}] DN, got {sigma_init.tolist()}"
            )
        return sigma
    if isinstance(sigma_init, bool) or not isinstance(sigma_init, (int, float)):
        raise TypeError(f"fused_synth: sigma_init must be a number or a tensor (B,), got {sigma_init!r}")
    if not low <= sigma_init <= high:
        raise ValueError(f"fused_synth: sigma_init must be in [{low:g}, {high:g}] DN, got {sigma_init}")
    return torch.full((1,), float(sigma_init), dtype=torch.float32, device=device)


@functools.cache
def _warn_of_read_noise_once() -> None:
    warnings.warn(
        "fused_synth: the generator's noise is added to the read noise in params; a generator trained on "
        "dark frames holds the read noise already. params.shot_only() leaves the physical one out",
        UserWarning,
        stacklevel=5,
    )
