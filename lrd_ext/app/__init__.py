# SPDX-License-Identifier: Apache-2.0
"""The page of `lrd explore`: a raw picture before and after, in a browser on the same machine."""

from .exploration import Exploration
from .server import serve

__all__ = ["Exploration", "serve"]
