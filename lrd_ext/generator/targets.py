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
from .statistics import Statistics, levels, second_order

#: Units whose statistics are averaged and resampled: frames, or strips of frames where they are fewer.
_LEAST_UNITS = 16
#: Cells a side of the crops that line and site statistics are taken from, and how many of a unit at most.
CROP, _CROPS = 64, 48
_RESAMPLES = 200


@dataclasses.dataclass(frozen=True)
class Target:
    """Darks of one camera and ISO as numbers, in units of ``sigma_init`` [DN].

    ``mean`` and ``error`` (standard deviation of the mean, from resampled units).
    """

    name: str
    iso: float
    sigma_init: float
    mean: Statistics
    error: Statistics


def measure(darks: Darks, sigma_init: float, name: str) -> Target:
    """Measure the darks of one ISO; every frame is read once.

    Args:
        darks: the frames.
        sigma_init: what the noise is divided by, DN.
        name: of camera and ISO, for messages.
    """
    units = [_unit(unit, sigma_init) for unit in _units(darks)]
    stacked = Statistics(*(torch.stack(field) for field in zip(*units, strict=True)))
    mean = Statistics(*(field.mean(0) for field in stacked))
    error = Statistics(*_bootstrap(stacked))
    # The scatter of a scatter is large; sites are alike in it, and lags and bands nearly so.
    pooled = error._replace(quantiles=error.quantiles.mean(0, keepdim=True).expand_as(error.quantiles))
    return Target(name, darks.iso, sigma_init, _logged(mean, mean), _logged(pooled, mean))


def _logged(values: Statistics, mean: Statistics) -> Statistics:
    """Turn powers into their logs, or their errors into those of the logs."""
    if values is mean:
        return values._replace(spectrum=values.spectrum.log())
    return values._replace(spectrum=values.spectrum / mean.spectrum)


def _bootstrap(stacked: Statistics) -> Iterator[Tensor]:
    count = stacked.quantiles.shape[0]
    drawn = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), _RESAMPLES) / count
    weights = torch.from_numpy(drawn).to(torch.float32)
    # A resample of n units scatters (n - 1) / n of what n new units would.
    correction = math.sqrt(count / max(count - 1, 1))
    for field in stacked:
        yield torch.tensordot(weights, field, 1).std(0) * correction


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


def _unit(noise: Tensor, sigma_init: float) -> Statistics:
    crops = _crops(noise) / sigma_init
    lines, sites, power = second_order(crops)
    return Statistics(_dithered_quantiles(noise) / sigma_init, lines, sites, power)


def _crops(noise: Tensor) -> Tensor:
    """Cut crops of even places out of (4, h, w): (n, 4, side, side), n at most _CROPS."""
    height, width = (min(CROP, size) for size in noise.shape[1:])
    tiles = noise.unfold(1, height, height).unfold(2, width, width)  # (4, rows, columns, h, w)
    tiles = tiles.permute(1, 2, 0, 3, 4).flatten(0, 1)
    chosen = torch.linspace(0, tiles.shape[0] - 1, min(_CROPS, tiles.shape[0])).round().long()
    return tiles[chosen]


def _dithered_quantiles(noise: Tensor) -> Tensor:
    """Return quantiles (4, levels) of whole numbers about some level, each spread evenly over its step."""
    return torch.stack([_of_steps(site.flatten()) for site in noise])


def _of_steps(values: Tensor) -> Tensor:
    offset = float(values[0] - values[0].round())
    steps = (values - offset).round().to(torch.int64)
    low = int(steps.min())
    counts = torch.bincount(steps - low).numpy()
    cdf = np.concatenate([[0], np.cumsum(counts)]) / len(values)
    edges = np.arange(len(cdf)) + low - 0.5 + offset
    return torch.from_numpy(np.interp(levels().numpy(), cdf, edges)).to(torch.float32)


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
