# SPDX-License-Identifier: Apache-2.0
"""Raw files small enough for tests: mosaics whose values tell their place."""

from __future__ import annotations

import numpy as np

from lrd_ext import raw


def write_raw(path, *, height=96, width=128, cfa="RGGB", first=0, iso=100.0, **more):
    """Write a DNG of random DN that no other ``first`` gives."""
    mosaic = np.random.default_rng(first).integers(512, 16000, (height, width), dtype=np.uint16)
    raw.write_dng(
        path,
        raw.Raw(
            mosaic,
            cfa,
            np.full(4, 512.0),
            16383.0,
            iso=iso,
            exposure_s=0.5,
            make="Made",
            model="Up",
            **more,
        ),
    )
    return mosaic
