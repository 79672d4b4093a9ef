# SPDX-License-Identifier: Apache-2.0
"""Low-light raw noise synthesis and modeling."""

from .params import NoiseParams
from .profiles import CameraProfile, load_profile
from .reference import STREAM_VERSION
from .synth import fused_synth, reference_synth
from .version import __version__

__all__ = [
    "STREAM_VERSION",
    "CameraProfile",
    "NoiseParams",
    "__version__",
    "fused_synth",
    "load_profile",
    "reference_synth",
]
