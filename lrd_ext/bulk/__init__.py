# SPDX-License-Identifier: Apache-2.0
"""Pairs made ahead of training, in files that other programs read."""

from .manifest import read_manifest
from .recipe import FORMATS, Recipe
from .sources import Source, find_sources
from .storage import Storage
from .synthesize import Synthesized, synthesize, verify_shards

__all__ = [
    "FORMATS",
    "Recipe",
    "Source",
    "Storage",
    "Synthesized",
    "find_sources",
    "read_manifest",
    "synthesize",
    "verify_shards",
]
