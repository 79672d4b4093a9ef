# SPDX-License-Identifier: Apache-2.0
"""What Exif says of speed and time of an exposure, whoever read the tags.

Source: Exif 2.32 (CIPA DC-008), section 4.6.5 and annex G: PhotographicSensitivity 65535 means that the speed
does not fit, and SensitivityType names the tags that tell it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

ELSEWHERE = 65535
"""ISOSpeedRatings of a speed that stands in another tag."""

_SPEEDS = ("ISOSpeed", "RecommendedExposureIndex", "StandardOutputSensitivity")
# SensitivityType: which of the three PhotographicSensitivity is.
_NAMED_BY_TYPE = {
    1: _SPEEDS[2:], 2: _SPEEDS[1:2], 3: _SPEEDS[:1], 4: _SPEEDS[1:], 5: (_SPEEDS[0], _SPEEDS[2]),
    6: _SPEEDS[:2], 7: _SPEEDS,
}  # fmt: skip


def iso_of(read: Callable[[str], Sequence[float]]) -> float | None:
    """Return the ISO speed, None where the tags do not tell it.

    Args:
        read: gives the numbers of an Exif tag by its name, none where it is absent or broken.
    """
    ratings = [v for v in read("ISOSpeedRatings") if _positive(v)]
    if ratings and ratings[0] != ELSEWHERE:
        return float(ratings[0])
    kind = next((int(v) for v in read("SensitivityType") if _positive(v)), 0)
    names = (*_NAMED_BY_TYPE.get(kind, ()), *_SPEEDS)
    return next((float(v) for name in names for v in read(name)[:1] if _positive(v)), None)


def _positive(value: float) -> bool:
    return math.isfinite(value) and value > 0
