# SPDX-License-Identifier: Apache-2.0
"""The table of NoiseParams: how it is made of what is given, checked, joined and changed.

Each sample is a row: COLUMNS of figures; KNOTS quantiles more where a sample's read noise is a table of them;
SENSOR_COLUMNS more where a sensor adds something. Which of the parts are there follows from the width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from . import figures, sensor_figures
from .figures import COLUMNS, FIGURES, PLACES, Figure, Numbers
from .read_models import READ_MODELS, check_table
from .reference.quantile_table import KNOTS
from .sensor_figures import NOTHING, SENSOR_COLUMNS, SENSOR_FIGURES, check_sensor, sensor_columns


def code_of(read: str) -> int:
    """Return the code of a read-noise model, its place among them. Mirrors csrc/noise/read_noise.h."""
    return list(READ_MODELS).index(read)


def models_of(read: str | Sequence[str]) -> tuple[str, ...]:
    """Return the read models that are named, one, or one per sample.

    Raises:
        ValueError: a name is not known.
    """
    models = (read,) if isinstance(read, str) else tuple(read) if isinstance(read, (list, tuple)) else ()
    if not models or any(m not in READ_MODELS for m in models):
        known = ", ".join(READ_MODELS)
        raise ValueError(
            f"NoiseParams: read must be one of {known}, or a sequence with one per sample, got {read!r}"
        )
    return models


def table_of(
    given: Mapping[str, Numbers],
    models: tuple[str, ...],
    read_table: Numbers | None,
    of_sensor: Mapping[str, Numbers],
) -> Tensor:
    """Make the table of what is given to NoiseParams; what a sensor adds is checked, figures are not.

    Args:
        given: figures by name, the required ones among them.
        models: one read model, or one per sample.
        read_table: quantiles, where a model is a table of them.
        of_sensor: what a sensor adds, by name.

    Raises:
        TypeError, ValueError: as NoiseParams.
    """
    table = _of_numbers(given, models)
    if table is None:
        table = _of_tensors(given, models)
    if read_table is not None or any(READ_MODELS[name].tabled for name in models):
        table = _with_quantiles(table, _checked_quantiles(read_table, models), models)
    sensor = sensor_columns(of_sensor, table.device) if of_sensor else None
    return table if sensor is None else _side_by_side(table, sensor, f"{len(sensor)} of the sensor")


def table_of_columns(
    columns: Mapping[str, np.ndarray | float], n: int, read: str, quantiles: np.ndarray | None
) -> Tensor:
    """Make the table of n samples of arrays: every figure as a number, (n,), or by site (4,) or (n, 4)."""
    table = np.empty((n, COLUMNS + (0 if quantiles is None else KNOTS)), dtype=np.float32)
    for name, place in PLACES.items():
        table[:, place] = columns[name]
    table[:, COLUMNS - 1] = code_of(read)
    if quantiles is not None:
        table[:, COLUMNS:] = quantiles
    return torch.from_numpy(table)


def check_values(table: Tensor, models: tuple[str, ...]) -> None:
    """Check what a table holds; waits for a device.

    Raises:
        ValueError: a value is out of range, or does not go with another.
    """
    plain = table if table.shape[1] == COLUMNS else table[:, :COLUMNS]
    values = plain.numpy(force=True)  # the one wait for a device
    figures.check_figures(values)
    if has_sensor(table):
        check_sensor(sensor_part(table))
    if "none" in models:
        sigma = values[:, PLACES["sigma_read"]]
        silent = sigma[[m == "none" for m in models]] if len(models) > 1 else sigma
        if silent.any():
            drawn = " or ".join(repr(name) for name in READ_MODELS if name != "none")
            raise ValueError(
                f"NoiseParams: sigma_read must be 0 where read is 'none', which draws no read noise, got "
                f"{silent.max():g}. Say read={drawn}, or leave sigma_read out"
            )


def quantiles_part(table: Tensor) -> Tensor | None:
    """The quantiles, (B, KNOTS), where there are any."""
    return table[:, COLUMNS : COLUMNS + KNOTS] if table.shape[1] >= COLUMNS + KNOTS else None


def has_sensor(table: Tensor) -> bool:
    """Whether what a sensor adds is in the table."""
    return (table.shape[1] - COLUMNS) % KNOTS != 0


def sensor_part(table: Tensor) -> Tensor:
    """What a sensor adds, (B, SENSOR_COLUMNS), also where it adds nothing."""
    if has_sensor(table):
        return table[:, -SENSOR_COLUMNS:]
    return NOTHING.to(table.device).expand(len(table), -1)


def _without_sensor(table: Tensor) -> Tensor:
    return table[:, :-SENSOR_COLUMNS] if has_sensor(table) else table


def joined(tables: Sequence[Tensor]) -> Tensor:
    """Join tables into one of all their samples, in order, with every part that one of them has."""
    parts = [_without_sensor(table) for table in tables]
    width = max(part.shape[1] for part in parts)
    parts = [p if p.shape[1] == width else pad(p, (0, width - p.shape[1])) for p in parts]
    if any(has_sensor(table) for table in tables):
        parts = [torch.cat([p, sensor_part(t)], 1) for p, t in zip(parts, tables, strict=True)]
    return torch.cat(parts)


def shot_only(table: Tensor) -> Tensor:
    """Return a table without what a learned generator draws in place of physics, and so without quantiles."""
    plain = figures.without_signal_independent(table[:, :COLUMNS])
    if not has_sensor(table):
        return plain
    return torch.cat([plain, sensor_figures.without_signal_independent(sensor_part(table))], 1)


def in_another_range(table: Tensor, factor: Tensor) -> Tensor:
    """Return a table in DN of another range: factor (B,) times what is in DN above black."""
    new = table.clone()
    new[:, :COLUMNS] = figures.in_another_range(table[:, :COLUMNS], factor)
    if has_sensor(table):
        new[:, -SENSOR_COLUMNS:] = sensor_figures.in_another_range(sensor_part(table), factor)
    return new


def with_figures_in(table: Tensor, changes: Mapping[str, Tensor]) -> Tensor:
    """Return a copy in which the named figures are others, of the same shapes."""
    of_sensor = {name: values for name, values in changes.items() if name in SENSOR_FIGURES}
    if of_sensor:
        sensor = sensor_figures.with_figures_in(sensor_part(table), of_sensor)
        new = torch.cat([_without_sensor(table), sensor], 1)
    else:
        new = table.clone()
    for name in changes.keys() - of_sensor.keys():
        new[:, PLACES[name]] = changes[name]
    return new


def _of_numbers(given: Mapping[str, Numbers], models: tuple[str, ...]) -> Tensor | None:
    """Return the table of one sample given in plain numbers, which is faster; None for anything else."""
    if len(models) > 1:
        return None
    row: list[float] = []
    for name, figure in FIGURES.items():
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


def _of_tensors(given: Mapping[str, Numbers], models: tuple[str, ...]) -> Tensor:
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
        name: _as_tensor(name, figure, given.get(name, figure.default)) for name, figure in FIGURES.items()
    }
    batch = _batch_size(tensors, models)
    columns = [
        (tensors[name] if figure.by_site or tensors[name].ndim == 0 else tensors[name][:, None])
        .to(device)
        .expand(batch, figure.width)
        for name, figure in FIGURES.items()
    ]
    codes = torch.tensor([[code_of(m)] for m in models], dtype=torch.float32)
    return torch.cat([*columns, codes.to(device).expand(batch, 1)], dim=1)


def _checked_quantiles(given: Any, models: tuple[str, ...]) -> Tensor:
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


def _with_quantiles(table: Tensor, quantiles: Tensor, models: tuple[str, ...]) -> Tensor:
    """Put tables of quantiles behind the figures: zeros where a sample's model has none.

    Args:
        table: (B, columns), or (1, columns) where quantiles are of more samples.
        quantiles: checked, (KNOTS,) or (B, KNOTS), on any device.
        models: one, or one per sample.

    Raises:
        ValueError: the batch sizes disagree.
    """
    rows = (quantiles if quantiles.ndim == 2 else quantiles[None]).to(table.device)
    whole = _side_by_side(table, rows, f"read_table of {len(rows)}")
    if len(models) > 1:
        bare = torch.tensor([not READ_MODELS[name].tabled for name in models], device=table.device)
        whole[:, COLUMNS:].masked_fill_(bare[:, None], 0.0)
    return whole


def _side_by_side(table: Tensor, more: Tensor, told: str) -> Tensor:
    """Put columns behind a table; a batch of 1 serves all of the other. ``told`` names ``more`` if not."""
    batch = max(len(table), len(more))
    if len(table) not in (1, batch) or len(more) not in (1, batch):
        raise ValueError(f"NoiseParams: batch sizes must agree (or be 1), got {len(table)} and {told}")
    return torch.cat([table.expand(batch, -1), more.expand(batch, -1)], 1)


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


def _batch_size(given: Mapping[str, Tensor], models: tuple[str, ...]) -> int:
    sizes = {"read": len(models)}
    for name, tensor in given.items():
        if tensor.ndim == (2 if FIGURES[name].by_site else 1):
            sizes[name] = tensor.shape[0]
    if 0 in sizes.values():
        raise ValueError(f"NoiseParams: the batch must hold at least one sample, got sizes {sizes}")
    batches = {n for n in sizes.values() if n != 1}
    if len(batches) > 1:
        raise ValueError(f"NoiseParams: batch sizes must agree (or be 1), got {sizes}")
    return batches.pop() if batches else 1
