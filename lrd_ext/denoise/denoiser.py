# SPDX-License-Identifier: Apache-2.0
"""What all denoisers have in common: the shapes they take, the noise level they are told, their files."""

from __future__ import annotations

import os
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from lrd_ext import net_files
from lrd_ext.cfa import BY_SITE, check_cfa

#: Planes of a packed picture, one for each site of a 2x2 cell.
PLANES = 4


class Denoiser(nn.Module):
    """A net from noisy packed raw to the same picture without noise; its ``body`` is the net proper.

    Args:
        levels: sizes it works at, each half the one before.
        reach: cells an output cell's value depends on to each side, at most.
        residual: whether the body gives what is added to the noisy picture.
        conditioned: whether it is given the noise level of each site beside the picture.
        cfa: phase whose sites the planes hold.

    Raises:
        ValueError: a phase that is not known.
    """

    WHAT = "denoiser"
    MAX_FILE_BYTES = 1_000_000_000

    def __init__(self, *, levels: int, reach: int, residual: bool, conditioned: bool, cfa: str) -> None:
        super().__init__()
        #: Heights and widths it works on are multiples of this; others are filled up inside.
        self.multiple = 2 ** (levels - 1)
        #: Cells to each side that an output cell depends on, a multiple of ``multiple``.
        self.halo = -(-reach // self.multiple) * self.multiple
        self.residual, self.conditioned = bool(residual), bool(conditioned)
        self.cfa = check_cfa(cfa, among=BY_SITE, what=f"{type(self).__name__}: cfa")
        #: What it was trained on, and how well it does; travels with the file.
        self.card: dict[str, Any] = {}

    def forward(self, noisy: Tensor, noise_level: Tensor | None = None) -> Tensor:
        """Denoise: differentiable.

        Args:
            noisy: (B, 4, h, w) floating point, sites (0,0), (0,1), (1,0), (1,1) of ``cfa``; above black,
                divided by the range, times the ratio, values below 0 left in.
            noise_level: (B, 4, h, w), standard deviation of each site's noise in the unit of ``noisy``, see
                :func:`lrd_ext.denoise.noise_level`; needed by a conditioned net, and by no other.

        Returns: (B, 4, h, w), the picture without noise, in the unit of ``noisy``.

        Raises:
            ValueError: a shape that does not fit, or a noise level missing or not asked for.
        """
        self._check(noisy, noise_level)
        height, width = noisy.shape[2:]
        given = noisy if noise_level is None else torch.cat([noisy, noise_level], 1)
        fill = (0, -width % self.multiple, 0, -height % self.multiple)
        made = self.body(functional.pad(given, fill, mode="replicate") if any(fill) else given)
        made = made[:, :, :height, :width]
        return noisy + made if self.residual else made

    def body(self, given: Tensor) -> Tensor:
        """Turn (B, 4 or 8, h, w), h and w multiples of ``multiple``, into (B, 4, h, w)."""
        raise NotImplementedError

    @property
    def planes_in(self) -> int:
        """Channels the body takes."""
        return 2 * PLANES if self.conditioned else PLANES

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write weights, configuration and card to a safetensors file, whole or not at all.

        Raises:
            ValueError: a weight is not finite, or the path cannot be a file.
        """
        net_files.save(self, path)

    def configuration(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        raise NotImplementedError

    def _check(self, noisy: Tensor, noise_level: Tensor | None) -> None:
        name = type(self).__name__
        if noisy.ndim != 4 or noisy.shape[1] != PLANES or not noisy.numel():
            raise ValueError(f"{name}: noisy must be (B, {PLANES}, h, w), got {tuple(noisy.shape)}")
        if self.conditioned and noise_level is None:
            raise ValueError(f"{name}: this net needs noise_level, see lrd_ext.denoise.noise_level")
        if not self.conditioned and noise_level is not None:
            raise ValueError(f"{name}: this net takes no noise_level, it was trained without")
        if noise_level is not None and noise_level.shape != noisy.shape:
            raise ValueError(
                f"{name}: noise_level must be of noisy's shape {tuple(noisy.shape)}, got "
                f"{tuple(noise_level.shape)}"
            )


def checked_size(name: str, what: str, value: int, least: int, most: int) -> int:
    """Return a whole number within bounds.

    Raises:
        ValueError: it is none, or out of bounds.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ValueError(f"{name}: {what} must be a whole number in {least}..{most}, got {value!r}")
    return value
