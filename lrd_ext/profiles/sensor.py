# SPDX-License-Identifier: Apache-2.0
"""What a profile knows of its sensor beside read noise: records, and what a file may hold of them.

The figures are those of NoiseParams by the same names, within the same limits: docs/concepts/noise_model.md.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from lrd_ext.sensor_figures import ENERGY_TOLERANCE, SENSOR_FIGURES, SHORTEST_PERIOD, TAPS, WAVES

from .checks import Check, Refused, each, made, named, number, pair, record, refusal

#: Figures of a row that go log-log between ISOs, DN.
ROW_SIGMAS = ("sigma_dsnu", "sigma_row_fixed", "sigma_col_fixed", "sigma_drift")
#: Of these a row has several numbers; the nearest row's are taken.
ROW_LINES = ("row_taps", "col_taps", "row_waves", "col_waves")
#: What an entry of a profile's ``doubtful`` can concern.
SENSOR_DOUBTS = ("sigma_prnu", "step", "dark_current", "hot_pixels", *ROW_SIGMAS, *ROW_LINES)
#: Figures of the whole sensor that can have an interval.
SHARED = (
    "sigma_prnu",
    *(f"dark_current.{name}" for name in ("rate", "spread", "doubling_c")),
    *(f"hot_pixels.{name}" for name in ("fraction", "current", "blink_fraction")),
)
#: Temperatures of a sensor, degrees C.
COLDEST, HOTTEST = -100.0, 150.0

Wave = tuple[float, float]
_Spread = Mapping[str, float] | None
_Intervals = Mapping[str, tuple[float, float]] | None


@dataclasses.dataclass(frozen=True)
class DarkCurrent:
    """Dark current, e-/s: ``rate``, the mean of pixels that are not hot, and the spread of its logarithm.

    ``rate`` is that at ``reference_c``, degrees C, and doubles with every ``doubling_c`` more; None where no
    temperature is known.
    """

    rate: float
    spread: float = 0.0
    reference_c: float | None = None
    doubling_c: float | None = None


@dataclasses.dataclass(frozen=True)
class HotPixels:
    """Hot pixels: share of all, what one has more than the mean, e-/s (of an exponential), share that blinks.

    ``current`` is that at the temperature of the dark current, and grows with temperature as that does.
    """

    fraction: float
    current: float
    blink_fraction: float = 0.0


@dataclasses.dataclass(frozen=True)
class SensorRow:
    """Figures of the sensor at one ISO: sigmas in DN, taps of energy 1, waves (amplitude DN, period lines).

    ``spread`` and ``interval95`` are of the sigmas, as in :class:`~lrd_ext.profiles.records.Row`.
    """

    iso: float
    sigma_dsnu: float | None = None
    sigma_row_fixed: float | None = None
    sigma_col_fixed: float | None = None
    sigma_drift: float | None = None
    row_taps: tuple[float, ...] = ()
    col_taps: tuple[float, ...] = ()
    row_waves: tuple[Wave, ...] = ()
    col_waves: tuple[Wave, ...] = ()
    spread: _Spread = None
    interval95: _Intervals = None


@dataclasses.dataclass(frozen=True)
class SensorFigures:
    """What a sensor adds to read, row and column noise; None and empty where it was not measured.

    ``sigma_prnu`` is a share of the signal, ``step`` the converter's in DN, ``interval95`` by the names
    :data:`SHARED`.
    """

    sigma_prnu: float | None = None
    step: float | None = None
    dark_current: DarkCurrent | None = None
    hot_pixels: HotPixels | None = None
    rows: tuple[SensorRow, ...] = ()
    interval95: _Intervals = None

    @property
    def needing_exposure(self) -> str:
        """Name what is known in electrons by the second, as the subject of a sentence; "" if nothing is."""
        dark, hot = self.dark_current, self.hot_pixels
        known = ["dark current"] * bool(dark and dark.rate) + ["hot pixels"] * bool(hot and hot.fraction)
        return f"{' and '.join(known)} {'is' if known == ['dark current'] else 'are'}" if known else ""

    def describe(self) -> str:
        """Say in words what is known of the sensor."""
        said = []
        if self.sigma_prnu is not None:
            said.append(f"photo response {self.sigma_prnu:.3g}")
        if self.step is not None:
            said.append(f"step {self.step:g} DN")
        if (dark := self.dark_current) is not None:
            at = "" if dark.reference_c is None else f" at {dark.reference_c:g} °C"
            doubling = "" if dark.doubling_c is None else f", doubling with {dark.doubling_c:g} °C"
            said.append(f"dark current {dark.rate:.3g} e-/s{at}{doubling}")
        if (hot := self.hot_pixels) is not None:
            said.append(f"hot pixels {hot.fraction:.2g}, {hot.current:.3g} e-/s more")
        held = [name for name in (*ROW_SIGMAS, *ROW_LINES) if any(getattr(row, name) for row in self.rows)]
        if held:
            said.append(f"{', '.join(held)} at {len(self.rows)} ISO{'s' * (len(self.rows) > 1)}")
        return "; ".join(said) or "nothing known"


def used_units(sensor: SensorFigures | None) -> dict[str, bool]:
    """Tell of each unit of these figures whether a profile holds figures in it."""
    s = sensor or SensorFigures()
    waves = any(row.row_waves or row.col_waves for row in s.rows)
    return {
        "sigma_prnu": s.sigma_prnu is not None,
        "dark_current": s.dark_current is not None or s.hot_pixels is not None,
        "temperature": s.dark_current is not None and s.dark_current.reference_c is not None,
        "period": waves,
    }


def sensor_check() -> Check[SensorFigures]:
    """Declare the fields of a profile's ``sensor``."""
    fields: dict[str, Check[Any]] = {
        "sigma_prnu": _like("sigma_prnu"),
        "step": _like("step"),
        "dark_current": _dark_current_check(),
        "hot_pixels": made(
            record(
                {"fraction": _like("hot_fraction"), "current": _like("hot_current")},
                {"blink_fraction": _like("blink_fraction")},
            ),
            HotPixels,
        ),
        "rows": each(_row_check()),
        "interval95": named(pair(number()), SHARED),
    }
    return made(record({}, fields), SensorFigures)


def _like(figure: str) -> Check[float]:
    """A number that NoiseParams takes for one of its figures."""
    known = SENSOR_FIGURES[figure]
    return number(known.low, known.high)


def _dark_current_check() -> Check[DarkCurrent]:
    def make(**given: float) -> DarkCurrent:
        if "doubling_c" in given and "reference_c" not in given:
            raise Refused("needs reference_c, the temperature in degrees C that rate is of", "doubling_c")
        return DarkCurrent(**given)

    temperatures = {"reference_c": number(COLDEST, HOTTEST), "doubling_c": number(1.0, 100.0)}
    return made(
        record({"rate": _like("dark_current")}, {"spread": _like("dark_current_spread"), **temperatures}),
        make,
    )


def _row_check() -> Check[SensorRow]:
    fields: dict[str, Check[Any]] = {name: _like(name) for name in ROW_SIGMAS}
    fields |= dict.fromkeys(("row_taps", "col_taps"), _taps_check())
    fields |= dict.fromkeys(("row_waves", "col_waves"), _waves_check())
    fields |= {
        "spread": named(_like("sigma_dsnu"), ROW_SIGMAS),
        "interval95": named(pair(number()), ROW_SIGMAS),
    }
    return made(record({"iso": number(0.0, 1e8, above=True)}, fields), SensorRow)


def _taps_check() -> Check[tuple[float, ...]]:
    taps = each(number(-1e6, 1e6))

    def read(value: Any) -> tuple[float, ...]:
        found = taps.read(value)
        if not 1 <= len(found) <= TAPS:
            raise Refused(f"must hold 1 to {TAPS} numbers, got {len(found)}")
        energy = math.fsum(tap * tap for tap in found)
        if abs(energy - 1) > ENERGY_TOLERANCE:
            cure = f"; multiply each by {energy**-0.5:.6g}" if energy else ""
            raise Refused(f"must have energy 1, the sum of their squares, got {energy:.6g}{cure}")
        return found

    return Check(read, dict(each(_like("row_taps")).schema) | {"minItems": 1, "maxItems": TAPS})


def _waves_check() -> Check[tuple[Wave, ...]]:
    waves = each(_wave_check())

    def read(value: Any) -> tuple[Wave, ...]:
        found = waves.read(value)
        if len(found) > WAVES:
            raise Refused(f"must hold up to {WAVES} waves, got {len(found)}")
        return found

    return Check(read, dict(waves.schema) | {"maxItems": WAVES})


def _wave_check() -> Check[Wave]:
    amplitude = _like("row_waves")
    period = number(SHORTEST_PERIOD, SENSOR_FIGURES["row_waves"].high)
    rule = f"a pair: amplitude in DN, not below 0, and period in mosaic lines, from {SHORTEST_PERIOD:g} on"

    def read(value: Any) -> Wave:
        if not isinstance(value, (list, tuple)) or len(value) != 2:
            raise refusal(rule, value)
        try:
            return amplitude.read(value[0]), period.read(value[1])
        except Refused:
            raise refusal(rule, value) from None

    schema = {"type": "array", "prefixItems": [amplitude.schema, period.schema], "minItems": 2, "maxItems": 2}
    return Check(read, schema)
