# SPDX-License-Identifier: Apache-2.0
"""Raw files in, DNG out, planes packed and unpacked, pictures for the eye."""

from __future__ import annotations

from lrd_ext.cfa import (
    BAYER,
    MONO,
    ORDERS,
    QUAD,
    SITES,
    XTRANS,
    pack,
    remosaic,
    shift_cfa,
    site_labels,
    unpack,
)

from .model import Raw, RawFileError
from .preview import before_after, encode_preview, render, suggest_exposure, write_preview
from .reader import read
from .writer import encode_dng, write_dng

__all__ = [
    "BAYER",
    "MONO",
    "ORDERS",
    "QUAD",
    "SITES",
    "XTRANS",
    "Raw",
    "RawFileError",
    "before_after",
    "encode_dng",
    "encode_preview",
    "pack",
    "read",
    "remosaic",
    "render",
    "shift_cfa",
    "site_labels",
    "suggest_exposure",
    "unpack",
    "write_dng",
    "write_preview",
]
