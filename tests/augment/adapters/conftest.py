# SPDX-License-Identifier: Apache-2.0
"""Libraries that may not be installed, and torchvision beside a torch without CUDA."""

from __future__ import annotations

import importlib.util

import pytest
import torch

from lrd_ext.augment import LowLightNoise

#: Operators that torchvision describes when it is imported, though its compiled part is not there.
_DESCRIBED = ("nms", "qnms")


def pytest_configure():
    """Let PyPI's torchvision be imported beside a CPU torch: its compiled part, made for CUDA, cannot load.

    Its transforms are plain torch and need none of it. Where the two fit together nothing is done.
    """
    if importlib.util.find_spec("torchvision") is None or torch.version.cuda is not None:
        return
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in _DESCRIBED:
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    pytest.torchvision_library = library


@pytest.fixture
def noise():
    return LowLightNoise(["sony_a7s2", "nikon_d850"], iso=(800, 3200), ratio=(50, 200), seed=7)


@pytest.fixture
def clean():
    return torch.rand(5, 4, 16, 24, generator=torch.Generator().manual_seed(1))
