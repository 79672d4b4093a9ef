# SPDX-License-Identifier: Apache-2.0
"""The parser of every command: numbers are decimal, the environment changes no option, errors are plain."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from jsonargparse import ArgumentParser, DefaultHelpFormatter

from lrd_ext.plain_text import plain

_WHOLE = re.compile(r"[+-]?[0-9]{1,99}")
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

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Print how the command is used and, on one line, what was wrong; exit with 2."""
        parser = getattr(ex, "subcommand_parser", None) or self
        parser.print_usage(sys.stderr)
        text = " ".join(re.sub(r'Parser key "(\w+)":', r"--\1", message).split())
        print(f"{parser.prog.replace(' [options]', '')}: error: {plain(text)}", file=sys.stderr)
        sys.exit(2)


def decimal(text: Any) -> float:
    """Read a number as people write it: 20, 0.5, 1e3; the caller checks its range, inf and nan too."""
    if isinstance(text, str) and not _DECIMAL.fullmatch(text.strip()):
        raise argparse.ArgumentTypeError(f"must be a number, got {text!r}")
    return float(text)


def whole(text: Any) -> int:
    """Read a whole number, digits only."""
    if isinstance(text, str) and not _WHOLE.fullmatch(text.strip()):
        raise argparse.ArgumentTypeError(f"must be a whole number, got {text!r}")
    return int(text)


@contextmanager
def own_environment() -> Iterator[None]:
    """Hide jsonargparse's environment variables while the command line is read, such as its DEFAULT_ENV."""
    hidden = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("JSONARGPARSE_")}
    try:
        yield
    finally:
        os.environ.update(hidden)
