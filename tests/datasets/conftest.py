# SPDX-License-Identifier: Apache-2.0
"""Raw files that tests prepare."""

from __future__ import annotations

import pytest
from tile_files import write_raw


@pytest.fixture
def raws(tmp_path):
    """Three DNG files of two phases and sizes: (paths, mosaics)."""
    shapes = [(96, 128, "RGGB"), (64, 160, "RGGB"), (96, 128, "GBRG")]
    paths = [tmp_path / "in" / f"{i}.dng" for i in range(3)]
    paths[0].parent.mkdir()
    made = [
        write_raw(path, height=h, width=w, cfa=cfa, first=i)
        for i, (path, (h, w, cfa)) in enumerate(zip(paths, shapes, strict=True))
    ]
    return paths, made
