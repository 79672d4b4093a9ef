# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from lrd_ext.profiles.records import SCHEMA, UNITS, VERSION


@pytest.fixture
def minimal():
    """The smallest valid profile: one ISO, Gaussian read noise."""
    return {
        "schema": SCHEMA,
        "version": VERSION,
        "units": dict(UNITS),
        "name": "test camera",
        "make": "none",
        "model": "none",
        "licence": "CC0-1.0",
        "sources": [{"title": "made up for the tests"}],
        "bits": 12,
        "black": 64,
        "white": 4095,
        "cfa": "RGGB",
        "read": "gaussian",
        "rows": [{"iso": 100, "K": 0.4, "sigma_gaussian": 1.5}],
        "branches": [{"name": "single", "iso": [100, 100]}],
    }
