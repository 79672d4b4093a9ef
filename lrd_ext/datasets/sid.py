# SPDX-License-Identifier: Apache-2.0
"""SID, the Sony set of See-in-the-Dark: which files it has, and how they pair.

Source: Chen et al., CVPR 2018, and its released lists (dataset/Sony_train_list.txt); SID_Sony_paired.txt and
SID_Sony_15_paired.txt of ELD (Wei et al., CVPR 2020). To be had from the authors' page, cchen156.github.io.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .pairs import Pair, RawPairs, check_present, found_root

#: Scenes of training by the exposures they have, as ids without leading zeros.
_TRAIN_10S = "1-2 4 9-10 12-15 17-19 21 23-24 26-29 31 33 36-39 41-44 46-53 56-60 62-67 70-71"
_TRAIN_30S = (
    "72-73 75-76 78 81 83-86 88 90-92 94-100 102 104 108-110 112-114 117-119 121-124 127-138 141-146 148-152 "
    "154-161 164-166 168-169 171 173-175"
)
_TRAIN_INDOOR = "179-184 186 189-190 194-197 200 202 204-207 209 212 214-216 218-225 230-232"
#: Short frames of each time that a scene of each kind has ...
_SHOTS = {
    _TRAIN_10S: {"0.04": 2, "0.1": 10},
    _TRAIN_30S: {"0.1": 10},
    _TRAIN_INDOOR: {"0.033": 2, "0.04": 10, "0.1": 2},
}
#: ... but for these.
_OTHER_SHOTS = {
    (4, "0.04"): 3, (39, "0.1"): 11, (43, "0.1"): 12, (50, "0.1"): 12, (58, "0.1"): 11, (104, "0.1"): 9,
    (108, "0.1"): 9, (137, "0.1"): 8, (146, "0.1"): 9, (148, "0.1"): 8, (179, "0.1"): 4, (180, "0.033"): 0,
    (181, "0.04"): 11, (183, "0.04"): 12, (194, "0.04"): 11, (195, "0.1"): 10, (207, "0.033"): 3,
    (212, "0.1"): 3, (220, "0.04"): 11, (222, "0.04"): 11, (232, "0.033"): 1,
}  # fmt: skip
#: Scenes of validation (2....) and test (1....): of 30 s, of 10 s, and those of 10 s with a third ratio.
_VAL_30S = "20079-20080 20089 20107 20115 20120 20147 20153 20177"
_VAL_10S = "20005 20007-20008 20020 20025 20061 20188 20201 20208 20210-20211"
_TEST_30S = (
    "10074 10077 10082 10087 10093 10101 10103 10105-10106 10111 10116 10125-10126 10139-10140 10162-10163 "
    "10167 10170 10172 10176"
)
_TEST_10S = (
    "10003 10006 10011 10016 10022 10030 10032 10034-10035 10040 10045 10054-10055 10068-10069 10178 10185 "
    "10187 10191-10193 10198-10199 10203 10213 10217 10226-10228"
)
_FIRST_INDOOR = {"1": 10178, "2": 20188}
#: The 15 scenes, of both, that ELD's paper evaluates.
_ELD_SCENES = "20188 20201 20208 20210-20211 10185 10187 10191 10193 10198 10213 10217 10226-10228"
#: Where the set may lie in a folder that holds it.
SID_PLACES = ("Sony", "SID/Sony")
SPLITS = ("train", "val", "test", "eval", "eld")
_LARGEST_RATIO = 300


class SID(RawPairs):
    """The Sony set of SID as its evaluation on raw uses it; items as :class:`RawPairs`.

    Files lie as published: ``short/00001_00_0.04s.ARW`` and ``long/00001_00_10s.ARW``, named by scene, number
    and exposure time. The ratio is that of the times in the names, 300 at most.

    Args:
        root: the folder with ``short`` and ``long``, or one that holds it as ``Sony`` or ``SID/Sony``.
        split: "train" (1865 pairs of 161 scenes), "val" and "test" (36 and 93 pairs, the first short frame
            of each ratio), "eval" (both, 129 pairs: 40 of x100, 40 of x250, 49 of x300), or "eld" (the 45
            pairs of 15 indoor scenes in ELD's paper).
        order: as :class:`RawPairs`.
        white: 16383, as ELD and PMN read the files; None takes each file's.
        options: as :class:`RawPairs`.

    Raises:
        ValueError: an unknown split; files of it are missing or empty, of which the first is named.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "train",
        *,
        order: str = "rggb",
        white: float | None = 16383.0,
        **options: Any,
    ) -> None:
        if split not in SPLITS:
            raise ValueError(f"split must be one of {', '.join(SPLITS)}, got {split!r}")
        folder = found_root(root, SID_PLACES, "short")
        pairs = [_pair(folder, *shot) for shot in _shots(split)]
        files = [file for pair in pairs for file in (pair.noisy, pair.clean)]
        check_present(folder, list(dict.fromkeys(files)), f"SID's {split} split", _HINT)
        super().__init__(pairs, order=order, white=white, **options)


_HINT = "Short exposures lie in short/, long ones in long/; Sony.zip of the authors' page holds both"
#: Scene, number of the frame, short time, long time.
_Shot = tuple[int, int, str, str]


def _shots(split: str) -> Iterator[_Shot]:
    if split == "train":
        for ids, shots in _SHOTS.items():
            long = "30" if ids is _TRAIN_30S else "10"
            for scene in _numbers(ids):
                for time, usual in shots.items():
                    count = _OTHER_SHOTS.get((scene, time), usual)
                    yield from ((scene, frame, time, long) for frame in range(count))
        return
    if split == "eld":
        scenes = list(_numbers(_ELD_SCENES))
        yield from ((scene, 0, time, "10") for time in ("0.1", "0.04", "0.033") for scene in scenes)
        return
    parts = {"val": "2", "test": "1", "eval": "21"}[split]
    for time in ("0.1", "0.04"):
        for part in parts:
            yield from ((s, 0, time, "10") for s in _numbers(_VAL_10S if part == "2" else _TEST_10S))
    for part in parts:
        yield from ((s, 0, "0.1", "30") for s in _numbers(_VAL_30S if part == "2" else _TEST_30S))
        indoor = _numbers(_VAL_10S if part == "2" else _TEST_10S)
        yield from ((s, 0, "0.033", "10") for s in indoor if s >= _FIRST_INDOOR[part])


def _pair(folder: Path, scene: int, frame: int, short: str, long: str) -> Pair:
    nominal = float(long) / float(short)
    ratio = min(nominal, _LARGEST_RATIO)
    name = f"{scene:05d}_{frame:02d}_{short}s"
    return Pair(
        id=name,
        group=f"SID x{ratio:g}",
        noisy=folder / "short" / f"{name}.ARW",
        clean=folder / "long" / f"{scene:05d}_00_{long}s.ARW",
        ratio=ratio,
        nominal=nominal,
    )


def _numbers(ranges: str) -> Iterator[int]:
    for part in ranges.split():
        first, _, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)
