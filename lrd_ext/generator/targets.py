# SPDX-License-Identifier: Apache-2.0
"""What stage 1 aims at: statistics of real dark frames, each with its sampling error."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from .dark_store import Darks
from .statistics import Statistics, second_order

#: Units whose statistics are averaged and resampled: frames, or strips of frames where they are fewer.
_LEAST_UNITS = 16
#: Cells a side of the crops that line and site statistics are taken from, and how many of a unit at most.
CROP, _CROPS = 64, 48
_RESAMPLES = 200
#: Places at which the share of values below is taken.
_EDGES = 81


@dataclasses.dataclass(frozen=True)
class Target:
    """Darks of one camera and ISO as numbers, in units of ``sigma_init`` [DN].

    ``mean`` and ``error`` (standard deviation of the mean, from resampled units). ``mean.quantiles`` (4, 81)
    are edges between whole DN, and ``levels`` (4, 81) float64 the share of values below them: no converter's
    step blurs either. ``count`` values of each site were looked at. Where a dark-shading map was taken off,
    values are no whole DN, and rounding shows as spread: ``blurred``.
    """

    name: str
    iso: float
    sigma_init: float
    mean: Statistics
    error: Statistics
    levels: Tensor
    count: int
    blurred: bool = False


def measure(darks: Darks, sigma_init: float, name: str) -> Target:
    """Measure the darks of one ISO; every frame is read once.

    Args:
        darks: the frames.
        sigma_init: what the noise is divided by, DN.
        name: of camera and ISO, for messages.
    """
    edges = _edges(darks, sigma_init)
    units = [_unit(unit, sigma_init, edges) for unit in _units(darks)]
    stacked = Statistics(*(torch.stack(field) for field in zip(*units, strict=True)))
    mean = Statistics(*(field.mean(0) for field in stacked))
    error = Statistics(*_bootstrap(stacked))
    levels, edges = mean.quantiles, edges / sigma_init
    density = torch.stack([torch.gradient(p, spacing=(e,))[0] for p, e in zip(levels, edges, strict=True)])
    # The scatter of a scatter is large; sites are alike in it.
    pooled = (error.quantiles / density.clamp_min(1e-12)).mean(0, keepdim=True).expand_as(levels)
    mean = mean._replace(quantiles=edges.float(), spectrum=mean.spectrum.log())
    error = error._replace(quantiles=pooled.float(), spectrum=error.spectrum / mean.spectrum.exp())
    count = len(darks) * darks.shape[0] * darks.shape[1] // 4
    return Target(name, darks.iso, sigma_init, mean, error, levels, count, darks.shading is not None)


def _edges(darks: Darks, sigma_init: float) -> Tensor:
    """Return edges between whole DN about each site's level, a fifth of sigma_init or a DN apart (4, 81)."""
    apart = max(1, round(sigma_init / 5))
    level = torch.from_numpy(darks.levels.mean(0))
    middle = level.floor() + 0.5
    return (middle - level)[:, None] + apart * torch.arange(-(_EDGES // 2), _EDGES // 2 + 1)


def _bootstrap(stacked: Statistics) -> Iterator[Tensor]:
    count = stacked.quantiles.shape[0]
    drawn = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), _RESAMPLES) / count
    weights = torch.from_numpy(drawn)
    # A resample of n units scatters (n - 1) / n of what n new units would.
    correction = math.sqrt(count / max(count - 1, 1))
    for field in stacked:
        yield torch.tensordot(weights.to(field), field, 1).std(0) * correction


def _units(darks: Darks) -> Iterator[Tensor]:
    """Yield packed noise (4, h, w), DN about the level of its site, frame by frame or strip by strip."""
    strips = max(1, math.ceil(_LEAST_UNITS / len(darks)))
    height = darks.shape[0] // 2
    least = min(CROP, height)
    strips = min(strips, max(height // least, 1))
    bounds = [height * k // strips for k in range(strips + 1)]
    for i in range(len(darks)):
        noise = darks.packed(i)
        for top, bottom in itertools.pairwise(bounds):
            yield noise[:, top:bottom]


def _unit(noise: Tensor, sigma_init: float, edges: Tensor) -> Statistics:
    crops = _crops(noise) / sigma_init
    lines, sites, power = second_order(crops)
    below = torch.stack([_below(site.flatten(), e) for site, e in zip(noise, edges, strict=True)])
    return Statistics(below, lines, sites, power)


def _crops(noise: Tensor) -> Tensor:
    """Cut crops of even places out of (4, h, w): (n, 4, side, side), n at most _CROPS."""
    height, width = (min(CROP, size) for size in noise.shape[1:])
    tiles = noise.unfold(1, height, height).unfold(2, width, width)  # (4, rows, columns, h, w)
    tiles = tiles.permute(1, 2, 0, 3, 4).flatten(0, 1)
    chosen = torch.linspace(0, tiles.shape[0] - 1, min(_CROPS, tiles.shape[0])).round().long()
    return tiles[chosen]


def _below(values: Tensor, edges: Tensor) -> Tensor:
    """Return the share of values below edges (n,) float64, whole DN about some level counted as steps.

    The level of a frame differs from the mean of all by little: between steps the share goes on in a line.
    """
    offset = float(values[0] - values[0].round())
    steps = (values - offset).round().to(torch.int64)
    low = int(steps.min())
    counts = torch.bincount(steps - low).numpy()
    shares = np.concatenate([[0], np.cumsum(counts)]) / len(values)
    own = np.arange(len(shares)) + low - 0.5 + offset
    return torch.from_numpy(np.interp(edges.numpy(), own, shares))


def stacked(targets: Sequence[Target]) -> tuple[Statistics, Statistics]:
    """Return means and errors with the targets in front: (targets, ...) each."""
    means, errors = ([getattr(t, part) for t in targets] for part in ("mean", "error"))
    join = [Statistics(*(torch.stack(f) for f in zip(*parts, strict=True))) for parts in (means, errors)]
    return join[0], join[1]


def in_common_unit(targets: Sequence[Target]) -> tuple[list[Target], float]:
    """Return the targets in a unit in which the mean of log(sigma_init) is 0, and that unit, DN.

    A generator's log(sigma_init) channel is then about 0, and its bias and its weight do not hang together.
    """
    unit = math.exp(sum(math.log(t.sigma_init) for t in targets) / len(targets))
    return [dataclasses.replace(t, sigma_init=t.sigma_init / unit) for t in targets], unit
