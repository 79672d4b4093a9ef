# SPDX-License-Identifier: Apache-2.0
"""Which read-noise model to use, by one rule over three measures of how near it comes to the darks.

The Gaussian, which has no shape that could be wrong, gives way to a model whose darks are nearer to the real
ones by the Kullback-Leibler divergence, by more than WORTH, and by at least one of Kolmogorov-Smirnov
distance and quantile plot. Among several such models the nearest by the divergence is advised. A table of
quantiles, which follows whatever the darks hold, takes the place of that one by the same rule, but has to be
nearer by what fitting every value gains by chance as well. Measures are means over the ISOs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from lrd_ext.estimators.tukey_lambda import Agreement
from lrd_ext.read_models import profile_models, read_model

from .results import Calibration, ReadNoise

#: The model that gives way to a better one.
SIMPLEST = "gaussian"
#: A shape is a parameter more, a table many: a gain of this much, in nats, is not worth it.
WORTH = 1e-4
#: Models whose KLD differ by less than this share describe the darks equally well ...
NEAR = 0.2
#: ... and above this, in nats, not well at all.
POOR = 0.01
#: Name, unit and value of each measure; the smaller, the nearer.
_MEASURES: dict[str, tuple[str, Callable[[Agreement], float]]] = {
    "KLD": (" nats", lambda a: a.kld),
    "KS": ("", lambda a: a.ks),
    "1 - r² of QQ": ("", lambda a: 1 - a.r2),
}


@dataclasses.dataclass(frozen=True)
class Advice:
    """The model to use, its nearest rival, and each measure of every model that was fitted."""

    model: str
    rival: str
    measures: dict[str, dict[str, float]]

    def sentences(self) -> Iterator[str]:
        """Say the model advised, then its figures beside the rival's, then why."""
        mine, its = self.measures[self.model], self.measures[self.rival]
        own, others = [], []
        for name, (unit, _) in _MEASURES.items():
            a, b = _told_apart(mine[name], its[name])
            own.append(f"{name} {a}{unit}")
            others.append(f"{b}{unit}")
        figures = f"{', '.join(own)} against {', '.join(others)} with {_the(self.rival)}"
        yield f"Use {_the(self.model)} for it: {figures}: {self._reason()}."
        if min(m["KLD"] for m in self.measures.values()) > POOR:
            yield "No model comes near the darks: see the QQ plot, and prefer real darks or a generator."
        elif abs(mine["KLD"] - its["KLD"]) < NEAR * max(mine["KLD"], its["KLD"]) or its["KLD"] < 1e-3:
            yield "There is little between the two models."

    def _reason(self) -> str:
        mine, its = self.measures[self.model], self.measures[self.rival]
        if self.model != SIMPLEST or mine["KLD"] < its["KLD"]:
            return f"nearer to the darks by {_list([name for name in mine if mine[name] < its[name]])}"
        label = read_model(self.rival).label
        if mine["KLD"] - its["KLD"] <= WORTH:
            return f"{label} gains less than {WORTH:g} nats, too little for another parameter"
        objecting = [name for name in mine if mine[name] <= its[name]]
        return f"{label} is nearer by KLD alone, not by {_list(objecting)}"


def advise(reads: Sequence[ReadNoise], *, tables: bool = True) -> Advice:
    """Advise a model for the read noise of one or more ISOs, see the rule above; without tables a curve."""
    fitted = [m.name for m in profile_models() if all(m.name in r.models for r in reads)]
    curves = [name for name in fitted if not read_model(name).tabled]
    measures = {
        model: {
            name: float(np.mean([value(r.models[model]) for r in reads]))
            for name, (_, value) in _MEASURES.items()
        }
        for model in fitted
    }
    by_kld = sorted(curves, key=lambda model: measures[model]["KLD"])
    better = [m for m in by_kld if m != SIMPLEST and _is_better(measures[m], measures[SIMPLEST], WORTH)]
    model = better[0] if better else SIMPLEST
    for table in (name for name in fitted if tables and name not in curves):
        chance = float(np.mean([r.models[table].chance for r in reads]))
        if _is_better(measures[table], measures[model], WORTH + chance):
            model = table
    return Advice(model, next(m for m in by_kld if m != model), measures)


def _is_better(one: dict[str, float], simpler: dict[str, float], worth: float) -> bool:
    first, *rest = _MEASURES
    return simpler[first] - one[first] > worth and any(one[name] < simpler[name] for name in rest)


def better_model(found: Calibration, *, tables: bool = True) -> str:
    """Return the name of the model to use; the Gaussian where nothing can be told.

    Args:
        found: the calibration.
        tables: whether it may be a table of quantiles.
    """
    advice = advice_of(found, tables=tables)
    return advice.model if advice else SIMPLEST


def advice_of(found: Calibration, *, tables: bool = True) -> Advice | None:
    """Return the advice for a camera, None where nothing can be told; a table only if every ISO has one."""
    reads = [r.read for r in found.measured if r.read is not None and not r.read.lost]
    tables = tables and all(r.read is not None and r.read.quantiles is not None for r in found.measured)
    return advise(reads, tables=tables) if reads else None


def _told_apart(a: float, b: float) -> tuple[str, str]:
    """Write two numbers with as few digits as tell them apart."""
    for digits in (2, 3, 4, 6):
        texts = f"{a:.{digits}g}", f"{b:.{digits}g}"
        if texts[0] != texts[1]:
            break
    return texts


def _list(names: Sequence[str]) -> str:
    short = [name.rpartition(" of ")[2] for name in names]
    return f"{', '.join(short[:-1])} and {short[-1]}" if len(short) > 1 else short[0]


def _the(name: str) -> str:
    if read_model(name).tabled:
        return "the measured quantiles"
    return "the Gaussian" if name == SIMPLEST else f"the {read_model(name).label} distribution"
