# SPDX-License-Identifier: Apache-2.0
"""Glue to the compiled op torch.ops.lrd_ext.fused_synth: its fake implementation, calling it."""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from .call_form import CLIP, OUTPUTS, QUANTIZE
from .figures import FIGURES
from .native import NATIVE, WHY_NOT_NATIVE
from .read_models import READ_MODELS
from .request import Request
from .sensor_figures import SENSOR_FIGURES

#: Why a compiled module has no CUDA kernels, by the word that setup.py leaves in it.
WHY_NOT_CUDA = {
    "switched_off": "it was built with LRD_EXT_CUDA=0",
    "cpu_torch": "it was built beside a torch without CUDA; LRD_EXT_CUDA=1 builds the kernels all the same",
    "no_toolkit": "no CUDA toolkit (nvcc) was found when it was built",
    "nvcc_fails": "nvcc did not run when it was built",
    "toolkit_too_old": "the CUDA toolkit was older than 12.4 when it was built",
    "no_common_target": "nvcc could compile for none of the architectures asked for",
}


def _check_built_for(native: ModuleType) -> None:
    """Compare the names the module was compiled with with those of this package.

    Raises:
        ImportError: they differ, so that parameters would be taken for others without a word.
    """
    own = {
        "table_columns": [*((name, figure.width) for name, figure in FIGURES.items()), ("read", 1)],
        "sensor_columns": [(name, figure.width) for name, figure in SENSOR_FIGURES.items()],
        "read_models": list(READ_MODELS),
    }
    for what, expected in own.items():
        compiled = getattr(native, what, "nothing")
        if compiled != expected:
            raise ImportError(
                f"lrd_ext: the compiled module was built from other sources: its {what} are {compiled}, "
                f"those of this package {expected}. Build it again: pip install -e . in a clone, else "
                "pip install --force-reinstall --no-deps lrd_ext"
            )


def why_not_cuda(device: int) -> str:
    """Say why the compiled module cannot serve this CUDA device; nothing if it can. Waits for nothing."""
    if NATIVE is None:
        return WHY_NOT_NATIVE
    if not NATIVE.cuda_targets:
        return f"the compiled module has no CUDA kernels, because {WHY_NOT_CUDA[NATIVE.cuda_why_not]}"
    if torch.compiler.is_compiling():  # asking the device would break the graph; the op complains
        return ""
    capability = _capability(device, os.getpid())
    if targets_serve(NATIVE.cuda_targets, *capability):
        return ""
    return (
        f"the CUDA kernels were built for {NATIVE.cuda_targets}, and device {device} is sm_"
        f"{capability[0]}{capability[1]}; rebuild on that machine, or with TORCH_CUDA_ARCH_LIST naming it"
    )


@functools.cache  # asked of every call; a child made by fork asks anew and is told why it may not
def _capability(device: int, process: int) -> tuple[int, int]:
    return torch.cuda.get_device_capability(device)


@functools.cache  # likewise
def targets_serve(targets: str, major: int, minor: int) -> bool:
    """Tell whether "sm_80+compute_90" run on a device: machine code within a generation, PTX upward."""
    for target in targets.split("+"):
        kind, number = target.split("_")
        if kind == "sm" and divmod(int(number), 10)[0] == major and int(number) <= 10 * major + minor:
            return True
        if kind == "compute" and int(number) <= 10 * major + minor:
            return True
    return False


if NATIVE is not None:
    _check_built_for(NATIVE)

    @torch.library.register_fake("lrd_ext::fused_synth")
    def _fused_synth_fake(
        clean: Tensor,
        table: Tensor,
        seed: Tensor | None,
        index: Tensor | None,
        seed_value: int,
        first_index: int,
        origin_row: int,
        origin_col: int,
        dark: Tensor | None,
        channels: list[int],
        shot: bool,
        output: int,
        quantize: int,
        clip: int,
        out: Tensor,
        weights: Tensor | None = None,
        sigma_init: Tensor | None = None,
        widths: Sequence[int] = (),
        bfloat16: bool = False,
        clean_out: Tensor | None = None,
        sigma_out: Tensor | None = None,
        sensor: Tensor | None = None,
        sensor_value: int = 0,
    ) -> None:
        return None


def run(request: Request) -> Tensor:
    """Carry out a checked request with the compiled op."""
    if _goes_straight(request):
        _synthesize_straight(request)
    else:
        _dispatch(request)
    return request.result


#: The code of each dtype the kernels read and write. Mirrors Dtype in csrc/request.h.
_DTYPES = {torch.float32: 0, torch.float16: 1, torch.bfloat16: 2, torch.uint16: 3}


def _goes_straight(q: Request) -> bool:
    """Whether torch's dispatcher, which takes longer than small frames do, has nothing to do in a call.

    Tensors of seed, index or sensor, dark frames, generators and targets go by the op, as do frames apart in
    memory and those without any.
    """
    return (
        q.plain
        and type(q.result) is Tensor
        and not q.result.is_neg()
        and isinstance(q.seed, int)
        and isinstance(q.index, int)
        and isinstance(q.sensor, int)
        and q.dark is q.generator is q.clean_out is q.sigma_out is None
        and q.given.dtype in _DTYPES
        and q.given.is_contiguous()
        and q.given.data_ptr() != 0
        and q.params.table.is_contiguous()
    )


def _synthesize_straight(q: Request) -> None:
    """Call what the op calls; see csrc/module.cpp."""
    assert NATIVE is not None  # asked for where the executor is chosen
    given, table = q.given, q.params.table
    NATIVE.synth(
        given.data_ptr(),
        _DTYPES[given.dtype],
        q.result.data_ptr(),
        _DTYPES[q.dtype],
        table.data_ptr(),
        *table.shape,
        q.batch,
        *given.shape[-2:],
        q.channels if q.packed else (),
        q.params.shot,
        OUTPUTS.index(q.output),
        QUANTIZE.index(q.quantize),
        CLIP.index(q.clip),
        q.seed,
        q.index,
        q.sensor,
        *q.origin,
    )


def _dispatch(request: Request) -> None:
    clean = _with_contiguous_rows(request.clean)
    if clean.dtype == torch.float64:
        clean = clean.to(torch.float32)
    arguments = (
        clean,
        request.params.table,
        *_number_or_tensor(request.seed, request.index),
        *request.origin,
        None if request.dark is None else _with_contiguous_rows(request.dark),
        list(request.channels) if request.packed else [],
        request.params.shot,
        OUTPUTS.index(request.output),
        QUANTIZE.index(request.quantize),
        CLIP.index(request.clip),
        request.out,
    )
    beside = request.generator is not None or request.clean_out is not None or request.sigma_out is not None
    if not beside and not request.params.has_sensor:
        torch.ops.lrd_ext.fused_synth.default(*arguments)
    else:
        wanted = request.clean_out, request.sigma_out
        sensor = _number_or_tensor(0, request.sensor)
        body = sensor[1], sensor[3]
        torch.ops.lrd_ext.fused_synth.default(*arguments, *_generator_arguments(request), *wanted, *body)


def _number_or_tensor(seed: int | Tensor, index: int | Tensor) -> tuple[Any, Any, Any, Any]:
    """Return seed and index as tensors or None, then as numbers."""
    seeds = (None, seed) if isinstance(seed, int) else (seed, 0)
    indices = (None, index) if isinstance(index, int) else (index.contiguous(), 0)
    return seeds[0], indices[0], seeds[1], indices[1]


def _generator_arguments(request: Request) -> tuple[Any, ...]:
    if request.generator is None or request.sigma_init is None:
        return None, None, [], False
    generator, widths = request.generator, request.generator.widths
    if request.clean.is_cuda:
        weights, widths = generator.packed_weights_for_cuda(), (max(widths),) * len(widths)
    else:
        weights = generator.packed_weights()
    sigma_init = request.sigma_init.contiguous()
    return weights, sigma_init, list(widths), generator.bfloat16_weights


def _with_contiguous_rows(frames: Tensor) -> Tensor:
    return frames if frames.stride(-1) == 1 or frames.shape[-1] < 2 else frames.contiguous()
