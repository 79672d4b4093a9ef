# SPDX-License-Identifier: Apache-2.0
"""Which read-noise model to use, by one rule over three measures of how near it comes to the darks.

Tukey-lambda is advised where its darks are nearer to the real ones by the Kullback-Leibler divergence, by
more than WORTH, and by at least one of Kolmogorov-Smirnov distance and quantile plot; else the Gaussian,
which has no shape that could be wrong. Measures are means over the ISOs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from lrd_ext.estimators.tukey_lambda import Agreement

from .results import Calibration, ReadNoise

#: A shape is a parameter more: a gain of this much, in nats, is not worth it.
WORTH = 1e-4
#: Models whose KLD differ by less than this share describe the darks equally well ...
NEAR = 0.2
#: ... and above this, in nats, not well at all.
POOR = 0.01
_LABELS = {"gaussian": "Gaussian", "tukey_lambda": "Tukey-lambda"}
#: Name, unit and value of each measure; the smaller, the nearer.
_MEASURES: dict[str, tuple[str, Callable[[Agreement], float]]] = {
    "KLD": (" nats", lambda a: a.kld),
    "KS": ("", lambda a: a.ks),
    "1 - r² of QQ": ("", lambda a: 1 - a.r2),
}


@dataclasses.dataclass(frozen=True)
class Advice:
    """The model to use, and each measure of (Gaussian, Tukey-lambda)."""

    model: str
    measures: dict[str, tuple[float, float]]

    def sentences(self) -> Iterator[str]:
        """Say the model advised, then its figures beside the other's, then why."""
        mine = list(_LABELS).index(self.model)
        other = list(_LABELS.values())[1 - mine]
        own, others = [], []
        for name, pair in self.measures.items():
            a, b = _told_apart(pair[mine], pair[1 - mine])
            own.append(f"{name} {a}{_MEASURES[name][0]}")
            others.append(f"{b}{_MEASURES[name][0]}")
        figures = f"{', '.join(own)} against {', '.join(others)} with {_the(other)}"
        yield f"Use {_the(_LABELS[self.model])} for it: {figures}: {self._reason()}."
        kld = self.measures["KLD"]
        if min(kld) > POOR:
            yield "Neither model comes near the darks: see the QQ plot, and prefer real darks or a generator."
        elif abs(kld[0] - kld[1]) < NEAR * max(kld) or max(kld) < 1e-3:
            yield "There is little between the two models."

    def _reason(self) -> str:
        nearer = [name for name, (g, t) in self.measures.items() if (t < g) == (self.model == "tukey_lambda")]
        if self.model == "tukey_lambda" or "KLD" in nearer:
            return f"nearer to the darks by {_list(nearer)}"
        gaussian, tukey = self.measures["KLD"]
        if gaussian - tukey <= WORTH:
            return f"Tukey-lambda gains less than {WORTH:g} nats, too little for another parameter"
        return f"Tukey-lambda is nearer by KLD alone, not by {_list(nearer)}"


def advise(reads: Sequence[ReadNoise]) -> Advice:
    """Advise a model for the read noise of one or more ISOs, see the rule above."""
    measures = {
        name: (
            float(np.mean([value(r.models["gaussian"]) for r in reads])),
            float(np.mean([value(r.models["tukey_lambda"]) for r in reads])),
        )
        for name, (_, value) in _MEASURES.items()
    }
    (g, t), *rest = measures.values()
    tukey = g - t > WORTH and any(other < gaussian for gaussian, other in rest)
    return Advice("tukey_lambda" if tukey else "gaussian", measures)


def better_model(found: Calibration) -> str:
    """Return the name of the model to use; the Gaussian where nothing can be told."""
    reads = [r.read for r in found.measured if r.read is not None and not r.read.lost]
    return advise(reads).model if reads else "gaussian"


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


def _the(label: str) -> str:
    return "the Gaussian" if label == "Gaussian" else f"the {label} distribution"
