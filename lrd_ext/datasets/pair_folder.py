# SPDX-License-Identifier: Apache-2.0
"""Pairs that somebody packed into NumPy files already: one .npz a pair, or a .npy in each of two folders."""

from __future__ import annotations

import io
import math
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch.utils.data import Dataset

from lrd_ext.calibration.claimed_size import BEST_COMPRESSION, FREE, npy_claim
from lrd_ext.plain_text import cause

from .pairs import read_array

Split = Literal["train", "test"]
#: What the names of the folders of noisy and clean files begin with: nothing, or as LRD's code has it.
_PREFIXES = {None: ("", "train_", "test_"), "train": ("train_",), "test": ("test_",)}

#: What a pair's .npz may hold.
_ARRAYS = ("noisy", "clean", "ratio", "iso")


class PairFolder(Dataset[dict[str, Any]]):
    """Pairs of packed planes in NumPy files; items as :class:`RawPairs`.

    Either ``*.npz`` with ``noisy`` and ``clean`` and, if they are known, ``ratio`` and ``iso``; or ``*.npy``
    of the same names in ``noisy`` and ``clean`` (or ``train_noisy`` and ``train_clean``, ``test_noisy`` and
    ``test_clean``, as LRD's training code has them). The arrays are (4, h, w): floats with 0 the black and 1
    the white level, the noisy one times the ratio already; or uint16, of which ``white`` is 1. Channels stay
    in the order they are in.

    Args:
        root: the folder.
        white: what 1 is in arrays of whole numbers, as ELD's 65535.
        split: "train" or "test", for the folders of that name alone; needed where both are there.

    Raises:
        ValueError: there are no pairs, or those of more than one split and none is asked for, or a file has
            no partner; an item is none of the above. It is named.
    """

    def __init__(
        self, root: str | os.PathLike[str], *, white: float = 65535.0, split: Split | None = None
    ) -> None:
        if split not in _PREFIXES:
            raise ValueError(f"split must be one of {', '.join(get_args(Split))}, got {split!r}")
        self.root, self.white = Path(root), white
        if not self.root.is_dir():
            raise ValueError(f"{root}: is no folder")
        packed = sorted(self.root.glob("*.npz")) if split is None else []
        self.files = [(path, path) for path in packed] or _only(self.root, _PREFIXES[split])
        if not self.files:
            what = "neither .npz, nor .npy in noisy/ and clean/"
            if split:
                what = f".npy in {split}_noisy/ and {split}_clean/"
            raise ValueError(f"{root}: holds no pairs: {what}")

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


def _only(root: Path, prefixes: Sequence[str]) -> list[tuple[Path, Path]]:
    """Return the pairs of .npy files in the folders whose names begin with one of the prefixes."""
    found = {prefix: files for prefix in prefixes if (files := _partners(root, prefix))}
    if len(found) > 1:
        folders = " and ".join(f"{prefix}noisy/" for prefix in found)
        raise ValueError(
            f'{root}: holds pairs in {folders}, which are no one set; say split="train" or "test"'
        )
    return next(iter(found.values()), [])


def _partners(root: Path, prefix: str) -> list[tuple[Path, Path]]:
    names = (f"{prefix}noisy", f"{prefix}clean")
    noisy, clean = ({p.name: p for p in sorted((root / name).glob("*.npy"))} for name in names)
    lonely = sorted(set(noisy) ^ set(clean))
    if lonely:
        has, lacks = names if lonely[0] in noisy else names[::-1]
        raise ValueError(f"{root}: {has}/{lonely[0]} has no partner in {lacks}/")
    return [(noisy[name], clean[name]) for name in noisy]


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
