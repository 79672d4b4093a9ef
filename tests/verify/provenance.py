# SPDX-License-Identifier: Apache-2.0
"""The commit that a table of results belongs to."""

from __future__ import annotations

import subprocess
from pathlib import Path

#: What the results depend on, from the root of the checkout.
SOURCES = (
    "csrc",
    "lrd_ext/reference",
    "lrd_ext/ops.py",
    "lrd_ext/synth.py",
    "lrd_ext/params.py",
    "lrd_ext/parameter_table.py",
    "lrd_ext/figures.py",
    "lrd_ext/sensor_figures.py",
    "tests/verify",
)


def git(*command):
    """Run git in the root of the checkout this file lies in."""
    return subprocess.run(["git", *command], cwd=Path(__file__).parents[2], capture_output=True, text=True)


def commit():
    """Commit of the checkout, and whether its sources have been changed since."""
    name = git("rev-parse", "--short=12", "HEAD").stdout.strip()
    if not name:
        return "unknown"
    changed = git("status", "--porcelain", "--", *SOURCES, ":!tests/verify/results").stdout.strip()
    return name + (" with local changes" if changed else "")
