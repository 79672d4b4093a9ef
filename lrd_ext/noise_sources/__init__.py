# SPDX-License-Identifier: Apache-2.0
"""Sources of signal-independent noise behind one interface, to compare them and to train with the best."""

from .fit import RIVALS, check_rival, fit_rival
from .learned import LearnedNoise
from .physics import MODEL_RIVALS, ModelNoise, NoNoise
from .recorded import RecordedNoise
from .source import NoiseSource
from .spectral import SpectralNoise

__all__ = [
    "MODEL_RIVALS",
    "RIVALS",
    "LearnedNoise",
    "ModelNoise",
    "NoNoise",
    "NoiseSource",
    "RecordedNoise",
    "SpectralNoise",
    "check_rival",
    "fit_rival",
]
