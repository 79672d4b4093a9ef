# SPDX-License-Identifier: Apache-2.0
"""A camera with everything a sensor adds, every figure of it known: darks and flats drawn by fused_synth."""

from __future__ import annotations

import functools

import numpy as np
import torch

from lrd_ext import NoiseParams, fused_synth
from lrd_ext.calibration import Frame, Picture

BLACK, WHITE = 512.0, 16383.0
#: Exposure times of the darks [s], and how many of each.
DARKS = ((0.002, 24), (10.0, 8), (30.0, 8))
LEVELS = (0.05, 0.12, 0.2, 0.3, 0.4, 0.5, 0.65)
RESPONSE = ((0.55, 1.0), (0.95, 0.65))


class SensorCamera:
    """Draws frames of a camera made up from a seed, at one ISO."""

    def __init__(self, seed: int, shape: tuple[int, int] = (320, 256)) -> None:
        rng = np.random.default_rng([seed, 79])
        self.seed, self.shape, self.iso = seed, shape, 800
        self.truth = {
            "K": rng.uniform(0.7, 1.2),
            "sigma_read": rng.uniform(3.6, 5.0),
            "sigma_row": rng.uniform(0.5, 0.9),
            "sigma_col": rng.uniform(0.5, 0.9),
            "sigma_prnu": rng.uniform(0.006, 0.012),
            "sigma_dsnu": rng.uniform(0.5, 1.0),
            "sigma_row_fixed": rng.uniform(0.3, 0.6),
            "sigma_col_fixed": rng.uniform(0.3, 0.6),
            "sigma_drift": rng.uniform(0.1, 0.4),
            "dark_current": rng.uniform(0.5, 1.5),
            "dark_current_spread": rng.uniform(0.2, 0.5),
            "hot_fraction": rng.uniform(0.008, 0.015),
            "hot_current": rng.uniform(40.0, 80.0),
            "blink_fraction": rng.uniform(0.1, 0.4),
        }
        self.step = float((1, 2, 4)[seed % 3])
        self.taps = {"row": _taps(rng, seed % 4), "col": _taps(rng, (seed + 1) % 4)}
        self.waves = {
            "row": (rng.uniform(0.4, 0.8), rng.uniform(4.0, 30.0)),
            "col": (rng.uniform(0.4, 0.8), rng.uniform(4.0, 30.0)),
        }

    def params(self, exposure_s: float) -> NoiseParams:
        """Parameters of an exposure without light."""
        lines = {f"{axis}_taps": taps for axis, taps in self.taps.items()}
        lines |= {f"{axis}_waves": [wave] for axis, wave in self.waves.items()}
        return NoiseParams(
            **self.truth,
            **lines,
            ratio=1.0,
            white=WHITE,
            black=BLACK,
            read="gaussian",
            exposure_s=exposure_s,
            step=self.step,
        )

    def draw(self, level: float, exposure_s: float, count: int, start: int) -> np.ndarray:
        """Draw ``count`` frames (count, H, W) uint16 at a level of light (share of the range)."""
        light = np.tile(RESPONSE, (self.shape[0] // 2, self.shape[1] // 2)).astype(np.float32) * level
        return fused_synth(
            torch.from_numpy(light.astype(np.float32)).expand(count, -1, -1).contiguous(),
            self.params(exposure_s),
            seed=self.seed,
            index=start,
            sensor=self.seed,
            output="dn",
            layout="mosaic",
        ).numpy()

    def frames(self, darks: tuple[tuple[float, int], ...] = DARKS, pairs: int = 2) -> list[Frame]:
        """Draw all frames of a calibration."""
        made = []
        for i, (exposure_s, count) in enumerate(darks):
            for k, mosaic in enumerate(self.draw(0.0, exposure_s, count, 1000 * i)):
                made.append(self._frame(f"dark_{i}_{k:02d}", "dark", mosaic, exposure_s))
        for j, level in enumerate(LEVELS):
            for k, mosaic in enumerate(self.draw(level, 0.1 * level, 2 * pairs, 9000 + 100 * j)):
                made.append(self._frame(f"flat_{j}_{k}", "flat", mosaic, 0.1 * level))
        return made

    def _frame(self, name: str, kind: str, mosaic: np.ndarray, exposure_s: float) -> Frame:
        picture = Picture(mosaic, float(self.iso), exposure_s, (BLACK,) * 4, WHITE, "RGGB")
        return Frame(name, f"{name} {self.seed}", functools.partial(_given, picture), kind)


def _given(picture: Picture) -> Picture:
    return picture


def _taps(rng: np.random.Generator, kind: int) -> list[float]:
    """White lines, a few taps of any sign, lines that remember their neighbours, a long memory."""
    made = (
        np.ones(1),
        rng.normal([1.5, 0, 0, 0, 0]),
        np.exp(-np.arange(9) / rng.uniform(1, 3)),
        rng.normal(size=33) * np.exp(-np.arange(33) / 8),
    )[kind]
    return list(np.asarray(made) / np.sqrt(np.square(made).sum()))
