# SPDX-License-Identifier: Apache-2.0
"""Steps, checkpoints, curves and progress of any training."""

from __future__ import annotations

import copy
import dataclasses
import math
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from torch import nn

from .checkpoints import Checkpoint, latest, read_checkpoint, write_checkpoint
from .descent import mean_over

if TYPE_CHECKING:
    from lightning_fabric import Fabric

#: A loss so many times the largest of the first steps has run away.
_RUNAWAY, _FIRST_STEPS = 1e3, 20


class DivergedError(ValueError):
    """The loss or a weight is no longer a number, or far beyond where it began."""


class Task(Protocol):
    """What is trained. A step depends on its number, the modules and the state only, so that it repeats."""

    @property
    def name(self) -> str:
        """What messages and curves call it."""

    @property
    def steps(self) -> int:
        """How many steps it takes."""

    @property
    def modules(self) -> Mapping[str, nn.Module]:
        """What it trains, by name."""

    def step(self, number: int) -> dict[str, float]:
        """Take step ``number`` and return what to plot, "loss" among it."""

    def state(self) -> dict[str, Any]:
        """Return tensors, numbers and names from which :meth:`restore` goes on exactly."""

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state; the modules hold theirs already."""

    def sheet(self) -> np.ndarray | None:
        """Return a picture (H, W, 3) uint8 of what the modules make now, or None."""


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a training keeps its files, and how often.

    ``fingerprint`` tells configuration and data: a checkpoint of another is refused. ``every_s`` seconds lie
    between checkpoints.
    """

    folder: Path
    fingerprint: str
    every_s: float = 60.0
    sheet_every: int = 25


def train(task: Task, fabric: Fabric, place: Place, *, resume: bool = False) -> None:
    """Take all steps of a task; at the end a checkpoint stands after its last one.

    Args:
        task: what is trained.
        fabric: launched; process 0 alone writes.
        place: where to.
        resume: go on after the last checkpoint, if there is one of this task; else it is replaced.

    Raises:
        DivergedError: the loss or a weight is no number any more, or ran away. The last checkpoint is good.
        ValueError: the checkpoint to resume is damaged or belongs to another training.
        OSError: a checkpoint cannot be written; the one before it is whole.
    """
    first = _restore(task, place) if resume else 0
    writer = _writer(place, task, first) if fabric.is_global_zero else None
    saved, beginning = time.monotonic(), 0.0
    for number in _progress(task, first, fabric):
        values = _means(fabric, task.step(number))
        beginning = max(beginning, abs(values["loss"])) if number < first + _FIRST_STEPS else beginning
        _check(task, number, values["loss"], beginning, place)
        if writer is not None:
            _plot(writer, task, number, values, place)
        late = _late(fabric, time.monotonic() - saved >= place.every_s)
        if late or number + 1 == task.steps:
            if fabric.is_global_zero:
                write_checkpoint(place.folder, _checkpoint(task, number + 1, place))
            saved = time.monotonic()
    if writer is not None:
        writer.close()


def train_all(tasks: Sequence[Task], fabric: Fabric, place: Place, *, resume: bool = False) -> None:
    """Train tasks one after the other; what a checkpoint to resume has behind it is not done again.

    Args and raises: as :func:`train`. The tasks share modules by name, those of a later one are restored.
    """
    path = latest(place.folder) if resume else None
    kept = read_checkpoint(path, place.fingerprint).task if path is not None else None
    first = next((i for i, task in enumerate(tasks) if task.name == kept), 0)
    for number, task in enumerate(tasks[first:]):
        train(task, fabric, place, resume=kept is not None and number == 0)


def _means(fabric: Fabric, values: dict[str, float]) -> dict[str, float]:
    """Average what processes plot: the curve is that of one with all the data, and all stop as one."""
    if fabric.world_size == 1:
        return values
    own = torch.tensor(list(values.values()), dtype=torch.float64, device=fabric.device)
    return dict(zip(values, mean_over(fabric, own).tolist(), strict=True))


def _late(fabric: Fabric, own: bool) -> bool:
    """Let process 0 decide for all: their clocks differ, and weights must be saved between the same steps."""
    return bool(fabric.broadcast(own)) if fabric.world_size > 1 else own


def _restore(task: Task, place: Place) -> int:
    path = latest(place.folder)
    if path is None:
        return 0
    kept = read_checkpoint(path, place.fingerprint)
    if kept.task != task.name:
        return 0
    for name, module in task.modules.items():
        module.load_state_dict(kept.modules[name])
    task.restore(kept.state)
    torch.set_rng_state(kept.random["cpu"])
    if torch.cuda.is_available() and kept.random["cuda"]:
        torch.cuda.set_rng_state_all(kept.random["cuda"])
    return kept.step


def _checkpoint(task: Task, step: int, place: Place) -> Checkpoint:
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return Checkpoint(
        fingerprint=place.fingerprint,
        task=task.name,
        step=step,
        modules={name: module.state_dict() for name, module in task.modules.items()},
        state=copy.copy(task.state()),
        random={"cpu": torch.get_rng_state(), "cuda": cuda},
    )


def _check(task: Task, number: int, loss: float, beginning: float, place: Place) -> None:
    finite = math.isfinite(loss) and all(
        bool(torch.isfinite(w).all()) for m in task.modules.values() for w in m.parameters()
    )
    if finite and abs(loss) <= _RUNAWAY * max(beginning, 1.0):
        return
    what = f"grew to {loss:.3g}" if finite else "or a weight is no longer a number"
    kept = latest(place.folder)
    rest = f"the last good checkpoint is {kept}" if kept else "there is no checkpoint yet"
    raise DivergedError(
        f"{task.name}: the loss {what} at step {number + 1} of {task.steps}; {rest}. Lower the rate in "
        "--config, or look at the data it learns from"
    )


def _progress(task: Task, first: int, fabric: Fabric) -> Any:
    from tqdm import tqdm

    quiet = not fabric.is_global_zero or not sys.stderr.isatty()
    return tqdm(range(first, task.steps), task.name, task.steps, initial=first, unit="step", disable=quiet)


def _writer(place: Place, task: Task, first: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(place.folder / "curves" / task.name.replace(" ", "_")), purge_step=first)


def _plot(writer: Any, task: Task, number: int, values: Mapping[str, float], place: Place) -> None:
    for name, value in values.items():
        writer.add_scalar(name, value, number + 1)
    if (number + 1) % place.sheet_every == 0 or number + 1 == task.steps:
        picture = task.sheet()
        if picture is not None:
            writer.add_image("sheet", picture, number + 1, dataformats="HWC")
