# SPDX-License-Identifier: Apache-2.0
"""Cameras published as formulas over ISO: HDRutils, PMRID and Handheld Multi-Frame Super-Resolution.

A read noise that is no power of K is written as rows at third stops: log-log between them it is within 0.3 %
of the formula. K is a straight line over ISO in all three and is written as a gain law.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from lrd_ext.profiles.camera_profile import CameraProfile, profile_from_dict
from lrd_ext.profiles.records import header

#: ISOs in third stops, as cameras name them.
_TO_1600 = (100, 125, 160, 200, 250, 320, 400, 500, 640, 800, 1000, 1250, 1600)
THIRD_STOPS = (*_TO_1600, 2000, 2500, 3200, 4000, 5000, 6400)


def import_hdrutils(
    k: Sequence[float], std_read: float, std_adc: float, *, top_iso: float, commit: str, **about: Any
) -> CameraProfile:
    """Make a profile of a camera of HDRutils.

    There var = DN*g*k + ((std_read*g)^2 + std_adc^2)*k^2 with g = ISO/100. So K = g*k and sigma =
    k*sqrt((std_read*g)^2 + std_adc^2). The three k (R, G, B) estimate one gain; their mean over R, G,
    G, B is taken.

    Args:
        k: gain at ISO 100 of R, G and B, DN/e-.
        std_read: noise before the amplifier, e-.
        std_adc: noise after it, e- at ISO 100.
        top_iso: highest ISO of the profile; not published.
        commit: commit of the repository.
        about: name, make, model, bits, black, white, cfa, notes of the profile.

    Raises:
        ProfileError: a figure breaks the schema.

    Source: Hanji, Zhong, Mantiuk, "Noise-Aware Merging of High Dynamic Range Image Stacks Without Camera
    Calibration", ECCV 2020 workshops, section 3.
    """
    red, green, blue = k
    gain = (red + 2 * green + blue) / 4
    source = {
        "title": "HDRutils camera noise parameters",
        "url": "https://github.com/gfxdisp/HDRutils",
        "commit": commit,
        "path": "HDRutils/noise_modeling/simulate.py",
        "paper": "Hanji, Zhong, Mantiuk: Noise-Aware Merging of High Dynamic Range Image Stacks Without "
        "Camera Calibration, ECCV 2020 workshops",
        "licence": "MIT, Copyright (c) 2021 Param Hanji",
    }

    def sigma(iso: float) -> float:
        return gain * math.hypot(std_read * iso / 100, std_adc)

    return _profile({"per_iso": gain / 100}, sigma, (100, top_iso), source, "MIT", **about)


def import_pmrid(
    k_coeff: Sequence[float], b_coeff: Sequence[float], *, top_iso: float, commit: str, **about: Any
) -> CameraProfile:
    """Make a profile of PMRID's phone: K and the read variance are polynomials of ISO.

    Args:
        k_coeff: (a, b), K = a*ISO + b, DN/e-.
        b_coeff: (a, b, c), variance = a*ISO^2 + b*ISO + c, DN^2.
        top_iso: highest ISO of the profile; not published.
        commit: commit of the repository.
        about: as for :func:`import_hdrutils`.

    Raises:
        ProfileError: a figure breaks the schema.

    Source: Wang et al., "Practical Deep Raw Image Denoising on Mobile Devices", ECCV 2020, section 3.
    """
    square, linear, constant = b_coeff
    source = {
        "title": "PMRID k-sigma transform",
        "url": "https://github.com/MegEngine/PMRID",
        "commit": commit,
        "path": "run_benchmark.py",
        "paper": "Wang et al.: Practical Deep Raw Image Denoising on Mobile Devices, ECCV 2020",
        "licence": "Apache-2.0",
    }

    def sigma(iso: float) -> float:
        return math.sqrt(square * iso**2 + linear * iso + constant)

    gain = {"per_iso": k_coeff[0], "offset": k_coeff[1]}
    return _profile(gain, sigma, (100, top_iso), source, "Apache-2.0", **about)


def import_handheld(
    alpha: float, beta: float, *, black: float, white: float, top_iso: float, commit: str, **about: Any
) -> CameraProfile:
    """Make a profile of a phone published as var = g*alpha*x + g^2*beta on [0, 1].

    So K = g*alpha*(white-black) and sigma = g*sqrt(beta)*(white-black), g = ISO/100: a law of slope 1 over K.

    Args:
        alpha: slope of variance over signal at ISO 100.
        beta: variance at signal 0, ISO 100.
        black: black level of the raw files, DN; not published.
        white: white level of the raw files, DN; not published.
        top_iso: highest ISO of the profile.
        commit: commit of the repository.
        about: as for :func:`import_hdrutils`.

    Raises:
        ProfileError: a figure breaks the schema.
    """
    source = {
        "title": "Handheld Multi-Frame Super-Resolution, noise profile of the Pixel 4",
        "url": "https://github.com/Jamy-L/Handheld-Multi-Frame-Super-Resolution",
        "commit": commit,
        "path": "README.md, fast_monte_carlo.py",
        "paper": "Lafenetre, Facciolo, Eboli: Implementing Handheld Burst Super-Resolution, IPOL 2023",
        "licence": "MIT",
    }
    law = {"slope": 1.0, "intercept": math.log(math.sqrt(beta) / alpha)}
    branch = {
        "name": "all",
        "iso": [100, top_iso],
        "K": {"per_iso": alpha * (white - black) / 100},
        "laws": {"sigma_gaussian": law},
    }
    data = {"licence": "MIT", "sources": [source], "read": "gaussian", "black": black, "white": white}
    return profile_from_dict(header() | data | {"branches": [branch]} | about)


def _profile(
    gain: dict[str, float],
    sigma: Callable[[float], float],
    isos: tuple[float, float],
    source: dict[str, str],
    licence: str,
    **about: Any,
) -> CameraProfile:
    rows = [{"iso": iso, "sigma_gaussian": sigma(iso)} for iso in THIRD_STOPS if isos[0] <= iso <= isos[1]]
    branch = {"name": "all", "iso": list(isos), "K": gain}
    data = {"licence": licence, "sources": [source], "read": "gaussian", "rows": rows, "branches": [branch]}
    return profile_from_dict(header() | data | about)
