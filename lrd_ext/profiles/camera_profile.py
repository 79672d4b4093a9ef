# SPDX-License-Identifier: Apache-2.0
"""CameraProfile: the noise of one camera over its ISO range, and NoiseParams out of it."""

from __future__ import annotations

import dataclasses
import json
import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from lrd_ext.params import READ_MODELS, NoiseParams

from .answers import Answer, answer, check_isos
from .cfa import to_phase
from .draws import MAX_VALUE, Choice, Draws, read_choice
from .records import (
    READ_FIGURE,
    BiasRow,
    Branch,
    Doubtful,
    ExposureBias,
    Row,
    Source,
    header,
    to_json,
)

Levels = float | Sequence[float] | Tensor


@dataclasses.dataclass(frozen=True)
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
    black_level_error: tuple[ExposureBias, ...] = ()
    dark_shading: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    calibration: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    _said: set[str] = dataclasses.field(default_factory=set, init=False, repr=False, compare=False)

    @property
    def iso_range(self) -> tuple[float, float]:
        """Lowest and highest ISO the profile answers for."""
        return self.branches[0].iso[0], self.branches[-1].iso[1]

    @property
    def camera(self) -> str:
        """Maker and model, the maker not twice."""
        return self.model if self.model.startswith(self.make) else f"{self.make} {self.model}"

    @property
    def dark_only(self) -> bool:
        """Whether the profile was made from dark frames alone, so that K is not known."""
        return all(branch.K is None for branch in self.branches) and all(row.K is None for row in self.rows)

    def iso_ranges(self) -> str:
        """Name the ISO range of each gain branch, for messages."""
        spans = (
            f"{low:g}" if low == high else f"{low:g} to {high:g}"
            for low, high in (b.iso for b in self.branches)
        )
        return " and ".join(f"ISO {span} ({b.name})" for span, b in zip(spans, self.branches, strict=True))

    def at(
        self,
        iso: float,
        ratio: float = 1.0,
        *,
        read: str | None = None,
        black: Levels | None = None,
        white: float | None = None,
        cfa: str | None = None,
    ) -> NoiseParams:
        """Give the noise at one ISO, without any draw.

        A calibrated ISO answers with its row as it stands. Between two rows of one gain branch K and the
        sigmas go log-log and tukey_lambda and bias linearly, all over log ISO. Where no rows surround the
        ISO, the law of the branch answers with its mean (of ln sigma, so the median of sigma) and shape and
        bias are those of the nearest row; a branch without rows answers with the mean of its list of shapes.
        ISOs between two branches belong to the lower one; nothing is mixed across a gain switch.

        Args:
            iso: ISO speed inside the profile's range.
            ratio: exposure ratio, finite, > 0.
            read: read-noise model in place of the profile's own, one of "gaussian", "tukey_lambda", "none".
            black: black level of the file the noise will go on, a number or four in the sites of ``cfa``, DN.
            white: white level of that file, DN.
            cfa: CFA phase of that file. The noise comes in its range and phase.

        Returns: NoiseParams of batch 1 on the CPU. Without K (darks alone) K is 1 and shot False, said once.

        Raises:
            TypeError: iso or ratio is not a number.
            ValueError: iso is out of range (the message names it), or another argument is not accepted.

        Warns:
            UserWarning: the answer rests on a figure the profile names doubtful.
        """
        _check_number("iso", iso)
        _check_number("ratio", ratio)
        read = self._read_model(read)
        isos = np.array([iso], dtype=np.float64)
        found = answer(self, isos, read)
        self._warn(isos, read)
        return self._params(found, isos, np.array([ratio]), read, black, white, cfa)

    def sample(
        self,
        n: int,
        *,
        iso: Choice,
        ratio: Choice,
        seed: int,
        index: int | Sequence[int] | Tensor = 0,
        read: str | None = None,
        black: Levels | None = None,
        white: float | None = None,
        cfa: str | None = None,
    ) -> NoiseParams:
        """Draw n sets of parameters jointly, each about what :meth:`at` answers at its ISO.

        Each sigma gets an independent normal deviate in its logarithm with the rows' spread over frames where
        rows surround the ISO and have one, else with the law's; tukey_lambda is drawn from the branch's list
        where one is published; K gets its uniform jitter; bias is the row of the nearest ISO. Draw i depends
        on (seed, index of i) only.

        Args:
            n: number of draws, >= 1.
            iso: a number, a tuple (low, high) drawn log-uniformly, or a list of choices drawn uniformly.
            ratio: a number, a tuple (low, high) drawn uniformly, or a list of choices; > 0.
            seed: any int, bits taken mod 2^64.
            index: identity of each draw in [0, 2^56): an int i means i ... i+n-1, else n integers.
            read: read-noise model in place of the profile's own, as for :meth:`at`.
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
                f"{self.name}: sample needs the system gain K, but this profile was made from darks alone "
                "(K is null). Calibrate with flat frames as well, or use at(), which leaves shot noise out"
            )
        read = self._read_model(read)
        draws, isos_wanted = Draws(n, seed, index), read_choice("iso", iso)
        check_isos(self, isos_wanted.all(), whole_range=isinstance(iso, tuple))
        isos = isos_wanted.draw(draws.uniform(0), log=True)
        ratios = read_choice("ratio", ratio).draw(draws.uniform(1), log=False)
        found = draws.scatter(self, answer(self, isos, read, nearest_bias=True), isos, read)
        self._warn(isos, read)
        return self._params(found, isos, ratios, read, black, white, cfa)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the profile as canonical JSON: same profile, same bytes; it appears whole or not at all.

        Raises:
            ProfileError: the profile breaks the schema, so that it could not be loaded again.
            OSError: the system refuses to write the file, which is named; an old one is left as it was.
        """
        data = self.to_bytes()
        path = Path(path)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            temporary.write_bytes(data)
            os.replace(temporary, path)
        except OSError as error:  # a full disk names no file, a refused one the temporary
            raise OSError(error.errno, error.strerror, str(path)) from error
        finally:
            temporary.unlink(missing_ok=True)

    def to_bytes(self) -> bytes:
        """Return the profile as canonical JSON in UTF-8, what ``save`` writes.

        Raises:
            ProfileError: the profile breaks the schema, so that it could not be loaded again.
        """
        from .parse import profile_from_dict  # parse makes CameraProfile and so imports this module

        profile_from_dict(self.to_dict())
        text = json.dumps(self.to_dict(), indent=1, ensure_ascii=False, allow_nan=False)
        return f"{text}\n".encode()

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON values of the profile, in the schema's order."""
        return header() | to_json(self)

    def _read_model(self, read: str | None) -> str:
        if read is None:
            return self.read
        if read not in READ_MODELS:
            raise ValueError(f"read must be one of {', '.join(READ_MODELS)}, got {read!r}")
        return read

    def _warn(self, isos: np.ndarray, read: str) -> None:
        if self.dark_only and "dark_only" not in self._said:
            self._said.add("dark_only")
            warnings.warn(
                f"{self.name}: K is unknown (profile made from darks alone): K is 1 and shot noise is off",
                stacklevel=3,
            )
        used = {"K", "sigma_row", "sigma_col", "bias", "black", "white", READ_FIGURE.get(read)}
        used |= {"tukey_lambda"} if read == "tukey_lambda" else set()
        for entry in self.doubtful:
            if entry.field in used and any(entry.concerns(iso) for iso in _ends(isos, entry)):
                warnings.warn(f"{self.name}: {entry.field} is doubtful here: {entry.reason}", stacklevel=3)

    def _params(
        self,
        found: Answer,
        isos: np.ndarray,
        ratios: np.ndarray,
        read: str,
        black: Levels | None,
        white: float | None,
        cfa: str | None,
    ) -> NoiseParams:
        cfa = self.cfa if cfa is None else cfa
        own = NoiseParams.from_dict(
            {
                "K": found.K,
                "ratio": ratios,
                "white": self.white,
                "black": to_phase(np.array(self.black, dtype=np.float64), self.cfa, cfa),
                "sigma_read": found.sigma_read,
                "tukey_lambda": found.tukey_lambda,
                "sigma_row": found.sigma_row,
                "sigma_col": found.sigma_col,
                "bias": to_phase(found.bias, self.cfa, cfa),
                "iso": isos,
                "read": read,
                "shot": not self.dark_only,
            }
        )
        if black is None and white is None:
            return own
        return own.to_range(own.black if black is None else black, own.white if white is None else white)


def _ends(isos: np.ndarray, entry: Doubtful) -> Iterable[float]:
    # Enough to tell whether any of the ISOs is concerned, without asking for each of many.
    if entry.iso is None:
        return isos[:1]
    inside = isos[(isos >= entry.iso[0]) & (isos <= entry.iso[1])]
    return inside[:1]


def _check_number(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{name} must be a number, got {value!r}")
    if not 0 < value < MAX_VALUE:
        raise ValueError(f"{name} must be above 0 and below {MAX_VALUE:g}, got {value!r}")
