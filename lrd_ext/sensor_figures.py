# SPDX-License-Identifier: Apache-2.0
"""What a sensor adds to the noise of NoiseParams: its figures, and the columns that hold them.

They follow the other columns, only where one of them is on, so that calls without them cost nothing and hold
no more memory. Mirrors csrc/noise/sensor_row.h.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from .figures import Figure, Numbers

#: Most taps of a line's colour, and most sinusoids along an axis.
TAPS, WAVES = 33, 4
#: A sinusoid of fewer mosaic lines would be one of more.
SHORTEST_PERIOD = 2.0
#: How far the energy of taps, the sum of their squares, may lie from 1.
ENERGY_TOLERANCE = 1e-3


def _noise(unit: str, high: float = 1e6, **more: Any) -> Figure:
    return Figure(unit, 0.0, high, default=0.0, signal_independent=True, **more)


#: By name, in the order of their columns.
SENSOR_FIGURES = {
    "sigma_prnu": Figure("", 0.0, 1.0, default=0.0),
    "sigma_dsnu": _noise("DN", scales=True),
    "sigma_row_fixed": _noise("DN", scales=True),
    "sigma_col_fixed": _noise("DN", scales=True),
    "dark_current": _noise("e-/s"),
    "dark_current_spread": _noise("", 3.0),
    "hot_fraction": _noise("", 0.25),
    "hot_current": _noise("e-/s"),
    "blink_fraction": _noise("", 1.0),
    "exposure_s": Figure("s", 0.0, 1e6, default=0.0),
    "sigma_drift": _noise("DN", scales=True),
    "step": Figure("DN", 1.0, 1e6, default=1.0, scales=True),
    "row_taps": Figure("", -1.001, 1.001, default=0.0, signal_independent=True, shape=(TAPS,)),
    "col_taps": Figure("", -1.001, 1.001, default=0.0, signal_independent=True, shape=(TAPS,)),
    "row_waves": _noise("DN, lines", scales=True, shape=(WAVES, 2)),
    "col_waves": _noise("DN, lines", scales=True, shape=(WAVES, 2)),
}


def _places() -> dict[str, slice]:
    starts = np.cumsum([0, *(figure.width for figure in SENSOR_FIGURES.values())]).tolist()
    return {name: slice(starts[i], starts[i + 1]) for i, name in enumerate(SENSOR_FIGURES)}


#: The columns of each figure, counted from the first of the sensor.
SENSOR_PLACES = _places()
SENSOR_COLUMNS = list(SENSOR_PLACES.values())[-1].stop
#: The columns of a sensor that adds nothing, (1, SENSOR_COLUMNS).
NOTHING = torch.zeros(1, SENSOR_COLUMNS)
NOTHING[:, SENSOR_PLACES["step"]] = 1.0
for _name in ("row_taps", "col_taps"):
    NOTHING[:, SENSOR_PLACES[_name].start] = 1.0


def _mask(told: str) -> Tensor:
    return torch.cat([torch.full((f.width,), bool(getattr(f, told))) for f in SENSOR_FIGURES.values()])


_SIGNAL_INDEPENDENT, _SCALES = _mask("signal_independent"), _mask("scales")
for _name in ("row_waves", "col_waves"):
    _SCALES[SENSOR_PLACES[_name]][1::2] = False  # periods
_LEAST, _MOST = (
    np.concatenate([np.full(f.width, getattr(f, end), np.float32) for f in SENSOR_FIGURES.values()])
    for end in ("low", "high")
)


def sensor_columns(given: Mapping[str, Numbers], device: torch.device) -> Tensor | None:
    """Return the checked columns of the figures that are given, (B, SENSOR_COLUMNS); None where none is on.

    Raises:
        TypeError: a figure is neither a number, a sequence of numbers nor a real tensor.
        ValueError: a shape or a value, or the batch sizes disagree.
    """
    columns = {name: _as_columns(name, SENSOR_FIGURES[name], value) for name, value in given.items()}
    sizes = {name: len(c) for name, c in columns.items()}
    batches = {n for n in sizes.values() if n != 1}
    if len(batches) > 1 or 0 in batches:
        raise ValueError(f"NoiseParams: batch sizes must agree (or be 1), got {sizes}")
    block = NOTHING.repeat(batches.pop() if batches else 1, 1)
    for name, values in columns.items():
        block[:, SENSOR_PLACES[name]] = values.cpu()
    check_sensor(block)
    if torch.equal(block, NOTHING.expand_as(block)):
        return None
    return block.to(device)


def check_sensor(block: Tensor) -> None:
    """Check the values of columns (B, SENSOR_COLUMNS); waits for a device.

    Raises:
        ValueError: a value is out of range, or does not go with another.
    """
    values = block.numpy(force=True)
    for name, place in SENSOR_PLACES.items():
        bad = values[:, place][~((values >= _LEAST) & (values <= _MOST))[:, place]]
        if len(bad):
            figure = SENSOR_FIGURES[name]
            raise ValueError(
                f"NoiseParams: {name} must be {figure.rule}{' ' + figure.unit if figure.unit else ''}, "
                f"got {bad[0]:g}"
            )
    for name in ("row_taps", "col_taps"):
        energy = np.square(values[:, SENSOR_PLACES[name]].astype(np.float64)).sum(1)
        if (np.abs(energy - 1) > ENERGY_TOLERANCE).any():
            raise ValueError(
                f"NoiseParams: {name} must have energy 1, the sum of their squares, so that sigma_"
                f"{name[:3]} stays the standard deviation, got {energy[np.abs(energy - 1).argmax()]:g}. "
                "Divide the taps by its square root"
            )
    for name in ("row_waves", "col_waves"):
        waves = values[:, SENSOR_PLACES[name]].reshape(-1, 2)
        short = waves[(waves[:, 0] > 0) & (waves[:, 1] < SHORTEST_PERIOD)]
        if len(short):
            raise ValueError(
                f"NoiseParams: {name} must be pairs (amplitude in DN, period in mosaic lines, from "
                f"{SHORTEST_PERIOD:g} on), got period {short[0, 1]:g} for an amplitude of {short[0, 0]:g} DN"
            )
    current = values[:, SENSOR_PLACES["dark_current"]] + values[:, SENSOR_PLACES["hot_fraction"]]
    if ((current > 0) & (values[:, SENSOR_PLACES["exposure_s"]] == 0)).any():
        raise ValueError(
            "NoiseParams: exposure_s must be given, in seconds and above 0, where dark_current or "
            "hot_fraction is above 0: electrons are dark current times exposure"
        )


def in_another_range(block: Tensor, factor: Tensor) -> Tensor:
    """Express the columns in DN of another range: factor (B,) times what is in DN; no step falls below 1."""
    more = torch.where(_SCALES.to(block.device), block * factor[:, None], block)
    more[:, SENSOR_PLACES["step"]] = more[:, SENSOR_PLACES["step"]].clamp_min(1.0)
    off = block[:, SENSOR_PLACES["step"]] == 1.0
    more[:, SENSOR_PLACES["step"]] = torch.where(off, 1.0, more[:, SENSOR_PLACES["step"]])
    return more


def without_signal_independent(block: Tensor) -> Tensor:
    """Return the columns without what a learned generator draws in place of physics."""
    return torch.where(_SIGNAL_INDEPENDENT.to(block.device), NOTHING.to(block.device), block)


def shaped(name: str, columns: Tensor) -> Tensor:
    """View a figure's columns (B, width) as (B,) or (B, *shape)."""
    figure = SENSOR_FIGURES[name]
    return columns.unflatten(1, figure.shape) if figure.shape else columns[:, 0]


def _as_columns(name: str, figure: Figure, value: Any) -> Tensor:
    """Return (b, width) float32 of what was given; fewer taps or waves than there may be are filled up."""
    try:
        if isinstance(value, bool):
            raise TypeError("True and False are not numbers here")
        tensor = torch.as_tensor(value).detach()
        if tensor.is_complex() or tensor.dtype == torch.bool:
            raise TypeError(f"a tensor of {tensor.dtype}")
        tensor = tensor.to(torch.float32)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise TypeError(
            f"NoiseParams: {name} must be a number, a sequence of numbers or a tensor, got {value!r}"
        ) from error
    dims = len(figure.shape)
    if tensor.ndim not in (dims, dims + 1) or not _fits(tuple(tensor.shape[tensor.ndim - dims :]), figure):
        raise ValueError(f"NoiseParams: {name} must be {_accepted(figure)}, got shape {tuple(tensor.shape)}")
    if dims:
        missing = figure.shape[0] - tensor.shape[-dims]
        tensor = pad(tensor, (0, missing) if dims == 1 else (0, 0, 0, missing))
    return tensor.reshape(1, -1) if tensor.ndim == dims else tensor.reshape(len(tensor), -1)


def _fits(shape: tuple[int, ...], figure: Figure) -> bool:
    return not shape or (1 <= shape[0] <= figure.shape[0] and shape[1:] == figure.shape[1:])


def _accepted(figure: Figure) -> str:
    if not figure.shape:
        return "a number or (B,)"
    rest = "".join(f", {n}" for n in figure.shape[1:])
    return f"(n{rest or ','}) or (B, n{rest}) with n up to {figure.shape[0]}"


def with_figures_in(block: Tensor, figures: Mapping[str, Tensor]) -> Tensor:
    """Return a copy of the columns in which the named figures are others."""
    new = block.clone()
    for name, values in figures.items():
        new[:, SENSOR_PLACES[name]] = _as_columns(name, SENSOR_FIGURES[name], values).to(new.device)
    return new
