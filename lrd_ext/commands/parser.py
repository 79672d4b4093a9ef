# SPDX-License-Identifier: Apache-2.0
"""The parser of every command: numbers are decimal, the environment changes no option, errors are plain."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

from jsonargparse import ArgumentParser, DefaultHelpFormatter

from lrd_ext.plain_text import plain

_WHOLE = re.compile(r"[+-]?[0-9]{1,99}")
_MISSING = re.compile(r"the following arguments are required: (.+)")
_RANGE = re.compile(r"[^:,]+[:,].+")
_DECIMAL = re.compile(r"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|inf|nan)", re.IGNORECASE)


class PlainHelp(DefaultHelpFormatter):
    """Adds no types and defaults to the help: the texts name those that matter, in words."""

    def _get_help_string(self, action: argparse.Action) -> str:
        return action.help or ""


class Parser(ArgumentParser):
    """jsonargparse's parser without YAML in its numbers, where 20:40 is 1240, 0x10 is 16 and 1_0 is 10."""

    def __init__(self, **options: Any) -> None:
        """Make a parser; the options are those of jsonargparse."""
        super().__init__(**{"formatter_class": PlainHelp} | options)

    def add_argument(self, *names: Any, **options: Any) -> Any:
        """Add an argument; those of ``type`` float and int take decimal numbers only."""
        kind = options.get("type")
        if kind in (float, int):
            options["type"] = decimal if kind is float else whole
        return super().add_argument(*names, **options)

    def add_subcommands(self, *arguments: Any, **options: Any) -> Any:
        """Add commands below this one; the options are those of jsonargparse."""
        told = {"title": "commands", "description": "Each tells more with --help."}
        return super().add_subcommands(*arguments, **told | options)

    @property
    def commands(self) -> dict[str, Parser]:
        """The commands of this one, by name; empty for one that does something itself."""
        choices = [action.choices for action in self._actions if isinstance(action.choices, dict)]
        return dict(choices[0]) if choices else {}

    def name_commands(self) -> None:
        """Give the commands below the names they are typed by: "lrd synth", not "lrd [options] synth"."""
        for name, command in self.commands.items():
            command.prog = f"{self.prog} {name}"
            command.name_commands()

    def without_command(self, words: Sequence[str]) -> Parser | None:
        """Return the parser whose command is still to be said, where the words end there."""
        parser = self
        for word in words:
            if word not in parser.commands:
                return None
            parser = parser.commands[word]
        return parser if parser.commands else None

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Print how the command is used and, on one line, what was wrong; exit with 2."""
        parser, text = getattr(ex, "subcommand_parser", None) or self, message
        if missing := _MISSING.match(message):
            parser, text = self._told_of_missing(missing[1].split(", "))
        parser.print_usage(sys.stderr)
        text = " ".join(re.sub(r'Parser key "(\w+)":', r"--\1", text).split())
        print(f"{parser.prog}: error: {plain(text)} ({parser.prog} --help tells more)", file=sys.stderr)
        sys.exit(2)

    def _told_of_missing(self, keys: list[str]) -> tuple[Parser, str]:
        """Return the command that lacks arguments, and their names as they are typed."""
        parser = self
        for name in keys[0].split(".")[:-1]:
            parser = parser.commands[name]
        lacking = {key.split(".")[-1] for key in keys}
        typed = [written(action) for action in parser._actions if action.dest in lacking]
        return parser, f"missing: {', '.join(typed)}"


def written(action: argparse.Action) -> str:
    """Return an argument's name as it is typed: -o/--output, or IN."""
    return "/".join(action.option_strings) or str(action.metavar or action.dest.upper())


def decimal(text: Any) -> float:
    """Read a number as people write it: 20, 0.5, 1e3; the caller checks its range, inf and nan too."""
    if isinstance(text, str) and not _DECIMAL.fullmatch(text.strip()):
        raise argparse.ArgumentTypeError(f"must be a number, got {text!r}{_one_alone(text)}")
    return float(text)


def whole(text: Any) -> int:
    """Read a whole number, digits only."""
    if isinstance(text, str) and not _WHOLE.fullmatch(text.strip()):
        raise argparse.ArgumentTypeError(f"must be a whole number, got {text!r}{_one_alone(text)}")
    return int(text)


def _one_alone(text: str) -> str:
    return ": one number alone, no range and no list" if _RANGE.fullmatch(text) else ""


@contextmanager
def own_environment() -> Iterator[None]:
    """Hide jsonargparse's environment variables while the command line is read, such as its DEFAULT_ENV."""
    hidden = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("JSONARGPARSE_")}
    try:
        yield
    finally:
        os.environ.update(hidden)
