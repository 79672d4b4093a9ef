# SPDX-License-Identifier: Apache-2.0
"""How the field measures denoisers of raw: each protocol with every choice it makes, none of them silent."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import ConcatDataset, Dataset

from lrd_ext.datasets import ELD, LRD, LRID, SID, RawPairs
from lrd_ext.datasets.eld import ELD_PLACES
from lrd_ext.datasets.pairs import holds
from lrd_ext.datasets.sid import SID_PLACES

#: Cameras in ELD's tables.
_ELD_CAMERAS = ("CanonEOS70D", "CanonEOS700D", "NikonD850", "SonyA7S2")

Opened = Dataset[dict[str, Any]]


@dataclasses.dataclass(frozen=True)
class Protocol:
    """One way to measure a denoiser.

    Args:
        name: of the preset.
        data: what is evaluated, in words.
        source: where the protocol is from.
        levels: black and white level, in words.
        open: opens the data sets below a folder, packed in an order.
        order: channels of the packed planes that the authors' nets take.
        crop: cells a side of the middle that counts, cut out before the net; None takes whole frames.
        clip_black: whether the net's input is cut at the black level; at 1 it always is, after the ratio.
        illuminance: whether the prediction is scaled to the target's brightness.
        multiple: heights and widths are filled up to a multiple of this by mirrored cells, evenly on both
            sides, for the net, and cut again.
        tiles: (cells a side, cells on each side that do not count) of the tiles the net gets; None gives it
            the frame at once.
        means: starts of groups' names, of whose images all together a mean is given too.
    """

    name: str
    data: str
    source: str
    levels: str
    open: Callable[..., Sequence[RawPairs]] = dataclasses.field(repr=False)
    order: str
    crop: int | None = None
    clip_black: bool = True
    illuminance: bool = True
    multiple: int = 16
    tiles: tuple[int, int] | None = None
    means: tuple[str, ...] = ()

    def dataset(
        self,
        root: str | os.PathLike[str],
        order: str | None = None,
        *,
        group: str = "",
        dark: Callable[[float], np.ndarray] | None = None,
    ) -> Opened:
        """Open all pairs of the protocol below a folder.

        Args:
            root: the data set's folder, or the folder that holds it.
            order: channels that the denoiser takes; None takes those of the authors' nets.
            group: only groups whose names hold this, such as "SonyA7S2" or "x100".
            dark: dark shading to take off the input, see :class:`lrd_ext.datasets.RawPairs`.

        Raises:
            ValueError: files are missing, of which the first is named; or no group has such a name.
        """
        parts = list(self.open(root, order=order or self.order, dark=dark))
        names = list(dict.fromkeys(pair.group for part in parts for pair in part.pairs))
        for part in parts:
            part.pairs = [pair for pair in part.pairs if group in pair.group]
        parts = [part for part in parts if part.pairs]
        if not parts:
            raise ValueError(f"group must be part of one of {', '.join(names)}, got {group!r}")
        return parts[0] if len(parts) == 1 else ConcatDataset(parts)

    def choices(self, order: str | None = None, dark: str = "left in") -> dict[str, str]:
        """Return every choice in words, by its name.

        Args:
            order: channels that the denoiser takes.
            dark: what was done with dark shading.
        """
        region = "whole frames" if self.crop is None else f"the middle {self.crop} x {self.crop} cells"
        if self.tiles is not None:
            region += ", for the net in tiles of {} cells, {} on each side not counted".format(*self.tiles)
        below = "cut at the black level" if self.clip_black else "what lies below black is kept"
        channels = order or self.order
        authors = "" if channels == self.order else f" (the authors' nets take {self.order})"
        return {
            "data": self.data,
            "region": region,
            "levels": self.levels,
            "input": f"times the ratio, cut at 1, {below}",
            "dark shading": dark,
            "illuminance correction": "yes, one factor an image" if self.illuminance else "no",
            "channels": f"packed {channels}{authors}",
            "measures": "PSNR of all channels, SSIM 7 x 7 uniform, mean of channels; on [0, 255] unrounded",
            "averaging": "mean of the images' numbers in each group",
            "source": self.source,
        }


def _eld(root: str | os.PathLike[str], **options: Any) -> list[RawPairs]:
    """Open the cameras of ELD's tables that are there."""
    opened: list[RawPairs] = [
        ELD(root, camera, **options) for camera in _ELD_CAMERAS if holds(root, ELD_PLACES, camera)
    ]
    if not opened:
        raise ValueError(f"{root}: holds none of the folders {', '.join(_ELD_CAMERAS)} of ELD")
    return opened


def _sid(root: str | os.PathLike[str], **options: Any) -> list[RawPairs]:
    return [SID(root, "eld", **options)]


def _pmn(root: str | os.PathLike[str], **options: Any) -> list[RawPairs]:
    """Open SID and ELD, or the one of them that is there."""
    opened: list[RawPairs] = []
    if holds(root, SID_PLACES, "short"):
        opened.append(SID(root, "eval", **options))
    if holds(root, ELD_PLACES, "SonyA7S2"):
        opened.append(ELD(root, "SonyA7S2", **options))
    if not opened:
        raise ValueError(f"{root}: holds neither SID (a folder short) nor ELD (a folder SonyA7S2)")
    return opened


def _lrd(root: str | os.PathLike[str], **options: Any) -> list[RawPairs]:
    return [LRD(root, "test", **options)]


def _lrid(root: str | os.PathLike[str], **options: Any) -> list[RawPairs]:
    return [LRID(root, subset, **options) for subset in ("indoor_x5", "outdoor_x3")]


_A7S2_LEVELS = "black of each file, white 16383"

#: The protocols of the field by name.
PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            name="eld_paper",
            data="ELD, four cameras, 10 scenes, x100 and x200: 30 images each",
            source="Wei et al., CVPR 2020 (ELD), test_ELD.py",
            levels=_A7S2_LEVELS,
            open=_eld,
            order="rgbg",
        ),
        Protocol(
            name="sid_paper",
            data="SID Sony, 15 indoor scenes, x100, x250 and x300: 15 images each",
            source="Wei et al., CVPR 2020 (ELD), test_SID.py",
            levels=_A7S2_LEVELS,
            open=_sid,
            order="rgbg",
            crop=512,
        ),
        Protocol(
            name="pmn_full",
            data="SID Sony, first short frames of test and validation: 40 of x100, 40 of x250, 49 of x300; "
            "ELD SonyA7S2, x100 and x200: 30 each",
            source="Feng et al., MM 2022 and TPAMI 2024 (PMN), trainer_SID.py; also PNNP, NMOH, 2-Shots",
            levels=_A7S2_LEVELS,
            open=_pmn,
            order="rgbg",
            clip_black=False,
        ),
        Protocol(
            name="lrd",
            data="LRD, 60 test scenes, -1, -2 and -3 EV: 60 images each",
            source="Zhang et al., ICCV 2023 (LRD), test_denoise_LRD.py",
            levels="black of each file, white 65535",
            open=_lrd,
            order="rggb",
            illuminance=False,
            tiles=(256, 32),
        ),
        Protocol(
            name="lrid",
            data="LRID, 9 scenes of indoor_x5 at digital gains 1 to 16, 6 of outdoor_x3 at 1 to 4",
            source="Feng et al., TPAMI 2024 (PMN), trainer_LRID.py; PNNP and NMOH correct the illuminance",
            levels="black 64, white 1023",
            open=_lrid,
            order="rgbg",
            clip_black=False,
            illuminance=False,
            means=("LRID indoor_x5", "LRID outdoor_x3", "LRID"),
        ),
    )
}


def protocol_named(name: str) -> Protocol:
    """Return a preset.

    Raises:
        ValueError: there is none of that name.
    """
    if name not in PROTOCOLS:
        raise ValueError(f"protocol must be one of {', '.join(PROTOCOLS)}, got {name!r}")
    return PROTOCOLS[name]


def middle(planes: torch.Tensor, size: int | None) -> torch.Tensor:
    """Cut the middle ``size`` x ``size`` out of (..., h, w), as ELD's crop_center does."""
    if size is None:
        return planes
    top, left = (side // 2 - size // 2 for side in planes.shape[-2:])
    return planes[..., max(top, 0) : top + size, max(left, 0) : left + size]
