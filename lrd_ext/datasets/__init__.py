# SPDX-License-Identifier: Apache-2.0
"""Raw pictures as training data: prepared once into one flat file, then fresh crops of it in every epoch."""

from .crops import EPOCH, crop_corner, identity_of
from .prepare import Prepared, prepare_tiles, verify_tiles
from .raw_folder import RawFolder
from .sampler import IdentitySampler
from .tiles import RawTiles, Tile

__all__ = [
    "EPOCH",
    "IdentitySampler",
    "Prepared",
    "RawFolder",
    "RawTiles",
    "Tile",
    "crop_corner",
    "identity_of",
    "prepare_tiles",
    "verify_tiles",
]
