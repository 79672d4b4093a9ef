# SPDX-License-Identifier: Apache-2.0
"""Stage 1: a generator's statistics drawn to those of real darks, each term weighed by its sampling error.

No critic and no pairs: what is compared are numbers measured once (targets.py), so that a quasi-Newton method
serves. Each round works on one even draw of N_init, later rounds on more of it. What is learned of a draw by
heart settles at last: small steps, each on a draw of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .crops import real_above_made
from .dark_store import Darks
from .even_noise import even_n_init
from .lite import LiteGenerator
from .statistics import Statistics, quantiles, second_order
from .targets import CROP, Target, stacked
from .unet import UNetGenerator

#: What is good enough, whatever the sampling error: share of sigma_init or variance; of power, three times.
_TOLERANCE = 0.005
#: A divergence grows with the slope of a quantile's error, so that this makes about 1e-5 nats.
_QUANTILE_TOLERANCE = 0.0015
#: Lines hold little of the variance, and show more than their share.
_LINE_TOLERANCE = 0.0008
#: A quantile counts where this many values of the darks, and of the draw, lie beyond it.
_FEWEST = 8
#: Quasi-Newton iterations between two checkpoints.
ITERATIONS = 10
#: Steps whose curvature is remembered, and how many numbers that may be: of a U-Net 60 steps are 3.8 GB.
_REMEMBERED, _REMEMBERED_NUMBERS = 60, 24 * 10**7
#: Crops of a draw that is used once, and the rate it begins with: weights move by a thousandth of their size.
_SETTLING_CROPS, _SETTLING_RATE = 4, 3e-5


class Matching:
    """Stage 1 as a task of the training loop.

    One step is ITERATIONS of L-BFGS on the round's N_init; behind the rounds, of Adam, each on a new one.

    Args:
        generator: trained in place.
        targets: one for each camera and ISO, in the generator's unit.
        rounds: (crops for each target, steps) of each round.
        seed: of all draws.
        settling: steps behind the rounds.
        dn: one DN in that unit: how wide rounding is.
        mean_over_processes: averages a tensor over all processes; with one process, the tensor itself.
        rank: number of this process: each draws N_init of its own.
        processes: how many there are.
        darks: what the targets were measured on, for the picture.
    """

    name = "stage 1"

    def __init__(
        self,
        generator: LiteGenerator | UNetGenerator,
        targets: Sequence[Target],
        rounds: Sequence[tuple[int, int]],
        seed: int,
        *,
        settling: int = 0,
        dn: float = 1.0,
        mean_over_processes: Callable[[Tensor], Tensor] = lambda value: value,
        rank: int = 0,
        processes: int = 1,
        darks: Sequence[Darks] = (),
    ) -> None:
        self.generator, self.rounds, self.seed, self.rank = generator, tuple(rounds), seed, rank
        self.names, self.darks = [t.name for t in targets], tuple(darks)
        device = next(generator.parameters()).device
        mean, error = stacked(targets)
        self.mean, self.error = (Statistics(*(f.to(device) for f in s)) for s in (mean, error))
        self.levels = torch.stack([t.levels for t in targets]).to(device)
        self.counts = torch.tensor([t.count for t in targets], device=device)
        self.blurred = [t.blurred for t in targets]
        self.sigmas = torch.tensor([t.sigma_init for t in targets], device=device)
        self.mean_over_processes = mean_over_processes
        self.dn, self.round, self.processes, self.settling = dn, -1, processes, settling
        self.optimizer: torch.optim.LBFGS | torch.optim.Adam

    @property
    def steps(self) -> int:
        """How many steps the task takes."""
        return sum(steps for _, steps in self.rounds) + self.settling

    @property
    def modules(self) -> dict[str, nn.Module]:
        """What is trained."""
        return {"generator": self.generator}

    @torch.no_grad()
    def sheet(self) -> np.ndarray | None:
        """Return a crop of the darks above a made one for each target; None without darks."""
        if not self.darks:
            return None
        side = min(CROP, *(length // 2 for d in self.darks for length in d.shape))
        window = slice(0, side)
        real = torch.stack([d.packed(0, window, window) for d in self.darks]) * self.dn
        crops, sigma = len(self.n_init) // len(self.sigmas), self.sigmas[:, None, None, None]
        made = self.generator(self.n_init[::crops], self.sigmas)[:, :, window, window]
        made = (made / self.dn).round() * self.dn
        return real_above_made(real.to(made) / sigma, made / sigma)

    def step(self, number: int) -> dict[str, float]:
        """Take step ``number`` and return the loss and the misfit of each kind of statistic."""
        self._enter(number)
        terms: dict[str, float] = {}

        def closure() -> Tensor:
            self.optimizer.zero_grad()
            loss = self._loss(terms)
            loss.backward()
            for weight in self.generator.parameters():
                weight.grad = self.mean_over_processes(weight.grad) if weight.grad is not None else None
            return loss.detach()

        if isinstance(self.optimizer, torch.optim.LBFGS):
            self.optimizer.step(closure)
            return terms
        first = (number - self.steps + self.settling) * ITERATIONS
        for iteration in range(first, first + ITERATIONS):
            self._draw(_SETTLING_CROPS, self.seed * 1_000_003 + len(self.rounds) + iteration)
            left = 1 - iteration / (self.settling * ITERATIONS)
            self.optimizer.param_groups[0]["lr"] = _SETTLING_RATE * left
            self.optimizer.step(closure)
        return terms

    def loss(self, number: int) -> Tensor:
        """Return the loss on the last round's N_init, drawn anew for ``number``: what stage 2 may keep."""
        if self.round != len(self.rounds) - 1:
            self._begin(len(self.rounds) - 1)
        self._draw(self.rounds[-1][0], (self.seed + 1) * 1_000_003 + number)
        return self._loss({})

    def state(self) -> dict[str, Any]:
        """Return what :meth:`restore` needs to go on exactly."""
        return {"round": self.round, "optimizer": self.optimizer.state_dict()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state; the generator's weights are restored beside it."""
        self._begin(state["round"])
        self.optimizer.load_state_dict(state["optimizer"])

    def _enter(self, number: int) -> None:
        ends = torch.tensor([steps for _, steps in self.rounds]).cumsum(0)
        wanted = int((ends <= number).sum())
        if wanted != self.round:
            self._begin(wanted)

    def _begin(self, number: int) -> None:
        """Draw the round's N_init; curvature learned on another draw is forgotten."""
        self.round = number
        settles = number == len(self.rounds)
        crops = _SETTLING_CROPS if settles else self.rounds[number][0]
        self._draw(crops, self.seed * 1_000_003 + number)
        q, lines, sites, spectrum = (e.square() for e in self.error)
        self.scale = Statistics(
            torch.sqrt(q + self._sample_error(crops) ** 2 + _QUANTILE_TOLERANCE**2),
            torch.sqrt(lines + _LINE_TOLERANCE**2),
            torch.sqrt(sites + _TOLERANCE**2),
            torch.sqrt(spectrum + (3 * _TOLERANCE) ** 2),
        )
        weights = list(self.generator.parameters())
        room = _REMEMBERED_NUMBERS // (2 * sum(w.numel() for w in weights))
        remembered = max(1, min(_REMEMBERED, room))
        self.optimizer = (
            torch.optim.Adam(weights, betas=(0.9, 0.99))
            if settles
            else torch.optim.LBFGS(
                weights, 1.0, ITERATIONS, history_size=remembered, line_search_fn="strong_wolfe"
            )
        )

    def _sample_error(self, crops: int) -> Tensor:
        """Return the error of a round's own quantiles; infinite where too few values lie beyond."""
        p, edges = self.levels, self.mean.quantiles.double()
        rows = zip(p.flatten(0, 1).cpu(), edges.flatten(0, 1).cpu(), strict=True)
        density = torch.stack([torch.gradient(a, spacing=(e,))[0] for a, e in rows]).view_as(p).to(p)
        pixels = crops * self.processes * CROP**2
        rare = torch.minimum(p, 1 - p)
        few = (rare * pixels < _FEWEST) | (rare * self.counts[:, None, None] < _FEWEST)
        error = torch.sqrt(p * (1 - p) / pixels) / density.clamp_min(1e-12)
        return error.masked_fill(few, torch.inf).float()

    def _draw(self, crops: int, seed: int) -> None:
        draw = torch.Generator().manual_seed(seed * 4096 + self.rank)
        count, device = crops * len(self.sigmas), self.sigmas.device
        self.n_init = even_n_init(count, CROP, CROP, self.generator.halo, draw).to(device)
        uniform = torch.rand((count, 4, CROP, CROP), generator=draw).to(device)
        self.rounding = (uniform - 0.5) * self.dn

    def _loss(self, terms: dict[str, float]) -> Tensor:
        found = self._statistics()
        loss = self.sigmas.new_zeros(())
        for name, own, aim, scale in zip(Statistics._fields, found, self.mean, self.scale, strict=True):
            # All processes share one value; the gradient is that of this process's part.
            shared = self.mean_over_processes(own.detach()) + own - own.detach()
            misfit = ((shared - aim) / scale).square()
            # Quadratic within the error, linear beyond it.
            counted = torch.isfinite(scale).expand_as(misfit)
            term = (torch.sqrt(1 + misfit) - 1)[counted].mean()
            terms[name] = float(misfit.detach()[counted].mean().sqrt())
            loss = loss + term
        terms["loss"] = float(loss.detach())
        return loss

    def _statistics(self) -> Statistics:
        """Statistics of the generator's noise as a converter rounds it, stacked by target."""
        crops = self.n_init.shape[0] // len(self.sigmas)
        sigma = self.sigmas.repeat_interleave(crops)
        noise = self.generator(self.n_init, sigma)
        parts = zip(noise.split(crops), self.rounding.split(crops), self.sigmas, self.levels, strict=True)
        rows = [_of_target(*part, blurred=b) for part, b in zip(parts, self.blurred, strict=True)]
        return Statistics(*(torch.stack(field) for field in zip(*rows, strict=True)))


def _of_target(
    noise: Tensor, rounding: Tensor, sigma: Tensor, levels: Tensor, *, blurred: bool
) -> Statistics:
    whole = (noise + rounding) / sigma
    lines, sites, power = second_order(whole, wraps=True)
    return Statistics(quantiles(whole if blurred else noise / sigma, levels), lines, sites, power.log())
