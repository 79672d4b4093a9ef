# SPDX-License-Identifier: Apache-2.0
"""UNetGenerator: the paper's generator, a U-shaped net with N_init as its only input."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from lrd_ext import net_files
from lrd_ext.reference.conv_stack import NEGATIVE_SLOPE, draw_n_init

from .sigma_table import SigmaTable

LEVELS = 4
#: Cells a side are halved from level to level.
_MULTIPLE = 2 ** (LEVELS - 1)


class UNetGenerator(nn.Module):
    """Signal-independent noise N_init + unet(N_init), N_init ~ N(0, sigma_init^2), DN, on 2x2 cells.

    ISO enters by the deviation of N_init alone. Four levels of two convolutions with leaky ReLU, halved in
    size from one to the next, joined across; a plain convolution at the end. A fresh one gives Gaussian
    noise. It does not run inside the noise kernel: its noise goes in as ``dark=``, or a LiteGenerator learns
    from it.

    Args:
        channels: of the first level (ngf); each further level has twice as many.
        unit: sigma_init at which N_init enters with a deviation of 1, DN.
        isos: ISOs it was trained at, ascending.
        sigmas: sigma_init at each of them, DN.

    Source: Zhang et al., ICCV 2023 (LRD), framework figure and released configuration (ngf 64). That N_init
        is added to the net's output is our choice.
    """

    WHAT = "generator"
    #: 256 channels take 500 MB.
    MAX_FILE_BYTES = 1_000_000_000

    def __init__(
        self,
        channels: int = 64,
        *,
        unit: float = 1.0,
        isos: Sequence[float] = (),
        sigmas: Sequence[float] = (),
    ) -> None:
        super().__init__()
        if isinstance(channels, bool) or not 1 <= channels <= 256:
            raise ValueError(f"UNetGenerator: channels must be in 1..256, got {channels!r}")
        if not 0 < unit < 1e6:
            raise ValueError(f"UNetGenerator: unit must be above 0 and below 1e6 DN, got {unit!r}")
        self.channels, self.unit = channels, float(unit)
        self.table = SigmaTable.of(isos, sigmas)
        self.card: dict[str, Any] = {}
        widths = [channels * 2**level for level in range(LEVELS)]
        self.down = nn.ModuleList(_two(a, b) for a, b in zip([4, *widths[:-1]], widths, strict=True))
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * w, w, 2, 2) for w in reversed(widths[:-1]))
        self.join = nn.ModuleList(_two(2 * w, w) for w in reversed(widths[:-1]))
        self.last = nn.Conv2d(channels, 4, 3, padding=1, padding_mode="reflect")
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)  # type: ignore[arg-type]

    @property
    def halo(self) -> int:
        """Cells of N_init that forward consumes on each side: none, it reflects at the edges."""
        return 0

    def forward(self, n_init: Tensor, sigma_init: float | Tensor) -> Tensor:
        """Turn N_init into noise: differentiable.

        Args:
            n_init: (B, 4 or more, h, w) of N(0, 1), h and w multiples of 8; channels beyond 4 are not used.
            sigma_init: DN, > 0, a number or (B,).

        Returns: (B, 4, h, w), DN, channels in site order.

        Raises:
            ValueError: a shape that does not fit.
        """
        side = _MULTIPLE
        if n_init.ndim != 4 or n_init.shape[1] < 4 or n_init.shape[2] % side or n_init.shape[3] % side:
            raise ValueError(
                f"UNetGenerator: n_init must be (B, 4, h, w) with h and w multiples of {side}, got "
                f"{tuple(n_init.shape)}"
            )
        sigma = torch.as_tensor(sigma_init, dtype=n_init.dtype, device=n_init.device).reshape(-1, 1, 1, 1)
        x = given = n_init[:, :4] * (sigma / self.unit)
        across = []
        for level, block in enumerate(self.down):
            x = block(functional.max_pool2d(x, 2) if level else x)
            across.append(x)
        for grow, block, same in zip(self.up, self.join, reversed(across[:-1]), strict=True):
            x = block(torch.cat([grow(x), same], 1))
        return (given + self.last(x)) * self.unit

    def n_init(self, seed: int | Tensor, index: int | Tensor, cell_rows: int, cell_cols: int) -> Tensor:
        """Draw N_init, the sites' own channels of LiteGenerator's, up to the next multiples of 8 cells.

        Args:
            seed: taken mod 2^64.
            index: identity of the samples, int or (B,) int64.
            cell_rows: height of the noise, cells (half the mosaic's).
            cell_cols: width likewise.

        Returns: (B, 8, rows, columns) of the weights' dtype, on their device.
        """
        device = self.last.weight.device
        if not isinstance(seed, Tensor):
            seed = torch.tensor((seed + 2**63) % 2**64 - 2**63)
        index = torch.as_tensor(index, dtype=torch.int64).reshape(-1)
        rows, columns = (-(-cells // _MULTIPLE) * _MULTIPLE for cells in (cell_rows, cell_cols))
        drawn = draw_n_init(seed.to(device), index.to(device), rows, columns, (0, 0), 0)
        return drawn.to(self.last.weight)

    def sigma_init(self, iso: float) -> float:
        """Return sigma_init at an ISO, DN: log-log between the trained ISOs.

        Raises:
            ValueError: an ISO outside the trained range, or no table.
        """
        return float(self.table.at(torch.tensor(float(iso), dtype=torch.float64)))

    @torch.no_grad()
    def dark(
        self,
        seed: int,
        index: int | Tensor,
        shape: tuple[int, int],
        *,
        iso: float | None = None,
        sigma_init: float | None = None,
    ) -> Tensor:
        """Draw noise to pass to ``fused_synth`` as ``dark=``.

        Args:
            seed: taken mod 2^64.
            index: identity of each sample, int or (B,) int64.
            shape: (H, W) of the mosaic, even.
            iso: looked up in the table of sigma_init; or
            sigma_init: DN.

        Returns: packed (B, 4, H/2, W/2) float32, DN.
        """
        if sigma_init is None:
            if iso is None:
                raise ValueError("UNetGenerator.dark: iso or sigma_init must be given")
            sigma_init = self.sigma_init(iso)
        rows, columns = (side // 2 for side in shape)
        return self(self.n_init(seed, index, rows, columns), sigma_init)[..., :rows, :columns]

    def to_range(self, factor: float) -> UNetGenerator:
        """Return a copy that gives the same noise in DN of another raw range; see LiteGenerator.to_range."""
        other = copy.deepcopy(self)
        other.unit *= factor
        other.table = SigmaTable.of(self.table.isos, [s * factor for s in self.table.sigmas])
        return other

    def with_table(self, sigma_by_iso: Mapping[float, float]) -> UNetGenerator:
        """Return a copy that knows sigma_init, DN, at these ISOs, ascending."""
        other = copy.deepcopy(self)
        other.table = SigmaTable.of(list(sigma_by_iso), list(sigma_by_iso.values()))
        return other

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write weights, configuration and card to a safetensors file; see LiteGenerator.save."""
        net_files.save(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> UNetGenerator:
        """Read a generator that :meth:`save` wrote; see LiteGenerator.load."""
        return net_files.load(path, cls)

    def configuration(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {
            "channels": self.channels,
            "unit": self.unit,
            "isos": list(self.table.isos),
            "sigmas": list(self.table.sigmas),
        }


def _two(inputs: int, outputs: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (inputs, outputs):
        conv = nn.Conv2d(channels, outputs, 3, padding=1, padding_mode="reflect")
        nn.init.kaiming_normal_(conv.weight, NEGATIVE_SLOPE)
        layers += [conv, nn.LeakyReLU(NEGATIVE_SLOPE)]
    return nn.Sequential(*layers)
