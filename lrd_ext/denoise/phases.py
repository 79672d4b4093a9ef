# SPDX-License-Identifier: Apache-2.0
"""Pictures of any Bayer phase, mirrored or not, brought to the one a denoiser was trained on.

Nothing is permuted: the picture is cut, or filled up, by a row or column, so that every colour stays where it
is on the sensor.
"""

from __future__ import annotations

import numpy as np
from torch import Tensor

from lrd_ext.cfa import BAYER, MONO, SITES, pack, shift_cfa, unpack


def shift_between(given: str, wanted: str) -> tuple[int, int]:
    """Return the first row and column, 0 or 1, from which a mosaic of phase ``given`` has phase ``wanted``.

    Raises:
        ValueError: one of them is a Bayer phase and the other is not.
    """
    for shift in SITES:
        if shift_cfa(given, *shift) == wanted:
            return shift
    kinds = [
        "Bayer" if cfa in BAYER else "monochrome" if cfa == MONO else "of a larger pattern"
        for cfa in (given, wanted)
    ]
    raise ValueError(
        f"the picture is {kinds[0]} ({given}), the denoiser was trained on {kinds[1]} ({wanted})"
    )


def cut_to_phase(
    packed: Tensor, given: str, wanted: str, *, rows: bool = False, cols: bool = False
) -> Tensor:
    """Mirror packed pictures and cut them to a phase, one cell lower and narrower in any case.

    Args:
        packed: (..., 4, h, w) by site, h and w above 1.
        given: their phase.
        wanted: that of the result.
        rows: mirror top and bottom.
        cols: mirror left and right.

    Returns: (..., 4, h - 1, w - 1) by site of ``wanted``.
    """
    mosaic = unpack(packed)
    axes = [axis for axis, mirror in ((-2, rows), (-1, cols)) if mirror]
    # Heights and widths are even: seen in a mirror, the first site is the last one.
    mosaic, given = mosaic.flip(axes), shift_cfa(given, int(rows), int(cols))
    row, column = shift_between(given, wanted)
    height, width = (side - 2 for side in mosaic.shape[-2:])
    return pack(mosaic[..., row : row + height, column : column + width])


def filled_to_phase(mosaic: np.ndarray, given: str, wanted: str) -> tuple[np.ndarray, tuple[slice, slice]]:
    """Fill a mosaic up to whole cells of a phase by mirroring lines at its edges.

    Args:
        mosaic: (H, W), at least 2 x 2.
        given: its phase.
        wanted: the phase of the result.

    Returns: (H', W'), even, and where ``mosaic`` lies in it.
    """
    first = shift_between(given, wanted)
    fill = [(start, (side + start) % 2) for start, side in zip(first, mosaic.shape, strict=True)]
    place = [slice(start, start + side) for start, side in zip(first, mosaic.shape, strict=True)]
    # The line beyond an edge is the second from it: it has the colours that belong there.
    return np.pad(mosaic, fill, mode="reflect"), (place[0], place[1])
