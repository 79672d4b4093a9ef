# SPDX-License-Identifier: Apache-2.0
"""Processes and devices of a training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from .configuration import Machine


def make_fabric(configuration: Machine) -> Fabric:
    """Return the plumbing a configuration asks for, not launched.

    Raises:
        ModuleNotFoundError: lightning-fabric is not installed.
        ValueError: the machine has no such accelerator.
    """
    from lightning_fabric import Fabric

    if configuration.threads:
        torch.set_num_threads(configuration.threads)
    if configuration.accelerator == "cuda" and not torch.cuda.is_available():
        raise ValueError("accelerator: cuda needs a GPU that torch can use; say cpu or auto")
    strategy: Any = "ddp" if configuration.devices > 1 else "auto"
    return Fabric(
        accelerator=configuration.accelerator,
        devices=configuration.devices,
        strategy=strategy,
        precision=configuration.precision,
    )
