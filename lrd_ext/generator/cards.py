# SPDX-License-Identifier: Apache-2.0
"""The model card of a trained generator: what it learned from, how, and how near it came."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from lrd_ext.cfa import pack, unpack
from lrd_ext.metrics import kld, line_autocorrelation
from lrd_ext.params import NoiseParams
from lrd_ext.synth import fused_synth
from lrd_ext.version import __version__, commit

from .crops import side_by_side
from .image_domain import described
from .unet import UNetGenerator

if TYPE_CHECKING:
    from lrd_ext.training.configuration import Configuration

    from .dark_store import Darks, DarkStore
    from .lite import LiteGenerator
    from .material import Material
    from .pairs import Pairs, PairStore

#: Frames of each ISO, and pixels a side, on which the card's figures are taken.
_FRAMES, _SIDE = 8, 512


def card_of(
    generator: LiteGenerator | UNetGenerator, material: Material, configuration: Configuration
) -> dict[str, Any]:
    """Return the card: plain values that JSON takes. It names no path."""
    cameras = [
        {
            "profile": name,
            "camera": camera.profile.camera,
            "dark_shading_taken_off": camera.dark_shading is not None,
            **_frames(darks, pairs),
        }
        for camera, name, darks, pairs in zip(
            material.cameras, material.names, material.stores, material.pair_stores, strict=True
        )
    ]
    return {
        "made_by": "lrd train generator",
        "lrd_ext": __version__,
        "commit": commit(),
        "seed": configuration.seed,
        "configuration": _configuration(configuration),
        "cameras": cameras,
        "noise": "signal-independent, DN about the level of each site: add it to shot noise, bias and black",
        "against_the_darks": _figures(generator, material),
        **({"against_the_pairs": _pair_figures(generator, material)} if material.pairs else {}),
    }


def _configuration(configuration: Configuration) -> dict[str, Any]:
    told = dataclasses.asdict(configuration)
    if configuration.image_domain is not None:
        told["image_domain"] = described(configuration.image_domain)
    return told


def _frames(darks: DarkStore | None, pairs: PairStore | None) -> dict[str, Any]:
    """Return what a camera's frames are: levels, size, and how many of each ISO."""
    own = darks or pairs
    assert own is not None
    shape = darks.darks[0].shape if darks else pairs.pairs[0].shape if pairs else ()
    return {
        "cfa": own.cfa,
        "black": list(own.black),
        "white": own.white,
        "frame_shape": list(shape),
        "frames": {f"{d.iso:g}": len(d) for d in darks.darks} if darks else {},
        "pairs": {f"{p.iso:g}": len(p) for p in pairs.pairs} if pairs else {},
    }


def _pair_figures(generator: LiteGenerator | UNetGenerator, material: Material) -> dict[str, Any]:
    """Compare what the pairs' noise is and what shot noise and generator make on their clean signal."""
    of_camera = [
        (name, pairs)
        for name, store in zip(material.names, material.pair_stores, strict=True)
        for pairs in (store.pairs if store else ())
    ]
    found = {
        f"{name} ISO {pairs.iso:g}": _pair_distance(generator, own)
        for (name, pairs), own in zip(of_camera, material.pairs, strict=True)
    }
    return {name: figures for name, figures in found.items() if figures}


def _pair_distance(generator: LiteGenerator | UNetGenerator, pairs: Pairs) -> dict[str, float]:
    """Return the figures where the clean frames are not saturated; none where all of them are."""
    draw = torch.Generator().manual_seed(0)
    crops = side_by_side([pairs.middle(k) for k in range(min(_FRAMES, len(pairs)))])
    side = crops.real.shape[2:]
    made = _made(generator, (len(crops.real), 2 * side[0], 2 * side[1]), pairs.sigma_init)
    noise = torch.from_numpy(np.asarray(pack(made)))
    recorded = crops.recorded(crops.shot(draw) + noise)
    known = crops.known > 0
    if not known.any():
        return {}
    real, fake = ((x - crops.signal)[known].numpy() for x in (crops.real, recorded))
    return {
        "sigma_init": round(pairs.sigma_init, 5),
        "kld_adu": round(kld(np.rint(real), np.rint(fake), "adu"), 6),
        "std_real": round(float(real.std()), 4),
        "std_made": round(float(fake.std()), 4),
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
    made = rounded - (raw - noise)
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
        size = (shape[1], shape[2])
        drawn = [generator.dark(0, k, size, sigma_init=sigma_init)[0] for k in range(shape[0])]
        return np.asarray(unpack(torch.stack(drawn).numpy()))
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
