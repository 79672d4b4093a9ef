# SPDX-License-Identifier: Apache-2.0
"""Low-light raw noise: put the noise of a dark exposure on clean raw pictures, and measure it in cameras.

    import torch, lrd_ext

    profile = lrd_ext.load_profile("sony_a7s2")              # the noise of a camera
    params = profile.at(iso=6400, ratio=20)                  # at ISO 6400, with 1/20 of the light
    clean = torch.rand(8, 1, 512, 512)                       # linear raw mosaics in [0, 1]
    noisy = lrd_ext.fused_synth(clean, params, seed=7)       # float32 of the same shape, times the ratio

The same seed gives the same noise, bit for bit, on every processor; tensors on a GPU are worked on there.

What most programs need stands here: ``load_profile`` gives a ``CameraProfile``, whose ``at`` and ``sample``
give ``NoiseParams`` for ``fused_synth``. ``reference_synth`` is the same noise in plain torch, slow and easy
to read.

The rooms of the package are loaded when they are first named:

    lrd_ext.raw            raw files in, DNG out, packing into planes, pictures for the eye
    lrd_ext.profiles       camera profiles: the library, the schema, DNG noise profiles in and out
    lrd_ext.generator      learned generators of signal-independent noise
    lrd_ext.training       the loop that trains them, with whole checkpoints
    lrd_ext.calibration    from dark and flat frames to a camera profile
    lrd_ext.inspection     what is in a raw file, and the noise between two
    lrd_ext.metrics        how far made-up noise is from a camera's; PSNR and SSIM of packed raw
    lrd_ext.noise_sources  sources of signal-independent noise behind one interface
    lrd_ext.evaluation     such sources against a camera's darks; denoisers under the field's protocols
    lrd_ext.datasets       raw pictures prepared once, fresh crops of them; SID, ELD, LRD, LRID, AIM 2025
    lrd_ext.augment        noise on the fly for a training loop
    lrd_ext.bulk           pairs made ahead of training, in files other programs read
    lrd_ext.denoise        nets that take the noise off, their training, pictures of any size
    lrd_ext.report         plots

The program ``lrd`` does this with files: ``lrd --help``; ``lrd doctor`` tells what runs on this machine.

``import lrd_ext`` registers the op ``torch.ops.lrd_ext.fused_synth``; in the program alone, which tells its
help without loading torch, that waits until one of the names below is used.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

from .version import __version__

# The program is in `lrd_main`, outside this package.
if TYPE_CHECKING or "lrd_main" not in sys.modules:
    from .batches import collate
    from .params import NoiseParams
    from .profiles import CameraProfile, load_profile
    from .reference import STREAM_VERSION
    from .synth import fused_synth, reference_synth

if TYPE_CHECKING:
    from . import (  # noqa: F401
        augment,
        bulk,
        calibration,
        datasets,
        denoise,
        evaluation,
        generator,
        inspection,
        metrics,
        noise_sources,
        raw,
        report,
    )

__all__ = [
    "STREAM_VERSION",
    "CameraProfile",
    "NoiseParams",
    "__version__",
    "collate",
    "fused_synth",
    "load_profile",
    "reference_synth",
]

#: Rooms that are imported when they are first named, since they need packages that synthesis does without.
_ROOMS = (
    "augment",
    "bulk",
    "calibration",
    "datasets",
    "denoise",
    "evaluation",
    "generator",
    "inspection",
    "metrics",
    "noise_sources",
    "raw",
    "report",
    "training",
)


#: Where the names of the front door come from, for the program.
_FRONT_DOOR = {
    "STREAM_VERSION": "reference",
    "CameraProfile": "profiles",
    "NoiseParams": "params",
    "collate": "batches",
    "fused_synth": "synth",
    "load_profile": "profiles",
    "reference_synth": "synth",
}


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _FRONT_DOOR:
        return getattr(importlib.import_module(f"{__name__}.{_FRONT_DOOR[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_ROOMS})
