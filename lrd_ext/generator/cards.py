# SPDX-License-Identifier: Apache-2.0
"""The model card of a trained generator: what it learned from, how, and how near it came."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from lrd_ext.cfa import unpack
from lrd_ext.metrics import kld, line_autocorrelation
from lrd_ext.params import NoiseParams
from lrd_ext.synth import fused_synth
from lrd_ext.version import __version__, commit

from .unet import UNetGenerator

if TYPE_CHECKING:
    from lrd_ext.training.configuration import Configuration

    from .dark_store import Darks
    from .lite import LiteGenerator
    from .train import Material

#: Frames of each ISO, and pixels a side, on which the card's figures are taken.
_FRAMES, _SIDE = 8, 512


def card_of(
    generator: LiteGenerator | UNetGenerator, material: Material, configuration: Configuration
) -> dict[str, Any]:
    """Return the card: plain values that JSON takes. It names no path."""
    by_camera = iter(material.darks)
    cameras = [
        {
            "profile": camera.profile.name,
            "camera": camera.profile.camera,
            "cfa": store.cfa,
            "frames": {f"{darks.iso:g}": len(darks) for darks in (next(by_camera) for _ in store.darks)},
            "frame_shape": list(store.darks[0].shape),
            "dark_shading_taken_off": camera.dark_shading is not None,
        }
        for camera, store in zip(material.cameras, material.stores, strict=True)
    ]
    return {
        "made_by": "lrd train generator",
        "lrd_ext": __version__,
        "commit": commit(),
        "seed": configuration.seed,
        "configuration": dataclasses.asdict(configuration),
        "cameras": cameras,
        "noise": "signal-independent, DN about the level of each site: add it to shot noise, bias and black",
        "against_the_darks": _figures(generator, material),
    }


def _figures(generator: LiteGenerator | UNetGenerator, material: Material) -> dict[str, dict[str, float]]:
    return {
        target.name: _distance(generator, darks, target.sigma_init)
        for target, darks in zip(material.targets, material.darks, strict=True)
    }


def _distance(generator: LiteGenerator | UNetGenerator, darks: Darks, sigma_init: float) -> dict[str, float]:
    count = min(_FRAMES, len(darks))
    raw = np.stack([_middle(darks.mosaic(i)) for i in range(count)])
    noise = np.stack([_middle(np.asarray(unpack(darks.packed(i).numpy()))) for i in range(count)])
    made = _made(generator, noise.shape, sigma_init)
    # What is not noise, the levels above all, is given to both, so that both round alike.
    rounded = np.rint(made + (raw - noise))
    rows = [float(line_autocorrelation(frames, "row", 1)[0]) for frames in (noise, made)]
    return {
        "sigma_init": round(sigma_init, 5),
        "kld_adu": round(kld(raw, rounded, "adu"), 6),
        "std_real": round(float(noise.std()), 4),
        "std_made": round(float(made.std()), 4),
        "row_autocorrelation_real": round(rows[0], 4),
        "row_autocorrelation_made": round(rows[1], 4),
    }


def _made(generator: LiteGenerator | UNetGenerator, shape: tuple[int, ...], sigma_init: float) -> np.ndarray:
    if isinstance(generator, UNetGenerator):
        rows, columns = (-(-side // 16) * 16 for side in shape[1:])
        drawn = [generator.dark(0, k, (rows, columns), sigma_init=sigma_init)[0] for k in range(shape[0])]
        return np.asarray(unpack(torch.stack(drawn).numpy()))[:, : shape[1], : shape[2]]
    params = NoiseParams(K=1.0, ratio=1.0, black=0.0, white=65535.0, shot=False)
    return fused_synth(
        torch.zeros(shape),
        params,
        seed=0,
        generator=generator,
        sigma_init=sigma_init,
        layout="mosaic",
        output="dn_float",
        quantize="none",
        clip="none",
    ).numpy()


def _middle(mosaic: np.ndarray) -> np.ndarray:
    starts = [max(side - _SIDE, 0) // 4 * 2 for side in mosaic.shape]
    rows, columns = (slice(a, a + min(_SIDE, side)) for a, side in zip(starts, mosaic.shape, strict=True))
    return mosaic[rows, columns]
