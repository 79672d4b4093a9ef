# SPDX-License-Identifier: Apache-2.0
"""The program `lrd`. Exit codes: 0 done, 1 some inputs failed, 2 wrong use, refused input or interrupted."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .commands import calibrate, data, denoise, doctor, evaluate, explore, inspect, profile, synth, train
from .commands.errors import complain, show_warnings_of
from .version import __version__

if TYPE_CHECKING:
    from jsonargparse import Namespace

    from .commands.parser import Parser

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
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program on ``argv`` (default: the command line) and return its exit code."""
    name = "lrd"
    with warnings.catch_warnings():
        try:
            options = _read(None if argv is None else list(argv))
            name = f"lrd {options.subcommand}"
            show_warnings_of(name)
            return _COMMANDS[options.subcommand].run(options[options.subcommand])
        except KeyboardInterrupt:
            print(f"{name}: interrupted", file=sys.stderr)
        except BrokenPipeError:  # the reader has seen enough, as `head` does
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing left to fail at exit
            return 0
        except ModuleNotFoundError as error:
            if (error.name or "lrd_ext").startswith("lrd_ext"):
                raise
            print(f"{name}: error: the package {error.name} is missing; pip install it", file=sys.stderr)
        except Exception as error:
            complain(name, error)
    return 2


def _read(argv: list[str] | None) -> Namespace:
    from .commands.parser import own_environment

    with own_environment():
        return _parser().parse_args(argv)


def _parser() -> Parser:
    from .commands.parser import Parser

    parser = Parser(
        prog="lrd",
        version=__version__,
        description="Low-light raw noise: synthesis and modeling.",
    )
    commands = parser.add_subcommands(metavar="COMMAND")
    for command in _COMMANDS.values():
        command.add_to(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
