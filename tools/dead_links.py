# SPDX-License-Identifier: Apache-2.0
"""Links inside a built site that lead nowhere: `python tools/dead_links.py docs/build/html` in make docs."""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class _Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.places: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if value and name in ("href", "src"):
                self.links.append(value)
            elif value and name in ("id", "name"):
                self.places.add(value)


def dead_links(site: Path) -> list[str]:
    """Return "page: link" for every relative link whose file, or place in a page, is not there."""
    pages = {path.resolve(): _Page(path.read_text("utf-8")) for path in sorted(site.rglob("*.html"))}
    found = []
    for path, page in pages.items():
        if "_modules" in path.parts:  # sources, whose links back viewcode gets wrong for names of two rooms
            continue
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc or link in ("#", "#!"):
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            place = unquote(parts.fragment)
            if not target.exists() or (place and target in pages and place not in pages[target].places):
                found.append(f"{path.relative_to(site.resolve())}: {link}")
    return found


if __name__ == "__main__":
    dead = dead_links(Path(sys.argv[1]))
    print(*(f"dead link: {line}" for line in dead), f"{len(dead)} dead links", sep="\n")
    sys.exit(bool(dead))
