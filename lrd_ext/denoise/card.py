# SPDX-License-Identifier: Apache-2.0
"""What a denoiser's card tells beside its training: its pictures, and how well it does on others."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from lrd_ext.augment import LowLightNoise
from lrd_ext.datasets import RawTiles, Tile

from .denoiser import Denoiser
from .frames import denoise_packed
from .noise_level import noise_level
from .phases import cut_to_phase
from .train import psnr


def told_of(tiles: Sequence[Tile]) -> list[dict[str, Any]]:
    """Return what a card tells of the pictures in a store."""
    sources = {tile.source_sha256: tile for tile in tiles}
    return [
        {"file": t.source, "sha256": t.source_sha256, "camera": t.camera, "cfa": t.cfa}
        for t in sources.values()
    ]


def digest_of(tiles: Sequence[Tile]) -> str:
    """Return the SHA-256 of all that a store tells of its tiles, values and levels too, wherever they lie."""
    told = [dataclasses.asdict(tile) | {"file": "", "offset": 0} for tile in tiles]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def held_out(
    net: Denoiser,
    tiles: RawTiles,
    noise: LowLightNoise,
    isos: Sequence[float],
    ratios: Sequence[float],
    *,
    seed: int,
) -> list[dict[str, Any]]:
    """Measure a denoiser on pictures it has not seen, whole, under each camera's noise.

    Args:
        net: on the CPU.
        tiles: whole mosaics, ``size=None``.
        noise: what it was trained with.
        isos: of the noise, each with
        ratios: each.
        seed: of the noise, another than the training's.

    Returns: a dict for each camera, ISO and ratio: ``psnr_in`` and ``psnr`` in dB, mean over the pictures.
    """
    found = []
    for profile in noise.profiles:
        for iso, ratio in ((i, r) for i in isos for r in ratios):
            one = LowLightNoise(
                profile,
                iso=iso,
                ratio=ratio,
                seed=seed,
                generator=noise.generator,
                dark=noise.bank,
                bias=noise.bias,
            )
            pairs = np.array([_one(net, tiles[i], one) for i in range(len(tiles))])
            before, after = (round(float(x), 2) for x in pairs.mean(0))
            found.append(
                {"camera": profile.name, "iso": iso, "ratio": ratio, "psnr_in": before, "psnr": after}
            )
    return found


def _one(net: Denoiser, item: Mapping[str, Any], noise: LowLightNoise) -> tuple[float, float]:
    batch = noise.collate([item])
    planes = [batch["noisy"], batch["clean"]]
    if net.conditioned:
        planes.append(noise_level(batch["noisy"], batch["params"]))
    noisy, clean, *level = (cut_to_phase(x, item["cfa"], net.cfa) for x in planes)
    made = denoise_packed(net, noisy, *level)
    return psnr(noisy, clean), psnr(torch.as_tensor(made), clean)
