# SPDX-License-Identifier: Apache-2.0
"""Tables and numbers as the program prints them."""

from __future__ import annotations

from typing import Any


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

    made = Table(
        box=None, pad_edge=False, padding=(0, 1, 0, 0), title=title, title_justify="left", title_style="bold"
    )
    for i, header in enumerate(headers):
        made.add_column(header, justify="left" if i < left else "right", overflow="fold", vertical="top")
    return made


def show(*parts: Any) -> None:
    """Print tables and lines of text, texts as they are: no markup, no colours of numbers."""
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, emoji=False)
    for part in parts:
        console.print(Text(part) if isinstance(part, str) else part)
