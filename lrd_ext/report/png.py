# SPDX-License-Identifier: Apache-2.0
"""Figures as PNG files."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lrd_ext.outputs import check_target, replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def write_png(path: str | os.PathLike[str], figure: Figure) -> None:
    """Write a figure as PNG, which appears under its name only when complete; missing folders are made.

    Raises:
        ValueError: ``path`` does not end in .png, is a folder, or its folder is read-only.
        OSError: the system refuses to write the file; an old one is left as it was.
    """
    target = check_target(path, "report.write_png: path", suffix=".png", make_folders=True)
    with replacing(target) as file:
        figure.savefig(file, format="png", dpi=120)
