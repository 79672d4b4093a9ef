# SPDX-License-Identifier: Apache-2.0
"""Options that all trainings share: what is trained, and by how many processes."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
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
