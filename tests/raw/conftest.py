# SPDX-License-Identifier: Apache-2.0
"""The bundled raw file, read once."""

from __future__ import annotations

import pytest
from dng_files import DATA


@pytest.fixture(scope="session")
def chart():
    """The bundled Canon 550D chart; do not change it."""
    pytest.importorskip("rawpy")
    from lrd_ext import raw

    return raw.read(DATA / "canon550d_ml_colorchart.dng")
