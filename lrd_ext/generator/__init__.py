# SPDX-License-Identifier: Apache-2.0
"""Learned signal-independent noise: a conv stack small enough to run inside the noise kernel.

No trained weights come with this package; a fresh generator gives Gaussian noise.
"""

from .lite import LiteGenerator

__all__ = ["LiteGenerator"]
