# SPDX-License-Identifier: Apache-2.0
"""NoiseParams: what the noise model needs to know about each sample of a batch."""

from __future__ import annotations

import dataclasses
import inspect
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from . import parameter_table
from .figures import FIGURES, PLACES, REQUIRED, Numbers
from .parameter_table import check_values, has_sensor, quantiles_part, sensor_part
from .read_models import READ_MODELS, ReadName
from .reference.read_noise import read_std
from .sensor_figures import NOTHING, SENSOR_FIGURES, SENSOR_PLACES, shaped


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

    # Of figures.FIGURES, in their order.
    K: Tensor
    ratio: Tensor
    white: Tensor
    black: Tensor
    sigma_read: Tensor
    tukey_lambda: Tensor
    sigma_row: Tensor
    sigma_col: Tensor
    bias: Tensor
    iso: Tensor
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
        models = parameter_table.models_of(read)
        table = parameter_table.table_of(figures, models, read_table, of_sensor)
        check_values(table, models)
        self._keep(table, models, shot)

    def _keep(self, table: Tensor, models: tuple[str, ...], shot: bool) -> None:
        keep = object.__setattr__
        keep(self, "read", models[0] if len(set(models)) == 1 else models)
        keep(self, "shot", shot)
        keep(self, "read_table", quantiles_part(table))
        keep(self, "table", table)

    @classmethod
    def _of(cls, table: Tensor, models: tuple[str, ...], shot: bool) -> NoiseParams:
        """Make NoiseParams of values that were checked before: reading them again might wait for a device."""
        new = object.__new__(cls)
        new._keep(table, models, shot)
        return new

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
                drawn += [name for name in SENSOR_PLACES if self._adds(name)]
            lines += [", ".join(self._range(name) for name in part) for part in (known, drawn) if part]
            if "sigma_read" in drawn:
                lines.append(f"read noise std {_from_to(read_std(self))} DN")
        return ",\n  ".join(lines) + ")"

    def _range(self, name: str) -> str:
        values, unit = getattr(self, name), (FIGURES | SENSOR_FIGURES)[name].unit
        return f"{name} {_from_to(values[~values.isnan()])}{f' {unit}' if unit else ''}"

    def _adds(self, name: str) -> bool:
        place = SENSOR_PLACES[name]
        return bool((sensor_part(self.table)[:, place] != NOTHING[:, place].to(self.device)).any())

    def __reduce__(self) -> tuple[Any, ...]:
        return NoiseParams._of, (self.table, self._models(), self.shot)

    @property
    def has_sensor(self) -> bool:
        """Whether figures from ``sigma_prnu`` on are in the table, known without looking at values."""
        return has_sensor(self.table)

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
        return self._of(self.table[i].contiguous(), models, self.shot)

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
        table = parameter_table.joined([part.table for part in parts])
        return cls._of(table, tuple(models), parts[0].shot)

    def shot_only(self) -> NoiseParams:
        """Return a copy without the noise that light does not make: what goes with a learned generator.

        Read, row and column noise go, and of the sensor's figures all but ``sigma_prnu`` and ``step``.
        """
        return self._of(parameter_table.shot_only(self.table), ("none",), self.shot)

    def without_bias(self) -> NoiseParams:
        """Return a copy with ``bias`` 0: noise that leaves the mean where it is."""
        return self._with({"bias": torch.zeros_like(self.bias)})

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
        table = parameter_table.in_another_range(self.table, factor)
        scaled = self._of(table, self._models(), self.shot)
        return scaled.with_figures(white=target.white, black=target.black)

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
        table = parameter_table.table_of_columns(columns, n, read, quantiles)
        check_values(table, (read,))
        return cls._of(table, (read,), shot)

    def with_figures(self, **figures: Tensor) -> NoiseParams:
        """Return a copy in which the named figures are others, of the same shapes.

        Raises:
            ValueError: a value is out of range.
        """
        new = self._with(figures)
        check_values(new.table, new._models())
        return new

    def _with(self, figures: Mapping[str, Tensor]) -> NoiseParams:
        return self._of(parameter_table.with_figures_in(self.table, figures), self._models(), self.shot)


def _view(place: int | slice) -> property:
    """A figure as a view of the table, made when it is asked for: ten of them take longer than all checks."""
    return property(lambda params: params.table[:, place])


def _view_of_sensor(name: str) -> property:
    return property(lambda params: shaped(name, sensor_part(params.table)[:, SENSOR_PLACES[name]]))


for _name, _place in PLACES.items():
    setattr(NoiseParams, _name, _view(_place))
for _name in SENSOR_FIGURES:
    setattr(NoiseParams, _name, _view_of_sensor(_name))


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


def _from_to(values: Tensor) -> str:
    low, high = (f"{float(v):.6g}" for v in values.aminmax())
    return low if low == high else f"{low} to {high}"
