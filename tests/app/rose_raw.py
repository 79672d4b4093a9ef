# SPDX-License-Identifier: Apache-2.0
"""A raw file that lies on its side, of the rose."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lrd_ext import raw

ROOT = Path(__file__).parents[2]
ROSE = ROOT / "tests/data/nikon_rose_768x512_gbrg_u16le.raw"


def rose(orientation: int = 1) -> raw.Raw:
    """The rose in the GBRG phase, a row shorter: an odd height."""
    mosaic = np.fromfile(ROSE, "<u2").reshape(512, 768)[:511].copy()
    return raw.Raw(mosaic, "GBRG", 600, 15520, orientation=orientation, active_area=(3, 5, 511, 768))
