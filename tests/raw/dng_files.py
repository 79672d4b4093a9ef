# SPDX-License-Identifier: Apache-2.0
"""DNG files made tag by tag with tifffile, independent of the library's own writer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

DATA = Path(__file__).parents[1] / "data"
COLOR_MATRIX = (0.6461, -0.1164, -0.0857, -0.3825, 1.1597, 0.2534, -0.0416, 0.154, 0.6039)
MOSAIC = np.random.default_rng(0).integers(0, 4000, (32, 40)).astype(np.uint16)


def rationals(values, denominator=10000):
    return sum(((round(v * denominator), denominator) for v in values), ())


def make_dng(path, mosaic=MOSAIC, *, cfa=(0, 1, 1, 2), period=(2, 2), extra=(), photometric=32803, **options):
    """Write a DNG with only the tags a reader needs; ``extra`` are (code, type, count, value)."""
    tifffile = pytest.importorskip("tifffile")
    tags = [
        (50706, 1, 4, (1, 4, 0, 0)),
        (50708, 2, 0, "Test camera"),
        (50721, 10, 9, rationals(COLOR_MATRIX)),
        (50778, 3, 1, 21),
        (50728, 5, 3, rationals((0.5, 1, 0.6))),
    ]
    if cfa is not None:
        tags += [(33421, 3, 2, period), (33422, 1, len(cfa), cfa)]
    tifffile.imwrite(
        path,
        mosaic,
        photometric=photometric,
        subfiletype=0,
        metadata=None,
        software=False,
        extratags=[(*t, True) for t in sorted([*tags, *extra])],
        **options,
    )
    return path


def overwrite_tag(path, code, value):
    """Change a tag of the first IFD in place."""
    import tifffile

    with tifffile.TiffFile(path, mode="r+b") as tiff:
        tiff.pages[0].tags[code].overwrite(value)
