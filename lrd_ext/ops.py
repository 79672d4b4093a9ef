# SPDX-License-Identifier: Apache-2.0
"""Glue to the compiled op torch.ops.lrd_ext.fused_synth: loading, its fake implementation, calling it."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor

from .params import READ_MODELS, NoiseParams
from .request import CLIP, OUTPUTS, QUANTIZE, Request

#: Columns of the parameter table the op takes, one row per sample. Mirrors csrc/noise/params.h.
TABLE = ("K", "ratio", "white", "sigma_read", "tukey_lambda", "sigma_row", "sigma_col")


def _load() -> tuple[ModuleType | None, str]:
    """Return the compiled module, or None and the reason why there is none."""
    try:
        return importlib.import_module("lrd_ext._C"), ""
    except ModuleNotFoundError:
        if (Path(__file__).parents[1] / "setup.py").exists():
            return None, "the source tree was imported, which holds no compiled module"
        return None, "this installation holds no compiled module"
    except ImportError as error:
        return None, f"the compiled module does not load: {error}"


#: The compiled module or None, and why not.
NATIVE, WHY_NOT_NATIVE = _load()

#: What to do about it.
CURE = (
    "run from another folder to use the installed package, or, with a C++ compiler, "
    "LRD_EXT_NATIVE=1 pip install -e ."
    if "source tree" in WHY_NOT_NATIVE
    else "install a C++ compiler and then LRD_EXT_NATIVE=1 pip install ."
)

#: Why a compiled module has no CUDA kernels, by the word that setup.py leaves in it.
WHY_NOT_CUDA = {
    "switched_off": "it was built with LRD_EXT_CUDA=0",
    "cpu_torch": "it was built beside a torch without CUDA; LRD_EXT_CUDA=1 builds the kernels all the same",
    "no_toolkit": "no CUDA toolkit (nvcc) was found when it was built",
    "nvcc_fails": "nvcc did not run when it was built",
    "toolkit_too_old": "the CUDA toolkit was older than 12.4 when it was built",
    "no_common_target": "nvcc could compile for none of the architectures asked for",
}


def why_not_cuda(device: int) -> str:
    """Say why the compiled module cannot serve this CUDA device; nothing if it can. Waits for nothing."""
    if NATIVE is None:
        return WHY_NOT_NATIVE
    if not NATIVE.cuda_targets:
        return f"the compiled module has no CUDA kernels, because {WHY_NOT_CUDA[NATIVE.cuda_why_not]}"
    if torch.compiler.is_compiling():  # asking the device would break the graph; the op complains
        return ""
    capability = torch.cuda.get_device_capability(device)
    if targets_serve(NATIVE.cuda_targets, *capability):
        return ""
    return (
        f"the CUDA kernels were built for {NATIVE.cuda_targets}, and device {device} is sm_"
        f"{capability[0]}{capability[1]}; rebuild on that machine, or with TORCH_CUDA_ARCH_LIST naming it"
    )


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

    @torch.library.register_fake("lrd_ext::fused_synth")
    def _fused_synth_fake(
        clean: Tensor,
        table: Tensor,
        seed: Tensor,
        index: Tensor,
        dark: Tensor | None,
        origin_row: int,
        origin_col: int,
        packed: bool,
        read: int,
        shot: bool,
        output: int,
        quantize: int,
        clip: int,
        out: Tensor,
        weights: Tensor | None = None,
        sigma_init: Tensor | None = None,
        width_1: int = 0,
        width_2: int = 0,
        width_3: int = 0,
        bfloat16: bool = False,
    ) -> None:
        return None


def parameter_table(params: NoiseParams) -> Tensor:
    """Return params as the (B, 15) float32 table the op takes: TABLE, black by site, bias by site."""
    scalars = torch.stack([getattr(params, name) for name in TABLE], dim=1)
    return torch.cat([scalars, params.black, params.bias], dim=1)


def run(request: Request) -> Tensor:
    """Carry out a checked request with the compiled op."""
    clean = _with_contiguous_rows(request.clean)
    if clean.dtype == torch.float64:
        clean = clean.to(torch.float32)
    out = request.out
    if out is None:
        out = torch.empty(clean.shape, dtype=request.dtype, device=clean.device)
    torch.ops.lrd_ext.fused_synth(
        clean,
        parameter_table(request.params),
        request.seed,
        request.index.contiguous(),
        None if request.dark is None else _with_contiguous_rows(request.dark),
        request.origin[0],
        request.origin[1],
        request.packed,
        READ_MODELS.index(request.params.read),
        request.params.shot,
        OUTPUTS.index(request.output),
        QUANTIZE.index(request.quantize),
        CLIP.index(request.clip),
        out,
        *_generator_arguments(request),
    )
    return out.view(request.shape)


def _generator_arguments(request: Request) -> tuple[Tensor | int, ...]:
    if request.generator is None or request.sigma_init is None:
        return ()
    generator, widths = request.generator, request.generator.widths
    if request.clean.device.type == "cuda":
        weights, widths = generator.packed_weights_for_cuda(), (max(widths),) * len(widths)
    else:
        weights = generator.packed_weights()
    sigma_init = request.sigma_init.contiguous()
    return (weights, sigma_init, *(*widths, 0, 0)[:3], generator.bfloat16_weights)


def _with_contiguous_rows(frames: Tensor) -> Tensor:
    return frames if frames.shape[-1] < 2 or frames.stride(-1) == 1 else frames.contiguous()
