# SPDX-License-Identifier: Apache-2.0
"""Stage 2: noise domain alignment by a Wasserstein critic with gradient penalty."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from lrd_ext.training.configuration import Adversarial
from lrd_ext.training.descent import descend, follow, set_cosine_rate

from .crops import Crops, Source, check_side, crop_of_each, random_crops, real_above_made
from .discriminator import FourierCritic, PixelCritic, gradient_penalty
from .lite import LiteGenerator
from .unet import UNetGenerator

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from .image_domain import ImageAlignment
    from .matching import Matching

BETAS = (0.5, 0.999)
WEIGHT_DECAY = 1e-4


class NoiseAlignment:
    """WGAN-GP between recorded crops and made ones, as a task of the training loop.

    Dark frames stand against the generator's noise; of pairs whole noisy pictures stand against photon noise
    on the same clean signal plus the generator's noise, clipped last. One step is ``critic_steps`` of the
    critic and one of the generator; an average of the generator's weights over steps is what is kept in the
    end. Every site is divided by the deviation the profile expects there, so that every ISO and brightness
    counts alike. Every draw depends on seed, step and process only.

    Args:
        generator: trained in place.
        sources: darks and pairs, with their sigma_init.
        options: of the configuration.
        seed: of all draws.
        dn: one DN in the generator's unit.
        fabric: launched; scales, averages and casts.
        matching: stage 1's loss, added with the weight ``options.keep``.
        image: loss on denoised pictures, added on crops of pairs; None for none.

    Raises:
        ValueError: frames are smaller than a crop.

    Source: Gulrajani et al., NeurIPS 2017; Zhang et al., ICCV 2023 (LRD) for its place here, framework
        figure. That sites are divided by their expected deviation is our choice.
    """

    name = "stage 2"

    def __init__(
        self,
        generator: LiteGenerator | UNetGenerator,
        sources: Sequence[Source],
        options: Adversarial,
        seed: int,
        *,
        dn: float,
        fabric: Fabric,
        matching: Matching | None = None,
        image: ImageAlignment | None = None,
    ) -> None:
        check_side(sources, options.patch)
        self.image = image.to(fabric.device) if image is not None else None
        self.generator, self.sources, self.options, self.seed, self.dn = generator, sources, options, seed, dn
        self.fabric, self.matching = fabric, matching
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            critic: nn.Module = (
                FourierCritic(options.patch, options.width, options.depth)
                if options.critic == "fourier"
                else PixelCritic(options.width)
            )
        self.critic = critic.to(fabric.device)
        self.average = copy.deepcopy(generator)
        self.optimizers = {
            name: torch.optim.Adam(module.parameters(), options.rate, betas=BETAS, weight_decay=WEIGHT_DECAY)
            for name, module in (("generator", generator), ("critic", self.critic))
        }

    @property
    def steps(self) -> int:
        """How many steps the task takes."""
        return self.options.epochs * self.options.steps_per_epoch

    @property
    def modules(self) -> dict[str, nn.Module]:
        """What is trained, and the average that is kept."""
        return {"generator": self.generator, "critic": self.critic, "average": self.average}

    def step(self, number: int) -> dict[str, float]:
        """Take step ``number`` and return losses."""
        if number == 0:  # stage 1 has moved the generator since
            self.average.load_state_dict(self.generator.state_dict())
        epoch = number // self.options.steps_per_epoch
        set_cosine_rate(self.optimizers.values(), self.options.rate, epoch, self.options.epochs)
        draw = torch.Generator().manual_seed(
            (self.seed * 1_000_003 + number) * 4096 + self.fabric.global_rank
        )
        values: dict[str, float] = {}
        for _ in range(self.options.critic_steps):
            crops = self._crops(draw)
            real = self._scored(crops.real, crops, draw)
            with torch.no_grad():
                fake = self._scored(self._made(crops, draw), crops, draw)
            with self.fabric.autocast():
                apart = self.critic(fake).float().mean() - self.critic(real).float().mean()
            penalty = gradient_penalty(self.critic, real, fake, draw)
            total = apart + self.options.penalty * penalty
            descend(self.fabric, self.critic, self.optimizers["critic"], total)
            values |= {"critic": float(apart.detach()), "penalty": float(penalty.detach())}
        crops = self._crops(draw)
        made = self._made(crops, draw)
        with self.fabric.autocast():
            loss = -self.critic(self._scored(made, crops, draw)).float().mean()
        if self.matching is not None and self.options.keep:
            loss = loss + self.options.keep * self.matching.loss(number)
        values["generator"] = float(loss.detach())
        if self.image is not None and bool(crops.lit.any()):
            image = self.image(made[crops.lit], crops.of(crops.lit))
            loss, values["image"] = loss + image, float(image.detach())
        descend(self.fabric, self.generator, self.optimizers["generator"], loss)
        follow(self.average, self.generator, self.options.ema, number)
        return values | {"loss": -values["critic"]}

    def state(self) -> dict[str, Any]:
        """Return the optimizers' state."""
        return {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state[name])

    @torch.no_grad()
    def sheet(self) -> np.ndarray:
        """Return real noise above made noise of every source at equal stretch, (H, W, 3) uint8."""
        draw = torch.Generator().manual_seed(self.seed)
        crops = crop_of_each(self.sources, self.options.patch, draw).to(self.fabric.device)
        both = [(noisy - crops.signal) / crops.scale for noisy in (crops.real, self._made(crops, draw))]
        return real_above_made(*both)

    def _crops(self, draw: torch.Generator) -> Crops:
        crops = random_crops(self.sources, self.options.batch, self.options.patch, draw)
        return crops.to(self.fabric.device)

    def _scored(self, noisy: Tensor, crops: Crops, draw: torch.Generator) -> Tensor:
        """Return whole noisy crops, DN, as the critic sees them."""
        # Rounded values are spread over their step, for the critic not to look at steps.
        dither = torch.rand(noisy.shape, generator=draw).to(noisy) - 0.5
        return (noisy + dither) * crops.known / crops.scale

    def _made(self, crops: Crops, draw: torch.Generator) -> Tensor:
        """Make what a camera would record of the crops' signal, DN: differentiable."""
        return crops.recorded(crops.shot(draw) + self._noise(crops.sigma, draw))

    def _noise(self, sigma_init: Tensor, draw: torch.Generator) -> Tensor:
        side = self.options.patch + 2 * self.generator.halo
        count = len(sigma_init)
        sites = torch.randn(count, 4, side, side, generator=draw)
        rows = torch.randn(count, 2, side, 1, generator=draw).expand(-1, -1, -1, side)
        columns = torch.randn(count, 2, 1, side, generator=draw).expand(-1, -1, side, -1)
        n_init = torch.cat([sites, rows, columns], 1).to(sigma_init.device)
        return self.generator(n_init, sigma_init.flatten() * self.dn) / self.dn
