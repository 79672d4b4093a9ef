# SPDX-License-Identifier: Apache-2.0
"""Raw pictures as training data and for evaluation.

Own files are prepared once into one flat file, of which every epoch takes fresh crops. The field's published
data sets are read as they are published.
"""

from .aim2025 import AIM2025, AIM2025_CAMERAS
from .crops import EPOCH, crop_corner, identity_of
from .eld import ELD, ELD_CAMERAS
from .eld_lmdb import EldLmdb
from .lrd import LRD
from .lrid import LRID, LRID_SUBSETS
from .pair_folder import PairFolder
from .pairs import Pair, RawPairs
from .prepare import Prepared, prepare_tiles, verify_tiles
from .raw_folder import RawFolder
from .sampler import IdentitySampler
from .sid import SID
from .tiles import RawTiles, Tile

__all__ = [
    "AIM2025",
    "AIM2025_CAMERAS",
    "ELD",
    "ELD_CAMERAS",
    "EPOCH",
    "LRD",
    "LRID",
    "LRID_SUBSETS",
    "SID",
    "EldLmdb",
    "IdentitySampler",
    "Pair",
    "PairFolder",
    "Prepared",
    "RawFolder",
    "RawPairs",
    "RawTiles",
    "Tile",
    "crop_corner",
    "identity_of",
    "prepare_tiles",
    "verify_tiles",
]
