# SPDX-License-Identifier: Apache-2.0
"""What `lrd doctor` tells: what was compiled, which executor runs where, and why not CUDA."""

from __future__ import annotations

import importlib.metadata
import os
import platform

import torch

from . import ops
from .native import CURE
from .params import NoiseParams
from .reference import STREAM_VERSION
from .synth import fused_synth
from .version import __version__

PACKAGES = ("numpy", "scipy", "rawpy", "exifread", "tifffile", "pillow", "jsonargparse", "matplotlib")


def report() -> list[tuple[str, str]]:
    """Return (subject, finding) pairs about this installation."""
    return [
        ("lrd_ext", f"{__version__}, noise stream version {STREAM_VERSION}"),
        ("python", f"{platform.python_version()} on {platform.machine()} {platform.system()}"),
        ("torch", f"{torch.__version__}, {torch.get_num_threads()} threads"),
        *_native(),
        ("CUDA", _cuda()),
        ("self-check", _self_check()),
        ("packages", ", ".join(f"{name} {_version(name)}" for name in PACKAGES)),
    ]


def _native() -> list[tuple[str, str]]:
    if ops.NATIVE is None:
        return [
            ("compiled module", f"no: {ops.WHY_NOT_NATIVE}"),
            ("cure", CURE),
            ("executor", "reference (slow, pure torch)"),
        ]
    chosen_by = "LRD_EXT_ISA" if os.environ.get("LRD_EXT_ISA") else "the processor"
    return [
        ("compiled module", f"{ops.NATIVE.__file__}, by compiler {ops.NATIVE.compiler}"),
        (
            "executor",
            f"cpu on {ops.NATIVE.isa()} (chosen by {chosen_by} among {', '.join(ops.NATIVE.isa_names())})",
        ),
    ]


def _cuda() -> str:
    if ops.NATIVE is None:
        return f"no kernels: {ops.WHY_NOT_NATIVE}"
    if not ops.NATIVE.cuda_targets:
        return f"CUDA tensors run the reference executor: {ops.why_not_cuda(0)}"
    built = f"kernels for {ops.NATIVE.cuda_targets}"
    if not torch.cuda.is_available():
        return f"{built}; torch sees no GPU"
    return "; ".join([built, *(_device(i) for i in range(torch.cuda.device_count()))])


def _device(index: int) -> str:
    major, minor = torch.cuda.get_device_capability(index)
    named = f"device {index}, {torch.cuda.get_device_name(index)} (sm_{major}{minor})"
    return f"{named}: {ops.why_not_cuda(index) or 'ready'}"


def _self_check() -> str:
    """Draw one small frame with both executors and compare."""
    params = NoiseParams(K=1.5, ratio=1, white=16383, black=512, sigma_read=2, read="gaussian", sigma_row=0.5)
    clean = torch.linspace(0, 0.01, 64 * 64).reshape(64, 64)
    reference = fused_synth(clean, params, seed=1, output="dn", backend="reference").int()
    if ops.NATIVE is None:
        return "reference executor runs"
    differing = int((fused_synth(clean, params, seed=1, output="dn").int() != reference).sum())
    # Sites where float32 falls on the other side of a step than float64 are a few in a million.
    return f"compiled and reference executors agree on {4096 - differing} of 4096 pixels"


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "missing"
