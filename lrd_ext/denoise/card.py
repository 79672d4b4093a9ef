# SPDX-License-Identifier: Apache-2.0
"""The model card of a trained denoiser: what it learned from, how, and how well it does on held-out raws."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from lrd_ext.augment import LowLightNoise
from lrd_ext.augment.low_light_noise import normalized
from lrd_ext.datasets import RawTiles, Tile
from lrd_ext.profiles import CameraProfile
from lrd_ext.training.configuration import DenoiserConfiguration
from lrd_ext.version import __version__, commit

from .denoiser import Denoiser
from .frames import denoise_packed
from .noise_level import noise_level
from .phases import cut_to_phase
from .train import psnr


def card_of(net: Denoiser, configuration: DenoiserConfiguration, data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the card: plain values that JSON takes. It names no path."""
    return {
        "made_by": "lrd train denoiser",
        "lrd_ext": __version__,
        "commit": commit(),
        "configuration": dataclasses.asdict(configuration),
        "data": dict(data),
        "takes": "packed raw in site order of "
        f"{net.cfa}: (value - black) / (white - black) * ratio, nothing cut off below black",
    }


def told_of(tiles: Sequence[Tile]) -> list[dict[str, Any]]:
    """Return what a card tells of the pictures in a store."""
    sources = {tile.source_sha256: tile for tile in tiles}
    return [
        {"file": t.source, "sha256": t.source_sha256, "camera": t.camera, "cfa": t.cfa}
        for t in sources.values()
    ]


def held_out(
    net: Denoiser,
    tiles: RawTiles,
    profiles: Sequence[CameraProfile],
    isos: Sequence[float],
    ratios: Sequence[float],
    *,
    bias: bool,
    seed: int,
) -> list[dict[str, Any]]:
    """Measure a denoiser on pictures it has not seen, whole, under each camera's noise.

    Args:
        net: on the CPU.
        tiles: whole mosaics, ``size=None``.
        profiles: cameras.
        isos: of the noise, each with
        ratios: each.
        bias: as in training.
        seed: of the noise.

    Returns: a dict for each camera, ISO and ratio: ``psnr_in`` and ``psnr`` in dB, mean over the pictures.
    """
    found = []
    for profile in profiles:
        for iso, ratio in ((i, r) for i in isos for r in ratios):
            noise = LowLightNoise(profile, iso=iso, ratio=ratio, seed=seed, bias=bias)
            pairs = np.array([_one(net, tiles[i], noise) for i in range(len(tiles))])
            before, after = (round(float(x), 2) for x in pairs.mean(0))
            found.append(
                {"camera": profile.name, "iso": iso, "ratio": ratio, "psnr_in": before, "psnr": after}
            )
    return found


def _one(net: Denoiser, item: Mapping[str, Any], noise: LowLightNoise) -> tuple[float, float]:
    batch = noise.collate([item])
    planes = [batch["noisy"], normalized(item["clean"][None], batch["params"])]
    if net.conditioned:
        planes.append(noise_level(batch["noisy"], batch["params"]))
    noisy, clean, *level = (cut_to_phase(x, item["cfa"], net.cfa) for x in planes)
    made = denoise_packed(net, noisy, *level)
    return psnr(noisy, clean), psnr(torch.as_tensor(made), clean)
