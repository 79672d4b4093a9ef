# SPDX-License-Identifier: Apache-2.0
"""Sources of noise measured against a camera's dark frames: reads, compares and judges, prints nothing."""

from .advice import best, verdict
from .dark_stack import DarkSet, DarkStack, find_darks, fitting_crop, read_darks
from .noise import Evaluation, IsoEvaluation, Settings, evaluate_noise
from .sources import Fake, check_fits, of_profile, open_fake

__all__ = [
    "DarkSet",
    "DarkStack",
    "Evaluation",
    "Fake",
    "IsoEvaluation",
    "Settings",
    "best",
    "check_fits",
    "evaluate_noise",
    "find_darks",
    "fitting_crop",
    "of_profile",
    "open_fake",
    "read_darks",
    "verdict",
]
