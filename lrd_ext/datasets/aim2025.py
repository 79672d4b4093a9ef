# SPDX-License-Identifier: Apache-2.0
"""The kit of AIM 2025's challenge on raw denoising: four cameras, with dark frames and dark shading by ISO.

Source: the challenge's starter kit (README, datasets/real_eval_dataset.py, datasets/camera_config.yaml, MIT;
arXiv 2510.06601). The data are for research only.
"""

from __future__ import annotations

import functools
import os
import re
from pathlib import Path
from typing import Any

import numpy as np

from .pairs import Frame, Pair, RawPairs, check_present, found_root, read_array, read_frame

#: Pixels of each camera that count, (top, left, bottom, right) of the sensor, and the suffix of its files.
AIM2025_CAMERAS: dict[str, tuple[tuple[int, int, int, int], str]] = {
    "canon70d": ((38, 72, 3708, 5568), ".CR2"),
    "sonya6700": ((0, 0, 4128, 6192), ".ARW"),
    "sonya7r4": ((0, 0, 6376, 9568), ".ARW"),
    "sonyzve10m2": ((0, 0, 4128, 6192), ".ARW"),
}
_NAME = re.compile(r"(scene[^_]+)_iso(\d+)_dgain(\d+(?:\.\d+)?)")
_INPUT, _TRUTH, _SHADING = "test_data/paired_input", "test_data/paired_gt", "calib_res"


class AIM2025(RawPairs):
    """One camera of AIM 2025's kit; items as :class:`RawPairs`.

    Files lie as in the kit: ``sonya7r4/test_data/paired_input/scene1_iso800_dgain100.ARW``, with ISO and
    ratio in its name, ``sonya7r4/test_data/paired_gt/scene1_iso800_gt.ARW``, and
    ``sonya7r4/calib_res/dark_shading_iso800.npy``, which is taken off the noisy frame. The release for the
    challenge's first stage has no ``paired_gt``; without it the inputs can be denoised but not measured.

    Args:
        root: the folder with a folder for each camera, or one that holds it as ``dev_phase_release``.
        camera: "canon70d", "sonya6700", "sonya7r4" or "sonyzve10m2".
        dark_shading: False leaves the dark shading in.
        order: as :class:`RawPairs`.
        options: as :class:`RawPairs`.

    Raises:
        ValueError: an unknown camera; files are missing or empty, of which the first is named.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        camera: str,
        *,
        dark_shading: bool = True,
        order: str = "rggb",
        **options: Any,
    ) -> None:
        if camera not in AIM2025_CAMERAS:
            raise ValueError(f"camera must be one of {', '.join(AIM2025_CAMERAS)}, got {camera!r}")
        folder = found_root(root, ("dev_phase_release",), camera) / camera
        self.area, suffix = AIM2025_CAMERAS[camera]
        inputs = sorted((folder / _INPUT).glob(f"*{suffix}"))
        if not inputs:
            raise ValueError(f"{folder}: holds no {suffix} files in {_INPUT}")
        pairs = [_pair(folder, camera, path) for path in inputs]
        check_present(folder, [pair.clean for pair in pairs], f"AIM 2025's {camera}", _HINT)
        if dark_shading:
            names = {iso: folder / _SHADING / f"dark_shading_iso{iso}.npy" for iso in map(_iso, inputs)}
            check_present(folder, list(names.values()), f"AIM 2025's {camera}", _HINT)
            options["dark"] = functools.partial(_shading, folder / _SHADING)
        super().__init__(pairs, order=order, **options)

    def _read_noisy(self, pair: Pair) -> Frame:
        return read_frame(pair.noisy, area=self.area, dark=self.dark, iso=_iso(pair.noisy))

    def _read_clean(self, pair: Pair, noisy: Frame) -> Frame:
        return read_frame(pair.clean, area=self.area)


_HINT = f"Clean frames lie in {_TRUTH}/ (not in the challenge's first release), dark shading in {_SHADING}/"


def _pair(folder: Path, camera: str, path: Path) -> Pair:
    named = _NAME.fullmatch(path.stem)
    if named is None:
        raise ValueError(f"{path}: its name must be sceneN_isoN_dgainN, which tell ISO and ratio")
    scene, iso, gain = named.groups()
    return Pair(
        id=f"{camera}/{path.stem}",
        group=f"AIM2025 {camera} x{float(gain):g}",
        noisy=path,
        clean=folder / _TRUTH / f"{scene}_iso{iso}_gt{path.suffix}",
        ratio=float(gain),
    )


def _iso(path: Path) -> int:
    named = _NAME.fullmatch(path.stem)
    return int(named[2]) if named else 0


def _shading(folder: Path, iso: float) -> np.ndarray:
    return read_array(folder / f"dark_shading_iso{iso:g}.npy")
