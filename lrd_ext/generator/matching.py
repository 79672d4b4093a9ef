# SPDX-License-Identifier: Apache-2.0
"""Stage 1: a generator's statistics drawn to those of real darks, each term weighed by its sampling error.

No critic and no pairs: what is compared are numbers measured once (targets.py), so that a quasi-Newton method
serves. Each round works on one even draw of N_init, later rounds on more of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from .even_noise import even_n_init
from .lite import LiteGenerator
from .statistics import Statistics, levels, quantiles, second_order
from .targets import CROP, Target, stacked
from .unet import UNetGenerator

#: What is good enough, whatever the sampling error: share of sigma_init or variance; of power, three times.
_TOLERANCE = 0.005
#: Lines hold little of the variance, and show more than their share.
_LINE_TOLERANCE = 0.0008
#: Quasi-Newton iterations between two checkpoints.
ITERATIONS = 10


class Matching:
    """Stage 1 as a task of the training loop: one step is ITERATIONS of L-BFGS on the round's N_init.

    Args:
        generator: trained in place.
        targets: one for each camera and ISO, in the generator's unit.
        dn: one DN in that unit: how wide rounding is.
        rounds: (crops for each target, steps) of each round.
        seed: of all draws.
        mean_over_processes: averages a tensor over all processes; with one process, the tensor itself.
        rank: number of this process: each draws N_init of its own.
        processes: how many there are.
    """

    name = "stage 1"

    def __init__(
        self,
        generator: LiteGenerator | UNetGenerator,
        targets: Sequence[Target],
        rounds: Sequence[tuple[int, int]],
        seed: int,
        *,
        dn: float = 1.0,
        mean_over_processes: Callable[[Tensor], Tensor] = lambda value: value,
        rank: int = 0,
        processes: int = 1,
    ) -> None:
        self.generator, self.rounds, self.seed, self.rank = generator, tuple(rounds), seed, rank
        self.names = [t.name for t in targets]
        device = next(generator.parameters()).device
        mean, error = stacked(targets)
        self.mean, self.error = (Statistics(*(f.to(device) for f in s)) for s in (mean, error))
        self.sigmas = torch.tensor([t.sigma_init for t in targets], device=device)
        self.mean_over_processes = mean_over_processes
        self.dn, self.round, self.processes = dn, -1, processes
        self.optimizer: torch.optim.LBFGS

    @property
    def steps(self) -> int:
        """How many steps the task takes."""
        return sum(steps for _, steps in self.rounds)

    @property
    def modules(self) -> dict[str, nn.Module]:
        """What is trained."""
        return {"generator": self.generator}

    def sheet(self) -> None:
        """Return no picture: numbers are all that is compared."""

    def step(self, number: int) -> dict[str, float]:
        """Take step ``number`` and return the loss and the misfit of each kind of statistic."""
        self._enter(number)
        terms: dict[str, float] = {}

        def closure() -> Tensor:
            self.optimizer.zero_grad()
            loss = self._loss(terms)
            loss.backward()  # type: ignore[no-untyped-call]
            for weight in self.generator.parameters():
                weight.grad = self.mean_over_processes(weight.grad) if weight.grad is not None else None
            return loss.detach()

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
        crops = self.rounds[number][0]
        self._draw(crops, self.seed * 1_000_003 + number)
        # The error of a sample's quantiles, beside the target's own.
        p, pixels = levels().to(self.mean.quantiles), crops * self.processes * CROP**2
        slope = torch.gradient(self.mean.quantiles, spacing=(p,), dim=2)[0]
        sample = slope * torch.sqrt(p * (1 - p) / pixels)
        q, lines, sites, spectrum = (e.square() for e in self.error)
        self.scale = Statistics(
            torch.sqrt(q + sample**2 + _TOLERANCE**2),
            torch.sqrt(lines + _LINE_TOLERANCE**2),
            torch.sqrt(sites + _TOLERANCE**2),
            torch.sqrt(spectrum + (3 * _TOLERANCE) ** 2),
        )
        self.optimizer = torch.optim.LBFGS(
            self.generator.parameters(), 1.0, ITERATIONS, history_size=60, line_search_fn="strong_wolfe"
        )

    def _draw(self, crops: int, seed: int) -> None:
        draw = torch.Generator().manual_seed(seed * 4096 + self.rank)
        count, device = crops * len(self.sigmas), self.sigmas.device
        self.n_init = even_n_init(count, CROP, CROP, self.generator.halo, draw).to(device)
        shape = (count, 4, CROP, CROP)
        self.rounding, self.dither = (
            (torch.rand(shape, generator=draw) - 0.5).to(device) * self.dn for _ in range(2)
        )

    def _loss(self, terms: dict[str, float]) -> Tensor:
        found = self._statistics()
        loss = self.sigmas.new_zeros(())
        for name, own, aim, scale in zip(Statistics._fields, found, self.mean, self.scale, strict=True):
            # All processes share one value; the gradient is that of this process's part.
            shared = self.mean_over_processes(own.detach()) + own - own.detach()
            misfit = ((shared - aim) / scale).square()
            # Quadratic within the error, linear beyond it.
            term = (torch.sqrt(1 + misfit) - 1).mean()
            terms[name] = float(misfit.detach().mean().sqrt())
            loss = loss + term
        terms["loss"] = float(loss.detach())
        return loss

    def _statistics(self) -> Statistics:
        """Statistics of the generator's noise as a converter rounds it, stacked by target."""
        crops = self.n_init.shape[0] // len(self.sigmas)
        sigma = self.sigmas.repeat_interleave(crops)
        noise = self.generator(self.n_init, sigma) + self.rounding
        rows = [
            _of_target(*parts)
            for parts in zip(
                (noise / sigma[:, None, None, None]).split(crops),
                ((noise + self.dither) / sigma[:, None, None, None]).split(crops),
                strict=True,
            )
        ]
        return Statistics(*(torch.stack(field) for field in zip(*rows, strict=True)))


def _of_target(noise: Tensor, dithered: Tensor) -> Statistics:
    lines, sites, power = second_order(noise, wraps=True)
    return Statistics(quantiles(dithered), lines, sites, power.log())
