# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import numpy as np

from lrd_ext import raw

DATA = Path(__file__).parents[1] / "data"


def rose(cfa: str, **fields: object) -> raw.Raw:
    """The 512x768 Nikon rose in one of the four phases."""
    mosaic = np.fromfile(DATA / f"nikon_rose_768x512_{cfa.lower()}_u16le.raw", "<u2").reshape(512, 768)
    given = {"black": 600, "white": 15520, "iso": 100, "exposure_s": 0.5} | fields
    return raw.Raw(mosaic=mosaic, cfa=cfa, **given)
