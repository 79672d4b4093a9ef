# SPDX-License-Identifier: Apache-2.0
"""`lrd completion`: what makes a shell complete the program's commands and options."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jsonargparse import Namespace

    from .parser import Parser

#: Shells, and what a user types once.
SHELLS = {
    "bash": "lrd completion bash > ~/.local/share/bash-completion/completions/lrd",
    "zsh": "lrd completion zsh > DIR/_lrd, DIR being one of $fpath",
    "fish": "lrd completion fish > ~/.config/fish/completions/lrd.fish",
}
#: Words in place of values that are no names of files.
_NO_FILES = ("DN", "N", "S", "NAME", "NAMES", "TEXT", "PHASE", "ORDER", "CELLS", "ISO", "R", "D")


def add_to(commands: Any) -> None:
    """Add the command's parser."""
    from .parser import Parser

    told = "; ".join(SHELLS.values())
    parser = Parser(description=f"Print what completes the program's words in a shell. {told}.")
    parser.add_argument("shell", choices=list(SHELLS), metavar="SHELL", help=f"one of {', '.join(SHELLS)}")
    commands.add_subcommand("completion", parser, help="complete commands and options in a shell")


def run(options: Namespace, program: Parser) -> int:
    """Print the script that completes ``program`` and return the exit code."""
    import shtab

    _complete_files(program, shtab.FILE)
    print(shtab.complete(program, shell=options.shell))
    return 0


def _complete_files(parser: Parser, file: Any) -> None:
    """Let values that name files be completed as such."""
    for action in parser._actions:
        if action.metavar not in (None, *_NO_FILES) and not action.choices and action.nargs != 0:
            action.complete = file  # type: ignore[attr-defined]
    for command in parser.commands.values():
        _complete_files(command, file)
