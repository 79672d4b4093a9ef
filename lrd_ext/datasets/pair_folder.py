# SPDX-License-Identifier: Apache-2.0
"""Pairs that somebody packed into NumPy files already: one .npz a pair, or a .npy in each of two folders."""

from __future__ import annotations

import io
import math
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from lrd_ext.calibration.claimed_size import BEST_COMPRESSION, FREE, npy_claim
from lrd_ext.plain_text import cause

from .pairs import read_array

#: Folders of noisy and clean files: plain, and as LRD's code names those of training and test.
_FOLDERS = (("noisy", "clean"), ("train_noisy", "train_clean"), ("test_noisy", "test_clean"))

#: What a pair's .npz may hold.
_ARRAYS = ("noisy", "clean", "ratio", "iso")


class PairFolder(Dataset[dict[str, Any]]):
    """Pairs of packed planes in NumPy files; items as :class:`RawPairs`.

    Either ``*.npz`` with ``noisy`` and ``clean`` and, if they are known, ``ratio`` and ``iso``; or ``*.npy``
    of the same names in ``noisy`` and ``clean`` (or ``train_noisy`` and ``train_clean``, as LRD's training
    code has them). The arrays are (4, h, w): floats with 0 the black and 1 the white level, the noisy one
    times the ratio already; or uint16, of which ``white`` is 1. Channels stay in the order they are in.

    Args:
        root: the folder.
        white: what 1 is in arrays of whole numbers, as ELD's 65535.

    Raises:
        ValueError: there are no pairs, or a file has no partner; an item is none of the above. It is named.
    """

    def __init__(self, root: str | os.PathLike[str], *, white: float = 65535.0) -> None:
        self.root, self.white = Path(root), white
        if not self.root.is_dir():
            raise ValueError(f"{root}: is no folder")
        self.files: list[tuple[Path, Path]] = [(path, path) for path in sorted(self.root.glob("*.npz"))]
        if not self.files:
            self.files = _partners(self.root)
        if not self.files:
            raise ValueError(f"{root}: holds no pairs: neither .npz, nor .npy in noisy/ and clean/")

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> dict[str, Any]:
        path, partner = self.files[index]
        if path.suffix == ".npz":
            arrays = _read_npz(path)
        else:
            arrays = {"noisy": read_array(path), "clean": read_array(partner)}
        noisy, clean = self._planes(path, arrays["noisy"]), self._planes(partner, arrays["clean"])
        if noisy.shape != clean.shape:
            raise ValueError(
                f"{path}: noisy and clean must be of one shape, got {tuple(noisy.shape)} and "
                f"{tuple(clean.shape)}"
            )
        return {
            "noisy": noisy,
            "clean": clean.clamp_(0, 1),
            "ratio": _number(path, arrays, "ratio"),
            "iso": _number(path, arrays, "iso"),
            "id": path.stem,
            "group": self.root.name,
        }

    def _planes(self, path: Path, given: np.ndarray) -> torch.Tensor:
        if given.ndim != 3 or given.shape[0] != 4 or given.dtype.kind not in "uif":
            raise ValueError(f"{path}: must hold packed planes (4, h, w), got {given.dtype} {given.shape}")
        planes = given.astype(np.float32)
        if given.dtype.kind != "f":
            planes /= np.float32(self.white)
        return torch.from_numpy(planes)


def _partners(root: Path) -> list[tuple[Path, Path]]:
    files = []
    for names in _FOLDERS:
        noisy, clean = ({p.name: p for p in sorted((root / name).glob("*.npy"))} for name in names)
        lonely = sorted(set(noisy) ^ set(clean))
        if lonely:
            has, lacks = names if lonely[0] in noisy else names[::-1]
            raise ValueError(f"{root}: {has}/{lonely[0]} has no partner in {lacks}/")
        files += [(noisy[name], clean[name]) for name in noisy]
    return files


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    try:
        with zipfile.ZipFile(path) as archive:
            held = archive.namelist()
            arrays = {name: _member(archive, name) for name in _ARRAYS if f"{name}.npy" in held}
    except Exception as error:  # zlib.error, NotImplementedError: whatever the parts of a reader raise
        raise ValueError(f"{path}: is no whole .npz file ({cause(error)})") from error
    lacking = [name for name in ("noisy", "clean") if name not in arrays]
    if lacking:
        raise ValueError(f"{path}: must hold the arrays noisy and clean, lacks {' and '.join(lacking)}")
    return arrays


def _member(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """Read an array, if what it claims to hold can be in its bytes."""
    entry = archive.getinfo(f"{name}.npy")
    if entry.file_size > max(FREE, BEST_COMPRESSION * entry.compress_size):
        raise ValueError(f"{name} claims {entry.file_size / 1e6:.0f} MB, more than its bytes can hold")
    file = io.BytesIO(archive.read(entry))
    if npy_claim(file) > entry.file_size:
        raise ValueError(f"{name} claims more values than it holds")
    file.seek(0)
    return np.asarray(np.lib.format.read_array(file, allow_pickle=False))


def _number(path: Path, arrays: dict[str, np.ndarray], name: str) -> float:
    if name not in arrays:
        return math.nan
    if arrays[name].size != 1 or arrays[name].dtype.kind not in "uif":
        raise ValueError(f"{path}: {name} must be one number, got shape {arrays[name].shape}")
    return float(arrays[name].item())
