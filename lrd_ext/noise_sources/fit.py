# SPDX-License-Identifier: Apache-2.0
"""Sources by name, fitted to dark frames."""

from __future__ import annotations

from .physics import MODEL_RIVALS, ModelNoise, NoNoise
from .recorded import RecordedNoise
from .source import Darks, NoiseSource
from .spectral import SpectralNoise

#: Names of the sources that :func:`fit_rival` fits to dark frames.
RIVALS = ("none", *MODEL_RIVALS, "spectral", "darks")


def check_rival(name: str) -> None:
    """Refuse a name that no rival has.

    Raises:
        ValueError: it is unknown.
    """
    if name not in RIVALS:
        raise ValueError(f"a rival must be one of {', '.join(RIVALS)}, got {name!r}")


def fit_rival(name: str, darks: Darks) -> NoiseSource:
    """Fit a source to dark frames.

    Args:
        name: one of :data:`RIVALS`.
        darks: frames of noise by ISO, (H, W) float32, DN about 0.

    Raises:
        ValueError: the name is unknown.
    """
    check_rival(name)
    if name == "none":
        return NoNoise()
    if name == "spectral":
        return SpectralNoise.fit(darks)
    return RecordedNoise(darks) if name == "darks" else ModelNoise.fit(darks, name)
