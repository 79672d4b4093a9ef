# SPDX-License-Identifier: Apache-2.0
"""sigma_init as a camera's profile tells it."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import TypeVar, cast

from lrd_ext.profiles import CameraProfile, tukey_lambda_std

from .lite import LiteGenerator
from .unet import UNetGenerator

_Generator = TypeVar("_Generator", bound=LiteGenerator | UNetGenerator)


def sigma_of(profile: CameraProfile, iso: float) -> float:
    """Return sigma_init at an ISO: the profile's standard deviation of pixels, DN.

    Raises:
        ValueError: the ISO lies outside the profile, or it has no such figure there.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return float(profile.at(iso, read="gaussian").sigma_read)
        except ValueError:
            params = profile.at(iso, read="tukey_lambda")
            return float(params.sigma_read) * tukey_lambda_std(float(params.tukey_lambda))


def for_camera(generator: _Generator, profile: CameraProfile, isos: Iterable[float]) -> _Generator:
    """Return the generator with a camera's sigma_init at these ISOs; itself where it has a table of its own.

    One that was trained on several cameras has none: sigma_init is then what training took from the profile.

    Args:
        generator: a trained one.
        profile: the camera's.
        isos: where sigma_init is to be known, and between them.

    Raises:
        ValueError: see :func:`sigma_of`.
    """
    if generator.table.isos:
        return generator
    wanted = set(isos)
    between = {row.iso for row in profile.rows if min(wanted) < row.iso < max(wanted)}
    table = {iso: sigma_of(profile, iso) for iso in sorted(wanted | between)}
    return cast(_Generator, generator.with_table(table))
