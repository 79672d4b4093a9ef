# SPDX-License-Identifier: Apache-2.0
"""A camera of one ISO drawn by NumPy: Gaussian read noise, a little row noise, no column noise, K = 1."""

from __future__ import annotations

import functools

import numpy as np

from lrd_ext.calibration import Frame, Picture

BLACK, WHITE = 512.0, 16383.0
LEVELS = (0.05, 0.2, 0.4, 0.6)


class PlainCamera:
    """Draws frames; ``kept`` holds them in the order they were made."""

    def __init__(self, seed: int, shape: tuple[int, int] = (96, 128)) -> None:
        self.rng, self.shape = np.random.default_rng([seed, 79]), shape
        self.kept: list[Frame] = []

    def draw(self, electrons: float = 0.0, sigma: float = 3.0, row: float = 0.6) -> np.ndarray:
        """Draw a frame of a mean of so many electrons, uint16."""
        noise = self.rng.normal(0, sigma, self.shape) + self.rng.normal(0, row, (self.shape[0], 1))
        drawn = BLACK + self.rng.poisson(electrons, self.shape) + noise
        return np.clip(np.rint(drawn), 0, WHITE).astype(np.uint16)

    def add(self, name: str, kind: str | None, mosaic: np.ndarray, exposure_s: float) -> None:
        """Keep a frame."""
        picture = Picture(mosaic, 100.0, exposure_s, (BLACK,) * 4, WHITE, "RGGB")
        self.kept.append(Frame(name, name, functools.partial(_given, picture), kind))

    def darks(self, count: int = 8, exposure_s: float = 0.01, name: str = "dark", **noise: float) -> None:
        """Keep darks; ``noise`` goes to ``draw``."""
        for k in range(count):
            self.add(f"{name}_{k}", "dark", self.draw(**noise), exposure_s)

    def flats(self, **noise: float) -> None:
        """Keep a pair of flats at every level."""
        for j, level in enumerate(LEVELS):
            for k in range(2):
                mosaic = self.draw(level * (WHITE - BLACK), **noise)
                self.add(f"flat_{j}_{k}", "flat", mosaic, level)


def _given(picture: Picture) -> Picture:
    return picture
