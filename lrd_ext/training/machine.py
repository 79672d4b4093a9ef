# SPDX-License-Identifier: Apache-2.0
"""Processes and devices of a training."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from .configuration import Machine

#: What tells a process of several machines where the first one is, and which it is on itself.
_PLACE = ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK")


def make_fabric(configuration: Machine) -> Fabric:
    """Return the plumbing a configuration asks for, not launched.

    Raises:
        ModuleNotFoundError: lightning-fabric is not installed.
        ValueError: the machine has no such accelerator, or nothing tells where the other machines are.
    """
    from lightning_fabric import Fabric
    from lightning_fabric.plugins.environments import LightningEnvironment

    if configuration.threads:
        torch.set_num_threads(configuration.threads)
    if configuration.accelerator == "cuda" and not torch.cuda.is_available():
        raise ValueError("accelerator: cuda needs a GPU that torch can use; say cpu or auto")
    several = configuration.devices * configuration.nodes > 1
    strategy: Any = "ddp" if several else "auto"
    fabric = Fabric(
        accelerator=configuration.accelerator,
        devices=configuration.devices,
        num_nodes=configuration.nodes,
        strategy=strategy,
        precision=configuration.precision,
    )
    missing = [name for name in _PLACE if name not in os.environ]
    found: Any = getattr(fabric.strategy, "cluster_environment", None)  # torchrun and Slurm tell it otherwise
    if configuration.nodes > 1 and missing and isinstance(found, LightningEnvironment):
        raise ValueError(f"nodes: {configuration.nodes} needs {', '.join(missing)} in the environment")
    return fabric


def is_alone_yet() -> bool:
    """Whether this process is the first of its training, and no other runs until the launch."""
    return "LOCAL_RANK" not in os.environ and os.environ.get("NODE_RANK", "0") == "0"
