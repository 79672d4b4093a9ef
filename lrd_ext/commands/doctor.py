# SPDX-License-Identifier: Apache-2.0
"""`lrd doctor`: how this installation runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import tables
from .json_output import add_json, print_json

if TYPE_CHECKING:
    from jsonargparse import Namespace


def add_to(commands: Any) -> None:
    """Add the command's parser."""
    from .parser import Parser

    parser = Parser(description="Tell what was compiled, which executor runs, and why not CUDA.")
    add_json(parser)
    commands.add_subcommand("doctor", parser, help="tell how this installation runs")


def run(options: Namespace) -> int:
    """Print the report and return the exit code."""
    from lrd_ext import installation

    found = installation.report()
    if options.json:
        print_json(dict(found))
        return 0
    made = tables.table("", "", left=2)
    made.show_header = False
    for subject, finding in found:
        made.add_row(subject, finding)
    tables.show(made)
    return 0
