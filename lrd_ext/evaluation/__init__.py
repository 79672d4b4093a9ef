# SPDX-License-Identifier: Apache-2.0
"""Sources of noise measured against a camera's dark frames: reads, compares and judges, prints nothing."""

from .dark_stack import DarkStack, read_darks
from .noise import Evaluation, IsoEvaluation, Settings, evaluate_noise
from .sources import Fake, open_fake
from .verdict import verdict

__all__ = [
    "DarkStack",
    "Evaluation",
    "Fake",
    "IsoEvaluation",
    "Settings",
    "evaluate_noise",
    "open_fake",
    "read_darks",
    "verdict",
]
