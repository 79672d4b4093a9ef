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

from .dark_crops import random_crops
from .dark_store import Darks
from .discriminator import FourierCritic, PixelCritic, gradient_penalty
from .lite import LiteGenerator
from .targets import Target
from .unet import UNetGenerator

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from .matching import Matching

BETAS = (0.5, 0.999)
WEIGHT_DECAY = 1e-4


class NoiseAlignment:
    """WGAN-GP between dark crops and the generator's noise, as a task of the training loop.

    One step is ``critic_steps`` of the critic and one of the generator; an average of the generator's weights
    over steps is what is kept in the end. Crops are divided by their sigma_init, so that every ISO counts
    alike. Every draw depends on seed, step and process only.

    Args:
        generator: trained in place.
        darks: real frames, one for each target.
        targets: give sigma_init, in the generator's unit.
        options: of the configuration.
        seed: of all draws.
        dn: one DN in the generator's unit.
        fabric: launched; scales, averages and casts.
        matching: stage 1's loss, added with the weight ``options.keep``.

    Source: Gulrajani et al., NeurIPS 2017; Zhang et al., ICCV 2023 (LRD) for its place here.
    """

    name = "stage 2"

    def __init__(
        self,
        generator: LiteGenerator | UNetGenerator,
        darks: Sequence[Darks],
        targets: Sequence[Target],
        options: Adversarial,
        seed: int,
        *,
        dn: float,
        fabric: Fabric,
        matching: Matching | None = None,
    ) -> None:
        self.generator, self.darks, self.options, self.seed, self.dn = generator, darks, options, seed, dn
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
        self.sigmas = torch.tensor([t.sigma_init for t in targets], device=fabric.device)
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
        epoch = number // self.options.steps_per_epoch
        set_cosine_rate(self.optimizers.values(), self.options.rate, epoch, self.options.epochs)
        draw = torch.Generator().manual_seed(
            (self.seed * 1_000_003 + number) * 4096 + self.fabric.global_rank
        )
        values: dict[str, float] = {}
        for _ in range(self.options.critic_steps):
            real, which = self._real(draw)
            with torch.no_grad():
                fake = self._fake(which, draw)
            with self.fabric.autocast():
                apart = self.critic(fake).float().mean() - self.critic(real).float().mean()
            penalty = gradient_penalty(self.critic, real, fake, draw)
            total = apart + self.options.penalty * penalty
            descend(self.fabric, self.critic, self.optimizers["critic"], total)
            values |= {"critic": float(apart.detach()), "penalty": float(penalty.detach())}
        _, which = self._which(draw)
        with self.fabric.autocast():
            loss = -self.critic(self._fake(which, draw)).float().mean()
        if self.matching is not None and self.options.keep:
            loss = loss + self.options.keep * self.matching.loss(number)
        descend(self.fabric, self.generator, self.optimizers["generator"], loss)
        follow(self.average, self.generator, self.options.ema, number)
        return values | {"loss": -values["critic"], "generator": float(loss.detach())}

    def state(self) -> dict[str, Any]:
        """Return the optimizers' state."""
        return {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state[name])

    @torch.no_grad()
    def sheet(self) -> np.ndarray:
        """Return real crops above made ones of every ISO at equal stretch, (H, W, 3) uint8."""
        draw = torch.Generator().manual_seed(self.seed)
        side = self.options.patch
        real = torch.stack([random_crops([d], 1, side, draw)[0][0] for d in self.darks]) * self.dn
        which = torch.arange(len(self.darks))
        made = self._fake(which, draw)
        real = real.to(made) / self.sigmas[:, None, None, None]
        rows = [torch.cat(list(nn.functional.pixel_shuffle(x, 2)[:, 0]), 1) for x in (real, made)]
        grey = ((torch.cat(rows) / 6 + 0.5).clamp(0, 1) * 255).to(torch.uint8).cpu().numpy()
        return np.repeat(grey[..., None], 3, 2)

    def _which(self, draw: torch.Generator) -> tuple[int, Tensor]:
        count = self.options.batch
        return count, torch.randint(len(self.darks), (count,), generator=draw)

    def _real(self, draw: torch.Generator) -> tuple[Tensor, Tensor]:
        crops, which = random_crops(self.darks, self.options.batch, self.options.patch, draw)
        # Rounded values are spread over their step, as the made ones are continuous.
        crops = crops + torch.rand(crops.shape, generator=draw) - 0.5
        crops = crops.to(self.fabric.device) * self.dn
        return crops / self.sigmas[which.to(self.sigmas.device)][:, None, None, None], which

    def _fake(self, which: Tensor, draw: torch.Generator) -> Tensor:
        """Make noise, divided by sigma_init, as a converter would round it and the dither spread it."""
        sigma = self.sigmas[which.to(self.sigmas.device)]
        side = self.options.patch + 2 * self.generator.halo
        count = len(which)
        sites = torch.randn(count, 4, side, side, generator=draw)
        rows = torch.randn(count, 2, side, 1, generator=draw).expand(-1, -1, -1, side)
        columns = torch.randn(count, 2, 1, side, generator=draw).expand(-1, -1, side, -1)
        noise = self.generator(torch.cat([sites, rows, columns], 1).to(self.fabric.device), sigma)
        blur = torch.rand(2, *noise.shape, generator=draw).to(noise) - 0.5
        return (noise + self.dn * blur.sum(0)) / sigma[:, None, None, None]
