# SPDX-License-Identifier: Apache-2.0
"""NoiseParams: what the noise model needs to know about each sample of a batch."""

from __future__ import annotations

import dataclasses
import inspect
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from .parameter_table import (
    Figure,
    Numbers,
    checked_quantiles,
    code_of,
    table_of_numbers,
    table_of_tensors,
    with_quantiles,
)
from .read_models import READ_MODELS, ReadName
from .reference.quantile_table import KNOTS
from .reference.read_noise import read_std
from .sensor_figures import (
    NOTHING,
    PLACES,
    SENSOR_COLUMNS,
    SENSOR_FIGURES,
    check_sensor,
    in_another_range,
    sensor_columns,
    shaped,
    with_figures_in,
    without_signal_independent,
)


def _figure(unit: str, low: float, high: float, **more: Any) -> dict[str, Figure]:
    return {"figure": Figure(unit, low, high, **more)}


def _noise(unit: str, low: float = 0.0, high: float = 1e6, **more: Any) -> dict[str, Figure]:
    return _figure(unit, low, high, default=0.0, signal_independent=True, **more)


@dataclasses.dataclass(frozen=True, eq=False, init=False, repr=False)
class NoiseParams:
    """Noise of a batch of exposures, every figure in DN of one raw range.

    Numbers, sequences and tensors are accepted, converted to float32 and broadcast to the batch size B.
    A sequence of four numbers given for ``black`` or ``bias`` is one value per CFA site.

    Args:
        K: gain, (B,), DN/e-, > 0.
        ratio: how many times less light the short exposure got, (B,), > 0. The signal is divided by it before
            the noise, the result multiplied by it after.
        white: white level, (B,), raw DN, above every black level.
        black: black level per CFA site (0,0), (0,1), (1,0), (1,1), (B, 4), raw DN.
        sigma_read: SCALE of the read noise, (B,), DN: for "gaussian" its standard deviation, for others not;
            0 for "none".
        tukey_lambda: Tukey-lambda shape, (B,), in (-0.5, 5], no unit; the variance ends at -0.5.
        sigma_row: standard deviation of row noise, (B,), DN, one draw per mosaic row.
        sigma_col: standard deviation of column noise, (B,), DN, one draw per mosaic column.
        bias: black-level error per CFA site, (B, 4), DN. It moves the mean.
        iso: ISO speed, (B,), NaN where unknown; the kernels ignore it.
        read: read-noise model, a name of ``read_models.READ_MODELS``, such as "none" or "gaussian", or a
            sequence of B of them.
        shot: whether photon shot noise is drawn, in the whole batch.
        read_table: quantiles of the read noise at scale 1, (929,) for all samples or (B, 929), mean 0,
            standard deviation 1 and not falling, for read "empirical" and for nothing else: at the
            probabilities ``reference.quantile_table.knot_probabilities()``, linear between. sigma_read is
            then the standard deviation. ``read_models.standard_table`` makes one of any quantiles.
        sigma_prnu: standard deviation of the pixels' gain, (B,), share of the signal; fixed in the body.
        sigma_dsnu: standard deviation of the pixels' offsets, (B,), DN; fixed in the body.
        sigma_row_fixed: of the rows' offsets, (B,), DN; fixed in the body.
        sigma_col_fixed: of the columns' offsets, (B,), DN; fixed in the body.
        dark_current: electrons without light, (B,), e-/s, mean of the pixels that are not hot.
        dark_current_spread: standard deviation of its logarithm over pixels, (B,), up to 3: log-normal.
        hot_fraction: share of hot pixels, (B,), up to 0.25.
        hot_current: what a hot pixel has more than the others' mean, (B,), e-/s, mean of an exponential.
        blink_fraction: share of the hot pixels that are hot in every second frame only, at random, (B,).
        exposure_s: exposure of the short frame, (B,), s; needed with dark current or hot pixels.
        sigma_drift: standard deviation of each site's black level from frame to frame, (B,), DN.
        step: of the converter, (B,), DN, from 1 on: raw values are its multiples.
        row_taps: colour of row noise, (n,) or (B, n), n up to 33, energy 1: row i is the sum of tap j times
            the draw of row i - j; (B, 33), filled up with zeros.
        col_taps: likewise of column noise, (B, 33).
        row_waves: sinusoids down the rows, (n, 2) or (B, n, 2), n up to 4: amplitude, DN, and period, mosaic
            lines, from 2 on; each frame draws their phases. (B, 4, 2), DN, lines.
        col_waves: likewise across the columns, (B, 4, 2), DN, lines.

    Attributes:
        table: (B, 17) float32, the memory of all figures, as the kernels read it; the other tensors are views
            of its columns. Where a sample is "empirical", 929 quantiles follow; where a figure from
            ``sigma_prnu`` on is above what leaves it off, the 94 columns of those figures. Without these
            columns they read as off.
        read: one name where all samples have the same, else a tuple of B.

    Raises:
        TypeError: a field is not a number, a sequence of numbers or a real tensor; a required one is missing.
        ValueError: a value is out of range or not finite, the fields' batch sizes or devices disagree,
            ``sigma_read`` is above 0 where no read noise is drawn, or ``read_table`` is malformed, missing
            where a sample needs it, or given where none does.

    Source: Wei et al., CVPR 2020, section 3 (noise formation model and the names of its parameters).
    """

    K: Tensor = field(metadata=_figure("DN/e-", 0.0, 1e6, low_is_in=False, scales=True))
    ratio: Tensor = field(metadata=_figure("", 0.0, 1e9, low_is_in=False))
    white: Tensor = field(metadata=_figure("DN", 0.0, 1e7, low_is_in=False))
    black: Tensor = field(metadata=_figure("DN", -1e7, 1e7, by_site=True))
    sigma_read: Tensor = field(metadata=_noise("DN", scales=True))
    tukey_lambda: Tensor = field(metadata=_noise("", -0.5, 5.0, low_is_in=False))
    sigma_row: Tensor = field(metadata=_noise("DN", scales=True))
    sigma_col: Tensor = field(metadata=_noise("DN", scales=True))
    bias: Tensor = field(metadata=_figure("DN", -1e7, 1e7, default=0.0, by_site=True, scales=True))
    iso: Tensor = field(metadata=_figure("", 0.0, 3e38, low_is_in=False, default=math.nan))
    read: str | tuple[str, ...]
    shot: bool
    read_table: Tensor | None
    # Of sensor_figures.SENSOR_FIGURES, in their order.
    sigma_prnu: Tensor
    sigma_dsnu: Tensor
    sigma_row_fixed: Tensor
    sigma_col_fixed: Tensor
    dark_current: Tensor
    dark_current_spread: Tensor
    hot_fraction: Tensor
    hot_current: Tensor
    blink_fraction: Tensor
    exposure_s: Tensor
    sigma_drift: Tensor
    step: Tensor
    row_taps: Tensor
    col_taps: Tensor
    row_waves: Tensor
    col_waves: Tensor
    table: Tensor = field(init=False)  # so that dataclasses.replace leaves it to __init__

    def __init__(
        self,
        *,
        read: ReadName | str | Sequence[str] = "none",
        shot: bool = True,
        read_table: Numbers | None = None,
        **figures: Numbers,
    ) -> None:
        """Convert, broadcast and validate every field (reads values: may synchronize a device)."""
        of_sensor = {name: figures.pop(name) for name in SENSOR_FIGURES if name in figures}
        of_sensor = {name: value for name, value in of_sensor.items() if value is not None}
        missing = [name for name in REQUIRED if name not in figures]
        if missing or not FIGURES.keys() >= figures.keys():
            unknown = [name for name in figures if name not in FIGURES]
            raise TypeError(
                f"NoiseParams: needs {', '.join(REQUIRED)} and accepts {', '.join(FIGURES)}, read, shot, "
                f"read_table, {', '.join(SENSOR_FIGURES)}; "
                + (f"missing: {', '.join(missing)}" if missing else f"unknown: {', '.join(unknown)}")
            )
        if not isinstance(shot, bool):
            raise TypeError(f"NoiseParams: shot must be True or False, got {shot!r}")
        models = _read_models(read)
        table = table_of_numbers(FIGURES, figures, models)
        if table is None:
            table = table_of_tensors(FIGURES, figures, models)
        if read_table is not None or any(READ_MODELS[name].tabled for name in models):
            table = with_quantiles(table, checked_quantiles(read_table, models), models)
        sensor = sensor_columns(of_sensor, table.device) if of_sensor else None
        self._keep(table if sensor is None else _joined(table, sensor), models, shot)
        self._check_values(models)

    def _keep(self, table: Tensor, models: tuple[str, ...], shot: bool) -> None:
        keep = object.__setattr__
        keep(self, "read", models[0] if len(set(models)) == 1 else models)
        keep(self, "shot", shot)
        tabled = table.shape[1] >= COLUMNS + KNOTS
        keep(self, "read_table", table[:, COLUMNS : COLUMNS + KNOTS] if tabled else None)
        keep(self, "table", table)

    @classmethod
    def _of(cls, table: Tensor, models: tuple[str, ...], shot: bool) -> NoiseParams:
        """Make NoiseParams of values that were checked before: reading them again might wait for a device."""
        new = object.__new__(cls)
        new._keep(table, models, shot)
        return new

    def _check_values(self, models: tuple[str, ...]) -> None:
        values = self.table[:, :COLUMNS].numpy(force=True)  # the one wait for a device
        fine = (values >= _LEAST) & (values <= _MOST) | np.isnan(values) & _MAY_BE_NAN
        if not fine.all():
            for name, place in _PLACES.items():
                bad = values[:, place][~fine[:, place]]
                if len(bad):
                    raise ValueError(f"NoiseParams: {name} must be {FIGURES[name].rule}, got {bad[0]:g}")
        if (values[:, _PLACES["white"], None] <= values[:, _PLACES["black"]]).any():
            raise ValueError(
                f"NoiseParams: white must be above black at every site, got white {self.white.tolist()} "
                f"and black {self.black.tolist()}"
            )
        if self.has_sensor:
            check_sensor(self._sensor())
        if "none" in models:
            sigma = values[:, _PLACES["sigma_read"]]
            silent = sigma[[m == "none" for m in models]] if len(models) > 1 else sigma
            if silent.any():
                drawn = " or ".join(repr(name) for name in READ_MODELS if name != "none")
                raise ValueError(
                    f"NoiseParams: sigma_read must be 0 where read is 'none', which draws no read noise, got "
                    f"{silent.max():g}. Say read={drawn}, or leave sigma_read out"
                )

    def __len__(self) -> int:
        return self.table.shape[0]

    def __repr__(self) -> str:
        names, shot = self._models(), "shot noise" if self.shot else "no shot noise"
        counts = [f"{names.count(model)} {model}" for model in READ_MODELS if model in names]
        read = ", ".join(counts) if len(counts) > 1 else names[0]
        lines = [f"NoiseParams(batch of {len(self)} on {self.device}, {shot}, read: {read}"]
        if self.device.type != "meta":
            noise = [name for name, figure in FIGURES.items() if figure.default == 0.0]
            known = [n for n in FIGURES if n not in noise and not bool(getattr(self, n).isnan().all())]
            drawn = [n for n in noise if bool(getattr(self, n).any())]
            if self.has_sensor:
                drawn += [n for n, place in PLACES.items() if _differs(self._sensor()[:, place], n)]
            lines += [", ".join(self._range(name) for name in part) for part in (known, drawn) if part]
            if "sigma_read" in drawn:
                lines.append(f"read noise std {_from_to(read_std(self))} DN")
        return ",\n  ".join(lines) + ")"

    def _range(self, name: str) -> str:
        values, unit = getattr(self, name), (FIGURES | SENSOR_FIGURES)[name].unit
        return f"{name} {_from_to(values[~values.isnan()])}{f' {unit}' if unit else ''}"

    def __reduce__(self) -> tuple[Any, ...]:
        return NoiseParams._of, (self.table, self._models(), self.shot)

    @property
    def has_sensor(self) -> bool:
        """Whether figures from ``sigma_prnu`` on are in the table, known without looking at values."""
        return (self.table.shape[1] - COLUMNS) % KNOTS != 0

    def _sensor(self) -> Tensor:
        """The sensor's columns, (B, SENSOR_COLUMNS)."""
        if self.has_sensor:
            return self.table[:, -SENSOR_COLUMNS:]
        return NOTHING.to(self.device).expand(len(self), -1)

    def _without_sensor(self) -> Tensor:
        return self.table[:, :-SENSOR_COLUMNS] if self.has_sensor else self.table

    def _models(self) -> tuple[str, ...]:
        return (self.read,) if isinstance(self.read, str) else self.read

    @property
    def device(self) -> torch.device:
        """Device all tensors are on."""
        return self.table.device

    def to(self, device: torch.device | str, non_blocking: bool = False) -> NoiseParams:
        """Return a copy on ``device``, in one transfer."""
        return self._of(self.table.to(device, non_blocking=non_blocking), self._models(), self.shot)

    def pin_memory(self) -> NoiseParams:
        """Return a copy in pinned memory; a DataLoader with ``pin_memory=True`` calls this."""
        return self._of(self.table.pin_memory(), self._models(), self.shot)

    def select(self, i: int | slice | Sequence[int] | Tensor) -> NoiseParams:
        """Return the samples ``i`` of the batch: an int gives a batch of 1, else a slice or indices.

        Raises:
            IndexError: ``i`` lies outside the batch.
        """
        if not isinstance(i, Tensor) and hasattr(i, "__index__"):  # NumPy's whole numbers too
            i = i.__index__()
            if not -len(self) <= i < len(self):
                raise IndexError(f"NoiseParams.select: i must be in [-{len(self)}, {len(self)}), got {i}")
            i = slice(i % len(self), i % len(self) + 1)
        elif not isinstance(i, (slice, Tensor)):
            i = torch.as_tensor(i, dtype=torch.int64)
        models = self._models()
        if len(models) > 1:
            chosen = torch.arange(len(self))[i.cpu() if isinstance(i, Tensor) else i]
            models = tuple(models[n] for n in chosen.tolist())
        return self._of(self.table[i], models, self.shot)

    @classmethod
    def cat(cls, batches: Iterable[NoiseParams]) -> NoiseParams:
        """Join batches into one, in order. Read-noise models may differ: each sample keeps its own.

        Raises:
            TypeError: one of them is not NoiseParams.
            ValueError: there is none, or they disagree in device or in ``shot``: a batch draws
                shot noise for all samples or for none.
        """
        parts = list(batches)
        if not parts:
            raise ValueError("NoiseParams.cat: needs at least one NoiseParams, got none")
        for part in parts:
            if not isinstance(part, NoiseParams):
                raise TypeError(f"NoiseParams.cat: joins NoiseParams, got {type(part).__name__}")
        for what, rule in (("device", "to(device)"), ("shot", "one call per kind")):
            found = {str(getattr(part, what)) for part in parts}
            if len(found) > 1:
                got = " and ".join(sorted(found))
                raise ValueError(f"NoiseParams.cat: {what} must be the same in all, got {got}. Use {rule}")
        models = [m for part in parts for m in part._models() * (len(part) // len(part._models()))]
        tables = [part._without_sensor() for part in parts]
        width = max(table.shape[1] for table in tables)
        tables = [t if t.shape[1] == width else pad(t, (0, width - t.shape[1])) for t in tables]
        if any(part.has_sensor for part in parts):
            tables = [torch.cat([t, part._sensor()], 1) for t, part in zip(tables, parts, strict=True)]
        return cls._of(torch.cat(tables), tuple(models), parts[0].shot)

    def shot_only(self) -> NoiseParams:
        """Return a copy without the noise that light does not make: what goes with a learned generator.

        Read, row and column noise go, and of the sensor's figures all but ``sigma_prnu`` and ``step``.
        """
        table = self.table[:, :COLUMNS].masked_fill(_SIGNAL_INDEPENDENT.to(self.device), 0.0)
        if self.has_sensor:
            table = torch.cat([table, without_signal_independent(self._sensor())], 1)
        return self._of(table, ("none",), self.shot)

    def without_bias(self) -> NoiseParams:
        """Return a copy with ``bias`` 0: noise that leaves the mean where it is."""
        return self._replace(bias=torch.zeros_like(self.bias))

    def to_range(self, black: Numbers, white: Numbers) -> NoiseParams:
        """Express the same noise in DN of another raw range.

        What is given in DN above black (K, the sigmas, bias) is multiplied by (white - mean black) of the new
        range over that of the present one.

        Args:
            black: new black level, a number or one per CFA site, raw DN.
            white: new white level, raw DN.

        Raises:
            ValueError: the new white is not above the new black, or a figure leaves its range in the new DN.
        """
        target = NoiseParams(K=self.K, ratio=self.ratio, white=white, black=black)
        factor = (target.white - target.black.mean(1)) / (self.white - self.black.mean(1))
        scales = _SCALES.to(self.device)
        table = self.table.clone()
        table[:, :COLUMNS] = torch.where(scales, table[:, :COLUMNS] * factor[:, None], table[:, :COLUMNS])
        if self.has_sensor:
            table[:, -SENSOR_COLUMNS:] = in_another_range(self._sensor(), factor)
        scaled = self._of(table, self._models(), self.shot)
        result = scaled._replace(white=target.white, black=target.black)
        result._check_values(result._models())
        return result

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists, strings and numbers, ready for JSON; an unknown ISO is None."""
        out: dict[str, Any] = {name: getattr(self, name).tolist() for name in FIGURES}
        out["iso"] = [None if math.isnan(v) else v for v in out["iso"]]
        out |= {"read": self.read if isinstance(self.read, str) else list(self.read), "shot": self.shot}
        if self.has_sensor:
            out |= {name: getattr(self, name).tolist() for name in SENSOR_FIGURES}
        return out if self.read_table is None else out | {"read_table": self.read_table.tolist()}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> NoiseParams:
        """Make NoiseParams from what :meth:`to_dict` gave.

        Raises:
            ValueError: a required field is missing or an unknown one is present.
        """
        known = [*FIGURES, "read", "shot", "read_table", *SENSOR_FIGURES]
        if not set(REQUIRED) <= set(fields) <= set(known):
            raise ValueError(
                f"NoiseParams.from_dict: needs {', '.join(REQUIRED)} and accepts {sorted(known)}, "
                f"got {sorted(fields)}"
            )
        fields = dict(fields)
        if isinstance(fields.get("iso"), list):
            fields["iso"] = [math.nan if v is None else v for v in fields["iso"]]
        return cls(**fields)

    @classmethod
    def _of_columns(
        cls,
        columns: Mapping[str, np.ndarray | float],
        n: int,
        *,
        read: str,
        shot: bool,
        quantiles: np.ndarray | None = None,
    ) -> NoiseParams:
        """Make NoiseParams of arrays in a fraction of the constructor's time, for a camera profile's answers.

        Args:
            columns: every figure: numbers, (n,), and by site (4,) or (n, 4).
            n: batch size.
            read: a read-noise model that is known.
            shot: whether shot noise is drawn.
            quantiles: (n, KNOTS), checked, of a read-noise model that has a table.

        Raises:
            ValueError: as the constructor, of values.
        """
        table = np.empty((n, COLUMNS + (0 if quantiles is None else KNOTS)), dtype=np.float32)
        for name, place in _PLACES.items():
            table[:, place] = columns[name]
        table[:, COLUMNS - 1] = code_of(read)
        if quantiles is not None:
            table[:, COLUMNS:] = quantiles
        params = cls._of(torch.from_numpy(table), (read,), shot)
        params._check_values((read,))
        return params

    def with_figures(self, **figures: Tensor) -> NoiseParams:
        """Return a copy in which the named figures are others, of the same shapes.

        Raises:
            ValueError: a value is out of range.
        """
        new = self._replace(**figures)
        new._check_values(new._models())
        return new

    def _replace(self, **changes: Tensor) -> NoiseParams:
        of_sensor = {name: changes.pop(name) for name in SENSOR_FIGURES if name in changes}
        table = self.table.clone()
        if of_sensor:
            table = torch.cat([self._without_sensor(), with_figures_in(self._sensor(), of_sensor)], 1)
        new = self._of(table, self._models(), self.shot)
        for name, values in changes.items():
            getattr(new, name).copy_(values)
        return new


#: The figures of NoiseParams by name, in the order of their columns; the code of the read model comes last.
FIGURES: dict[str, Figure] = {
    f.name: f.metadata["figure"] for f in dataclasses.fields(NoiseParams) if "figure" in f.metadata
}
REQUIRED = tuple(name for name, figure in FIGURES.items() if figure.default is None)

_WIDTHS = [*(figure.width for figure in FIGURES.values()), 1]
#: Columns of the table without quantiles.
COLUMNS = sum(_WIDTHS)
_STARTS = itertools.accumulate(_WIDTHS, initial=0)
#: The column of each figure, or the columns where it has one for each site.
_PLACES: dict[str, int | slice] = {
    name: slice(start, start + 4) if figure.by_site else start
    for (name, figure), start in zip(FIGURES.items(), _STARTS, strict=False)
}


def _view(place: int | slice) -> property:
    """A figure as a view of the table, made when it is asked for: ten of them take longer than all checks."""
    return property(lambda params: params.table[:, place])


def _view_of_sensor(name: str) -> property:
    return property(lambda params: shaped(name, params._sensor()[:, PLACES[name]]))


for _name, _place in _PLACES.items():
    setattr(NoiseParams, _name, _view(_place))
for _name in SENSOR_FIGURES:
    setattr(NoiseParams, _name, _view_of_sensor(_name))


def _by_column(values: Iterable[float | bool], code: float | bool) -> Tensor:
    """A row as wide as the table, from one value per figure and one for the code of the read model."""
    pairs = zip(values, FIGURES.values(), strict=True)
    return torch.tensor([*(value for value, figure in pairs for _ in range(figure.width)), code])


_LOW = _by_column((f.low for f in FIGURES.values()), 0.0).numpy()
_LOW_IS_IN = _by_column((f.low_is_in for f in FIGURES.values()), True).numpy()
_LEAST = np.where(_LOW_IS_IN, _LOW, np.nextafter(_LOW, np.float32(1e9)))
_MOST = _by_column((f.high for f in FIGURES.values()), len(READ_MODELS)).numpy()
_MAY_BE_NAN = _by_column((f.may_be_nan for f in FIGURES.values()), False).numpy()
_SCALES = _by_column((f.scales for f in FIGURES.values()), False)
_SIGNAL_INDEPENDENT = _by_column((f.signal_independent for f in FIGURES.values()), True)


def _differs(columns: Tensor, name: str) -> bool:
    return bool((columns != NOTHING[:, PLACES[name]].to(columns.device)).any())


def _signature() -> inspect.Signature:
    written = inspect.signature(NoiseParams.__init__).parameters
    empty, keyword = inspect.Parameter.empty, inspect.Parameter.KEYWORD_ONLY
    figures = [
        inspect.Parameter(
            name, keyword, default=empty if f.default is None else f.default, annotation="Numbers"
        )
        for name, f in FIGURES.items()
    ]
    of_sensor = [
        inspect.Parameter(name, keyword, default=None if f.shape else f.default, annotation="Numbers")
        for name, f in SENSOR_FIGURES.items()
    ]
    return inspect.Signature([*figures, written["read"], written["shot"], written["read_table"], *of_sensor])


NoiseParams.__signature__ = _signature()  # type: ignore[attr-defined]  # for help() and editors


def _joined(table: Tensor, sensor: Tensor) -> Tensor:
    batch = max(len(table), len(sensor))
    if len(table) not in (1, batch) or len(sensor) not in (1, batch):
        raise ValueError(
            f"NoiseParams: batch sizes must agree (or be 1), got {len(table)} and {len(sensor)} of the sensor"
        )
    return torch.cat([table.expand(batch, -1), sensor.expand(batch, -1)], 1)


def _from_to(values: Tensor) -> str:
    low, high = (f"{float(v):.6g}" for v in values.aminmax())
    return low if low == high else f"{low} to {high}"


def _read_models(read: str | Sequence[str]) -> tuple[str, ...]:
    models = (read,) if isinstance(read, str) else tuple(read) if isinstance(read, (list, tuple)) else ()
    if not models or any(m not in READ_MODELS for m in models):
        known = ", ".join(READ_MODELS)
        raise ValueError(
            f"NoiseParams: read must be one of {known}, or a sequence with one per sample, got {read!r}"
        )
    return models
