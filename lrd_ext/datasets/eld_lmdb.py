# SPDX-License-Identifier: Apache-2.0
"""ELD's training data as its code stores them: packed patches in an LMDB.

Source: util/lmdb_data.py and dataset/lmdb_dataset.py of the code of Wei et al., CVPR 2020 (ELD).
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from .crops import EPOCH

#: ELD stores [0, 1] as so many whole numbers.
_WHITE = 65535
#: From R, G, B, G, as ELD packs, to the sites of an RGGB mosaic.
_TO_SITES = [0, 1, 3, 2]


class EldLmdb(Dataset[dict[str, Any]]):
    """The patches of an LMDB that ELD's lmdb_data.py made, such as SID_Sony_Raw.db.

    Items are what :class:`RawTiles` gives, so that :class:`~lrd_ext.augment.LowLightNoise` takes them:
    ``clean`` (4, h, w) uint16 by site of an RGGB mosaic, with ``black`` 0 and ``white`` 65535; ``iso`` and
    ``exposure_s`` NaN, which the LMDB does not hold; ``origin`` (0, 0); ``index``; ``id``, the key. What lay
    below black was cut when the LMDB was made.

    Only the patches are read: ``meta_info.pkl`` beside them is a pickle, which can run anything. The LMDB
    library trusts what it maps: a file cut short is refused, one with damaged pages can end the process.

    Args:
        root: folder of the LMDB.
        shape: of a patch, ELD's (4, 512, 512).

    Raises:
        ModuleNotFoundError: the package lmdb is not installed (extra ``lmdb``).
        ValueError: there is no such LMDB, it is empty, or its patches are of another size.
    """

    def __init__(self, root: str | os.PathLike[str], shape: tuple[int, int, int] = (4, 512, 512)) -> None:
        self.root, self.shape = Path(root), tuple(shape)
        self._environment: Any = None
        if not (self.root / "data.mdb").is_file():
            raise ValueError(f"{root}: holds no LMDB (data.mdb)")
        with self._opened().begin() as reading:
            self.samples = int(reading.stat()["entries"])
        if not self.samples:
            raise ValueError(f"{root}: its LMDB holds no patches; making it was not finished")
        self._patch(0)

    def __len__(self) -> int:
        return self.samples

    def __getitem__(self, identity: int) -> dict[str, Any]:
        index = identity % EPOCH
        if identity < 0 or index >= self.samples:
            raise IndexError(
                f"identity must be index + epoch * 2^40, index below {len(self)}, got {identity}"
            )
        return {
            "clean": torch.from_numpy(self._patch(index)),
            "black": torch.zeros(4),
            "white": float(_WHITE),
            "cfa": "RGGB",
            "origin": (0, 0),
            "iso": math.nan,
            "exposure_s": math.nan,
            "index": identity,
            "id": _key(index),
        }

    def __getstate__(self) -> dict[str, Any]:
        # An environment must not be shared with a worker: that opens its own.
        return self.__dict__ | {"_environment": None}

    def _opened(self) -> Any:
        if self._environment is None:
            import lmdb

            try:
                opened = lmdb.open(str(self.root), readonly=True, lock=False, readahead=False, meminit=False)
            except lmdb.Error as error:
                raise ValueError(f"{self.root}: its LMDB cannot be read ({error})") from error
            # A page that is not there would end the process: the file is a memory map.
            needs = (opened.info()["last_pgno"] + 1) * opened.stat()["psize"]
            if (size := (self.root / "data.mdb").stat().st_size) < needs:
                raise ValueError(f"{self.root}: data.mdb must hold {needs} bytes, got {size}: cut short")
            self._environment = opened
        return self._environment

    def _patch(self, index: int) -> np.ndarray:
        """Return a patch by site, uint16."""
        import lmdb

        try:
            with self._opened().begin() as reading:
                stored = reading.get(_key(index).encode())
        except lmdb.Error as error:
            raise ValueError(f"{self.root}: patch {_key(index)} cannot be read ({error})") from error
        if stored is None:
            raise ValueError(f"{self.root}: its LMDB has no patch {_key(index)}; making it was not finished")
        values = math.prod(self.shape)
        kinds = {2 * values: "<u2", 4 * values: "<f4"}
        if len(stored) not in kinds:
            raise ValueError(
                f"{self.root}: patch {_key(index)} must hold {self.shape} numbers of 2 or 4 bytes, got "
                f"{len(stored)} bytes; say its shape"
            )
        patch = np.frombuffer(stored, np.dtype(kinds[len(stored)])).reshape(self.shape)
        if patch.dtype.kind == "f":
            patch = (patch.clip(0, 1) * _WHITE).round().astype(np.uint16)
        return patch[_TO_SITES].astype(np.uint16)


def _key(index: int) -> str:
    return f"{index:08d}"
