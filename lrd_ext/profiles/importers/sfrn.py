# SPDX-License-Identifier: Apache-2.0
"""Figures of SFRN (Zhang et al., "Rethinking Noise Synthesis and Modeling in Raw Denoising", ICCV 2021).

Published as lists over ISO in synthesize.py of github.com/zhangyi-3/Noise-Synthesis (MIT): ``cshot`` and
``cread`` of three phones of SIDD on values normalised to [0, 1], of two still cameras in DN.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from lrd_ext.profiles.camera_profile import CameraProfile, profile_from_dict
from lrd_ext.profiles.records import header


def import_sfrn(
    iso_set: Sequence[float],
    cshot: Sequence[float],
    cread: Sequence[float],
    *,
    normalised: bool,
    branches: Sequence[tuple[float, float]],
    black: float,
    white: float,
    commit: str,
    **about: Any,
) -> CameraProfile:
    """Make a profile of one SFRN camera: Gaussian read noise by ISO.

    Args:
        iso_set: ISOs, rising.
        cshot: normalised: S, the slope of variance over signal on [0, 1], so K = S*(white-black); else K in
            DN/e-.
        cread: normalised: O, the variance at signal 0, so sigma = sqrt(O)*(white-black); else a std in DN.
        normalised: which of the two the lists are.
        branches: (lowest, highest ISO) of each gain branch.
        black: black level of the raw files, DN; not published.
        white: white level of the raw files, DN; not published.
        commit: commit of the repository.
        about: name, make, model, bits, cfa, notes, doubtful of the profile.

    Raises:
        ProfileError: a figure breaks the schema.
    """
    range_dn = white - black
    gains = [s * range_dn for s in cshot] if normalised else list(cshot)
    sigmas = [math.sqrt(o) * range_dn for o in cread] if normalised else list(cread)
    rows: list[Mapping[str, float]] = [
        {"iso": iso, "K": K, "sigma_gaussian": sigma}
        for iso, K, sigma in zip(iso_set, gains, sigmas, strict=True)
    ]
    named = [{"name": f"from ISO {low:g}", "iso": [low, high]} for low, high in branches]
    source = {
        "title": "SFRN noise profiles",
        "url": "https://github.com/zhangyi-3/Noise-Synthesis",
        "commit": commit,
        "path": "synthesize.py",
        "paper": "Zhang, Qin, Wang, Li: Rethinking Noise Synthesis and Modeling in Raw Denoising, ICCV 2021",
        "licence": "MIT",
    }
    data = {"licence": "MIT", "sources": [source], "black": black, "white": white, "read": "gaussian"}
    return profile_from_dict(header() | data | {"rows": rows, "branches": named} | about)
