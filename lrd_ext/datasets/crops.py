# SPDX-License-Identifier: Apache-2.0
"""Where a crop lies, on the phase of the filters, and how it is mirrored: by (seed, identity) alone."""

from __future__ import annotations

import numpy as np

#: An identity is index + epoch * EPOCH: it names one sample of one epoch, and with it its crop and its noise.
EPOCH = 2**40
#: Identities are below this, as :func:`lrd_ext.fused_synth` wants its index.
LIMIT = 2**56


def identity_of(index: int, epoch: int = 0) -> int:
    """Return the identity of sample ``index`` in ``epoch``.

    Raises:
        ValueError: index is not in [0, 2^40), or epoch not in [0, 2^16).
    """
    if not 0 <= index < EPOCH:
        raise ValueError(f"index must be in [0, 2^40), got {index}")
    if not 0 <= epoch < LIMIT // EPOCH:
        raise ValueError(f"epoch must be in [0, {LIMIT // EPOCH}), got {epoch}")
    return index + epoch * EPOCH


def crop_corner(seed: int, identity: int, shape: tuple[int, int], size: tuple[int, int]) -> tuple[int, int]:
    """Draw the first row and column of a crop, both even, every place equally likely.

    Args:
        seed: any int, bits taken mod 2^64.
        identity: what :func:`identity_of` gave.
        shape: (height, width) of the mosaic, even.
        size: (height, width) of the crop, even and at most ``shape``.

    Source: words of NumPy's Philox (Salmon et al., SC 2011), keyed by the seed, counted by the identity: the
        first of a block of four, or where a draw of it is rejected, which is rare, the next.
    """
    draw = np.random.Generator(_words(seed, identity))
    row, column = (
        int(draw.integers(0, (whole - part) // 2 + 1)) for whole, part in zip(shape, size, strict=True)
    )
    return 2 * row, 2 * column


def mirrors(seed: int, identity: int) -> tuple[bool, bool]:
    """Draw whether the rows and the columns of a crop run backwards, each in half of the cases.

    Args:
        seed: as that of :func:`crop_corner`, on whose place nothing here depends.
        identity: what :func:`identity_of` gave.
    """
    bits = int(_words(seed, identity).random_raw(4)[3])  # the place takes words from the first on
    return bool(bits >> 63), bool(bits >> 62 & 1)


def _words(seed: int, identity: int) -> np.random.Philox:
    return np.random.Philox(key=seed % 2**64, counter=identity)
