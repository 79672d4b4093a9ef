# SPDX-License-Identifier: Apache-2.0
"""A camera whose every figure is known: darks and flats drawn by fused_synth."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import torch

from lrd_ext import NoiseParams, fused_synth
from lrd_ext.calibration import Frame, Picture
from lrd_ext.profiles import tukey_lambda_std

#: ISOs, and how many of them lie below the gain switch, where read noise tells the branches apart.
SWITCHES = (((800, 1600, 3200, 6400), 1), ((400, 800, 1600, 6400), 2), ((100, 400, 1600, 6400), 3))
BITS = {10: (64.0, 1023.0), 12: (256.0, 4095.0), 14: (512.0, 16383.0)}
FIGURES = ("K", "sigma_gaussian", "sigma_tukey_lambda", "sigma_row", "sigma_col", "tukey_lambda")
LEVELS = (0.03, 0.08, 0.15, 0.25, 0.35, 0.48, 0.6, 0.72)


@dataclasses.dataclass(frozen=True)
class Truth:
    """Figures of the camera, by ISO where they differ; DN and DN/e-."""

    isos: tuple[int, ...]
    below_switch: int
    bits: int
    black: float
    white: float
    rows: tuple[dict[str, float], ...]
    bias: np.ndarray
    prnu: float
    dsnu: float
    hot: np.ndarray


class SyntheticCamera:
    """Draws frames of a camera made up from a seed."""

    def __init__(self, seed: int, shape: tuple[int, int] = (192, 256), bits: int | None = None) -> None:
        rng = np.random.default_rng([seed, 77])
        isos, below = SWITCHES[seed % 3]
        bits = bits or (10, 12, 14)[seed // 3 % 3]
        black, white = BITS[bits]
        per_iso, late = rng.uniform(0.8e-3, 1.2e-3), rng.uniform(0.7, 1.3)
        early_e = rng.uniform(3.5, 4.5), rng.uniform(1.0, 1.3)  # before the gain, in each branch, e-
        rows = tuple(
            _row(rng, per_iso * iso, early_e[i >= below] * rng.uniform(0.97, 1.03), late)
            for i, iso in enumerate(isos)
        )
        hot = rng.choice(shape[0] * shape[1], 30, replace=False)
        bias = rng.uniform(-3, 3, (4, 4))
        self.truth = Truth(isos, below, bits, black, white, rows, bias, 0.01, 0.5, np.sort(hot))
        self.shape, self.seed = shape, seed
        y, x = np.mgrid[: shape[0], : shape[1]]
        self.shading = 2.0 * (x / shape[1] - 0.5) + 3.0 * np.sin(3 * y / shape[0])
        self.shading += self.truth.dsnu * np.random.default_rng([seed, 78]).standard_normal(shape)
        self.shading = self.shading.astype(np.float32)
        for r in range(2):
            for c in range(2):
                self.shading[r::2, c::2] -= self.shading[r::2, c::2].mean()
        self.hot_excess = rng.uniform(20, 60, 30)
        far = (x / shape[1] - 0.5) ** 2 + (y / shape[0] - 0.5) ** 2
        response = np.tile([[0.55, 1.0], [0.95, 0.65]], (shape[0] // 2, shape[1] // 2))
        pattern = 1 + self.truth.prnu * rng.standard_normal(shape)
        self.light = (response * (1 - 0.5 * far) * pattern).astype(np.float32)

    def params(self, index: int) -> NoiseParams:
        """Parameters at the ISO of this index."""
        t = self.truth
        row = t.rows[index]
        return NoiseParams.from_dict(
            {
                "K": row["K"],
                "ratio": 1.0,
                "white": t.white,
                "black": [t.black] * 4,
                "bias": t.bias[index].tolist(),
                "sigma_read": row["sigma_tukey_lambda"],
                "tukey_lambda": row["tukey_lambda"],
                "sigma_row": row["sigma_row"],
                "sigma_col": row["sigma_col"],
                "read": "tukey_lambda",
                "shot": True,
            }
        )

    def draw(self, index: int, level: float, count: int, start: int) -> np.ndarray:
        """Draw ``count`` frames (count, H, W) uint16 at an ISO and level of light (share of the range)."""
        dark = self.shading.copy()
        dark.ravel()[self.truth.hot] += self.hot_excess * self.truth.rows[index]["sigma_gaussian"]
        clean = torch.from_numpy(self.light * np.float32(level)).expand(count, -1, -1).contiguous()
        which = torch.arange(start, start + count) + 1000 * index
        drawn = fused_synth(
            clean,
            self.params(index),
            seed=self.seed,
            index=which,
            dark=torch.from_numpy(dark),
            output="dn",
            layout="mosaic",
        )
        return drawn.numpy()

    def frames(self, darks: int = 16, pairs: int = 1, levels: tuple[float, ...] = LEVELS) -> list[Frame]:
        """Draw all frames of a calibration."""
        made = []
        for i, iso in enumerate(self.truth.isos):
            for k, mosaic in enumerate(self.draw(i, 0.0, darks, 0)):
                made.append(self.frame(f"dark_{iso:05d}_{k:02d}", "dark", mosaic, iso, 0.01))
            for j, level in enumerate(levels):
                for k, mosaic in enumerate(self.draw(i, level, 2 * pairs, 100 + 10 * j)):
                    made.append(self.frame(f"flat_{iso:05d}_{j}_{k}", "flat", mosaic, iso, level))
        return made

    def frame(self, name: str, kind: str, mosaic: np.ndarray, iso: float, exposure_s: float) -> Frame:
        """Make a frame held in memory."""
        t = self.truth
        picture = Picture(mosaic, float(iso), exposure_s, (t.black,) * 4, t.white, "RGGB")
        return Frame(name, f"{name} {self.seed}", functools.partial(_given, picture), kind)


def _given(picture: Picture) -> Picture:
    return picture


def _row(rng: np.random.Generator, K: float, early_e: float, late: float) -> dict[str, float]:
    std, shape = float(np.hypot(early_e * K, late)), float(rng.uniform(-0.12, 0.14))
    return {
        "K": K,
        "sigma_gaussian": std,
        "sigma_tukey_lambda": std / tukey_lambda_std(shape),
        "tukey_lambda": shape,
        "sigma_row": std * float(rng.uniform(0.15, 0.3)),
        "sigma_col": std * float(rng.uniform(0.1, 0.2)),
    }
