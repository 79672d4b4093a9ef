# SPDX-License-Identifier: Apache-2.0
"""The loop all trainings share: checkpoints that are whole, exact resuming, curves, progress."""

from .checkpoints import Checkpoint, latest, read_checkpoint, write_checkpoint
from .loop import DivergedError, Task, train, train_all

__all__ = [
    "Checkpoint",
    "DivergedError",
    "Task",
    "latest",
    "read_checkpoint",
    "train",
    "train_all",
    "write_checkpoint",
]
