# SPDX-License-Identifier: Apache-2.0
"""LRID: indoor and outdoor scenes by an IMX686 at ISO 6400, against an aligned fusion of frames at ISO 100.

Source: Feng et al., IEEE TPAMI 46(1), 2024 (PMN), and the code that reads it (get_dataset_infos.py and
phone_datasets.py of PMN, branch TPAMI, and PNNP). To be had from the authors' page,
fenghansen.github.io/publication/PMN, or from Hugging Face, hansen97/LRID and hansen97/LRID_simplified.
"""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import numpy as np

from .pairs import Frame, Pair, RawPairs, check_present, found_root, read_array

#: Digital gains of each subset, and the places of its evaluation scenes in the sorted names of all.
LRID_SUBSETS: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "indoor_x5": ((1, 2, 4, 8, 16), (4, 14, 25, 41, 44, 51, 52, 53, 58)),
    "outdoor_x3": ((1, 2, 4), (9, 21, 22, 32, 44, 51)),
    "indoor_x3": ((1, 2, 4), ()),
    "outdoor_x5": ((1, 2, 4, 8, 16), (1, 2, 5)),
}
SPLITS = ("test", "train")
_GROUND_TRUTH = Path("npy") / "GT_align_ours"


class LRID(RawPairs):
    """One subset of LRID; items as :class:`RawPairs`.

    Files lie as the authors' code reads them: ``indoor_x5/6400/4/017/*.dng``, by digital gain and scene, of
    which the first frame counts, and the clean mosaic ``indoor_x5/npy/GT_align_ours/017.npy``. The ratio is
    the digital gain; with the ISO the noisy frames got 64 times less light than that.

    Args:
        root: the folder with a folder for each subset, or one that holds it as ``LRID``.
        subset: "indoor_x5" (gains 1, 2, 4, 8, 16), "outdoor_x3" (1, 2, 4), "indoor_x3" or "outdoor_x5".
        split: "test", the scenes that PMN and PNNP evaluate (9 of indoor_x5, 6 of outdoor_x3), or "train",
            the others.
        gains: some of the subset's; None takes all.
        order: as :class:`RawPairs`.
        black: 64, as the authors read the files; None takes each file's.
        white: 1023, likewise.
        options: as :class:`RawPairs`.

    Raises:
        ValueError: an unknown subset, split or gain; files are missing or empty, of which the first is named.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        subset: str = "indoor_x5",
        split: str = "test",
        *,
        gains: tuple[int, ...] | None = None,
        order: str = "rggb",
        black: float | None = 64.0,
        white: float | None = 1023.0,
        **options: Any,
    ) -> None:
        if subset not in LRID_SUBSETS:
            raise ValueError(f"subset must be one of {', '.join(LRID_SUBSETS)}, got {subset!r}")
        if split not in SPLITS:
            raise ValueError(f"split must be one of {', '.join(SPLITS)}, got {split!r}")
        every, places = LRID_SUBSETS[subset]
        chosen = every if gains is None else tuple(gains)
        if not chosen or not set(chosen) <= set(every):
            raise ValueError(f"gains of {subset} must be of {', '.join(map(str, every))}, got {chosen}")
        folder = found_root(root, ("LRID",), subset) / subset
        scenes = _scenes(folder, places, split)
        pairs = [_pair(folder, scene, gain) for gain in chosen for scene in scenes]
        files = [file for pair in pairs for file in (pair.noisy, pair.clean)]
        check_present(folder, list(dict.fromkeys(files)), f"LRID's {subset}", _HINT)
        super().__init__(pairs, order=order, black=black, white=white, **options)

    def _read_clean(self, pair: Pair, noisy: Frame) -> Frame:
        mosaic = _read_mosaic(pair.clean, noisy.mosaic.shape)
        return dataclasses.replace(noisy, path=pair.clean, mosaic=mosaic, iso=None, exposure_s=None)


_HINT = f"Noisy frames lie in 6400/GAIN/SCENE/, clean mosaics in {_GROUND_TRUTH.as_posix()}/"


def _scenes(folder: Path, places: tuple[int, ...], split: str) -> list[str]:
    names = sorted(path.stem for path in (folder / _GROUND_TRUTH).glob("*.npy"))
    if not names:
        raise ValueError(f"{folder}: holds no clean mosaics in {_GROUND_TRUTH.as_posix()}. {_HINT}")
    if places and len(names) <= max(places):
        raise ValueError(
            f"{folder}: has {len(names)} clean mosaics, but evaluation takes the one in place {max(places)} "
            "of the sorted names; the download is not complete"
        )
    if split == "test":
        if not places:
            raise ValueError(f"{folder.name} has no evaluation scenes; use split 'train'")
        return [names[place] for place in places]
    return [name for place, name in enumerate(names) if place not in places]


def _pair(folder: Path, scene: str, gain: int) -> Pair:
    place = folder / "6400" / str(gain) / scene
    frames = sorted(place.glob("*.dng"))
    return Pair(
        id=f"{folder.name}/{scene}_x{gain:02d}",
        group=f"LRID {folder.name} x{gain}",
        noisy=frames[0] if frames else place / "*.dng",
        clean=folder / _GROUND_TRUTH / f"{scene}.npy",
        ratio=float(gain),
    )


def _read_mosaic(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """Read a clean mosaic, (H, W) or flat, whole DN or not."""
    values = read_array(path)
    if values.size != shape[0] * shape[1]:
        raise ValueError(f"{path}: must hold {shape[0]} x {shape[1]} numbers, got shape {values.shape}")
    return values.reshape(shape)
