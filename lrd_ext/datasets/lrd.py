# SPDX-License-Identifier: Apache-2.0
"""LRD: 600 scenes by a phone's sensor at six ISOs, each 1, 2 and 3 EV too dark.

Source: Zhang et al., ICCV 2023, and its released lists (datalist/LRD_{train,val,test}_list.txt). To be had
from the authors' page, github.com/fengzhang427/LRD.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from .pairs import Pair, RawPairs, check_present, found_root, shown

SPLITS = ("train", "val", "test")
#: Validation are six scenes from each of these on, one at each ISO; the last 60 are the test.
_VAL_FIRST = (200, 224, 278, 308, 320, 338, 404, 451, 493, 529)
_SCENES, _TEST_FIRST = 600, 541
_EV = (1, 2, 3)


class LRD(RawPairs):
    """The data set of LRD; items as :class:`RawPairs`.

    Files lie as published: ``Clean/00541_00_0.05s.DNG`` and ``Noisy/00541_01_0.01s.DNG``, named by scene,
    frame (1, 2, 3 for -1, -2, -3 EV) and exposure time. The ratio is that of ISO times exposure time, the
    times as the names tell them, the ISOs as the files do.

    Args:
        root: the folder with ``Clean`` and ``Noisy``, or one that holds it as ``LRD``.
        split: "train" (480 scenes, 1440 pairs), "val" or "test" (60 scenes, 180 pairs each).
        order: as :class:`RawPairs`.
        white: 65535, as the authors read the files; None takes each file's.
        options: as :class:`RawPairs`.

    Raises:
        ValueError: an unknown split; files are missing, empty or ambiguous, of which the first is named.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "train",
        *,
        order: str = "rggb",
        white: float | None = 65535.0,
        **options: Any,
    ) -> None:
        if split not in SPLITS:
            raise ValueError(f"split must be one of {', '.join(SPLITS)}, got {split!r}")
        folder = found_root(root, ("LRD",), "Noisy")
        found = _Found(folder)
        clean = {scene: found.file("Clean", scene, 0) for scene in _scenes(split)}
        noisy = {(scene, ev): found.file("Noisy", scene, ev) for scene in clean for ev in _EV}
        check_present(folder, [*clean.values(), *noisy.values()], f"LRD's {split} split", _HINT)
        pairs = [
            Pair(
                id=path.stem,
                group=f"LRD -{ev}EV",
                noisy=path,
                clean=clean[scene],
                times_s=(_time(path), _time(clean[scene])),
            )
            for (scene, ev), path in noisy.items()
        ]
        super().__init__(pairs, order=order, white=white, **options)


_HINT = "Long exposures lie in Clean/, short ones in Noisy/"


class _Found:
    """The files of ``Clean`` and ``Noisy`` by scene and frame: their names hold a time that no rule gives."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names: dict[tuple[str, str], list[Path]] = {}
        for part in ("Clean", "Noisy"):
            for path in sorted((folder / part).glob("*.[Dd][Nn][Gg]")):
                self.names.setdefault((part, path.name[:8]), []).append(path)

    def file(self, part: str, scene: int, frame: int) -> Path:
        """Return the file; where there is none, the name it would have with the time left open."""
        start = f"{scene:05d}_{frame:02d}"
        paths = self.names.get((part, start), [self.folder / part / f"{start}_*s.DNG"])
        if len(paths) > 1:
            both = " and ".join(shown(self.folder, path) for path in paths[:2])
            raise ValueError(f"{self.folder}: {both} are one frame of one scene; remove the wrong one")
        return paths[0]


def _scenes(split: str) -> list[int]:
    val = {first + i for first in _VAL_FIRST for i in range(6)}
    if split == "val":
        return sorted(val)
    if split == "test":
        return list(range(_TEST_FIRST, _SCENES + 1))
    return [scene for scene in range(1, _TEST_FIRST) if scene not in val]


def _time(path: Path) -> float:
    """Return the exposure time in a name such as 00541_01_0.01s."""
    try:
        return float(path.stem[9:].removesuffix("s"))
    except ValueError:
        raise ValueError(f"{path}: its name must tell scene, frame and time, as 00541_01_0.01s.DNG") from None
