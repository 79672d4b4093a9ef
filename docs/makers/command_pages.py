# SPDX-License-Identifier: Apache-2.0
"""The reference of the program `lrd`: one page a command, from its parser."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Iterator
from unittest import mock

from lrd_ext import cli
from lrd_ext.commands.parser import Parser, own_environment

from .markdown import plain_markdown


def pages() -> dict[str, str]:
    """Return the pages as Markdown, by the name of their command."""
    with own_environment(), mock.patch.dict(os.environ, COLUMNS="84"):
        return {
            name: "\n\n".join(_page(name, command)) + "\n" for name, command in cli._parser().commands.items()
        }


def _page(name: str, parser: Parser, depth: int = 1) -> Iterator[str]:
    yield f"{'#' * depth} lrd {name}"
    yield plain_markdown(parser.description or "")
    inner = parser.commands
    if not inner:
        yield f"```text\n{_usage(parser)}\n```"
        yield from (_argument(action) for action in parser._actions if action.dest != "help")
    for action, command in inner.items():
        yield from _page(f"{name} {action}", command, depth + 1)


def _usage(parser: Parser) -> str:
    text = parser.format_usage().removeprefix("usage: ").strip()
    return re.sub(rf"\n {{{len('usage: ')}}}", "\n", text)


def _argument(action: argparse.Action) -> str:
    return f"`{_written(action)}`\n: {plain_markdown(action.help or '')}"


def _written(action: argparse.Action) -> str:
    """Return an argument as it is typed."""
    value = str(action.metavar or action.dest.upper())
    match action.nargs:
        case "+":
            value = f"{value} ..."
        case "*":
            value = f"[{value} ...]"
        case "?":
            value = f"[{value}]"
        case int(count):
            value = " ".join([value] * count)
    if not action.option_strings:
        return value
    required = ", required" if action.required else ""
    return f"{', '.join(action.option_strings)} {value}".strip() + required
