# SPDX-License-Identifier: Apache-2.0
"""Tables and numbers as the program prints them."""

from __future__ import annotations

import os
from typing import Any

from lrd_ext.plain_text import plain

#: Columns every table of the program fits into, and more than any line needs.
_NARROWEST, _UNFOLDED = 80, 10_000


def three(value: float | None) -> str:
    """Write a number with three digits and no exponent; "-" for None and NaN."""
    if value is None or value != value:
        return "-"
    if abs(value) >= 999.5 or value == 0:
        return f"{value:.0f}"
    if abs(value) < 0.001:
        return f"{value:.2g}"
    return f"{value:#.3g}".rstrip(".")


def span(low: float, high: float, form: str = "g") -> str:
    """Write a range, or one number where both ends read the same."""
    a, b = format(low, form), format(high, form)
    return a if a == b else f"{a}-{b}"


def table(*headers: str, left: int = 1, title: str | None = None) -> Any:
    """Make a plain table: the first ``left`` columns are text, the others numbers, flush right."""
    from rich.table import Table

    class PlainTable(Table):
        def add_row(self, *cells: Any, **options: Any) -> None:
            super().add_row(*map(plain, cells), **options)

    made = PlainTable(
        box=None,
        pad_edge=False,
        padding=(0, 1, 0, 0),
        title=title and plain(title),
        title_justify="left",
        title_style="bold",
    )
    for i, header in enumerate(headers):
        made.add_column(header, justify="left" if i < left else "right", overflow="fold", vertical="top")
    return made


def show(*parts: Any) -> None:
    """Print tables and texts of one line each.

    Texts are shown as they are: no markup, no colours of numbers, what a terminal would obey as escapes. On a
    terminal, and where COLUMNS says how wide to write, they are folded; into a file or another program each
    goes out as one line. Tables are never squeezed below 80 columns, where numbers would be cut in two.
    """
    from rich.console import Console
    from rich.text import Text

    output = Console(highlight=False, emoji=False, markup=False)
    unfolded = not output.is_terminal and "COLUMNS" not in os.environ
    grid = Console(
        highlight=False,
        emoji=False,
        markup=False,
        width=_UNFOLDED if unfolded else max(output.width, _NARROWEST),
    )
    for part in parts:
        console = output if isinstance(part, str) else grid
        with console.capture() as written:
            console.print(Text(plain(part)) if isinstance(part, str) else part, soft_wrap=unfolded)
        print("\n".join(line.rstrip() for line in written.get().splitlines()), flush=True)
