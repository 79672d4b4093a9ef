# SPDX-License-Identifier: Apache-2.0
"""The batch of every step of a training: a function of its number, so that a resumed one sees the same."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from lrd_ext.datasets import IdentitySampler, RawTiles, Tile
from lrd_ext.datasets.crops import mirrors
from lrd_ext.datasets.mosaics import mosaic_of
from lrd_ext.datasets.tiles import read_table

from .noise_level import noise_level
from .phases import cut_to_phase

#: Steps of an epoch at least: the order of samples and the workers' queues start anew with each.
_STEPS = 100
#: Planes that are cut alike.
_PLANES = ("noisy", "clean", "noise_level")

Collate = Callable[[Sequence[Mapping[str, Any]]], dict[str, Any]]


@dataclasses.dataclass(frozen=True)
class InPhase:
    """A ``collate_fn``: pairs of every phase mirrored at random and cut to the one a denoiser is trained on.

    Args:
        pairs: makes the batch of items, dict of ``noisy`` and ``clean`` (B, 4, h, w) float32, and ``params``
            where the noise is known, such as that of :class:`lrd_ext.augment.LowLightNoise`.
        cfa: the phase wanted.
        flips: whether crops are mirrored.
        conditioned: whether the noise level is given as well; needs ``params``.
        seed: of the mirroring.

    Items bring their phase ``cfa`` and identity ``index``. A batch is a dict of ``noisy``, ``clean`` and,
    where asked for, ``noise_level``, (B, 4, h - 1, w - 1) float32.
    """

    pairs: Collate
    cfa: str
    flips: bool = True
    conditioned: bool = False
    seed: int = 0

    def __call__(self, items: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
        """Make a batch."""
        batch = self.pairs(items)
        if self.conditioned:
            batch["noise_level"] = noise_level(batch["noisy"], batch["params"])
        planes = [name for name in _PLANES if name in batch]
        stacked = torch.stack([batch[name] for name in planes], 1)
        cut = torch.stack([self._cut(x, item) for x, item in zip(stacked, items, strict=True)])
        return dict(zip(planes, cut.unbind(1), strict=True))

    def _cut(self, planes: Tensor, item: Mapping[str, Any]) -> Tensor:
        rows = cols = False
        if self.flips:
            rows, cols = mirrors(self.seed, int(item["index"]))
        return cut_to_phase(planes, str(item["cfa"]), self.cfa, rows=rows, cols=cols)


def join_pairs(items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Make a batch of items that are pairs already: ``noisy`` and ``clean`` (4, h, w) float, normalized."""
    return {name: torch.stack([item[name].float() for item in items]) for name in ("noisy", "clean")}


class PairedTiles(Dataset[dict[str, Any]]):
    """Fresh crops of recorded pairs: two stores whose mosaics belong together, one by one.

    Args:
        clean: folder of the long exposures' store.
        noisy: folder of the short exposures' store, prepared in the same order.
        size: cells a side of a crop.
        samples: items in an epoch.
        seed: of the places of the crops.
        ratio: of the light; None takes what the stores tell, or ISO and exposure times of the files.

    Items are dicts: ``noisy`` and ``clean`` (4, size, size) float32, above black, divided by the range, the
    noisy times the ratio; ``cfa``, ``index`` and ``id`` as those of :class:`lrd_ext.datasets.RawTiles`.

    Raises:
        ValueError: the stores do not fit each other, or a ratio is not known.
    """

    def __init__(
        self,
        clean: str | os.PathLike[str],
        noisy: str | os.PathLike[str],
        size: int,
        samples: int | None = None,
        *,
        seed: int = 0,
        ratio: float | None = None,
    ) -> None:
        # The same seed, size and identity: the same place in both.
        self.clean, self.noisy = (RawTiles(root, size, samples, seed=seed) for root in (clean, noisy))
        self.tiles = self.clean.tiles
        _check_left_out(clean, noisy)
        if len(self.tiles) != len(self.noisy.tiles):
            raise ValueError(
                f"{noisy}: must hold as many mosaics as {clean}, got {len(self.noisy.tiles)} and "
                f"{len(self.tiles)}"
            )
        pairs = list(zip(self.tiles, self.noisy.tiles, strict=True))
        for long, short in pairs:
            if (long.height, long.width, long.cfa) != (short.height, short.width, short.cfa):
                raise ValueError(f"{noisy}: {short.source} is not of the size and phase of {long.source}")
        self.ratios = [_ratio(long, short) if ratio is None else float(ratio) for long, short in pairs]

    def __len__(self) -> int:
        return len(self.clean)

    def __getitem__(self, identity: int) -> dict[str, Any]:
        long, short = self.clean[identity], self.noisy[identity]
        ratio = self.ratios[mosaic_of(identity, len(self), len(self.tiles))]
        told = {name: long[name] for name in ("cfa", "index", "id")}
        return {"noisy": _normalized(short) * ratio, "clean": _normalized(long), **told}


def _check_left_out(*roots: str | os.PathLike[str]) -> None:
    """Refuse stores of which not the same places of their inputs are there: mosaics would not be partners.

    Raises:
        ValueError: so it is; the files that were left out are named.
    """
    left_out = [read_table(root).get("left_out", {}) for root in roots]
    for root, own, other in zip(roots, left_out, left_out[::-1], strict=True):
        if set(own) - set(other):
            names = ", ".join(own[place] for place in own if place not in other)
            raise ValueError(
                f"{root}: {names} could not be read and was left out, its partner was not; prepare both "
                "stores again without the two"
            )


def _ratio(long: Tile, short: Tile) -> float:
    """ISO times exposure time of the long exposure over that of the short one, if that tells no ratio."""
    if short.ratio is not None:
        return short.ratio
    figures = (long.iso, long.exposure_s, short.iso, short.exposure_s)
    if None in figures:
        lacks = short if None in figures[2:] else long
        raise ValueError(f"{lacks.source}: tells no ISO or exposure time; say the ratio")
    a, b, c, d = (float(value) for value in figures if value is not None)
    return (a * b) / (c * d)


def _normalized(item: Mapping[str, Any]) -> Tensor:
    black = item["black"][:, None, None]
    return (item["clean"].to(torch.int32).float() - black) / (item["white"] - black)


class Batches:
    """Batches by the number of their step.

    Args:
        dataset: makes the item of an identity; its ``len`` is the number of samples in an epoch.
        collate: makes a batch of items.
        batch: items in one batch of one process.
        seed: of the order.
        rank, world: of distributed training.
        workers: processes that make them; 0 makes them between the steps.
    """

    def __init__(
        self,
        dataset: Dataset[Any],
        collate: Callable[[Any], dict[str, Tensor]],
        batch: int,
        *,
        seed: int = 0,
        rank: int = 0,
        world: int = 1,
        workers: int = 0,
    ) -> None:
        samples = len(dataset)  # type: ignore[arg-type]
        self.sampler = IdentitySampler(samples, seed=seed, rank=rank, world=world)
        self.batch, self.steps = batch, len(self.sampler) // batch
        if not self.steps:
            raise ValueError(f"dataset must hold a batch for each process, got {samples} samples")
        self.loader = DataLoader(
            dataset,
            batch,
            sampler=self.sampler,
            num_workers=workers,
            collate_fn=collate,
            drop_last=True,
            persistent_workers=workers > 0,
            generator=torch.Generator().manual_seed(seed % 2**63),  # it would draw from torch's own
        )
        self._next = -1
        self._coming: Iterator[dict[str, Tensor]] = iter(())

    def at(self, number: int) -> dict[str, Tensor]:
        """Return the batch of step ``number``; cheap for one after the other."""
        epoch, taken = divmod(number, self.steps)
        if number != self._next or not taken:
            state = self.sampler.state_at(epoch, taken * self.batch)
            self.sampler.load_state(state)
            self._coming = iter(self.loader)
        self._next = number + 1
        return next(self._coming)


def samples_for(tiles: int, batch: int, world: int) -> int:
    """Return a number of samples in an epoch that uses every tile and divides into whole batches."""
    steps = max(_STEPS, -(-tiles // (batch * world)))
    return steps * batch * world
