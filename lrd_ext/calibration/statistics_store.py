# SPDX-License-Identifier: Apache-2.0
"""Statistics kept on disk, one whole file each, so that a killed run goes on where it was."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from lrd_ext.outputs import replacing

#: Raised when the meaning of what is kept changes: older files are then measured anew.
VERSION = 10

#: Under which name a set keeps its own checksum.
_DIGEST = "sha256"

Arrays = Mapping[str, np.ndarray]


class StatisticsStore:
    """Named sets of arrays in a folder; without a folder nothing is kept.

    Raises:
        ValueError: the folder's name is that of a file.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        if folder is not None and folder.exists() and not folder.is_dir():
            raise ValueError(f"{folder}: a file, where the folder of kept statistics goes. Move it away")
        if folder is not None:
            folder.mkdir(exist_ok=True)

    def remember(self, kind: str, identity: str, measure: Callable[[], Arrays]) -> Arrays:
        """Return what is kept under an identity, or measure it and keep it."""
        if self.folder is None:
            return measure()
        key = hashlib.sha256(f"{VERSION} {kind} {identity}".encode()).hexdigest()[:32]
        path = self.folder / f"{kind}_{key}.npz"
        kept = _load(path)
        if kept is None:
            _save(path, measure())
            kept = _load(path)
        if kept is None:
            raise OSError(f"{path}: written, but cannot be read back")
        return kept


def _load(path: Path) -> dict[str, np.ndarray] | None:
    try:
        with np.load(path, allow_pickle=False) as data:
            arrays = {name: data[name] for name in data.files}
        digest = arrays.pop(_DIGEST)
        return arrays if str(digest) == _digest(arrays) else None
    except Exception:  # damage shows as whatever the parts of zip, deflate and .npy raise
        return None


def _save(path: Path, arrays: Arrays) -> None:
    with replacing(path) as file:
        np.savez_compressed(file, allow_pickle=False, **{**arrays, _DIGEST: np.array(_digest(arrays))})


def _digest(arrays: Arrays) -> str:
    """Return a checksum of names, kinds, shapes and values: a file that lacks or changes one is not whole."""
    made = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        made.update(repr((name, array.dtype.str, array.shape)).encode())
        made.update(np.ascontiguousarray(array).tobytes())
    return made.hexdigest()
