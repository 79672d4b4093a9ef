# SPDX-License-Identifier: Apache-2.0
"""What was made measured against what a camera recorded; prints nothing.

Sources of noise against a camera's dark frames; denoisers against ground truth under the field's protocols.
"""

from .advice import best, verdict
from .dark_stack import DarkSet, DarkStack, find_darks, fitting_crop, read_darks
from .denoiser import DenoiserEvaluation, GroupScore, ImageScore, evaluate_denoiser
from .noise import Evaluation, IsoEvaluation, Settings, evaluate_noise
from .protocols import PROTOCOLS, Protocol, protocol_named
from .published import Published, published_input, published_of
from .sources import Fake, at_camera, check_fits, of_profile, open_fake

__all__ = [
    "PROTOCOLS",
    "DarkSet",
    "DarkStack",
    "DenoiserEvaluation",
    "Evaluation",
    "Fake",
    "GroupScore",
    "ImageScore",
    "IsoEvaluation",
    "Protocol",
    "Published",
    "Settings",
    "at_camera",
    "best",
    "check_fits",
    "evaluate_denoiser",
    "evaluate_noise",
    "find_darks",
    "fitting_crop",
    "of_profile",
    "open_fake",
    "protocol_named",
    "published_input",
    "published_of",
    "read_darks",
    "verdict",
]
