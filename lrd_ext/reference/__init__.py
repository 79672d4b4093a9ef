# SPDX-License-Identifier: Apache-2.0
"""The executable specification of the noise model, in plain torch and float64.

One module per noise component; ``synthesize`` puts them together. Nothing here imports the
compiled module or any other room of the package.
"""

from .philox import STREAM_VERSION, Component
from .synth import synthesize

__all__ = ["STREAM_VERSION", "Component", "synthesize"]
