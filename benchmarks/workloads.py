# SPDX-License-Identifier: Apache-2.0
"""What is synthesised: the frames and the two noise models every contender carries out."""

from __future__ import annotations

import dataclasses

import torch


@dataclasses.dataclass(frozen=True)
class Workload:
    """Clean frames; ``small`` ones are what slow peers run by default."""

    name: str
    shape: tuple[int, ...]
    small: bool

    @property
    def pixels(self):
        """Raw pixels of one call."""
        return torch.Size(self.shape).numel()

    def clean(self):
        """Signal of a smooth scene."""
        return smooth(self.shape)


def smooth(shape):
    """Signal of a low-key scene, [0, 1] float32: most of it dark, some bright, smooth as pictures are."""
    *frames, height, width = shape
    grid = (1, torch.Size(frames).numel(), max(2, height // 64), max(2, width // 64))
    lights = torch.rand(grid, generator=torch.Generator().manual_seed(0)) ** 3
    scene = torch.nn.functional.interpolate(lights, size=(height, width), mode="bilinear")
    return scene.reshape(shape).contiguous()


WORKLOADS = (
    Workload("1 patch 4x512x512", (1, 4, 512, 512), True),
    Workload("8 patches 4x512x512", (8, 4, 512, 512), True),
    Workload("64 patches 4x512x512", (64, 4, 512, 512), False),
    Workload("12 MP mosaic", (3000, 4000), True),
)


@dataclasses.dataclass(frozen=True)
class Model:
    """A noise model with one camera's figures; DN of a 14-bit range, ratio 100: 0 to 70 electrons a pixel."""

    name: str
    read: str
    K: float = 2.3
    ratio: float = 100.0
    white: float = 16383.0
    black: float = 512.0
    sigma_read: float = 6.0
    tukey_lambda: float = 0.0
    sigma_row: float = 0.0
    sigma_col: float = 0.0
    quantize: str = "none"

    @property
    def span(self):
        """DN between black and white."""
        return self.white - self.black


#: Poisson + Tukey-lambda read + row: Wei et al., CVPR 2020 ("ELD"); and column noise, and real rounding.
ELD = Model("ELD", "tukey_lambda", tukey_lambda=-0.1, sigma_row=1.5, sigma_col=0.5, quantize="round")
#: Poisson + Gaussian: Foi et al., IEEE TIP 17(10), 2008.
POISSON_GAUSSIAN = Model("Poisson-Gaussian", "gaussian")


@dataclasses.dataclass(frozen=True)
class Scene:
    """Light by name: "smooth", "random" (pixels drawn one by one), or flat, of so many electrons a pixel."""

    name: str
    electrons: float | None = None

    @property
    def model(self):
        """ELD's, at a ratio at which the light stays in the converter's range."""
        bright = self.electrons is not None and self.electrons > 60
        return dataclasses.replace(ELD, ratio=5.0) if bright else ELD

    def frames(self, shape, dtype=torch.float32):
        """Clean signal for that camera: floats in [0, 1], or uint16 raw DN."""
        if self.electrons is not None:
            clean = torch.full(shape, self.electrons * self.model.K * self.model.ratio / self.model.span)
        elif self.name == "random":
            clean = torch.rand(shape, generator=torch.Generator().manual_seed(0))
        else:
            clean = smooth(shape)
        if dtype == torch.uint16:
            return (clean * ELD.span + ELD.black).round().to(torch.int32).to(torch.uint16)
        return clean.to(dtype)


def scenes():
    """List them, the smooth one first."""
    flat = [Scene(f"flat {electrons:g} e", electrons) for electrons in (0.1, 1, 5, 20, 1000)]
    return [Scene("smooth"), Scene("random"), *flat]
