# SPDX-License-Identifier: Apache-2.0
"""The program `lrd`. Exit codes: 0 done, 1 some inputs failed, 2 wrong use, refused input or interrupted."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from .commands import (
    calibrate,
    completion,
    data,
    denoise,
    doctor,
    evaluate,
    explore,
    inspect,
    profile,
    synth,
    train,
)
from .commands.errors import complain, show_warnings_of
from .commands.parser import Parser, own_environment
from .commands.progress import quietly
from .version import __version__

if TYPE_CHECKING:
    from jsonargparse import Namespace

#: What brings the optional packages, by the name they are imported by.
_EXTRAS = dict.fromkeys(("lightning_fabric", "tensorboard", "yaml"), "'lrd_ext[train]'") | {
    "skimage": "'lrd_ext[evaluate]'"
}
_COMMANDS = {
    "synth": synth,
    "profile": profile,
    "calibrate": calibrate,
    "data": data,
    "train": train,
    "denoise": denoise,
    "evaluate": evaluate,
    "inspect": inspect,
    "explore": explore,
    "doctor": doctor,
    "completion": completion,
}


def main(argv: Sequence[str] | None = None, ready: Callable[[], None] = lambda: None) -> int:
    """Run the program and return its exit code.

    Args:
        argv: the command line; None takes that of the process.
        ready: called when what takes long to load is loaded and the work begins.
    """
    name = "lrd"
    with warnings.catch_warnings():
        try:
            parser = _parser()
            options = _read(parser, sys.argv[1:] if argv is None else list(argv))
            if options is None:
                return 0
            command, chosen = options.subcommand, options[options.subcommand]
            name = f"lrd {command}"
            if command == "completion":  # tells of all others, and of nothing that torch knows
                return completion.run(chosen, parser)
            importlib.import_module("torch")
            ready()
            show_warnings_of(name)
            asked = chosen[chosen["action"]] if chosen.get("action") else chosen
            with quietly() if asked.get("quiet") else contextlib.nullcontext():
                return _COMMANDS[command].run(chosen)
        except KeyboardInterrupt:
            print(f"{name}: interrupted", file=sys.stderr)
        except BrokenPipeError:  # the reader has seen enough, as `head` does
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing left to fail at exit
            return 0
        except ModuleNotFoundError as error:
            if (error.name or "lrd_ext").startswith("lrd_ext"):
                raise
            wanted = _EXTRAS.get(error.name or "", error.name)
            print(
                f"{name}: error: the package {error.name} is missing; pip install {wanted}", file=sys.stderr
            )
        except Exception as error:
            complain(name, error)
    return 2


def _read(parser: Parser, argv: list[str]) -> Namespace | None:
    """Return the options; None where a command is still to be said and the help was shown instead."""
    asked = parser.without_command(argv)
    if asked is not None:
        asked.print_help()
        return None
    with own_environment():
        return parser.parse_args(argv)


def _parser() -> Parser:
    with own_environment():
        parser = Parser(
            prog="lrd",
            version=__version__,
            description="Low-light raw noise: synthesis and modeling.",
        )
        commands = parser.add_subcommands(metavar="COMMAND")
        for command in _COMMANDS.values():
            command.add_to(commands)
    parser.name_commands()
    return parser


if __name__ == "__main__":
    sys.exit(main())
