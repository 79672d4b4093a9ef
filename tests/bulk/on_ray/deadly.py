# SPDX-License-Identifier: Apache-2.0
"""A picture as a decoder written in C may meet it."""

from __future__ import annotations

import dataclasses
import os

from lrd_ext.bulk import Source


@dataclasses.dataclass(frozen=True)
class Deadly(Source):
    """To read it ends the process."""

    def read(self):
        os._exit(1)
