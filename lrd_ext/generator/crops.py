# SPDX-License-Identifier: Apache-2.0
"""Random crops of what a camera recorded, at even places so that sites stay sites, with the light on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional


class Crop(NamedTuple):
    """A window of a recorded frame, DN about the level without light (black and bias) of its site.

    ``real`` (4, h, w) as recorded; ``signal`` (4, h, w) without noise, 0 or more; ``known`` (4, h, w) 1, or 0
    where the clean picture is saturated and ``signal`` unknown; ``low`` and ``high`` (4,) where the converter
    ends, whole steps from ``low`` being its values; ``gain`` () K, DN per electron; ``sigma`` () sigma_init;
    ``ratio`` () of exposures. All float32.
    """

    real: Tensor
    signal: Tensor
    known: Tensor
    low: Tensor
    high: Tensor
    gain: Tensor
    sigma: Tensor
    ratio: Tensor


class Source(Protocol):
    """Frames of one camera and ISO to cut crops from: dark frames, or pairs."""

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of a frame, pixels."""

    def __len__(self) -> int:
        """How many frames there are."""

    def window(self, frame: int, rows: slice, columns: slice) -> Crop:
        """Return a window of cells of a frame."""


class Crops(Crop):
    """Crops side by side: the fields of :class:`Crop`, (n, 4, h, w), (n, 4, 1, 1) or (n, 1, 1, 1)."""

    __slots__ = ()

    @property
    def scale(self) -> Tensor:
        """Deviation of the noise to expect at every site, DN: shot noise and sigma_init."""
        return torch.sqrt(self.gain * self.signal + self.sigma.square())

    @property
    def lit(self) -> Tensor:
        """Which crops are of pictures and not of the dark, (n,) bool."""
        return self.signal.flatten(1).any(1)

    def of(self, chosen: Tensor) -> Crops:
        """Return the crops chosen by (n,) bool."""
        return Crops(*(part[chosen] for part in self))

    def shot(self, draw: torch.Generator) -> Tensor:
        """Return the signal with photon noise, DN: Poisson(signal / K) K; ``draw`` is of the CPU."""
        if not bool(self.signal.any()):
            return self.signal
        light = (self.signal / self.gain).cpu()
        return torch.poisson(light, draw).to(self.signal) * self.gain

    def recorded(self, noisy: Tensor) -> Tensor:
        """Return what a converter makes of values in DN: rounded and clipped, with the slope of neither.

        Straight through the rounding, that is, so that a generator behind it can be trained.
        """
        steps = (noisy.detach() - self.low).round() + self.low
        return (noisy + (steps - noisy.detach())).clamp(self.low, self.high)

    def to(self, device: torch.device) -> Crops:
        """Return the crops on a device."""
        return Crops(*(part.to(device) for part in self))


def check_side(sources: Sequence[Source], side: int) -> None:
    """Refuse crops that frames of a source are too small for.

    Raises:
        ValueError: they are; the text names the patch of a configuration.
    """
    for source in sources:
        if min(source.shape) // 2 < side:
            raise ValueError(
                f"adversarial.patch: crops of {side} cells need frames of {2 * side} x {2 * side} pixels, "
                f"got {source.shape}"
            )


def random_crops(sources: Sequence[Source], count: int, side: int, draw: torch.Generator) -> Crops:
    """Cut crops of sources and frames drawn anew for each.

    Args:
        sources: of each camera and ISO; equally likely. Frames hold a crop, see :func:`check_side`.
        count: how many crops.
        side: cells a side.
        draw: where random numbers come from.
    """
    which = torch.randint(len(sources), (count,), generator=draw)
    return side_by_side([_crop(sources[int(k)], side, draw) for k in which])


def crop_of_each(sources: Sequence[Source], side: int, draw: torch.Generator) -> Crops:
    """Cut one crop of every source; see :func:`random_crops`."""
    return side_by_side([_crop(s, side, draw) for s in sources])


def side_by_side(crops: Sequence[Crop]) -> Crops:
    """Join crops of one size."""
    fields = Crop(*(torch.stack(field) for field in zip(*crops, strict=True)))
    levels = (field[:, :, None, None] for field in (fields.low, fields.high))
    numbers = (field[:, None, None, None] for field in (fields.gain, fields.sigma, fields.ratio))
    return Crops(*fields[:3], *levels, *numbers)


def _crop(source: Source, side: int, draw: torch.Generator) -> Crop:
    room = [size // 2 - side for size in source.shape]
    frame = int(torch.randint(len(source), (), generator=draw))
    top, left = (int(torch.randint(r + 1, (), generator=draw)) for r in room)
    return source.window(frame, slice(top, top + side), slice(left, left + side))


def real_above_made(real: Tensor, made: Tensor) -> np.ndarray:
    """Return crops (n, 4, h, w), in standard deviations, real above made ones, (H, W, 3) uint8."""
    rows = [torch.cat(list(functional.pixel_shuffle(crops, 2)[:, 0]), 1) for crops in (real, made)]
    grey = ((torch.cat(rows) / 6 + 0.5).clamp(0, 1) * 255).to(torch.uint8).cpu().numpy()
    return np.repeat(grey[..., None], 3, 2)
