# SPDX-License-Identifier: Apache-2.0
"""What the kernels are built for, on which GPUs they run, and what is said where they are missing."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from lrd_ext import fused_synth, installation, ops
from lrd_ext.params import NoiseParams

ROOT = Path(__file__).parents[2]
SPEC = importlib.util.spec_from_file_location("toolkit", ROOT / "build_support" / "cuda_toolkit.py")
toolkit = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(toolkit)

#: What nvcc 12.4 and 13.0 compile for.
OLD = SimpleNamespace(architectures=[50, 60, 70, 75, 80, 86, 87, 89, 90])
NEW = SimpleNamespace(architectures=[75, 80, 86, 87, 88, 89, 90, 100, 103, 110, 120, 121])


def seen(monkeypatch, *capabilities):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: len(capabilities))
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda i: capabilities[i])
    monkeypatch.setattr(ops, "_capability", lambda i, process: capabilities[i])


@pytest.mark.parametrize(
    ("gpus", "listed", "nvcc", "targets"),
    [
        ([], "", NEW, ["sm_80", "sm_90", "compute_90"]),
        ([], "7.5;12.0+PTX", NEW, ["sm_75", "sm_120", "compute_120"]),
        ([], "9.0a 5.0", NEW, ["sm_90"]),
        ([], "5.0", NEW, []),
        ([(9, 0)], "7.5", NEW, ["sm_90"]),
        ([(8, 6), (9, 0), (8, 6)], "", NEW, ["sm_86", "sm_90"]),
        ([(12, 0)], "", OLD, ["compute_90"]),
    ],
)
def test_targets(monkeypatch, gpus, listed, nvcc, targets):
    seen(monkeypatch, *gpus)
    monkeypatch.setenv("TORCH_CUDA_ARCH_LIST", listed)
    assert toolkit.choose_targets(nvcc) == targets


@pytest.mark.parametrize(
    ("targets", "capability", "serve"),
    [
        ("sm_80", (8, 0), True),
        ("sm_80", (8, 9), True),
        ("sm_86", (8, 0), False),
        ("sm_80", (9, 0), False),
        ("sm_80+sm_90+compute_90", (12, 0), True),
        ("sm_80+sm_90+compute_90", (7, 5), False),
        ("sm_120", (12, 1), True),
    ],
)
def test_machine_code_serves_its_generation_and_ptx_all_later_ones(targets, capability, serve):
    assert ops.targets_serve(targets, *capability) is serve


def test_every_reason_that_setup_gives_is_explained():
    words = set(re.findall(r'None, "(\w+)"', (ROOT / "setup.py").read_text()))
    words |= set(re.findall(r'None, "(\w+)"', (ROOT / "build_support/cuda_toolkit.py").read_text()))
    assert words == set(ops.WHY_NOT_CUDA)


@pytest.mark.native
@pytest.mark.parametrize("why_not", ops.WHY_NOT_CUDA)
def test_doctor_says_why_there_are_no_kernels(monkeypatch, why_not):
    monkeypatch.setattr(ops, "NATIVE", SimpleNamespace(cuda_targets="", cuda_why_not=why_not))
    assert ops.WHY_NOT_CUDA[why_not] in installation._cuda()


@pytest.mark.native
def test_kernels_for_another_gpu_are_named(monkeypatch):
    seen(monkeypatch, (7, 5))
    monkeypatch.setattr(ops, "NATIVE", SimpleNamespace(cuda_targets="sm_80+compute_90", cuda_why_not=""))
    assert "built for sm_80+compute_90, and device 0 is sm_75" in ops.why_not_cuda(0)


@pytest.mark.native
def test_a_fork_after_cuda_was_initialised_is_explained(monkeypatch):
    monkeypatch.setattr(ops, "NATIVE", SimpleNamespace(cuda_targets="sm_80", cuda_why_not=""))
    monkeypatch.setattr(torch.cuda, "_is_in_bad_fork", lambda: True)
    monkeypatch.setattr(ops.os, "getpid", lambda: -1)  # a child: nothing is known of its devices
    with pytest.raises(RuntimeError, match=r"Cannot re-initialize CUDA in forked subprocess.*'spawn'"):
        ops.why_not_cuda(0)


def test_backend_cuda_needs_a_cuda_tensor():
    params = NoiseParams(K=1.0, ratio=1.0, white=1023.0, black=64.0)
    with pytest.raises(ValueError, match="needs clean on that device, got cpu"):
        fused_synth(torch.zeros(2, 2), params, seed=0, backend="cuda")
