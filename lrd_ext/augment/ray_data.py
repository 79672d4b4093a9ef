# SPDX-License-Identifier: Apache-2.0
"""Noise for Ray Data: a class whose objects its actors hold and call with batches."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from .low_light_noise import LowLightNoise


class Synthesize:
    """Put noisy and clean pictures beside the columns of a batch: for ``ray.data.Dataset.map_batches``.

        data.map_batches(
            Synthesize,
            fn_constructor_args=("sony_a7s2",),
            fn_constructor_kwargs={"iso": (800, 6400), "ratio": (10, 100), "seed": 7},
            compute=ray.data.ActorPoolStrategy(size=2),
        )

    A sample's noise goes by its value in the column ``index`` and not by its batch, actor or machine.

    Args:
        profile: cameras, see :class:`LowLightNoise`, which takes ``noise`` too.
        column: of the pictures: (B, 1, H, W) or (B, H, W) mosaics or (B, 4, h, w) packed, uint16 raw DN or
            float normalized.
        index: column of the identities, int64, in [0, 2^56), such as the number of a sample.
        black: black level by site of ``cfa``; None where it is that of the profile; white, cfa: likewise.
        device: "cpu" or "cuda": the same noise.
        noise: further arguments of :class:`LowLightNoise`: ``iso``, ``ratio``, ``seed`` and more. With
            ``iso="item"`` or ``ratio="item"`` they are columns of that name.

    Raises:
        ValueError: see :class:`LowLightNoise`; a batch without the columns.
    """

    def __init__(
        self,
        profile: Any,
        *,
        column: str = "clean",
        index: str = "index",
        black: Any = None,
        white: float | None = None,
        cfa: str | None = None,
        device: str = "cpu",
        **noise: Any,
    ) -> None:
        self.noise = LowLightNoise(profile, **noise)
        self.column, self.index, self.device = column, index, device
        self.levels: dict[str, Any] = {"black": black, "white": white, "cfa": cfa}

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, Any]:
        """Return the batch with ``noisy`` and the normalized ``clean``, float32 of the pictures' shape."""
        items = [name for name in ("iso", "ratio") if getattr(self.noise, name) == "item"]
        needed = (self.column, self.index, *items)
        if any(name not in batch for name in needed):
            raise ValueError(f"batch must have the columns {', '.join(needed)}, got {', '.join(batch)}")
        given = torch.from_numpy(np.ascontiguousarray(batch[self.column])).to(self.device)
        pictures = given[:, None] if given.ndim == 3 else given
        index = torch.from_numpy(np.asarray(batch[self.index], np.int64))
        own = {name: np.asarray(batch[name], float).tolist() for name in items}
        pair = self.noise(pictures, index, **self.levels, **own)
        made = {name: pair[name].reshape(given.shape).cpu().numpy() for name in ("noisy", "clean")}
        return {**batch, **made}
