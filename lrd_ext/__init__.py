# SPDX-License-Identifier: Apache-2.0
"""Low-light raw noise synthesis and modeling."""

from .params import NoiseParams
from .reference import STREAM_VERSION, reference_synth
from .synth import fused_synth

__all__ = [
    "STREAM_VERSION",
    "NoiseParams",
    "__version__",
    "fused_synth",
    "reference_synth",
]

__version__ = "0.1.0"
