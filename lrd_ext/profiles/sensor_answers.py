# SPDX-License-Identifier: Apache-2.0
"""What a profile's sensor adds at given ISOs, exposures and temperatures, as figures of NoiseParams.

Works on float64 arrays, draws nothing, and gives only what adds something: off means no cost.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

from lrd_ext.sensor_figures import NOTHING, SENSOR_FIGURES, SENSOR_PLACES

from .answers import BranchAnswers, Isos, by_branch
from .records import Branch, Row
from .sensor import ROW_LINES, ROW_SIGMAS, SensorFigures, SensorRow


class SensorAnswers:
    """The answers of a camera's sensor.

    Args:
        name: the camera, for messages.
        sensor: its figures; None where nothing is known.
        branches: its gain branches, ISOs rising.
    """

    def __init__(self, name: str, sensor: SensorFigures | None, branches: Sequence[Branch]) -> None:
        self.name, self.sensor = name, sensor or SensorFigures()
        rows = by_branch(branches, self.sensor.rows)
        self._branches = [_BranchOfSensor(*part) for part in zip(branches, rows, strict=True)]

    def check_temperature(self, *, exposure: bool) -> None:
        """Refuse a temperature that says nothing here.

        Raises:
            ValueError: the profile has no model of it, or no exposure is given with it.
        """
        dark = self.sensor.dark_current
        if dark is None or dark.doubling_c is None:
            raise ValueError(
                f"{self.name}: temperature_c needs a profile that knows what temperature does (sensor."
                "dark_current with reference_c and doubling_c), and this one does not. Leave it out"
            )
        if not exposure:
            raise ValueError(
                f"{self.name}: temperature_c changes the dark current and needs exposure_s, the exposure of "
                "the short frame in seconds"
            )

    def at(
        self,
        isos: np.ndarray,
        branch: np.ndarray,
        exposure_s: np.ndarray | None,
        temperature_c: np.ndarray | None,
    ) -> dict[str, np.ndarray]:
        """Answer with figures of NoiseParams by name, (n,) or (n, ...), without those that are off.

        Args:
            isos: (n,) inside the branches.
            branch: (n,) number of the branch of each.
            exposure_s: (n,) of the short frame, s; None leaves dark current and hot pixels off.
            temperature_c: (n,) degrees C; None is that the rates were measured at.

        Raises:
            ValueError: a current is out of range at this temperature.
        """
        found = {
            name: np.full(len(isos), value)
            for name, value in (("sigma_prnu", self.sensor.sigma_prnu), ("step", self.sensor.step))
            if value is not None
        }
        if exposure_s is not None and self.sensor.needing_exposure:
            found |= self._electrons(exposure_s, temperature_c)
        found |= self._rows(isos, branch)
        return {name: values for name, values in found.items() if (values != _off(name)).any()}

    def _electrons(self, exposure_s: np.ndarray, temperature_c: np.ndarray | None) -> dict[str, np.ndarray]:
        dark, hot = self.sensor.dark_current, self.sensor.hot_pixels
        warmth = np.ones(len(exposure_s))
        if temperature_c is not None and dark is not None and dark.doubling_c is not None:
            warmth = 2.0 ** ((temperature_c - (dark.reference_c or 0.0)) / dark.doubling_c)
        found = {"exposure_s": exposure_s.copy()}
        if dark is not None:
            found["dark_current"] = self._warm("dark_current", dark.rate * warmth, temperature_c)
            found["dark_current_spread"] = np.full(len(exposure_s), dark.spread)
        if hot is not None:
            found["hot_fraction"] = np.full(len(exposure_s), hot.fraction)
            found["hot_current"] = self._warm("hot_current", hot.current * warmth, temperature_c)
            found["blink_fraction"] = np.full(len(exposure_s), hot.blink_fraction)
        return found

    def _warm(self, name: str, current: np.ndarray, temperature_c: np.ndarray | None) -> np.ndarray:
        most = SENSOR_FIGURES[name].high
        if temperature_c is not None and (current > most).any():
            raise ValueError(
                f"{self.name}: temperature_c must leave {name} at {most:g} e-/s at most, got "
                f"{current.max():g} e-/s at {temperature_c[current.argmax()]:g} degrees C"
            )
        return current

    def _rows(self, isos: np.ndarray, branch: np.ndarray) -> dict[str, np.ndarray]:
        if not self.sensor.rows:
            return {}
        found = {name: np.repeat(_off(name), len(isos), axis=0) for name in (*ROW_SIGMAS, *ROW_LINES)}
        for i in np.unique(branch).tolist():
            here = branch == i
            for name, values in self._branches[i].at(isos[here]).items():
                found[name][here] = values
        return found


class _BranchOfSensor:
    """The rows of one gain branch; one without rows adds nothing."""

    def __init__(self, branch: Branch, rows: Sequence[SensorRow]) -> None:
        sigmas = [
            Row(row.iso, {name: v for name in ROW_SIGMAS if (v := getattr(row, name)) is not None})
            for row in rows
        ]
        self._sigmas = BranchAnswers(Branch(branch.name, branch.iso), sigmas, ())
        self._log_isos = np.log(np.array([row.iso for row in rows]))
        self._lines = {
            name: np.concatenate([_filled(row, name) for row in rows]) for name in ROW_LINES if rows
        }

    def at(self, isos: np.ndarray) -> dict[str, np.ndarray]:
        """Sigmas log-log between the rows, taps and waves of the nearest row."""
        asked = Isos(isos)
        sigmas = {name: self._sigmas.sigma(name, asked, isos) for name in ROW_SIGMAS}
        found = {name: values for name, values in sigmas.items() if values is not None}
        if self._lines:
            nearest = np.abs(asked.x[:, None] - self._log_isos).argmin(1)
            found |= {name: values[nearest] for name, values in self._lines.items()}
        return found


@functools.cache
def _off(name: str) -> np.ndarray:
    """What leaves a figure off, (1,) or (1, ...)."""
    shape = SENSOR_FIGURES[name].shape
    return NOTHING[:, SENSOR_PLACES[name]].double().numpy().reshape(1, *shape)


def _filled(row: SensorRow, name: str) -> np.ndarray:
    """Taps or waves of a row, filled up to as many as there may be, (1, ...); off where it has none."""
    filled, given = _off(name).copy(), np.array(getattr(row, name), dtype=np.float64)
    if len(given):
        filled[:] = 0.0
        filled[0, : len(given)] = given
    return filled
