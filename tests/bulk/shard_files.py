# SPDX-License-Identifier: Apache-2.0
"""How two outputs are compared."""

from __future__ import annotations


def contents(folder):
    """Bytes of every file under a folder, by name."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
