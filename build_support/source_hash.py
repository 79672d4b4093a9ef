# SPDX-License-Identifier: Apache-2.0
"""Which sources a compiled module was made from: setup.py puts the hash in, lrd_ext/native.py reads it."""

from __future__ import annotations

import hashlib
from pathlib import Path


def source_hash(tree: Path) -> str:
    """Return the SHA-256 of what decides what the compiled module computes: csrc/ and setup.py."""
    sources = sorted(p for p in (tree / "csrc").rglob("*") if p.suffix in (".cpp", ".h", ".cu", ".cuh"))
    digest = hashlib.sha256()
    for path in [tree / "setup.py", *sources]:
        content = path.read_bytes()
        digest.update(f"{path.relative_to(tree).as_posix()} {len(content)}\n".encode() + content)
    return digest.hexdigest()
