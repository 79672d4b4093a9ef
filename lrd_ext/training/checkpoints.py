# SPDX-License-Identifier: Apache-2.0
"""Checkpoints: whole files or none, and refused where they belong to another training."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path
from typing import Any

import torch

from lrd_ext.outputs import replacing

VERSION = 1
NAME = "last.ckpt"


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """A training after ``step`` steps of its task.

    ``fingerprint`` tells configuration and data; ``modules`` state of each module by name; ``state`` that of
    the task, its optimizers included; ``random`` state of torch's own generators.
    """

    fingerprint: str
    task: str
    step: int
    modules: dict[str, Any]
    state: dict[str, Any]
    random: dict[str, Any]


def latest(folder: Path) -> Path | None:
    """Return the checkpoint of a training's folder, None if it has none."""
    path = folder / NAME
    return path if path.is_file() else None


def write_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Put a checkpoint in place of the last one, which stays if anything fails.

    Raises:
        OSError: the system refuses to write; the file is named.
    """
    data = io.BytesIO()
    torch.save({"version": VERSION, **dataclasses.asdict(checkpoint)}, data)
    with replacing(folder / NAME) as file:
        file.write(data.getbuffer())


def read_checkpoint(path: Path, fingerprint: str) -> Checkpoint:
    """Read a checkpoint; nothing in it is executed.

    Raises:
        ValueError: it is damaged, of another release, or of another configuration or data.
    """
    data = io.BytesIO(path.read_bytes())
    try:
        content = torch.load(data, map_location="cpu", weights_only=True)
        version = content.pop("version")
        checkpoint = Checkpoint(**content)
    except Exception as error:  # whatever the parts of the reader raise for a damaged file
        raise ValueError(f"{path}: is no whole checkpoint ({type(error).__name__}). Remove it") from error
    if version != VERSION:
        raise ValueError(f"{path}: must be of version {VERSION}, got {version!r}; another release wrote it")
    if checkpoint.fingerprint != fingerprint:
        raise ValueError(
            f"{path}: belongs to a training of another configuration, profile or other frames. Go on with "
            "those, or begin anew by --overwrite in place of --resume"
        )
    return checkpoint
