# SPDX-License-Identifier: Apache-2.0
"""The order of a training run: identities for a DataLoader, other ones in every epoch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import Sampler

from .crops import identity_of


class IdentitySampler(Sampler[int]):
    """Yield the identities index + epoch * 2^40 of one epoch, shuffled; goes on to the next epoch by itself.

    A data set that is asked for plain indices gives the same crops and noise in every epoch. Asked for
    identities it gives fresh ones, which depend on no worker, batch or restart. The sampler lives in the main
    process, so persistent workers are served as well.

    Args:
        samples: number of samples in an epoch, such as ``len(dataset)``.
        seed: of the shuffling.
        shuffle: False gives each epoch in order.
        rank, world: of distributed training: this process takes every ``world``-th sample from ``rank`` on;
            what does not divide evenly is left out, so that all processes take equally many steps.

    Raises:
        ValueError: samples, rank or world make no sense.
    """

    def __init__(
        self, samples: int, *, seed: int = 0, shuffle: bool = True, rank: int = 0, world: int = 1
    ) -> None:
        if samples < world:
            raise ValueError(f"samples must be at least 1 for each of {world} processes, got {samples}")
        if not 0 <= rank < world:
            raise ValueError(f"rank must be in [0, {world}), got {rank}")
        self.samples, self.seed, self.shuffle, self.rank, self.world = samples, seed, shuffle, rank, world
        self.epoch = 0
        self._start = 0

    def __len__(self) -> int:
        return self.samples // self.world

    def __iter__(self) -> Iterator[int]:
        epoch, start = self.epoch, self._start
        self.epoch, self._start = epoch + 1, 0
        order = list(range(self.samples))
        if self.shuffle:
            shuffled = torch.Generator().manual_seed((self.seed * 2**16 + epoch) % 2**63)
            order = torch.randperm(self.samples, generator=shuffled).tolist()
        mine = order[self.rank : self.world * len(self) : self.world]
        for index in mine[start:]:
            yield identity_of(index, epoch)

    @property
    def taken(self) -> int:
        """How many samples of the epoch that comes next a resumed run has used already."""
        return self._start

    def state_at(self, epoch: int, taken: int) -> dict[str, Any]:
        """Return what :meth:`load_state` needs to go on after ``taken`` samples of this process in ``epoch``.

        Ask with what training has used, not with what workers have fetched ahead.
        """
        return {"epoch": epoch, "taken": taken, "samples": self.samples, "seed": self.seed}

    def load_state(self, state: dict[str, Any]) -> None:
        """Let the next iteration go on where a run stopped.

        Raises:
            ValueError: the state is of a run with other samples or another seed.
        """
        for name in ("samples", "seed"):
            if state[name] != getattr(self, name):
                raise ValueError(
                    f"state is of a run with {name} {state[name]}, this one has {getattr(self, name)}"
                )
        self.epoch, self._start = state["epoch"], state["taken"]
