# SPDX-License-Identifier: Apache-2.0
"""Keeping other libraries' log lines off the screen where the reader says the same in its error."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def silenced(name: str) -> Iterator[None]:
    """Switch the logger ``name`` off while the block runs."""
    logger = logging.getLogger(name)
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before
