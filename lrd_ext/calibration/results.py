# SPDX-License-Identifier: Apache-2.0
"""What a calibration found: figures by ISO, groups of frames, the whole."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np

from lrd_ext.estimators.interval_likelihood import IntervalFit
from lrd_ext.estimators.intervals import Estimate
from lrd_ext.estimators.line_colour import LineModel
from lrd_ext.estimators.masked_border import BorderEstimate
from lrd_ext.estimators.tukey_lambda import Agreement, Distribution, TukeyLambdaFit
from lrd_ext.read_models import ReadModel

from .bad_frames import Sensor
from .dark_frames import DarkStatistics
from .dark_series import DarkCurrent
from .emva1288 import LinearityError, StandardFigures
from .flat_frames import FlatStatistics
from .gain_switch import GainLine
from .photon_transfer import PhotonTransfer
from .sensor_noise import Body, FixedNoise

#: Below this many darks the shape of the distribution is not to be trusted.
FEW_DARKS = 8
#: Darks that hold one value only hide read noise of up to this many steps.
LOST = 0.35


@dataclasses.dataclass(frozen=True)
class DarkGroup:
    """Darks of one ISO and exposure time and what was kept of them.

    ``fit`` is by the likelihood of intervals; None where residuals tell enough. ``levels`` (n, 4) DN above
    black of every frame by site; ``temperature_c`` of the darks, None where nobody told.
    """

    iso: float
    exposure_s: float
    statistics: DarkStatistics
    bias: tuple[Estimate, ...]
    drift: Estimate | None
    levels: np.ndarray
    fit: IntervalFit | None = None
    temperature_c: float | None = None


@dataclasses.dataclass(frozen=True)
class ReadNoise:
    """Figures of one ISO from its darks, DN; ``pixel`` is sigma_gaussian by site.

    ``distributions`` of the values by read model; ``step`` of the values, DN; ``cut`` is the share of values
    piled up at the lowest one; ``quantiles`` the table of read model "empirical", None where there are too
    few values, or noise is too small beside the step, to measure one.
    """

    gaussian: Estimate
    tukey_lambda: TukeyLambdaFit
    row: Estimate
    col: Estimate
    naive_row: float
    pixel: tuple[Estimate, ...]
    dsnu: Estimate
    dsnu_white: Estimate
    distributions: dict[str, Distribution]
    ppcc: tuple[float, float]
    row_lines: LineModel
    col_lines: LineModel
    step: float
    cut: float
    quantiles: np.ndarray | None = None

    @functools.cached_property
    def models(self) -> dict[str, Agreement]:
        """How near each read model comes."""
        return {name: made.agreement for name, made in self.distributions.items()}

    @property
    def lost(self) -> bool:
        """Whether the noise is lost in the rounding: its interval begins at 0."""
        return self.gaussian.low <= 0

    def scale(self, model: ReadModel) -> Estimate:
        """Scale of a read-noise model, DN: fitted with its shape, or from the standard deviation."""
        if model.shaped:
            return self.tukey_lambda.scale
        e, unit = self.gaussian, model.unit_std(0.0)
        return Estimate(e.value / unit, e.low / unit, e.high / unit, e.spread / unit)


@dataclasses.dataclass(frozen=True)
class FlatGroup:
    """Flats of one ISO and level of light: white minus black [DN], what was kept, photons a pixel got."""

    iso: float
    exposure_s: float
    name: str
    range_dn: float
    statistics: FlatStatistics
    photons: float | None = None


@dataclasses.dataclass(frozen=True)
class IsoResult:
    """All that is known at one ISO; None for what could not be had, and ``missing`` says why.

    ``currents`` by temperature.
    """

    iso: float
    dark: DarkGroup | None
    read: ReadNoise | None
    transfer: PhotonTransfer | None
    flats: tuple[FlatGroup, ...]
    prnu: Estimate | None
    prnu_all: Estimate | None
    linearity: LinearityError | None
    standard: StandardFigures | None
    missing: tuple[str, ...]
    fixed: FixedNoise | None = None
    currents: tuple[DarkCurrent, ...] = ()


@dataclasses.dataclass(frozen=True)
class Calibration:
    """A camera's calibration: the sensor, figures by ISO, black level of every group of darks, branches.

    ``measured`` are the ISOs that make rows of the profile, those with read noise or, where no darks were
    shot at all, those with K; ``branches`` counts in these.
    """

    sensor: Sensor
    isos: tuple[IsoResult, ...]
    measured: tuple[IsoResult, ...]
    darks: tuple[DarkGroup, ...]
    branches: tuple[tuple[int, int], ...]
    gain_lines: tuple[GainLine | None, ...]
    frames: int
    left_out: dict[str, str]
    unpaired: tuple[str, ...]
    borders: tuple[BorderEstimate, ...]
    body: Body

    def branch_of(self, result: IsoResult) -> int | None:
        """Return the number of the gain branch an ISO lies in, None where it makes no row."""
        places = [i for i, own in enumerate(self.measured) if own.iso == result.iso]
        found = (i for i, (a, b) in enumerate(self.branches) if places and a <= places[0] <= b)
        return next(found, None)
