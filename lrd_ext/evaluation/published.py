# SPDX-License-Identifier: Apache-2.0
"""What others report under each protocol, and what loaders give before any net, each with its source."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

#: PSNR [dB] and SSIM, None where it is not told.
Figures = tuple[float, float | None]


@dataclasses.dataclass(frozen=True)
class Published:
    """One method's figures by group."""

    protocol: str
    method: str
    source: str
    figures: Mapping[str, Figures]


_NMOH = "NMOH, CVPR 2025, table 1"
_NMOH_LRID = "NMOH, CVPR 2025, averages on LRID"
_TWO_SHOTS = "a third party's note of the CVPR 2026 paper (2-Shots)"
_PMN_LOG = "PMN's released log"
_PNNP_LOG = "PNNP's released log"
_PMN_INPUT = "PMN's log of a run without dark shading"
_LISTING = "a listing of the CVPR 2020 paper's results, verified by nobody"

_SID = ("SID x100", "SID x250", "SID x300")
_A7S2 = ("ELD SonyA7S2 x100", "ELD SonyA7S2 x200")
_INDOOR = tuple(f"LRID indoor_x5 x{gain}" for gain in (1, 2, 4, 8, 16))
_OUTDOOR = tuple(f"LRID outdoor_x3 x{gain}" for gain in (1, 2, 4))
_LRID_MEANS = ("LRID indoor_x5", "LRID outdoor_x3", "LRID")


def _table(protocol: str, source: str, groups: Sequence[str], text: str) -> list[Published]:
    """Read a table: a row for each method, its name and for each group PSNR, or PSNR/SSIM."""
    rows = [line.split() for line in text.strip().splitlines()]
    return [
        Published(protocol, method, source, dict(zip(groups, map(_figures, figures), strict=True)))
        for method, *figures in rows
    ]


def _figures(text: str) -> Figures:
    first, _, second = text.partition("/")
    return float(first), float(second) if second else None


PUBLISHED: tuple[Published, ...] = (
    *_table(
        "pmn_full",
        _NMOH,
        (*_SID, *_A7S2),
        """
        Paired    42.06/.9548 39.60/.9380 36.85/.9227 44.47/.9676 41.97/.9282
        P-G       39.44/.8995 34.32/.7681 30.66/.6569 42.05/.8721 38.18/.7827
        ELD       41.95/.9530 39.44/.9307 36.36/.9114 45.45/.9754 43.43/.9544
        NoiseFlow 41.08/.9394 37.45/.8864 33.53/.8132 43.21/.9210 40.60/.8638
        Starlight 40.47/.9261 36.26/.8575 33.00/.7802 43.80/.9358 40.86/.8837
        SFRN      42.61/.9580 40.73/.9454 37.64/.9309 46.45/.9843 44.58/.9738
        LED       41.98/.9539 39.34/.9317 36.67/.9147 45.36/.9779 42.97/.9577
        LLD       43.36/.9610 41.02/.9480 37.80/.9350 46.74/.9860 44.95/.9770
        PMN       43.47/.9606 41.04/.9471 37.87/.9344 46.99/.9840 44.85/.9686
        PNNP      43.63/.9614 41.49/.9498 38.01/.9353 47.31/.9877 45.47/.9791
        NMOH      43.69/.9618 41.43/.9486 38.06/.9356 47.34/.9874 45.51/.9794
        """,
    ),
    *_table(
        "pmn_full",
        _TWO_SHOTS,
        (*_SID, _A7S2[0]),
        """
        Paired    42.95 40.27 37.32 45.52
        ELD       41.95 39.44 36.36 45.45
        SFRN      42.81 40.18 37.09 46.38
        PMN       43.47 41.04 37.87 46.99
        NoiseDiff 43.92 41.28 37.90 46.95/.978
        2-Shots   43.57 41.24 37.77 47.13/.986
        """,
    ),
    *_table("eld_paper", _LISTING, _A7S2, "ELD 45.45/.975 43.43/.954"),
    *_table(
        "lrid",
        _PMN_LOG,
        (*_INDOOR, *_OUTDOOR),
        "PMN  49.24/.9916 47.47/.9868 45.36/.9804 43.09/.9671 40.20/.9453 "
        "46.27/.9884 44.86/.9834 42.99/.9703",
    ),
    *_table(
        "lrid",
        _PNNP_LOG,
        (*_INDOOR, *_OUTDOOR),
        "PNNP 48.50/.9908 46.94/.9863 45.06/.9797 42.64/.9662 40.30/.9460 "
        "45.62/.9873 44.27/.9821 42.63/.9724",
    ),
    *_table(
        "lrid",
        _NMOH_LRID,
        _LRID_MEANS,
        """
        ELD  43.64 43.26 43.53
        SFRN 44.35 43.54 44.12
        PNNP 44.69 44.17 44.54
        PMN  45.07 44.71 44.97
        NMOH 45.28 44.57 45.08
        """,
    ),
)

#: Input against ground truth before any net, without dark shading: what a loader must give.
PUBLISHED_INPUT: tuple[Published, ...] = (
    *_table("pmn_full", _PMN_INPUT, _SID, "input 29.21/.5213 23.77/.3286 22.26/.2691"),
    *_table("pmn_full", _PMN_INPUT, _A7S2, "input 30.98/.4878 25.95/.2195"),
    *_table("eld_paper", _PMN_INPUT, _A7S2, "input 30.98/.4878 25.95/.2195"),
    *_table("lrid", _PNNP_LOG, _INDOOR, "input 32.83/.6720 29.10/.4597 25.04/.2348 20.46/.0852 15.33/.0233"),
    *_table("lrid", _PNNP_LOG, _OUTDOOR, "input 33.29/.7274 29.54/.5119 25.31/.2569"),
)


def published_of(protocol: str) -> list[Published]:
    """Return what others report under a protocol."""
    return [entry for entry in PUBLISHED if entry.protocol == protocol]


def published_input(protocol: str, group: str) -> Figures | None:
    """Return what a loader gives for a group under a protocol, None where nobody tells."""
    known = (e.figures for e in PUBLISHED_INPUT if e.protocol == protocol)
    return next((figures[group] for figures in known if group in figures), None)
