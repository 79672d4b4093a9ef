# SPDX-License-Identifier: Apache-2.0
"""CFA phases and the order of per-site values."""

from __future__ import annotations

import numpy as np

#: Colours at sites (0,0), (0,1), (1,0), (1,1); Gr is the green of the red row, Gb the green of the blue row.
PHASES: dict[str, tuple[str, str, str, str]] = {
    "RGGB": ("R", "Gr", "Gb", "B"),
    "GRBG": ("Gr", "R", "B", "Gb"),
    "GBRG": ("Gb", "B", "R", "Gr"),
    "BGGR": ("B", "Gb", "Gr", "R"),
    "MONO": ("Y", "Y", "Y", "Y"),
}


def to_phase(values: np.ndarray, given: str, wanted: str) -> np.ndarray:
    """Reorder per-site values from one CFA phase to another.

    Args:
        values: (..., 4), sites of the phase ``given``.
        given: a key of :data:`PHASES`; values of "MONO" keep their order.
        wanted: a key of :data:`PHASES`; for "MONO" every site gets the mean of the four.

    Returns: (..., 4), sites of the phase ``wanted``.

    Raises:
        ValueError: ``wanted`` is not a known phase.
    """
    if not isinstance(wanted, str) or wanted not in PHASES:
        raise ValueError(f"cfa must be one of {', '.join(PHASES)}, got {wanted!r}")
    if given == wanted or given == "MONO":
        return values
    if wanted == "MONO":
        return np.broadcast_to(values.mean(-1, keepdims=True), values.shape).copy()
    return values[..., [PHASES[given].index(colour) for colour in PHASES[wanted]]]
