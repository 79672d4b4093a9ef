# SPDX-License-Identifier: Apache-2.0
"""Noise by the physical model: read noise of every distribution, with row and column noise; and none."""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Callable, Sequence

import numpy as np
import torch

from lrd_ext.calibration.dark_frames import BINS_PER_STD, kept_share, residual_counts
from lrd_ext.estimators.line_noise import between_variance, two_way
from lrd_ext.estimators.read_quantiles import FEWEST, fit_read_quantiles
from lrd_ext.estimators.rounding import ROUNDING
from lrd_ext.estimators.tukey_lambda import ResidualHistogram, fit_tukey_lambda
from lrd_ext.params import NoiseParams
from lrd_ext.profiles import CameraProfile
from lrd_ext.read_models import profile_models, read_model
from lrd_ext.synth import fused_synth

from .source import Darks, at_iso

#: Those of them that draw read noise from a distribution, row and column noise line by line.
MODEL_RIVALS = tuple(model.name for model in profile_models())


@dataclasses.dataclass(frozen=True)
class NoNoise:
    """Zeros: what training on clean pictures means."""

    name: str = "none"

    def draw(self, shape: tuple[int, int], *, iso: float, seed: int, index: int = 0) -> np.ndarray:
        """Return zeros."""
        return np.zeros(shape, np.float32)


@dataclasses.dataclass(frozen=True)
class ModelNoise:
    """Read, row and column noise of the noise model; ``params`` gives them at an ISO."""

    name: str
    params: Callable[[float], NoiseParams]

    def draw(self, shape: tuple[int, int], *, iso: float, seed: int, index: int = 0) -> np.ndarray:
        """Draw with fused_synth; see NoiseSource."""
        return draw_dark(shape, self.params(iso), seed, index)

    @classmethod
    def of_profile(
        cls, profile: CameraProfile, read: str | None = None, name: str | None = None
    ) -> ModelNoise:
        """Take the figures of a camera profile, without its black-level errors.

        Args:
            profile: the camera.
            read: read-noise model in place of the profile's own.
            name: what tables call it; None takes the profile's name.
        """

        def params(iso: float) -> NoiseParams:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message=".*K is unknown")  # nothing here needs K
                return profile.at(iso, read=read).without_bias()

        return cls(name or profile.name, params)

    @classmethod
    def fit(cls, darks: Darks, read: str) -> ModelNoise:
        """Fit read, row and column noise as `lrd calibrate` does, rounding taken out.

        Args:
            darks: frames of noise by ISO.
            read: a read-noise model with a figure of its own.
        """
        table = {iso: _fit(frames, read, iso) for iso, frames in darks.items()}
        return cls(read, lambda iso: at_iso(table, iso, read))


def draw_dark(
    shape: tuple[int, int], params: NoiseParams, seed: int, index: int, generator: object = None
) -> np.ndarray:
    """Draw the noise of a frame without light, (H, W) float32, DN above black, not rounded."""
    dark = fused_synth(
        torch.zeros(shape),
        params,
        seed=seed,
        index=index,
        generator=generator,
        output="dn_float",
        quantize="none",
        clip="none",
    )
    return dark.numpy()


def _fit(frames: Sequence[np.ndarray], read: str, iso: float) -> NoiseParams:
    (row, col, pixel), residuals = _measure(frames)
    model = read_model(read)
    fit = fit_tukey_lambda(residuals) if model.shaped or model.tabled else None
    table = fit_read_quantiles(residuals, fit) if fit and model.tabled else None
    if model.tabled and table is None:
        raise ValueError(f"noise source {read}: the darks of ISO {iso:g} must hold at least {FEWEST} values")
    std = math.sqrt(max(pixel - ROUNDING, 0.0))
    return NoiseParams(
        K=1.0,
        ratio=1.0,
        black=0.0,
        white=65535.0,
        sigma_read=fit.scale.value if fit and model.shaped else std / model.unit_std(table),
        tukey_lambda=fit.shape.value if fit and model.shaped else 0.0,
        read_table=None if table is None else torch.from_numpy(table),
        sigma_row=math.sqrt(max(row, 0.0)),
        sigma_col=math.sqrt(max(col, 0.0)),
        iso=iso,
        read=read,
        shot=False,
    )


def _measure(frames: Sequence[np.ndarray]) -> tuple[np.ndarray, ResidualHistogram]:
    """Split frames into rows, columns and pixels: mean variance of each, DN^2; count what pixels leave."""
    height, width = frames[0].shape
    free = (1 - 1 / height) * (1 - 1 / width)
    kept = kept_share(math.inf, height, width)
    bin_width = max(float(frames[0].std(dtype=np.float64)), 0.29) / BINS_PER_STD
    variances, counts = [], []
    for frame in frames:
        rows, columns, rest = two_way(frame.copy())
        pixel = float(np.mean(np.square(rest), dtype=np.float64)) / free
        own_row, own_col = np.full(height, pixel / width), np.full(width, pixel / height)
        row, col = between_variance(rows, own_row)[0], between_variance(columns, own_col)[0]
        variances.append((row, col, pixel))
        counts.append(residual_counts(rest, 0, bin_width * kept))
    return np.mean(variances, axis=0), ResidualHistogram(np.stack(counts), bin_width, kept)
