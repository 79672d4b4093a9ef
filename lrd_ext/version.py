# SPDX-License-Identifier: Apache-2.0
"""The version of the package, the one place it stands in, and the commit it runs from."""

from __future__ import annotations

from pathlib import Path

__version__ = "0.1.0"
"""Version of the package."""


def commit() -> str | None:
    """Return the commit of the clone this package runs from, None where it is installed elsewhere."""
    import subprocess

    root = Path(__file__).parents[1]
    if not (root / ".git").exists():
        return None
    try:
        done = subprocess.run(
            ["git", "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None
