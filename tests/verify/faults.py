# SPDX-License-Identifier: Apache-2.0
"""Synthesisers with one planted fault each: the battery must turn red on every one of them."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch

from lrd_ext.reference import bayer
from lrd_ext.reference.normal import normal_quantile
from lrd_ext.reference.philox import Component, words


def changed(params, **fields):
    return dataclasses.replace(params, **fields)


def cells_of(clean):
    return torch.arange(clean.shape[-2] // 2), torch.arange(clean.shape[-1] // 2)


def indices(index, batch):
    return torch.arange(index, index + batch)


def swapped_word(synth):
    """Sites (0,1) and (1,0) take each other's words."""

    def swap(frames):
        cells = bayer.to_cells(frames, packed=False)
        return bayer.from_cells(cells[:, [0, 2, 1, 3]], packed=False)

    return lambda clean, params, **o: swap(synth(swap(clean), params, **o))


def gain_off_by_one_percent(synth):
    """K is 1 % too large."""
    return lambda clean, params, **o: synth(clean, changed(params, K=params.K * 1.01), **o)


def row_drawn_per_packed_row(synth):
    """Row noise once for each row of each packed plane, so the two sites of a mosaic row differ."""

    def faulty(clean, params, *, seed, index=0, **o):
        quiet = changed(params, sigma_row=0.0)
        rows, _ = cells_of(clean)
        word = words(
            torch.tensor(seed),
            indices(index, len(clean)),
            Component.ROW,
            rows,
            torch.zeros(1, dtype=torch.int64),
        )
        noise = params.sigma_row * normal_quantile(word)
        plane = noise.expand(len(clean), 4, len(rows), clean.shape[-1] // 2)
        return (
            synth(clean, quiet, seed=seed, index=index, **o) + bayer.from_cells(plane, packed=False).float()
        )

    return faulty


def row_shared_by_a_cell(synth):
    """Row noise once for each row of cells: both mosaic rows of a cell are shifted alike."""

    def faulty(clean, params, *, seed, index=0, **o):
        quiet = changed(params, sigma_row=0.0)
        rows, _ = cells_of(clean)
        word = words(
            torch.tensor(seed),
            indices(index, len(clean)),
            Component.ROW,
            rows,
            torch.zeros(1, dtype=torch.int64),
        )
        noise = (params.sigma_row * normal_quantile(word[:, :1])).expand(
            len(clean), 4, len(rows), clean.shape[-1] // 2
        )
        return (
            synth(clean, quiet, seed=seed, index=index, **o) + bayer.from_cells(noise, packed=False).float()
        )

    return faulty


def truncation_for_rounding(synth):
    """The converter cuts decimals off."""

    def faulty(clean, params, *, quantize="round", **o):
        if quantize != "round":
            return synth(clean, params, quantize=quantize, **o)
        return torch.floor(synth(clean, params, quantize="none", **o))

    return faulty


def index_ignored(synth):
    """Every frame of a data set gets the same noise."""

    def faulty(clean, params, *, index=0, **o):
        return synth(clean, params, index=torch.zeros(len(clean), dtype=torch.int64), **o)

    return faulty


def index_cut_to_32_bits(synth):
    """The high part of the index is lost."""
    return lambda clean, params, *, index=0, **o: synth(clean, params, index=index % 2**32, **o)


def seed_cut_to_32_bits(synth):
    """The high half of the key is lost."""
    return lambda clean, params, *, seed, **o: synth(clean, params, seed=seed % 2**32, **o)


def read_noise_from_the_words_of_shot_noise(synth):
    """Two components share their words."""

    def faulty(clean, params, *, seed, index=0, **o):
        if params.read != "gaussian":
            return synth(clean, params, seed=seed, index=index, **o)
        word = words(torch.tensor(seed), indices(index, len(clean)), Component.SHOT, *cells_of(clean))
        noise = params.sigma_read * normal_quantile(word)
        plain = synth(clean, changed(params, read="none", sigma_read=0.0), seed=seed, index=index, **o)
        return plain + bayer.from_cells(noise, packed=False).float()

    return faulty


def tails_cut(synth):
    """Read noise never leaves the quantiles of 1 in 10,000."""

    def faulty(clean, params, **o):
        noise = synth(clean, params, **o)
        if params.read == "none" or params.shot:
            return noise
        edge = np.quantile(noise.numpy(), 0.9999)
        return noise.clamp(-edge, edge)

    return faulty


def gaussian_for_poisson(synth):
    """Shot noise of the right mean and variance, rounded, but normal."""

    def faulty(clean, params, *, seed, index=0, **o):
        if not params.shot:
            return synth(clean, params, seed=seed, index=index, **o)
        word = words(torch.tensor(seed), indices(index, len(clean)), Component.SHOT, *cells_of(clean))
        z = bayer.from_cells(normal_quantile(word), packed=False).float()
        electrons = torch.round(clean / params.K + torch.sqrt(clean / params.K) * z).clamp_min(0)
        return synth(params.K * electrons, changed(params, shot=False), seed=seed, index=index, **o)

    return faulty


FAULTS = (
    swapped_word,
    gain_off_by_one_percent,
    row_drawn_per_packed_row,
    row_shared_by_a_cell,
    truncation_for_rounding,
    index_ignored,
    index_cut_to_32_bits,
    seed_cut_to_32_bits,
    read_noise_from_the_words_of_shot_noise,
    tails_cut,
    gaussian_for_poisson,
)
