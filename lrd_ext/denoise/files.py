# SPDX-License-Identifier: Apache-2.0
"""Noisy raw files in, denoised raw files out: what `lrd denoise` does."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lrd_ext import raw as raw_files
from lrd_ext.cfa import SITES, pack, to_phase, unpack
from lrd_ext.jobs import Done, Job, write_results
from lrd_ext.params import NoiseParams
from lrd_ext.profiles import CameraProfile
from lrd_ext.raw import Raw
from lrd_ext.version import __version__

from .denoiser import Denoiser
from .frames import TILE, denoise_packed
from .noise_level import noise_level, noise_level_of_profile
from .phases import filled_to_phase, shift_between


@dataclasses.dataclass(frozen=True)
class Settings:
    """What all inputs of one call share.

    Args:
        net: the denoiser.
        name: what summaries call it.
        ratio: what brings the pictures to the light of a well-exposed one; None takes 2^BaselineExposure of
            each file, at least 1.
        black: black level by site of the mosaic, or one for all, in place of the file's, DN.
        profile: of the camera, whose black-level error is taken off, and which tells a conditioned net the
            noise.
        iso: for ``profile``; None takes each file's.
        tile: cells a side that are worked on at once; None takes a picture as a whole.
        fine: write values, black and white multiplied by the largest whole number that 16 bits allow.
    """

    net: Denoiser
    name: str
    ratio: float | None = None
    black: tuple[float, ...] | None = None
    profile: CameraProfile | None = None
    iso: float | None = None
    tile: int | None = TILE
    fine: bool = False

    def __post_init__(self) -> None:
        if self.ratio is not None and not (math.isfinite(self.ratio) and self.ratio > 0):
            raise ValueError(f"--ratio must be above 0, got {self.ratio:g}")
        if self.tile is not None and self.tile < 1:
            raise ValueError(f"--tile must be at least 1 cell, got {self.tile}")
        if self.iso is not None and self.profile is None:
            raise ValueError("--iso belongs to --camera, whose figures it chooses")


def denoise_raw(noisy: Raw, settings: Settings) -> Raw:
    """Denoise the unmasked pixels of a raw picture.

    The net sees (value - black) / (white - black) * ratio in the phase it was trained on: the picture is
    filled up by a mirrored row or column where it begins at another. What lies above 1 then, lights that the
    ratio would blow out, is passed on as it is. The rest comes back on the file's levels, rounded to whole
    DN.

    Returns: the picture without noise; levels, phase, masked border and tags are those of ``noisy``, but
        for its NoiseProfile, which is no longer true.

    Raises:
        ValueError: the picture is monochrome and the net is not, or the other way round; or the net needs
            the noise level and nothing tells it.
    """
    shift_between(noisy.active_cfa, settings.net.cfa)
    ratio = ratio_of(noisy, settings)
    own = noisy.black if settings.black is None else np.resize(np.array(settings.black, np.float32), 4)
    params = _params(noisy, own, ratio, settings)
    dark = own if params is None else own + to_phase(params.bias[0].numpy(), settings.net.cfa, noisy.cfa)
    black, span = _by_pixel(noisy, dark), _by_pixel(noisy, np.float32(noisy.white) - dark)
    signal = (noisy.active - black) / span * np.float32(ratio)
    filled, place = filled_to_phase(signal, noisy.active_cfa, settings.net.cfa)
    packed = torch.from_numpy(pack(filled))
    del filled
    made = _denoised(packed, noisy, params, ratio, settings)
    del packed
    signal = np.asarray(unpack(made.numpy()))[place] * (span / np.float32(ratio))
    return _written(noisy, signal, _by_pixel(noisy, own), own, settings)


def ratio_of(noisy: Raw, settings: Settings) -> float:
    """Return what the picture is multiplied by."""
    return max(2.0**noisy.baseline_exposure, 1.0) if settings.ratio is None else settings.ratio


def _denoised(
    packed: Tensor, noisy: Raw, params: NoiseParams | None, ratio: float, settings: Settings
) -> Tensor:
    net, level = settings.net, None
    if net.conditioned:
        if params is not None:
            level = noise_level(packed[None], params)[0]
        elif noisy.noise_profile is not None:
            level = noise_level_of_profile(packed, noisy.noise_profile, ratio, net.cfa)
        else:
            raise ValueError(
                f"{settings.name} needs to know the noise, and the file has no NoiseProfile: say --camera "
                "(and --iso)"
            )
    above = (packed - 1).clamp_(min=0)
    made = denoise_packed(net, packed.clamp_(max=1), level, tile=settings.tile)
    return made + above


def _params(noisy: Raw, black: np.ndarray, ratio: float, settings: Settings) -> NoiseParams | None:
    """Return the camera's noise in the file's DN and the net's phase, None where no camera is told."""
    if settings.profile is None:
        return None
    iso = noisy.iso if settings.iso is None else settings.iso
    if iso is None:
        raise ValueError("--camera needs the ISO, which the file does not tell: say --iso")
    levels = to_phase(black, noisy.cfa, settings.net.cfa).tolist()
    told = {"exposure_s": noisy.exposure_s, "black": levels, "white": noisy.white, "cfa": settings.net.cfa}
    return settings.profile.at(iso, ratio, **told)


def _by_pixel(raw: Raw, values: np.ndarray) -> np.ndarray:
    """Lay values of the mosaic's sites out over the active area, (H, W) float32."""
    top, left, bottom, right = raw.active_area
    out = np.empty((bottom - top, right - left), np.float32)
    for value, (row, column) in zip(values, SITES, strict=True):
        out[(row - top) % 2 :: 2, (column - left) % 2 :: 2] = value
    return out


def _written(noisy: Raw, signal: np.ndarray, black: np.ndarray, own: np.ndarray, s: Settings) -> Raw:
    """Put DN above black into the mosaic on its levels, or on ``fine`` ones."""
    factor = fine_factor(noisy) if s.fine else 1
    top, left, bottom, right = noisy.active_area
    mosaic = noisy.mosaic.copy() if factor == 1 else (noisy.mosaic.astype(np.uint32) * factor)
    values = np.rint((signal + black) * np.float32(factor)).clip(0, noisy.white * factor)
    mosaic[top:bottom, left:right] = values
    return noisy.replace(
        mosaic=mosaic.clip(0, 65535).astype(np.uint16),
        black=own * np.float32(factor),
        white=noisy.white * factor,
        noise_profile=None,
    )


def fine_factor(raw: Raw) -> int:
    """Return the whole number by which values and levels may be multiplied in 16 bits."""
    return max(int(65535 // raw.white), 1)


def denoise_file(job: Job, settings: Settings, go_on: Callable[[], None] = lambda: None) -> Done:
    """Read one raw file, write it without its noise and, where asked for, a before/after picture.

    Both are written or neither.

    Args:
        job: the input and its outputs.
        settings: what all inputs share.
        go_on: called between the steps and once more before the outputs get their names; what it raises ends
            the job without a trace.

    Returns: what was done; its facts are those the DNG carries.

    Raises:
        ValueError, OSError: the file cannot be read, does not fit the denoiser, or cannot be written.
    """
    noisy = raw_files.read(job.source)
    go_on()
    made = denoise_raw(noisy, settings)
    go_on()
    facts = _recipe(job, noisy, settings)
    dng = raw_files.encode_dng(made, description=json.dumps(facts), software=f"lrd_ext {__version__}")
    write_results(job, dng, lambda: _preview(noisy, made, settings), go_on)
    return Done(_summary(job, noisy, settings), facts)


def _preview(noisy: Raw, made: Raw, settings: Settings) -> bytes:
    ev = raw_files.suggest_exposure(made)
    labels = ("as read", f"denoised, {settings.name}".encode("ascii", "replace").decode())
    return raw_files.encode_preview(noisy, made, labels=labels, exposure_ev=(ev, ev))


def _recipe(job: Job, noisy: Raw, settings: Settings) -> dict[str, Any]:
    weights = b"".join(w.detach().numpy().tobytes() for w in settings.net.state_dict().values())
    fields = {
        "software": f"lrd_ext {__version__}",
        "source": job.source.name,
        "source_sha256": hashlib.sha256(job.source.read_bytes()).hexdigest(),
        "denoiser": settings.name,
        "denoiser_sha256": hashlib.sha256(weights).hexdigest(),
        "ratio": ratio_of(noisy, settings),
    }
    if settings.profile is not None:
        fields["camera"] = settings.profile.name
    return fields


def _summary(job: Job, noisy: Raw, settings: Settings) -> list[str]:
    height, width = noisy.active.shape
    black = " ".join(f"{v:g}" for v in (noisy.black if settings.black is None else settings.black))
    ratio, net = ratio_of(noisy, settings), settings.net
    told = "as told" if settings.ratio is not None else "of the file's BaselineExposure"
    lines = [
        f"{job.source} -> {job.target}",
        f"  {noisy.camera or 'camera not named'}, {width} x {height} {noisy.active_cfa}, black {black}, "
        f"white {noisy.white:g}",
        f"  {settings.name}, trained for {net.cfa}; ratio {ratio:.4g}, {told}",
    ]
    if not noisy.black_known and settings.black is None:
        lines.append("  the file gives no black level: 0 is taken; say --black")
    if settings.fine and fine_factor(noisy) > 1:
        lines.append(f"  values, black and white multiplied by {fine_factor(noisy)}")
    lines += [f"  odd tag: {remark}" for remark in noisy.remarks]
    if job.preview is not None:
        lines.append(f"  picture: {job.preview}")
    return lines
