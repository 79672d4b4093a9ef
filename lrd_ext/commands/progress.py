# SPDX-License-Identifier: Apache-2.0
"""A bar of progress on terminals, for commands that do many pieces of work."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator

from lrd_ext.plain_text import plain


@contextlib.contextmanager
def bar(total: int, unit: str) -> Iterator[Callable[[str], None]]:
    """Show progress on a terminal; what is called with the name of each piece of work moves it on."""
    from tqdm import tqdm

    with tqdm(total=total, unit=unit, disable=not sys.stderr.isatty(), leave=False) as shown:

        def move(what: str) -> None:
            shown.set_description(plain(what), refresh=False)
            shown.update()

        yield move
