# SPDX-License-Identifier: Apache-2.0
"""`lrd doctor`: how this installation runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jsonargparse import Namespace


def add_to(commands: Any) -> None:
    """Add the command's parser."""
    from .parser import Parser

    parser = Parser(description="Tell what was compiled, which executor runs, and why not CUDA.")
    commands.add_subcommand("doctor", parser, help="tell how this installation runs")


def run(options: Namespace) -> int:
    """Print the report and return the exit code."""
    from rich.console import Console
    from rich.table import Table

    from lrd_ext import doctor

    table = Table(show_header=False, box=None)
    for subject, finding in doctor.report():
        table.add_row(subject, finding)
    Console(highlight=False).print(table)
    return 0
