# SPDX-License-Identifier: Apache-2.0
"""What trainings can be told; ``presets/`` holds those that ship, two for each kind of net."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any, Literal

PRESETS = Path(__file__).parent / "presets"
#: Cells a side that critics halve to one, and what the U-Net's must be a multiple of.
_CRITIC, _UNET = 16, 8


def _at_least(part: Any, least: int, *names: str, of: str = "") -> None:
    for name in names:
        value = getattr(part, name)
        if not value >= least:  # NaN is refused too
            raise ValueError(f"{of}{name} must be at least {least}, got {value}")


def _check_descent(part: Any, of: str = "") -> None:
    if not 0 < part.rate < math.inf:
        raise ValueError(f"{of}rate must be above 0 and finite, got {part.rate}")
    if not 0 <= part.ema < 1:
        raise ValueError(f"{of}ema must be in [0, 1), got {part.ema}")


@dataclasses.dataclass
class Machine:
    """Where a training runs; part of every configuration.

    Args:
        seed: of all draws.
        accelerator: "cpu", "cuda" or "auto".
        devices: how many processes on each machine.
        nodes: how many machines.
        precision: "32-true", or "bf16-mixed" on a GPU.
        threads: CPU threads of one process; 0 leaves it to torch.
        checkpoint_s: seconds between checkpoints.
    """

    seed: int = 0
    accelerator: Literal["auto", "cpu", "cuda"] = "cpu"
    devices: int = 1
    nodes: int = 1
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    threads: int = 0
    checkpoint_s: float = 60.0

    def __post_init__(self) -> None:
        _at_least(self, 1, "devices", "nodes")
        _at_least(self, 0, "seed", "threads", "checkpoint_s")

    def told(self) -> dict[str, Any]:
        """Return what the result depends on: all but how often it is saved and by how many threads.

        On how many machines its processes are plays no part either.
        """
        free = ("threads", "checkpoint_s", "nodes")
        told = {name: value for name, value in dataclasses.asdict(self).items() if name not in free}
        return told | {"devices": self.devices * self.nodes}


@dataclasses.dataclass
class Adversarial:
    """Stage 2: WGAN-GP.

    Source: the released configuration of Zhang et al., ICCV 2023 (LRD); ``ema``, ``keep`` and the critic's
    size are our choices.

    Args:
        critic: "fourier", the multi-scale Fourier transformer, or "pixel", convolutions, for comparison.
        width: channels of the critic.
        depth: blocks of the critic at each scale.
        epochs: passes over the frames; the rate falls to 0 over them, as a cosine.
        steps_per_epoch: generator steps in one pass.
        batch: crops a step.
        patch: cells a side of a crop.
        rate: Adam's learning rate.
        critic_steps: critic steps for each of the generator's.
        penalty: weight of the gradient penalty.
        ema: share of the old average of weights kept each step.
        keep: weight of stage 1's loss beside the critic's, 0 for none.
    """

    critic: Literal["fourier", "pixel"] = "fourier"
    width: int = 64
    depth: int = 2
    epochs: int = 100
    steps_per_epoch: int = 100
    batch: int = 128
    patch: int = 64
    rate: float = 2e-4
    critic_steps: int = 5
    penalty: float = 10.0
    ema: float = 0.999
    keep: float = 0.0

    def __post_init__(self) -> None:
        of = "adversarial."
        _at_least(self, 1, "width", "depth", "epochs", "steps_per_epoch", "batch", "critic_steps", of=of)
        _at_least(self, _CRITIC, "patch", of=of)
        _at_least(self, 0, "penalty", "keep", of=of)
        _check_descent(self, of)
        for name in ("width", "patch") if self.critic == "fourier" else ():
            value = getattr(self, name)
            if value % _CRITIC:
                what = f"a multiple of {_CRITIC} for critic: fourier"
                raise ValueError(f"{of}{name} must be {what}, got {value}")


@dataclasses.dataclass
class ImageDomain:
    """Image domain alignment, a part of stage 2 on pairs: real and made pictures through a frozen denoiser.

    Source: the released configuration of Zhang et al., ICCV 2023 (LRD), for both weights.

    Args:
        denoiser: "pmrid", or "package.module:factory" of a function without arguments that returns an
            nn.Module. It gets pictures (B, 4, h, w) float32, 0 at black, 1 at white, times the ratio, planes
            R, Gr, Gb, B (by site for mono), and returns cleaner ones of that shape.
        weights: file of PMRID's weights, plain tensors; for "pmrid" alone.
        l1: weight of the mean absolute difference.
        lpips: weight of LPIPS (AlexNet).
        lpips_weights: torchvision's file of AlexNet's weights; None leaves LPIPS off.
    """

    denoiser: str = "pmrid"
    weights: str | None = None
    l1: float = 0.1
    lpips: float = 0.01
    lpips_weights: str | None = None

    def __post_init__(self) -> None:
        _at_least(self, 0, "l1", "lpips", of="image_domain.")


@dataclasses.dataclass
class Configuration(Machine):
    """One training of a generator; what :class:`Machine` has besides.

    Args:
        generator: "lite", which runs inside the noise kernel, or "unet".
        widths: channels of the lite generator's hidden layers.
        channels: ngf, first width of the U-Net.
        rounds: stage 1: crops for each ISO, and steps, of each round.
        settling: steps of stage 1 behind its rounds, on a new draw each.
        adversarial: stage 2; None ends after stage 1.
        image_domain: a further loss of stage 2, on pairs; None for none.
        distill: let a lite generator learn the U-Net's noise, and write that one.
    """

    generator: Literal["lite", "unet"] = "lite"
    widths: list[int] = dataclasses.field(default_factory=lambda: [32, 32])
    channels: int = 64
    rounds: list[list[int]] = dataclasses.field(default_factory=lambda: [[8, 10]])
    settling: int = 30
    adversarial: Adversarial | None = None
    image_domain: ImageDomain | None = None
    distill: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.rounds or any(len(r) != 2 or min(r) < 1 for r in self.rounds):
            raise ValueError(f"rounds must be pairs of crops and steps, 1 or more each, got {self.rounds}")
        if self.image_domain is not None and self.adversarial is None:
            raise ValueError("image_domain is a part of stage 2, which is off: give adversarial:")
        if self.distill and self.generator != "unet":
            raise ValueError("distill needs generator: unet, which the lite one learns from")
        _at_least(self, 0, "settling")
        if self.seed >= 2**32:  # seeds of steps and processes are counted up from it, below 2**64
            raise ValueError(f"seed must be below 2**32, got {self.seed}")
        if self.generator == "unet" and self.adversarial is not None and self.adversarial.patch % _UNET:
            raise ValueError(
                f"adversarial.patch must be a multiple of {_UNET} for generator: unet, got "
                f"{self.adversarial.patch}"
            )


@dataclasses.dataclass
class DenoiserConfiguration(Machine):
    """One training of a denoiser; what :class:`Machine` has besides.

    Args:
        net: "unet", of SID and ELD, or "nafnet".
        width: channels of the first level.
        levels: of the U-Net, 5 as published.
        blocks: of the NAFNet, at each level, the last one the middle.
        residual: let the U-Net give what is added to its input.
        conditioned: give the net the noise level of each site as four more channels.
        steps: of the optimizer; the rate falls to 0 over them, as a cosine.
        batch: crops a step.
        patch: cells a side of a crop.
        rate: Adam's learning rate.
        ema: share of the old average of weights kept each step; the average is what is written.
        flips: mirror crops at random, rows and columns.
        bias: leave the camera's black-level error in the noise.
        workers: processes that read crops and draw noise; 0 does so between the steps.
        sheet_every: steps between sample sheets.
    """

    net: Literal["unet", "nafnet"] = "unet"
    width: int = 32
    levels: int = 5
    blocks: list[int] = dataclasses.field(default_factory=lambda: [1, 1, 1, 2])
    residual: bool = False
    conditioned: bool = False
    steps: int = 6000
    batch: int = 8
    patch: int = 64
    rate: float = 1e-3
    ema: float = 0.999
    flips: bool = True
    bias: bool = False
    workers: int = 0
    sheet_every: int = 500

    def __post_init__(self) -> None:
        super().__post_init__()
        _at_least(self, 1, "steps", "batch", "patch", "sheet_every")
        _at_least(self, 0, "workers")
        _check_descent(self)

    def told(self) -> dict[str, Any]:
        """Return what a training that goes on must share: all but these; of steps the card tells."""
        free = ("workers", "sheet_every", "steps")
        return {name: value for name, value in super().told().items() if name not in free}
