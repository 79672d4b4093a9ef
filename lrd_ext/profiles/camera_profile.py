# SPDX-License-Identifier: Apache-2.0
"""CameraProfile: the noise of one camera over its ISO range, and NoiseParams out of it."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lrd_ext.cfa import Cfa, to_phase
from lrd_ext.outputs import replacing
from lrd_ext.params import NoiseParams
from lrd_ext.read_models import ReadModel, ReadName, read_model

from .answers import Answer, Answers, iso_ranges
from .arguments import Asked, Numbers, read_asked
from .draws import Choice, Draws, Word, read_choice
from .parse import checked_fields, used_units
from .records import (
    BiasRow,
    Branch,
    Doubtful,
    ExposureBias,
    QuantileRow,
    Row,
    Source,
    header,
    to_json,
)
from .sensor import COLDEST, HOTTEST, SENSOR_DOUBTS, SensorFigures
from .sensor_answers import SensorAnswers

Levels = float | Sequence[float] | Tensor


@dataclasses.dataclass(frozen=True, repr=False)
class CameraProfile:
    """Noise figures of one camera, in DN of its own raw range; docs/parameters.md explains every field.

    Made by :func:`~lrd_ext.profiles.load_profile` or :func:`~lrd_ext.profiles.profile_from_dict`, which
    validate. ``black`` and every ``dn`` of ``bias`` are per CFA site (0,0), (0,1), (1,0), (1,1) of the phase
    ``cfa``.
    """

    name: str
    make: str
    model: str
    licence: str
    sources: tuple[Source, ...]
    bits: int
    black: tuple[float, float, float, float]
    white: float
    cfa: str
    read: str
    notes: tuple[str, ...] = ()
    doubtful: tuple[Doubtful, ...] = ()
    rows: tuple[Row, ...] = ()
    branches: tuple[Branch, ...] = ()
    bias: tuple[BiasRow, ...] = ()
    read_quantiles: tuple[QuantileRow, ...] = ()
    black_level_error: tuple[ExposureBias, ...] = ()
    sensor: SensorFigures | None = None
    dark_shading: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    calibration: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    _said: set[str] = dataclasses.field(default_factory=set, init=False, repr=False, compare=False)

    def __repr__(self) -> str:
        black = " ".join(f"{level:g}" for level in dict.fromkeys(self.black))
        doubts = f", {len(self.doubtful)} doubtful" if self.doubtful else ""
        return (
            f"CameraProfile {self.name!r}: {self.camera}, {self.bits} bit {self.cfa}, black {black}, "
            f"white {self.white:g}\n"
            f"  {self.iso_ranges()}: {len(self.rows)} rows, {sum(len(b.laws) for b in self.branches)} laws\n"
            f"  read {self.read!r}, {describe_bias(self.bias)}{doubts}; {self.licence}"
            + (f"\n  sensor: {self.sensor.describe()}" if self.sensor else "")
        )

    @property
    def iso_range(self) -> tuple[float, float]:
        """Lowest and highest ISO the profile answers for."""
        return self.branches[0].iso[0], self.branches[-1].iso[1]

    @property
    def camera(self) -> str:
        """Maker and model, the maker not twice."""
        return self.model if self.model.startswith(self.make) else f"{self.make} {self.model}"

    @functools.cached_property
    def dark_only(self) -> bool:
        """Whether the profile was made from dark frames alone, so that K is not known."""
        return all(b.K is None for b in self.branches) and all("K" not in row.figures for row in self.rows)

    @functools.cached_property
    def answers(self) -> Answers:
        """The profile's answers in double precision, without draws, levels or warnings."""
        return Answers(self.name, self.branches, self.rows, self.bias, self.read_quantiles)

    @functools.cached_property
    def sensor_answers(self) -> SensorAnswers:
        """What the sensor adds at given ISOs, exposures and temperatures, likewise."""
        return SensorAnswers(self.name, self.sensor, self.branches)

    def iso_ranges(self) -> str:
        """Name the ISO range of each gain branch, for messages."""
        return iso_ranges(self.branches)

    def at(
        self,
        iso: Numbers,
        ratio: Numbers = 1.0,
        *,
        exposure_s: Numbers | None = None,
        temperature_c: Numbers | None = None,
        read: ReadName | str | None = None,
        bias: bool = True,
        black: Levels | None = None,
        white: float | None = None,
        cfa: Cfa | str | None = None,
    ) -> NoiseParams:
        """Give the noise at known ISOs and ratios, without any draw.

        A calibrated ISO answers with its row as it stands. Between two rows of one gain branch K and the
        sigmas go log-log and tukey_lambda, read_quantiles and bias linearly, all over log ISO. Where no rows
        surround the ISO, the law of the branch answers with its mean (of ln sigma, so the median of sigma)
        and shape, quantiles and bias are those of the nearest row; a branch without rows answers with the
        mean of its list of shapes. ISOs between two branches belong to the lower one; nothing is mixed across
        a gain switch.

        Bias moves the mean: it is where the black of this camera's frames really lies, minus the black level
        its files state, in DN and different for every ISO and site. Noise made with it is as far off as the
        camera's frames are; at ratio 100 a bias of 1 DN is 100 DN of the brightened picture. Take
        ``bias=False`` where black is measured and subtracted before, as with dark frames or dark shading.

        Where the profile knows its sensor, photo response, offsets, coloured lines, drift and step come
        along. Dark current and hot pixels come with ``exposure_s`` only, since their electrons are rates
        times exposure; without, they are off, and that is said once.

        Args:
            iso: ISO speed inside the profile's range: a number, or (n,) of them.
            ratio: exposure ratio, finite, > 0, likewise; one of all may be a number for (n,) of the others.
            exposure_s: exposure of the short frame, s, > 0, likewise; None leaves dark current and hot pixels
                off.
            temperature_c: temperature of the sensor, degrees C, likewise; None is that the profile was
                measured at. Dark current and hot pixels change by 2^((temperature - reference) / doubling).
            read: read-noise model in place of the profile's own, a name of ``read_models.READ_MODELS``.
            bias: whether the black-level error is part of the noise.
            black: black level of the file the noise will go on, a number or four in the sites of ``cfa``, DN.
            white: white level of that file, DN.
            cfa: CFA phase of that file. The noise comes in its range and phase.

        Returns: NoiseParams on the CPU, of batch 1 for numbers and n for n of them. Without K (darks alone) K
            is 1 and shot False, said once.

        Raises:
            TypeError: iso or ratio is not a number and holds none.
            ValueError: an ISO is out of range (the message names it), iso and ratio differ in length,
                temperature_c is given without exposure_s or to a profile that does not know what temperature
                does, or another argument is not accepted.

        Warns:
            UserWarning: the answer rests on a figure the profile names doubtful, or (once) dark current and
                hot pixels are off for want of exposure_s.
        """
        asked, model = read_asked(iso, ratio, exposure_s, temperature_c), self._read_model(read)
        found = self.answers.at(asked.iso, model.name)
        sensor = self._sensor_at(found, asked)
        self._warn(asked, model)
        return self._params(found, asked, sensor, model, bias, black, white, cfa)

    def sample(
        self,
        n: int,
        *,
        iso: Choice,
        ratio: Choice,
        seed: int,
        index: int | Sequence[int] | Tensor = 0,
        exposure_s: Choice | None = None,
        temperature_c: Choice | None = None,
        read: ReadName | str | None = None,
        bias: bool = True,
        black: Levels | None = None,
        white: float | None = None,
        cfa: Cfa | str | None = None,
    ) -> NoiseParams:
        """Draw n sets of parameters jointly, each about what :meth:`at` answers at its ISO.

        Each sigma gets an independent normal deviate in its logarithm with the rows' spread over frames where
        rows surround the ISO and have one, else with the law's; tukey_lambda is drawn from the branch's list
        where none of its rows has a shape of its own; K gets its uniform jitter; bias is the row of the
        nearest ISO, and moves the mean as :meth:`at` explains. Draw i depends on (seed, index of i) only.
        What the sensor adds is not scattered, since it belongs to the body: it is that of :meth:`at`.

        Args:
            n: number of draws, >= 1.
            iso: a number, a tuple (low, high) drawn log-uniformly, or a list of choices drawn uniformly.
            ratio: a number, a tuple (low, high) drawn uniformly, or a list of choices; > 0.
            seed: any int, bits taken mod 2^64.
            index: identity of each draw in [0, 2^56): an int i means i ... i+n-1, else n integers.
            exposure_s: exposure of the short frame, s: a number, a tuple (low, high) drawn log-uniformly, or
                a list of choices; None leaves dark current and hot pixels off, as for :meth:`at`.
            temperature_c: temperature of the sensor, degrees C: a number, a tuple (low, high) drawn
                uniformly, or a list of choices; None is that the profile was measured at.
            read: read-noise model in place of the profile's own, as for :meth:`at`.
            bias: whether the black-level error is part of the noise, as for :meth:`at`.
            black: black level of the file the noise will go on, a number or four in the sites of ``cfa``, DN.
            white: white level of that file, DN.
            cfa: CFA phase of that file. The noise comes in its range and phase.

        Returns: NoiseParams of batch n on the CPU.

        Raises:
            TypeError: an argument is of another type than named above.
            ValueError: an ISO is out of range, an argument is not accepted, or K is unknown (darks alone).

        Source: joint law of Wei et al., CVPR 2020, section 4; words of the Philox component PARAMETERS.
        """
        if self.dark_only:
            raise ValueError(
                f"{self.name}: sample needs the gain K, but this profile was made from darks alone "
                "(K is null). Calibrate with flat frames as well, or use at(), which leaves shot noise out"
            )
        model, answers = self._read_model(read), self.answers
        draws, isos_wanted = Draws(n, seed, index), read_choice("iso", iso)
        answers.check(isos_wanted.all(), whole_range=isinstance(iso, tuple))
        isos = isos_wanted.draw(draws.uniform(Word.ISO), log=True)
        ratios = read_choice("ratio", ratio).draw(draws.uniform(Word.RATIO), log=False)
        asked = Asked(isos, ratios, *_conditions(draws, exposure_s, temperature_c))
        found = draws.scatter(answers, answers.at(isos, model.name, nearest_bias=True), model.name)
        sensor = self._sensor_at(found, asked)
        self._warn(asked, model)
        return self._params(found, asked, sensor, model, bias, black, white, cfa)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the profile as canonical JSON: same profile, same bytes; it appears whole or not at all.

        The mode of a file that is replaced is kept.

        Raises:
            ProfileError: the profile breaks the schema, so that it could not be loaded again.
            OSError: the system refuses to write the file, which is named; an old one is left as it was.
        """
        data = self.to_bytes()
        with replacing(Path(path)) as file:
            file.write(data)

    def to_bytes(self) -> bytes:
        """Return the profile as canonical JSON in UTF-8, what ``save`` writes.

        Raises:
            ProfileError: the profile breaks the schema, so that it could not be loaded again.
        """
        checked_fields(self.to_dict())
        text = json.dumps(self.to_dict(), indent=1, ensure_ascii=False, allow_nan=False)
        return f"{text}\n".encode()

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON values of the profile, in the schema's order."""
        return header(used_units(vars(self))) | to_json(self)

    def _read_model(self, read: str | None) -> ReadModel:
        return read_model(self.read if read is None else read)

    def _sensor_at(self, found: Answer, asked: Asked) -> dict[str, np.ndarray]:
        if asked.temperature_c is not None:
            self.sensor_answers.check_temperature(exposure=asked.exposure_s is not None)
        if self.sensor is None:
            return {}
        return self.sensor_answers.at(asked.iso, found.branch, asked.exposure_s, asked.temperature_c)

    def _warn(self, asked: Asked, model: ReadModel) -> None:
        isos = asked.iso
        if self.dark_only:
            self._say_once("K is unknown (profile made from darks alone): K is 1 and shot noise is off")
        if self.sensor and self.sensor.needing_exposure and asked.exposure_s is None:
            self._say_once(
                f"{self.sensor.needing_exposure} left off: exposure_s (--exposure-s), that of the short "
                "frame, is not given"
            )
        for entry in self.doubtful:
            if entry.field in figures_used(model) and any(entry.concerns(iso) for iso in _ends(isos, entry)):
                warnings.warn(f"{self.name}: {entry.field} is doubtful here: {entry.reason}", stacklevel=3)

    def _say_once(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            warnings.warn(f"{self.name}: {text}", stacklevel=4)

    def _params(
        self,
        found: Answer,
        asked: Asked,
        sensor: Mapping[str, np.ndarray],
        model: ReadModel,
        bias: bool,
        black: Levels | None,
        white: float | None,
        cfa: str | None,
    ) -> NoiseParams:
        cfa = self.cfa if cfa is None else cfa
        own_black = to_phase(self._checked_black, self.cfa, cfa)
        own = NoiseParams._of_columns(
            {
                "K": found.K,
                "ratio": asked.ratio,
                "white": self.white,
                "black": own_black,
                "sigma_read": found.sigma_read,
                "tukey_lambda": found.tukey_lambda,
                "sigma_row": found.sigma_row,
                "sigma_col": found.sigma_col,
                "bias": to_phase(found.bias, self.cfa, cfa) if bias else 0.0,
                "iso": asked.iso,
            },
            len(asked.iso),
            read=model.name,
            shot=not self.dark_only,
            quantiles=found.quantiles,
        )
        if sensor:
            own = own.with_figures(**{name: torch.from_numpy(values) for name, values in sensor.items()})
        same_black = black is None or (isinstance(black, tuple) and black == tuple(own_black))
        if same_black and (white is None or white == self.white):  # to_range would multiply by 1
            return own
        return own.to_range(own.black if black is None else black, own.white if white is None else white)

    @functools.cached_property
    def _checked_black(self) -> np.ndarray:
        """Return the black level by site, after one look at what is the same in every answer."""
        for row in (BiasRow(1.0, (0.0,) * 4), *self.bias):
            NoiseParams(K=1, ratio=1, white=self.white, black=self.black, bias=row.dn)
        return np.array(self.black, dtype=np.float64)


def profile_from_dict(data: Any) -> CameraProfile:
    """Validate the JSON values of a profile and make the CameraProfile.

    Args:
        data: what ``json.load`` gives for a profile file; docs/parameters.md lists every field.

    Raises:
        ProfileError: a field is missing, unknown, in another unit, out of range or at odds with another one.
    """
    return CameraProfile(**checked_fields(data))


def figures_used(model: ReadModel) -> set[str]:
    """Name the fields of a profile that an answer with a read-noise model rests on."""
    used = {"K", "sigma_row", "sigma_col", "bias", "black", "white", *SENSOR_DOUBTS}
    used |= {model.figure} if model.figure else set()
    used |= {"tukey_lambda"} if model.shaped else set()
    return used | ({"read_quantiles"} if model.tabled else set())


def describe_bias(bias: Sequence[BiasRow]) -> str:
    """Say in words how far bias moves the mean over the ISOs of a profile."""
    values = [value for row in bias for value in row.dn]
    if not any(values):
        return "bias not known"
    return f"bias moves the mean by {min(values):+.3g} to {max(values):+.3g} DN"


def _ends(isos: np.ndarray, entry: Doubtful) -> Iterable[float]:
    # Enough to tell whether any of the ISOs is concerned, without asking for each of many.
    if entry.iso is None:
        return isos[:1]
    inside = isos[(isos >= entry.iso[0]) & (isos <= entry.iso[1])]
    return inside[:1]


def _conditions(
    draws: Draws, exposure_s: Choice | None, temperature_c: Choice | None
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Draw the exposure and the temperature of each draw; None where it is not told."""
    exposure = temperature = None
    if exposure_s is not None:
        exposure = read_choice("exposure_s", exposure_s).draw(draws.uniform(Word.EXPOSURE), log=True)
    if temperature_c is not None:
        choice = read_choice("temperature_c", temperature_c, COLDEST, HOTTEST)
        temperature = choice.draw(draws.uniform(Word.TEMPERATURE), log=False)
    return exposure, temperature
