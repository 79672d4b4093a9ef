# SPDX-License-Identifier: Apache-2.0
"""Text and tables as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence


def plain_markdown(text: str) -> str:
    """Return plain text in Markdown, in which none of its characters has a meaning."""
    return re.sub(r"([\\`*_<>\[\]$|])", r"\\\1", text)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of Markdown cells."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
