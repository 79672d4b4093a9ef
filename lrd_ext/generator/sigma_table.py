# SPDX-License-Identifier: Apache-2.0
"""sigma_init by ISO: a table of the ISOs a generator was trained at, log-log between them."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ..generator_request import SIGMA_RANGE
from ..torch_state import may_wait_for

#: ISO is metadata kept in float32: this close to an end of the table counts as inside.
_SLACK = 1e-6
#: More than a camera has; each costs a step of every look-up.
MAX_ISOS = 1000


@dataclasses.dataclass(frozen=True)
class SigmaTable:
    """Trained ISOs, ascending, and sigma_init at each, DN."""

    isos: tuple[float, ...] = ()
    sigmas: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if len(self.isos) != len(self.sigmas):
            raise ValueError(
                f"LiteGenerator: isos and sigmas must be equally many, got {len(self.isos)} and "
                f"{len(self.sigmas)}"
            )
        if len(self.isos) > MAX_ISOS:
            raise ValueError(f"LiteGenerator: isos must be at most {MAX_ISOS}, got {len(self.isos)}")
        if not all(math.isfinite(v) and v > 0 for v in self.isos):
            raise ValueError(f"LiteGenerator: isos must be finite and above 0, got {self.isos}")
        low, high = SIGMA_RANGE
        if not all(low <= v <= high for v in self.sigmas):
            raise ValueError(f"LiteGenerator: sigmas must be in [{low:g}, {high:g}] DN, got {self.sigmas}")
        if any(a >= b for a, b in itertools.pairwise(self.isos)):
            raise ValueError(f"LiteGenerator: isos must ascend, got {self.isos}")

    @classmethod
    def of(cls, isos: Sequence[float], sigmas: Sequence[float]) -> SigmaTable:
        """Make a table of any sequences of numbers."""
        return cls(tuple(float(v) for v in isos), tuple(float(v) for v in sigmas))

    def at(self, iso: Tensor) -> Tensor:
        """Interpolate log-log.

        Args:
            iso: any shape.

        Returns: float64 of iso's shape, DN. While a graph is traced or captured values cannot be looked at,
            and what is outside the table gives NaN, which the compiled op refuses on the CPU and makes NaN of
            on a GPU.

        Raises:
            ValueError: there is no table, or an ISO lies outside it.
        """
        if not self.isos:
            raise ValueError(
                "LiteGenerator.sigma_init: this generator holds no table of trained ISOs, as one of several "
                "cameras; pass sigma_init= in DN, or take generator.for_camera(generator, profile, isos)"
            )
        low, high = self.isos[0] * (1 - _SLACK), self.isos[-1] * (1 + _SLACK)
        x = iso.detach().to(torch.float64)
        inside = (x >= low) & (x <= high)
        if may_wait_for(inside) and not bool(inside.all()):
            raise ValueError(
                "LiteGenerator.sigma_init: iso must be in the trained range "
                f"[{self.isos[0]:g}, {self.isos[-1]:g}], got {x[~inside].flatten()[0].item():g}"
            )
        return torch.where(inside, torch.exp(self._log_sigma(torch.log(x))), math.nan)

    def _log_sigma(self, log_iso: Tensor) -> Tensor:
        result = torch.full_like(log_iso, math.log(self.sigmas[0]))
        for i in range(len(self.isos) - 1):  # a sum of clamped ramps: one per segment, no search
            start, end = math.log(self.isos[i]), math.log(self.isos[i + 1])
            rise = math.log(self.sigmas[i + 1] / self.sigmas[i])
            result = result + ((log_iso - start) / (end - start)).clamp(0, 1) * rise
        return result
