# SPDX-License-Identifier: Apache-2.0
"""The table of NoiseParams: what is known of each figure, and a table made of numbers as they are given."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .read_models import READ_MODELS, check_table
from .reference.quantile_table import KNOTS

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


def code_of(read: str) -> int:
    """Return the code of a read-noise model, its place among them. Mirrors csrc/noise/read_noise.h."""
    return list(READ_MODELS).index(read)


def table_of_numbers(
    figures: Mapping[str, Figure], given: Mapping[str, Numbers], models: tuple[str, ...]
) -> Tensor | None:
    """Return the table of one sample given in plain numbers, which is faster; None for anything else."""
    if len(models) > 1:
        return None
    row: list[float] = []
    for name, figure in figures.items():
        value = given.get(name, figure.default)
        if type(value) is float or type(value) is int:
            row += [value] * figure.width
        elif figure.by_site and isinstance(value, (list, tuple)) and _are_four_numbers(value):
            row += value
        else:
            return None
    row.append(code_of(models[0]))
    try:
        with np.errstate(over="ignore"):  # beyond float32 is infinite, and refused as such
            return torch.from_numpy(np.array([row], dtype=np.float32))
    except OverflowError:  # an int beyond float64
        return None


def _are_four_numbers(values: Sequence[Any]) -> bool:
    return len(values) == 4 and all(type(v) is float or type(v) is int for v in values)


def table_of_tensors(
    figures: Mapping[str, Figure], given: Mapping[str, Numbers], models: tuple[str, ...]
) -> Tensor:
    """Return the table of samples given in numbers, sequences or tensors, which decide on the batch size.

    Raises:
        TypeError: a figure is neither a number, a sequence of numbers nor a real tensor.
        ValueError: a shape, or the batch sizes or devices disagree.
    """
    devices = {value.device for value in given.values() if isinstance(value, Tensor)}
    if len(devices) > 1:
        raise ValueError(f"NoiseParams: all tensors must be on one device, got {sorted(map(str, devices))}")
    device = devices.pop() if devices else torch.device("cpu")
    tensors = {
        name: _as_tensor(name, figure, given.get(name, figure.default)) for name, figure in figures.items()
    }
    batch = _batch_size(figures, tensors, models)
    columns = [
        (tensors[name] if figure.by_site or tensors[name].ndim == 0 else tensors[name][:, None])
        .to(device)
        .expand(batch, figure.width)
        for name, figure in figures.items()
    ]
    codes = torch.tensor([[code_of(m)] for m in models], dtype=torch.float32)
    return torch.cat([*columns, codes.to(device).expand(batch, 1)], dim=1)


def checked_quantiles(given: Any, models: tuple[str, ...]) -> Tensor:
    """Return the quantiles given for the samples of some models, (KNOTS,) or (B, KNOTS) float32.

    Raises:
        TypeError: they are no real numbers.
        ValueError: they are malformed, missing, or not wanted.
    """
    names = " or ".join(repr(model.name) for model in READ_MODELS.values() if model.tabled)
    if not any(READ_MODELS[name].tabled for name in models):
        raise ValueError(f"NoiseParams: read_table belongs to read {names}, got read {models[0]!r}")
    if given is None:
        raise ValueError(
            f"NoiseParams: read {names} needs read_table, the quantiles of the noise, ({KNOTS},) or "
            f"(B, {KNOTS}); read_models.standard_table makes one"
        )
    try:
        table = torch.as_tensor(given)
        if table.is_complex() or table.dtype == torch.bool:
            raise TypeError("not real numbers")
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise TypeError(
            f"NoiseParams: read_table must be real numbers, got {type(given).__name__}"
        ) from error
    table = table.detach().to(torch.float32)
    needed = torch.tensor([READ_MODELS[name].tabled for name in models])
    rows = table[needed] if table.ndim == 2 and len(table) == len(models) > 1 else table
    check_table(rows, "NoiseParams: read_table")
    return table


def with_quantiles(table: Tensor, quantiles: Tensor, models: tuple[str, ...]) -> Tensor:
    """Put tables of quantiles behind the figures: zeros where a sample's model has none.

    Args:
        table: (B, columns), or (1, columns) where quantiles are of more samples.
        quantiles: checked, (KNOTS,) or (B, KNOTS), on any device.
        models: one, or one per sample.

    Raises:
        ValueError: the batch sizes disagree.
    """
    rows = quantiles if quantiles.ndim == 2 else quantiles[None]
    batch = max(len(table), len(rows))
    if len(table) not in (1, batch) or len(rows) not in (1, batch):
        raise ValueError(
            f"NoiseParams: batch sizes must agree (or be 1), got {len(table)} and read_table of {len(rows)}"
        )
    rows = rows.to(table.device).expand(batch, -1)
    if len(models) > 1:
        tabled = torch.tensor([READ_MODELS[name].tabled for name in models], device=table.device)
        rows = torch.where(tabled[:, None], rows, 0.0)
    return torch.cat([table.expand(batch, -1), rows], 1)


def _as_tensor(name: str, figure: Figure, value: Any) -> Tensor:
    if isinstance(value, Tensor):
        if value.is_complex() or value.dtype == torch.bool:
            raise TypeError(f"NoiseParams: {name} must be real numbers, got a tensor of {value.dtype}")
        tensor = value.detach().to(torch.float32)
    else:
        try:
            if isinstance(value, bool):
                raise TypeError("True and False are not numbers here")
            tensor = torch.as_tensor(value, dtype=torch.float64).to(torch.float32)
        except (TypeError, ValueError, RuntimeError, OverflowError) as error:
            raise TypeError(
                f"NoiseParams: {name} must be a number, a sequence of numbers or a tensor, got {value!r}"
            ) from error
    allowed = (0, 1, 2) if figure.by_site else (0, 1)
    if tensor.ndim not in allowed or (figure.by_site and tensor.ndim and tensor.shape[-1] != 4):
        rule = "a number, (4,) or (B, 4)" if figure.by_site else "a number or (B,)"
        raise ValueError(f"NoiseParams: {name} must be {rule}, got shape {tuple(tensor.shape)}")
    return tensor


def _batch_size(figures: Mapping[str, Figure], given: Mapping[str, Tensor], models: tuple[str, ...]) -> int:
    sizes = {"read": len(models)}
    for name, tensor in given.items():
        if tensor.ndim == (2 if figures[name].by_site else 1):
            sizes[name] = tensor.shape[0]
    if 0 in sizes.values():
        raise ValueError(f"NoiseParams: the batch must hold at least one sample, got sizes {sizes}")
    batches = {n for n in sizes.values() if n != 1}
    if len(batches) > 1:
        raise ValueError(f"NoiseParams: batch sizes must agree (or be 1), got {sizes}")
    return batches.pop() if batches else 1
