# SPDX-License-Identifier: Apache-2.0
"""Pairs of a noisy and a clean frame by the simulated sensor, on any clean picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import simulated_sensor as sensor

#: DN per electron at ISO 100.
GAIN_AT_100 = 0.12


def gain(iso: float) -> float:
    """Return K, DN per electron."""
    return GAIN_AT_100 * iso / 100


def picture(shape: tuple[int, int], seed: int, brightest: float = 9000.0) -> np.ndarray:
    """Draw a clean picture of soft shapes, uint16 raw DN."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[: shape[0], : shape[1]] / max(shape)
    light = np.zeros(shape)
    for _ in range(6):
        down, across, phase = rng.uniform(-3, 3, 3)
        light += np.sin(2 * np.pi * (down * rows + across * columns) + phase)
    light = (light - light.min()) / (light.max() - light.min())
    return np.rint(sensor.BLACK + brightest * light**2).astype(np.uint16)


def noisy(
    clean: np.ndarray, iso: float, ratio: float, seed: int, darks: np.ndarray | None = None
) -> np.ndarray:
    """Return what the sensor records of a clean picture in ``ratio`` times less light, uint16 raw DN.

    ``darks`` takes the place of the sensor's own dark frame.
    """
    rng = np.random.default_rng([seed, 77])
    light = (clean.astype(np.float64) - sensor.BLACK).clip(0) / ratio / gain(iso)
    dark = sensor.darks(iso, 1, clean.shape, seed)[0] if darks is None else darks
    raw = dark + rng.poisson(light) * gain(iso)
    return np.rint(raw).clip(0, sensor.WHITE).astype(np.uint16)


def write_pairs(
    folder: Path, pictures: Mapping[str, np.ndarray], isos: Sequence[float], ratio: float, seed: int
) -> Path:
    """Write a folder with pairs.csv: every picture at every ISO."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["noisy,clean,iso,exposure_s,ratio"]
    for number, (name, clean) in enumerate(pictures.items()):
        np.save(folder / f"{name}.npy", clean)
        for iso in isos:
            np.save(folder / f"{name}_{iso:g}.npy", noisy(clean, iso, ratio, seed + 1000 * number))
            lines.append(f"{name}_{iso:g}.npy,{name}.npy,{iso:g},0.01,{ratio:g}")
    (folder / "pairs.csv").write_text("\n".join(lines) + "\n")
    return folder
