# SPDX-License-Identifier: Apache-2.0
"""`lrd completion`: what makes a shell complete the program's commands and options."""

from __future__ import annotations

from pathlib import Path
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


_PACKAGE = Path(__file__).parents[1]
#: Room and ending of what ships.
_SHIPPED = {
    "cameras": ("profiles", ".json"),
    "generators": ("generator", ".safetensors"),
    "denoisers": ("denoise", ".safetensors"),
}
#: Options and arguments that take a name of what ships, or a file.
_NAMED = {
    "camera": "cameras",
    "cameras": "cameras",
    "profile": "cameras",
    "generator": "generators",
    "net": "denoisers",
}


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

    _complete_values(program, shtab.FILE, shipped())
    print(shtab.complete(program, shell=options.shell))
    return 0


def shipped() -> dict[str, list[str]]:
    """Return the names of what ships, by file: to ask the rooms themselves would load torch."""
    return {
        what: sorted(path.stem for path in (_PACKAGE / room / "library").glob(f"*{suffix}"))
        for what, (room, suffix) in _SHIPPED.items()
    }


def _complete_values(parser: Parser, file: Any, names: dict[str, list[str]]) -> None:
    """Let values that name what ships or files be completed as such."""
    for action in parser._actions:
        if action.metavar not in (None, *_NO_FILES) and not action.choices and action.nargs != 0:
            what = _NAMED.get(action.dest)
            action.complete = _named(what, names[what]) if what else file  # type: ignore[attr-defined]
    for command in parser.commands.values():
        _complete_values(command, file, names)


def _named(what: str, names: list[str]) -> dict[str, Any]:
    """Return what completes names and files, in each shell."""
    words, function = " ".join(names), f"_lrd_{what}"
    bash = f'{function}() {{ compgen -W "{words}" -- $1; compgen -f -- $1; }}'
    zsh = f"{function}() {{ _alternative 'names:name:({words})' 'files:file:_files' }}"
    return {
        "bash": function,
        "zsh": function,
        "fish": f"{words} (__fish_complete_path (commandline -ct))",
        "preamble": {"bash": bash, "zsh": zsh},
    }
