# SPDX-License-Identifier: Apache-2.0
"""The figures that every sample of NoiseParams has, and the columns that hold them.

Mirrors csrc/noise/params.h.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from .read_models import READ_MODELS

Numbers = float | Sequence[float] | Sequence[Sequence[float]] | Tensor


@dataclasses.dataclass(frozen=True)
class Figure:
    """One or several numbers per sample of NoiseParams: all that the code has to know about them.

    Attributes:
        unit: for people to read.
        low: lowest value.
        high: highest value; low enough to keep every product of the model finite in float32.
        low_is_in: whether ``low`` itself is a value.
        default: None where the figure must be given. NaN is allowed as a value where it is the default.
        by_site: (B, 4) in place of (B,).
        scales: given in DN above black, so that it grows with the raw range.
        signal_independent: belongs to noise that a learned generator draws in place of physics.
        shape: (B, *shape) in place of (B,).
    """

    unit: str
    low: float
    high: float
    low_is_in: bool = True
    default: float | None = None
    by_site: bool = False
    scales: bool = False
    signal_independent: bool = False
    shape: tuple[int, ...] = ()

    @property
    def width(self) -> int:
        """Columns in the table."""
        return 4 if self.by_site else math.prod(self.shape)

    @property
    def may_be_nan(self) -> bool:
        """Whether NaN stands for an unknown value."""
        return self.default is not None and math.isnan(self.default)

    @property
    def rule(self) -> str:
        """What a value must be, for error messages."""
        if self.may_be_nan:
            return f"above {self.low:g} or NaN (unknown)"
        return f"finite and in {'[' if self.low_is_in else '('}{self.low:g}, {self.high:g}]"


def _noise(unit: str) -> Figure:
    return Figure(unit, 0.0, 1e6, default=0.0, scales=True, signal_independent=True)


#: By name, in the order of their columns; the code of the read model comes last.
FIGURES: dict[str, Figure] = {
    "K": Figure("DN/e-", 0.0, 1e6, low_is_in=False, scales=True),
    "ratio": Figure("", 0.0, 1e9, low_is_in=False),
    "white": Figure("DN", 0.0, 1e7, low_is_in=False),
    "black": Figure("DN", -1e7, 1e7, by_site=True),
    "sigma_read": _noise("DN"),
    "tukey_lambda": Figure("", -0.5, 5.0, low_is_in=False, default=0.0, signal_independent=True),
    "sigma_row": _noise("DN"),
    "sigma_col": _noise("DN"),
    "bias": Figure("DN", -1e7, 1e7, default=0.0, by_site=True, scales=True),
    "iso": Figure("", 0.0, 3e38, low_is_in=False, default=math.nan),
}
REQUIRED = tuple(name for name, figure in FIGURES.items() if figure.default is None)


def _places() -> dict[str, int | slice]:
    ends = np.cumsum([figure.width for figure in FIGURES.values()]).tolist()
    return {
        name: slice(end - 4, end) if figure.by_site else end - 1
        for (name, figure), end in zip(FIGURES.items(), ends, strict=True)
    }


#: The column of each figure, or the columns where it has one for each site.
PLACES = _places()
#: Columns of a table without quantiles and without what a sensor adds.
COLUMNS = sum(figure.width for figure in FIGURES.values()) + 1


def _by_column(told: str, of_code: float | bool) -> np.ndarray:
    """What is told of every figure, (COLUMNS,); ``of_code`` of the read model's code."""
    return np.array([*(getattr(f, told) for f in FIGURES.values() for _ in range(f.width)), of_code])


_LOW = _by_column("low", 0.0).astype(np.float32)
_MOST = _by_column("high", len(READ_MODELS)).astype(np.float32)
_LEAST = np.where(_by_column("low_is_in", True), _LOW, np.nextafter(_LOW, np.float32(1e9)))
_MAY_BE_NAN = _by_column("may_be_nan", False)
_SCALES = torch.from_numpy(_by_column("scales", False))
_SIGNAL_INDEPENDENT = torch.from_numpy(_by_column("signal_independent", True))


def check_figures(values: np.ndarray) -> None:
    """Check the values of columns (B, COLUMNS).

    Raises:
        ValueError: a value is out of range, or white is not above black.
    """
    fine = (values >= _LEAST) & (values <= _MOST)
    if not fine.all():
        fine |= np.isnan(values) & _MAY_BE_NAN
    if not fine.all():
        for name, place in PLACES.items():
            bad = values[:, place][~fine[:, place]]
            if len(bad):
                raise ValueError(f"NoiseParams: {name} must be {FIGURES[name].rule}, got {bad[0]:g}")
    white, black = values[:, PLACES["white"]], values[:, PLACES["black"]]
    if (white[:, None] <= black).any():
        raise ValueError(
            f"NoiseParams: white must be above black at every site, got white {white.tolist()} "
            f"and black {black.tolist()}"
        )


def in_another_range(columns: Tensor, factor: Tensor) -> Tensor:
    """Express columns (B, COLUMNS) in DN of another range: factor (B,) times what is in DN above black."""
    return torch.where(_SCALES.to(columns.device), columns * factor[:, None], columns)


def without_signal_independent(columns: Tensor) -> Tensor:
    """Return columns (B, COLUMNS) without what a learned generator draws in place of physics; read "none"."""
    return columns.masked_fill(_SIGNAL_INDEPENDENT.to(columns.device), 0.0)
