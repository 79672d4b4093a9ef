# SPDX-License-Identifier: Apache-2.0
"""Weights a LiteGenerator starts with: a camera of mapped pixels, leaks and moving-average lines.

Each part is fitted to the darks' numbers by itself, in seconds. What is left to training is all that such a
camera lacks: sites that differ, lines whose share changes with ISO, and what pixels share beyond a cell.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from . import line_filter, point_map
from .lite import LiteGenerator
from .statistics import OFFSETS
from .targets import Target

#: Channels that carry lines in every hidden layer: two rows, two columns of a cell.
_LINES = 4
#: A line's channel lies this many of its standard deviations above the bend of its leaky ReLU.
_ABOVE = 4.0
_SITES = 4
#: A leak beyond this is no small thing beside the pixel: training has to find it.
_MOST_LEAK = 0.5
#: Lines vary at least this many times as much as they hang together.
_FOLLOWS = 1.2


class Camera(NamedTuple):
    """Noise as a start knows it.

    ``leak`` (3, 3, 4, 4): how much of site j of the cell at (down, across) - 1 is added to site i;
    ``rows``, ``columns``: five taps for each layer; ``pixel``: map of scores.
    """

    leak: Tensor
    rows: list[np.ndarray]
    columns: list[np.ndarray]
    pixel: point_map.PointMap


def start(generator: LiteGenerator, targets: Sequence[Target], draw: torch.Generator) -> None:
    """Set the weights.

    Args:
        generator: changed in place; in units in which the mean of log(sigma_init) is 0.
        targets: what it is to be trained to.
        draw: where random numbers come from.
    """
    camera = fit_camera(targets, generator.widths, generator.log_sigma, draw)
    convs = [conv for conv in generator.convs if isinstance(conv, nn.Conv2d)]
    with torch.no_grad():
        for conv in convs:
            nn.init.zeros_(conv.weight)
            nn.init.zeros_(_bias(conv))
        _set_pixels(convs, camera.pixel, generator.log_sigma)
        _set_leak(convs[-1], camera, targets, generator.log_sigma)
        for offset, parts, axis in ((0, camera.rows, 2), (2, camera.columns, 3)):
            _set_lines(convs, parts, offset, axis)


def fit_camera(
    targets: Sequence[Target], widths: Sequence[int], log_sigma: bool, draw: torch.Generator
) -> Camera:
    """Fit pixels, leaks and lines to the darks' numbers."""
    lines = [_line_autocovariance(targets, axis) for axis in (0, 1)]
    layers = len(widths) + 1
    averages = [line_filter.moving_average(line, layers) for line in lines]
    leak = _leak(targets, [float(line[0]) for line in lines])
    pixels = float(torch.stack([t.mean.sites[0].diagonal().mean() for t in targets]).mean())
    shared = float(leak.square().sum((0, 1, 3)).mean())
    added = lines[0][0] + lines[1][0]
    spread = np.sqrt(added + (pixels - added) * shared / (1 + shared))
    histograms = [_histogram(t, log_sigma) for t in targets]
    hidden = [(width - _LINES) // _SITES for width in widths]
    pixel = point_map.fit(histograms, float(spread), hidden, draw)
    rows, columns = (line_filter.factors(average, layers) for average in averages)
    return Camera(leak, rows, columns, pixel)


def _line_autocovariance(targets: Sequence[Target], axis: int) -> np.ndarray:
    """Return autocovariance of rows (0) or columns (1), free of what pixels leave in a mean (20,)."""
    found = np.stack([t.mean.lines[axis].double().numpy() for t in targets]).mean(0)
    # Sites of other columns two cells off share their row and no more, so that lag 0 is free of pixels.
    far = torch.stack([t.mean.sites[OFFSETS.index((0, 2) if axis == 0 else (2, 0))] for t in targets]).mean(0)
    others = [(0, 1), (1, 0), (2, 3), (3, 2)] if axis == 0 else [(0, 2), (2, 0), (1, 3), (3, 1)]
    found[0] = np.mean([float(far[i, j]) for i, j in others])
    # Pixels that hang together over many columns hide it; it is no less than what follows.
    found[0] = max(found[0], _FOLLOWS * np.abs(found[1:]).max())
    return np.asarray(found)


def _leak(targets: Sequence[Target], lines: Sequence[float]) -> Tensor:
    """Return the leak (3, 3, 4, 4) whose noise has the darks' covariances at the offsets within a cell."""
    wanted = torch.stack([t.mean.sites for t in targets]).mean(0).double()
    own = wanted[0].diagonal().mean() - sum(lines)
    shared = _of_lines(wanted, targets)
    leak = torch.zeros(3, 3, _SITES, _SITES, dtype=torch.float64)
    for _ in range(20):
        made = _covariances(leak)
        for k, (down, across) in enumerate(OFFSETS):
            if max(down, abs(across)) <= 1:
                missing = (wanted[k] - shared[k]) / own * made[0].diagonal().mean() - made[k]
                # Of the pair i here and j there one half-plane suffices: j takes from i.
                step = missing.T.tril(-1) if k == 0 else missing.T
                leak[1 - down, 1 - across] += 0.7 * step
        leak.clamp_(-_MOST_LEAK, _MOST_LEAK)
    return leak


def _of_lines(wanted: Tensor, targets: Sequence[Target]) -> Tensor:
    """Return what lines add to the covariances at each offset (7, 4, 4)."""
    autocovariance = [_line_autocovariance(targets, axis) for axis in (0, 1)]
    result = torch.zeros_like(wanted)
    for k, (down, across) in enumerate(OFFSETS):
        for i in range(_SITES):
            for j in range(_SITES):
                rows, columns = 2 * down + j // 2 - i // 2, 2 * across + j % 2 - i % 2
                result[k, i, j] = autocovariance[0][abs(rows)] + autocovariance[1][abs(columns)]
    return result


def _covariances(leak: Tensor) -> Tensor:
    """Return covariances at OFFSETS (7, 4, 4) of white unit noise to which a leak is added."""
    taps = leak.clone()
    taps[1, 1] += torch.eye(_SITES, dtype=leak.dtype)
    result = []
    for down, across in OFFSETS:
        total = torch.zeros(_SITES, _SITES, dtype=leak.dtype)
        for y in range(3):
            for x in range(3):
                if 0 <= y - down < 3 and 0 <= x - across < 3:
                    total += taps[y, x] @ taps[y - down, x - across].T
        result.append(total)
    return torch.stack(result)


def _histogram(target: Target, log_sigma: bool) -> point_map.Histogram:
    """Return the histogram of all sites together."""
    s = float(np.log(target.sigma_init)) if log_sigma else 0.0
    own = [
        point_map.histogram(s, levels, edges.double())
        for levels, edges in zip(target.levels, target.mean.quantiles, strict=True)
    ]
    return point_map.Histogram(s, torch.stack([h.values for h in own]).mean(0))


def _bias(conv: nn.Conv2d) -> Tensor:
    assert conv.bias is not None
    return conv.bias


def _set_pixels(convs: Sequence[nn.Conv2d], pixel: point_map.PointMap, log_sigma: bool) -> None:
    """Put one map after the other, for each site; the map's sum is left to the leak."""
    for number, weight in enumerate(pixel.layers[:-1]):
        own, before = convs[number], weight.shape[1] - 1
        for site in range(_SITES):
            here = slice(site * len(weight), (site + 1) * len(weight))
            _bias(own)[here] = weight[:, -1].float()
            if number == 0:
                own.weight[here, site, 1, 1] = weight[:, 0].float()
                if log_sigma:
                    own.weight[here, 8, 1, 1] = weight[:, 1].float()
            else:
                own.weight[here, site * before : (site + 1) * before, 1, 1] = weight[:, :-1].float()


def _set_leak(conv: nn.Conv2d, camera: Camera, targets: Sequence[Target], log_sigma: bool) -> None:
    """Sum the maps' last features: at a site to what its score lacks, from its neighbours to their value."""
    own, value = camera.pixel.layers[-1], _value_of_features(camera.pixel, targets, log_sigma)
    count = len(own) - 1
    for i in range(_SITES):
        conv.weight[i, i * count : (i + 1) * count, 1, 1] = own[:-1].float()
        _bias(conv)[i] = own[-1].float()
        for j in range(_SITES):
            taps = camera.leak[:, :, i, j].float()
            conv.weight[i, j * count : (j + 1) * count] += value[:-1, None, None].float() * taps
            _bias(conv)[i] += value[-1].float() * taps.sum()


def _value_of_features(pixel: point_map.PointMap, targets: Sequence[Target], log_sigma: bool) -> Tensor:
    """Return weights of features and 1 whose sum comes nearest to the map's value (h + 1,)."""
    score = torch.special.ndtri((torch.arange(2000, dtype=torch.float64) + 0.5) / 2000)
    at = [float(np.log(t.sigma_init)) if log_sigma else 0.0 for t in targets]
    features = torch.cat([pixel.features(score, s) for s in at], 1)
    values = torch.cat([pixel.at(score, s) for s in at])
    small = 1e-6 * torch.eye(len(features), dtype=torch.float64)
    return torch.linalg.solve(features @ features.T / len(values) + small, features @ values / len(values))


def _set_lines(convs: Sequence[nn.Conv2d], parts: Sequence[np.ndarray], offset: int, axis: int) -> None:
    """Send two channels of lines through all layers, each filtering them in turn."""
    raised = 0.0
    for number, (conv, part) in enumerate(zip(convs, parts, strict=True)):
        weight, last = line_filter.weights(part), number == len(convs) - 1
        into = slice(4 + offset, 6 + offset)
        if number:
            begin = conv.in_channels - _LINES + offset
            into = slice(begin, begin + 2)
        taken = weight.sum((1, 2)) * raised
        raised = 0.0 if last else _ABOVE
        for parity in (0, 1):
            sites = [i for i in range(_SITES) if (i // 2 if axis == 2 else i % 2) == parity]
            outputs = sites if last else [conv.out_channels - _LINES + offset + parity]
            for out in outputs:
                taps = conv.weight[out, into]
                (taps[:, :, 1] if axis == 2 else taps[:, 1]).add_(weight[parity])
                _bias(conv)[out] += raised - taken[parity]
