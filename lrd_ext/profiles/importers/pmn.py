# SPDX-License-Identifier: Apache-2.0
"""Figures of PMN (Feng et al., ACM MM 2022, TPAMI 2023).

Published as tables in data_process/process.py and resources/ of github.com/megvii-research/PMN (Apache-2.0).
Its laws are over natural logarithms like ours, and so are Kmin and Kmax of its laws, unlike ELD's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from lrd_ext.profiles.camera_profile import CameraProfile, profile_from_dict
from lrd_ext.profiles.records import header

_SIGMAS = {"sigGs": "sigma_gaussian", "sigTL": "sigma_tukey_lambda", "sigR": "sigma_row"}


def import_pmn_table(
    rows: Mapping[int, Mapping[str, float]],
    laws: Sequence[tuple[str, tuple[float, float], Mapping[str, float]]],
    black_level_error: Mapping[int, float],
    *,
    per_iso: float,
    jitter: float,
    **about: Any,
) -> CameraProfile:
    """Make a profile of a camera PMN calibrated ISO by ISO (get_camera_noisy_params_max).

    Args:
        rows: figures by ISO: Kmax (K in DN/e-), lam, sigGs, sigTL, sigR and spreads over frames (..sig).
        laws: gain branches as (name, (lowest, highest ISO), figures as in :func:`import_pmn_law`).
        black_level_error: DN by ISO, the same at every site; becomes the bias table.
        per_iso: K = per_iso*ISO where no row stands, DN/e-.
        jitter: uniform jitter of K in sampling, relative.
        about: name, make, model, bits, black, white, commit, paths, notes, doubtful of the profile.

    Raises:
        ProfileError: a figure breaks the schema.
    """
    branches = [
        {"name": name, "iso": list(iso), "K": {"per_iso": per_iso, "jitter": jitter}, "laws": _laws(law)}
        for name, iso, law in laws
    ]
    bias = [{"iso": iso, "dn": black_level_error[iso]} for iso in sorted(black_level_error)]
    return _profile(branches, [_row(iso, rows[iso]) for iso in sorted(rows)], bias, **about)


def import_pmn_law(
    law: Mapping[str, float],
    *,
    iso: tuple[float, float],
    per_iso: float,
    rows: Sequence[Mapping[str, Any]] = (),
    bias: Sequence[Mapping[str, Any]] = (),
    branch: str = "all",
    below: Sequence[Mapping[str, Any]] = (),
    **about: Any,
) -> CameraProfile:
    """Make a profile of a camera PMN published as one joint law (get_camera_noisy_params).

    Args:
        law: Kmin, Kmax (natural logarithms), lam, and slope, intercept and spread ..k, ..b, ..sig of sigGs,
            sigTL, sigR; wp and bl are the levels.
        iso: ISO range that Kmin to Kmax stands for.
        per_iso: K/ISO in DN/e-; not part of the law.
        rows: rows of our schema measured besides the law.
        bias: bias rows of our schema.
        branch: name of the gain branch the law is for.
        below: gain branches of our schema below it, known by ``rows`` alone.
        about: as for :func:`import_pmn_table`.

    Raises:
        ProfileError: a figure breaks the schema.
    """
    own = {
        "name": branch,
        "iso": list(iso),
        "K": {"per_iso": per_iso},
        "laws": _laws(law),
        "tukey_lambda": [law["lam"]],
    }
    return _profile([*below, own], rows, bias, **{"black": law["bl"], "white": law["wp"], **about})


def gain_range(law: Mapping[str, float]) -> tuple[float, float]:
    """Return the range of K a law was published for, DN/e-."""
    return math.exp(law["Kmin"]), math.exp(law["Kmax"])


def _row(iso: float, figures: Mapping[str, float]) -> dict[str, Any]:
    row: dict[str, Any] = {"iso": iso, "K": figures["Kmax"]}
    row |= {ours: figures[theirs] for theirs, ours in _SIGMAS.items()}
    spread = {ours: figures[f"{theirs}sig"] for theirs, ours in _SIGMAS.items()}
    return row | {"tukey_lambda": figures["lam"], "spread": spread}


def _laws(law: Mapping[str, float]) -> dict[str, dict[str, float]]:
    return {
        ours: {"slope": law[f"{theirs}k"], "intercept": law[f"{theirs}b"], "spread": law[f"{theirs}sig"]}
        for theirs, ours in _SIGMAS.items()
    }


def _profile(
    branches: Sequence[Mapping[str, Any]],
    rows: Sequence[Mapping[str, Any]],
    bias: Sequence[Mapping[str, Any]],
    *,
    commit: str,
    paths: Sequence[str],
    read: str = "tukey_lambda",
    cfa: str = "RGGB",
    notes: Sequence[str] = (),
    doubtful: Sequence[Mapping[str, Any]] = (),
    **about: Any,
) -> CameraProfile:
    source = {
        "title": "PMN noise parameters",
        "url": "https://github.com/megvii-research/PMN",
        "commit": commit,
        "path": ", ".join(paths),
        "paper": "Feng et al.: Learnability Enhancement for Low-light Raw Denoising: Where Paired Real Data "
        "Meets Noise Modeling, ACM MM 2022; extended in TPAMI 2023",
        "licence": "Apache-2.0",
    }
    data = {
        **header(), "licence": "Apache-2.0", "sources": [source],
        "cfa": cfa, "read": read, "notes": list(notes), "doubtful": list(doubtful), "rows": list(rows),
        "branches": list(branches), "bias": list(bias), **about,
    }  # fmt: skip
    return profile_from_dict(data)
