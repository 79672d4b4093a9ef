# SPDX-License-Identifier: Apache-2.0
"""The parts of a camera profile: plain frozen records, one per kind of JSON object in the schema."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from lrd_ext.read_models import profile_models

SCHEMA = "lrd_ext.camera_profile"
VERSION = 1

#: The unit of every kind of figure. A profile that states another is refused, never converted; it may leave
#: out the units of figures it does not hold.
UNITS = {
    "iso": "ISO speed",
    "K": "DN/e-",
    "sigma": "DN",
    "tukey_lambda": "none",
    "bias": "DN",
    "level": "DN",
    "exposure": "s",
    "law": "ln(sigma) = slope*ln(K) + intercept + N(0, spread)",
    "read_quantiles": "sigma_empirical",
    "sigma_prnu": "share of the signal",
    "dark_current": "e-/s",
    "temperature": "degrees C",
    "period": "mosaic lines",
}

#: A scatter over frames of more than this share of a figure is the estimate's own error.
MOST_SPREAD = 0.5

#: Units that are written whether they are used or not; those of later figures are only where they are used.
_ALWAYS_WRITTEN = ("iso", "K", "sigma", "tukey_lambda", "bias", "level", "exposure", "law")


def sigmas() -> tuple[str, ...]:
    """Name the figures a law can give: the scale of every read-noise model, row and column noise."""
    return (*(model.figure for model in profile_models() if model.figure), "sigma_row", "sigma_col")


def row_figures() -> tuple[str, ...]:
    """Name the figures a row can hold."""
    return ("K", *sigmas(), "tukey_lambda")


def doubtful_fields() -> tuple[str, ...]:
    """Name the fields an entry of ``doubtful`` can concern."""
    return (*row_figures(), "read_quantiles", "bias", "black", "white")


def is_spread(value: float, spread: float, low: float) -> bool:
    """Tell whether a scatter over frames may be drawn as a spread of ln(figure): it is clearly above 0.

    Args:
        value: the figure.
        spread: its standard deviation over frames, in the same unit.
        low: lower end of its 95 % interval.
    """
    return low > 0 and spread <= MOST_SPREAD * value


def header(used: Iterable[str] = ()) -> dict[str, Any]:
    """Return the fields every profile begins with, with the units named in ``used`` among the others."""
    units = {name: unit for name, unit in UNITS.items() if name in _ALWAYS_WRITTEN or name in used}
    return {"schema": SCHEMA, "version": VERSION, "units": units}


class ProfileError(ValueError):
    """A camera profile cannot be read: the message names the file and the field."""


@dataclasses.dataclass(frozen=True)
class Source:
    """Where figures come from; ``path`` is the file in the repository, ``section`` the place in the paper."""

    title: str
    url: str | None = None
    commit: str | None = None
    path: str | None = None
    paper: str | None = None
    section: str | None = None
    licence: str | None = None


@dataclasses.dataclass(frozen=True)
class Doubtful:
    """A figure not to be trusted: the field, the ISO range it concerns (None = every ISO) and the reason."""

    field: str
    reason: str
    iso: tuple[float, float] | None = None

    def concerns(self, iso: float) -> bool:
        """Whether the entry speaks of this ISO."""
        return self.iso is None or self.iso[0] <= iso <= self.iso[1]


@dataclasses.dataclass(frozen=True)
class Row:
    """Figures calibrated at one ISO: K in DN/e-, sigmas in DN.

    ``figures`` holds those of :func:`row_figures` that were measured; each is an attribute as well,
    ``row.K``, None where it was not. ``spread`` is the standard deviation over frames, in the same unit,
    ``interval95`` its 95 % interval, ``goodness`` free-named numbers such as "r2_tukey_lambda".
    """

    iso: float
    figures: Mapping[str, float] = dataclasses.field(default_factory=dict)
    spread: Mapping[str, float] | None = None
    interval95: Mapping[str, tuple[float, float]] | None = None
    goodness: Mapping[str, float] | None = None

    def __getattr__(self, name: str) -> float | None:
        if name not in row_figures():
            raise AttributeError(f"a row has no figure {name!r}; it has {', '.join(row_figures())}")
        return self.figures.get(name)


@dataclasses.dataclass(frozen=True)
class Law:
    """ln(sigma) = slope*ln(K) + intercept + N(0, spread), natural logarithms, sigma in DN, K in DN/e-."""

    slope: float
    intercept: float
    spread: float = 0.0


@dataclasses.dataclass(frozen=True)
class GainLaw:
    """K = (per_iso*ISO + offset) * U(1 - jitter, 1 + jitter); only sampling draws the jitter."""

    per_iso: float
    offset: float = 0.0
    jitter: float = 0.0


@dataclasses.dataclass(frozen=True)
class Branch:
    """One gain branch: from its first ISO up to, not including, the first ISO of the next branch.

    ``laws`` maps a sigma's name to its law; ``tukey_lambda`` lists the shapes sampling draws from.
    """

    name: str
    iso: tuple[float, float]
    K: GainLaw | None = None
    laws: Mapping[str, Law] = dataclasses.field(default_factory=dict)
    tukey_lambda: tuple[float, ...] = ()


@dataclasses.dataclass(frozen=True)
class BiasRow:
    """Black-level error at one ISO, DN, by CFA site of the profile's phase."""

    iso: float
    dn: tuple[float, float, float, float]


@dataclasses.dataclass(frozen=True)
class QuantileRow:
    """Quantiles of the read noise at one ISO, in units of sigma_empirical: mean 0, standard deviation 1.

    (KNOTS,), not falling, at the probabilities ``lrd_ext.reference.quantile_table.knot_probabilities()``.
    """

    iso: float
    quantiles: tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class ExposureBias:
    """Black-level error at one ISO and exposure time, DN, by CFA site of the profile's phase."""

    iso: float
    exposure_s: float
    dn: tuple[float, float, float, float]


def to_json(value: Any) -> Any:
    """Turn records into JSON values: empty fields are left out, four equal sites become one number."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields: dict[str, Any] = {}
        for name in (f.name for f in dataclasses.fields(value) if f.name[0] != "_"):
            item = getattr(value, name)
            fields |= {n: item[n] for n in row_figures() if n in item} if name == "figures" else {name: item}
        return {
            name: _sites(item) if name in ("dn", "black") else to_json(item)
            for name, item in fields.items()
            if item is not None and item != () and item != {}
        }
    if isinstance(value, Mapping):
        return {key: to_json(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [to_json(item) for item in value]
    return value


def _sites(values: tuple[float, ...]) -> Any:
    return values[0] if len(set(values)) == 1 else list(values)
