# SPDX-License-Identifier: Apache-2.0
"""ELD: ten scenes by each of five cameras, for evaluation only.

Source: Wei et al., CVPR 2020, and its released code (test_ELD.py, ELDEvalDataset). To be had from the
authors' page, github.com/Vandermode/ELD.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from .pairs import Pair, RawPairs, check_present, found_root

#: Suffix of each camera's files. The paper's tables leave CanonEOS5D4 out.
ELD_CAMERAS = {
    "CanonEOS5D4": ".CR2",
    "CanonEOS70D": ".CR2",
    "CanonEOS700D": ".CR2",
    "NikonD850": ".nef",
    "SonyA7S2": ".ARW",
}
#: Frames of a scene by the ratio of light that 1, 6, 11 and 16 got, the clean ones, to theirs.
_FRAMES = {1: (2, 7, 12), 10: (3, 8, 13), 100: (4, 9, 14), 200: (5, 10, 15)}
_CLEAN = (1, 6, 11, 16)
#: Where the set may lie in a folder that holds it.
ELD_PLACES = ("ELD",)
_SCENES = range(1, 11)


class ELD(RawPairs):
    """One camera of ELD; items as :class:`RawPairs`.

    Files lie as published: ``SonyA7S2/scene-1/IMG_0001.ARW``. A noisy frame pairs with the clean one that is
    nearest in number; the ratio is that of ISO times exposure time in the files' Exif.

    Args:
        root: the folder with a folder for each camera, or one that holds it as ``ELD``.
        camera: "SonyA7S2", "NikonD850", "CanonEOS70D", "CanonEOS700D" or "CanonEOS5D4".
        ratios: which of 1, 10, 100 and 200; the paper evaluates 100 and 200, 30 pairs each.
        order: as :class:`RawPairs`.
        white: 16383, as ELD and PMN read the files of every camera; None takes each file's.
        options: as :class:`RawPairs`.

    Raises:
        ValueError: an unknown camera or ratio; files are missing or empty, of which the first is named.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        camera: str = "SonyA7S2",
        *,
        ratios: tuple[int, ...] = (100, 200),
        order: str = "rggb",
        white: float | None = 16383.0,
        **options: Any,
    ) -> None:
        if camera not in ELD_CAMERAS:
            raise ValueError(f"camera must be one of {', '.join(ELD_CAMERAS)}, got {camera!r}")
        unknown = [ratio for ratio in ratios if ratio not in _FRAMES]
        if unknown or not ratios:
            raise ValueError(f"ratios must be of {', '.join(map(str, _FRAMES))}, got {tuple(ratios)}")
        folder = found_root(root, ELD_PLACES, camera)
        place = folder / camera
        pairs = [
            _pair(place, scene, frame, ratio)
            for ratio in ratios
            for scene in _SCENES
            for frame in _FRAMES[ratio]
        ]
        files = dict.fromkeys(file for pair in pairs for file in (pair.noisy, pair.clean))
        check_present(folder, list(files), f"ELD's {camera}", _HINT)
        super().__init__(pairs, order=order, white=white, **options)


_HINT = "Frames are named IMG_0001 to IMG_0016 in every scene; ELD_preprocess.py of ELD names them so"


def _pair(place: Path, scene: int, frame: int, ratio: int) -> Pair:
    clean = min(_CLEAN, key=lambda number: abs(number - frame))
    folder, suffix = place / f"scene-{scene}", ELD_CAMERAS[place.name]
    return Pair(
        id=f"{place.name}/scene-{scene}/IMG_{frame:04d}",
        group=f"ELD {place.name} x{ratio}",
        noisy=folder / f"IMG_{frame:04d}{suffix}",
        clean=folder / f"IMG_{clean:04d}{suffix}",
        nominal=float(ratio),
    )
