# SPDX-License-Identifier: Apache-2.0
"""Options that all trainings share: what is trained, by how many processes, and where it is written."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from pathlib import Path

    from jsonargparse import Namespace

    from lrd_ext.training.configuration import Machine

    from .parser import Parser

    C = TypeVar("C", bound=Machine)


def add_configuration(parser: Parser) -> None:
    """Add the options."""
    preset = "cpu (default) or gpu: what to train, and how"
    parser.add_argument("--preset", type=str, default="cpu", metavar="NAME", help=preset)
    parser.add_argument("--config", type=str, metavar="YAML", help="keys that change the preset")
    parser.add_argument(
        "--devices", type=int, metavar="N", help="processes on each machine, one for each GPU"
    )
    parser.add_argument(
        "--nodes",
        type=int,
        metavar="M",
        help="machines; each runs this command with MASTER_ADDR, MASTER_PORT and NODE_RANK, or by torchrun",
    )


def add_resume(parser: Parser, what: str) -> None:
    """Add the options that say what becomes of an earlier training."""
    parser.add_argument(
        "--resume", action="store_true", help="go on from the last checkpoint, if there is one"
    )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help=f"replace an existing {what}, and begin anew where there is a checkpoint",
    )


def asked_target(options: Namespace) -> tuple[Path, Path]:
    """Return the file to write and the folder of its training, whose checkpoint is lost to no oversight.

    Raises:
        ValueError: the file cannot be written, or it or a checkpoint is there and no option says what to do.
    """
    from lrd_ext.outputs import check_target
    from lrd_ext.training.checkpoints import latest

    target = check_target(options.output, "--output", suffix=".safetensors")
    folder = target.with_suffix(".training")
    kept = latest(folder)
    going_on = options.resume and kept is not None
    what = f"--resume: {folder} holds no checkpoint; --output" if options.resume else "--output"
    check_target(target, what, overwrite=options.overwrite or going_on)
    if kept is not None and not (options.resume or options.overwrite):
        raise ValueError(
            f"--output: {kept} is the checkpoint of a training; say --resume to go on with it, --overwrite "
            "to begin anew"
        )
    return target, folder


def asked_configuration(kind: type[C], options: Namespace) -> C:
    """Read the configuration that the options ask for.

    Raises:
        ValueError: see :func:`read_configuration`.
        OSError: the file of ``--config`` cannot be read.
    """
    from .train_configuration import read_configuration

    own = {name: getattr(options, name) for name in ("devices", "nodes")}
    given = {name: value for name, value in own.items() if value is not None}
    return dataclasses.replace(read_configuration(kind, options.preset, options.config), **given)
