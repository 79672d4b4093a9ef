# SPDX-License-Identifier: Apache-2.0
"""Bursts: frames of one body in a row, which share what is fixed in it and nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from lrd_ext.call_form import is_packed
from lrd_ext.params import NoiseParams
from lrd_ext.profiles.draws import Word, parameter_uniform
from lrd_ext.synth import fused_synth

#: Index of a frame: clip_index * FRAMES_OF_CLIP + its number in the clip.
FRAMES_OF_CLIP = 2**20


def burst(
    scene: Tensor,
    params: NoiseParams,
    *,
    seed: int,
    frames: int,
    clip_index: int = 0,
    sensor: int = 0,
    shake: int = 0,
    **options: Any,
) -> dict[str, Tensor]:
    """Draw the frames of a clip: a scene that a hand moves over a sensor which stays.

    Frame t has index clip_index * 2^20 + t, so that clips share no noise, and all have one sensor: what is
    fixed in the body is the same. With ``shake`` each frame sees another part of the scene, moved by an even
    number of rows and columns, uniform in 0 ... shake, drawn from (seed, index); the fixed pattern stays.

    Args:
        scene: one clean mosaic (H, W), or packed planes (4, h, w), as :func:`lrd_ext.fused_synth` takes them.
        params: noise of all frames, a batch of 1.
        seed: as for :func:`lrd_ext.fused_synth`.
        frames: how many, 1 to 2^20.
        clip_index: identity of the clip, in [0, 2^36).
        sensor: identity of the body.
        shake: the farthest that two frames lie apart, mosaic rows and columns, even; the frames are smaller
            than the scene by as much.
        **options: of :func:`lrd_ext.fused_synth`, such as ``output``.

    Returns: ``noisy`` and ``clean``, (frames, ...) each, and ``offset``, (frames, 2) int64: row and column of
        the scene that each frame begins with.

    Raises:
        TypeError, ValueError: an argument is not accepted; those of :func:`lrd_ext.fused_synth`.
    """
    for name, value, most in (("frames", frames, FRAMES_OF_CLIP), ("clip_index", clip_index, 2**36 - 1)):
        if isinstance(value, bool) or not isinstance(value, int) or not (name == "frames") <= value <= most:
            raise ValueError(f"burst: {name} must be a whole number up to {most}, got {value!r}")
    packed = is_packed(tuple(scene.shape), "packed" if scene.ndim == 3 else "mosaic")
    cells = [n if packed else n // 2 for n in scene.shape[-2:]]
    if shake % 2 or not 0 <= shake // 2 < min(cells):
        raise ValueError(f"burst: shake must be even and less than the scene, {2 * min(cells)}, got {shake}")
    first = clip_index * FRAMES_OF_CLIP
    offset = _offsets(seed, first, frames, shake)
    steps = (offset // 2 if packed else offset).tolist()
    height, width = (n - (shake // 2 if packed else shake) for n in scene.shape[-2:])
    clean = torch.stack([scene[..., r : r + height, c : c + width] for r, c in steps])
    noisy = fused_synth(
        clean,
        params,
        seed=seed,
        index=first,
        sensor=sensor,
        layout="packed" if packed else "mosaic",
        **options,
    )
    return {"noisy": noisy, "clean": clean, "offset": offset}


def _offsets(seed: int, first: int, frames: int, shake: int) -> Tensor:
    identities = np.arange(first, first + frames, dtype=np.int64)
    drawn = [parameter_uniform(seed, identities, word) for word in (Word.SHAKE_ROW, Word.SHAKE_COLUMN)]
    return 2 * torch.from_numpy(np.floor(np.stack(drawn, 1) * (shake // 2 + 1))).long()
