# SPDX-License-Identifier: Apache-2.0
"""Which camera a sample is of: one of several by their weights, its figures shaken by some percent."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from lrd_ext.params import NoiseParams
from lrd_ext.profiles import CameraProfile, load_profile
from lrd_ext.profiles.draws import Word, parameter_uniform

#: One camera, several that are equally likely, or each with its weight.
Cameras = CameraProfile | str | Sequence[CameraProfile | str] | Mapping[str, float]


@dataclasses.dataclass(frozen=True)
class CameraChoice:
    """Cameras, and the running sum of their shares but for the last."""

    profiles: tuple[CameraProfile, ...]
    shares: tuple[float, ...]

    @classmethod
    def of(cls, given: Cameras, weights: Sequence[float] | None = None) -> CameraChoice:
        """Read what a user gave.

        Raises:
            ValueError: there is no camera, or a weight is not above 0 or missing.
        """
        if isinstance(given, (CameraProfile, str)):
            given = [given]
        if isinstance(given, Mapping):
            if weights is not None:
                raise ValueError("weights are given in profile already")
            weights = list(given.values())
        names: list[CameraProfile | str] = list(given)
        share = np.array([1.0] * len(names) if weights is None else weights, dtype=np.float64)
        if not names or share.shape != (len(names),) or not (np.isfinite(share) & (share > 0)).all():
            raise ValueError(
                f"profile must be at least one camera, each with a weight above 0, got {names} and {weights}"
            )
        profiles = tuple(one if isinstance(one, CameraProfile) else load_profile(one) for one in names)
        return cls(profiles, tuple(np.cumsum(share / share.sum())[:-1].tolist()))

    def draw(self, seed: int, identities: Tensor) -> list[int]:
        """Draw the number of the camera of each sample."""
        if len(self.profiles) == 1:
            return [0] * len(identities)
        u = parameter_uniform(seed, identities.cpu().numpy(), Word.CAMERA)
        return np.searchsorted(self.shares, u, side="right").tolist()


@dataclasses.dataclass(frozen=True)
class Jitter:
    """How far K and the scale of read noise may be off, percent to either side, evenly.

    Raises:
        ValueError: one is not in [0, 100).
    """

    gain: float = 0.0
    read: float = 0.0

    def __post_init__(self) -> None:
        """Check both."""
        for name in ("gain", "read"):
            if not 0 <= getattr(self, name) < 100:
                raise ValueError(f"{name}_jitter must be in [0, 100) percent, got {getattr(self, name)!r}")

    def shake(self, params: NoiseParams, seed: int, identities: Tensor) -> NoiseParams:
        """Multiply K and sigma_read of each sample by draws of its own."""
        changes = {}
        for percent, figure, word in (
            (self.gain, "K", Word.GAIN_JITTER),
            (self.read, "sigma_read", Word.READ_JITTER),
        ):
            if percent:
                u = parameter_uniform(seed, identities.cpu().numpy(), word)
                factors = torch.from_numpy(1 + percent / 100 * (2 * u - 1)).to(torch.float32)
                changes[figure] = getattr(params, figure) * factors.to(params.device)
        return params.with_figures(**changes) if changes else params
