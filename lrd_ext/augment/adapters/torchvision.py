# SPDX-License-Identifier: Apache-2.0
"""LowLightNoise as a torchvision v2 transform of a sample."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torchvision import tv_tensors
from torchvision.transforms import v2

from lrd_ext.augment import LowLightNoise

#: What of a sample the noise is told, where it is there.
_TOLD = ("black", "white", "cfa", "origin", "order")


class LowLightTransform(v2.Transform):
    """Add the noisy picture to a sample, for ``v2.Compose``.

    It works on whole samples, as ``v2.CutMix`` does on whole batches, since the noise depends on the identity
    of each: a dict with ``clean`` (4, h, w), packed, and ``index``, its identity, such as the items of
    :class:`lrd_ext.datasets.RawTiles`. What it holds of ``black``, ``white``, ``cfa``, ``origin`` and
    ``order`` is used, and ``iso`` and ``ratio`` where the noise takes them from the item.

    The result has ``noisy`` and ``clean``, normalized, and ``sigma`` where the noise makes it, all as
    ``tv_tensors.Image``, so that the transforms behind move them alike, and ``params``. Mirroring packed raw
    moves its colours: shift them back or leave it.

    Args:
        noise: what draws it.
    """

    def __init__(self, noise: LowLightNoise) -> None:
        super().__init__()
        self.noise = noise

    def forward(self, item: Mapping[str, Any]) -> dict[str, Any]:
        """Return the sample with its pictures and ``params``."""
        wanted = [name for name in ("iso", "ratio") if getattr(self.noise, name) == "item"]
        told = {name: item[name] for name in (*_TOLD, *wanted) if name in item}
        pair = self.noise(item["clean"], int(item["index"]), layout="packed", **told)
        pictures = {n: tv_tensors.Image(pair[n]) for n in ("noisy", "clean", "sigma") if n in pair}
        return {**item, **pictures, "params": pair["params"]}
