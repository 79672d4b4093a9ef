# SPDX-License-Identifier: Apache-2.0
"""Raw files in, low-light raw files out: what `lrd synth` does."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import math
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from . import raw as raw_files
from .cfa import tiled
from .jobs import Done, Job, write_results
from .params import NoiseParams
from .plain_text import plain
from .profiles import CameraProfile, load_profile, to_noise_profile
from .read_models import read_model
from .reference import STREAM_VERSION
from .sensor_figures import SENSOR_FIGURES
from .synth import fused_synth
from .version import __version__

if TYPE_CHECKING:
    from .generator import LiteGenerator
    from .raw import Raw


@dataclasses.dataclass(frozen=True)
class Settings:
    """What all inputs of one call share."""

    profile: CameraProfile
    iso: float
    ratio: float
    seed: int
    generator: LiteGenerator | None = None
    generator_file: Path | None = None
    step: int | None = 1
    """What values are rounded to, DN; None for the step the file's own values come in."""
    read: str | None = None
    """A read-noise model in place of the profile's own."""
    bias: bool = True
    """Whether the profile's black-level error is part of the noise."""
    exposure_s: float | None = None
    """Exposure of the synthesised shot, s; None for what ISO and ratio leave of the file's own."""
    temperature_c: float | None = None
    """Temperature of the sensor, degrees C; None for that the profile was measured at."""
    sensor: int = 0
    """Identity of the body, see :func:`lrd_ext.fused_synth`."""


def synthesize_raw(
    clean: Raw, settings: Settings, *, index: int = 0, origin: tuple[int, int] = (0, 0)
) -> tuple[Raw, NoiseParams]:
    """Draw the noise of a named camera onto a raw picture cut to 1/ratio of its light.

    The profile's figures are brought to the file's range and CFA phase first; rounding is to the file's DN,
    or to ``settings.step`` of them. An odd height or width is padded by a line for the draw and cut again.

    Args:
        clean: the picture, taken as noiseless.
        settings: camera profile, ISO, ratio and seed.
        index: identity of the picture, see :func:`lrd_ext.fused_synth`.
        origin: (row, column), even, of ``clean`` on the sensor where it is a part of a picture: its noise is
            then that part of the whole picture's noise.

    Returns: the noisy Raw (ISO and exposure time of the synthesised shot, BaselineExposure raised by
        log2(ratio)) and the parameters that were drawn with, in the file's DN.

    Raises:
        ValueError: the ISO or ratio is out of the profile's range, the profile has no gain (K), its figures
            by site contradict the file's CFA pattern, or there is a generator and that is not the profile's.
    """
    s = settings
    if s.profile.dark_only:
        raise ValueError(f"camera {s.profile.name} was made from dark frames alone and has no gain K")
    params = profile_params(clean, s)
    height, width = clean.mosaic.shape
    signal, dark = _signal_and_dark(clean)
    generator = None
    if s.generator is not None:
        params, generator = params.shot_only(), _generator_for(clean, s)
    identity: dict[str, Any] = {"seed": s.seed, "index": index, "sensor": s.sensor, "origin": origin}
    draw = functools.partial(fused_synth, signal, params, **identity, dark=dark, generator=generator)
    if step_for(clean, s) == 1:
        noisy = draw(output="dn").numpy()
    else:
        noisy = _in_steps(draw(output="dn_float", quantize="none", clip="none").numpy(), clean, s)
    result = clean.replace(
        mosaic=np.ascontiguousarray(noisy[:height, :width]),
        iso=s.iso,
        exposure_s=short_exposure(clean, s),
        baseline_exposure=clean.baseline_exposure + math.log2(s.ratio),
    )
    return result, params


def _signal_and_dark(clean: Raw) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return what :func:`fused_synth` draws on, both sides even, and what it adds as a dark frame.

    The kernels know a black level for each of the four sites. Where those of a larger pattern lie elsewhere
    their distance from it is taken off the signal here and comes back with the dark frame, before rounding.
    """
    height, width = clean.mosaic.shape
    even = np.pad(clean.mosaic, ((0, height % 2), (0, width % 2)), mode="edge")
    if clean.black_offsets is None:
        return torch.from_numpy(even), None
    black, offsets, sites = (
        tiled(block, *even.shape)
        for block in (clean.black_block, clean.black_offsets, clean.black.reshape(2, 2))
    )
    normalized = (even - black) / (np.float32(clean.white) - sites)
    return torch.from_numpy(normalized), torch.from_numpy(np.ascontiguousarray(offsets))


def profile_params(clean: Raw, settings: Settings) -> NoiseParams:
    """Return what the profile says of a shot, in the range and CFA phase of the picture it goes on."""
    s = settings
    levels: dict[str, Any] = {"black": clean.black.tolist(), "white": clean.white, "cfa": clean.cfa}
    exposure = s.exposure_s if s.profile.sensor is None else short_exposure(clean, s)
    conditions: dict[str, Any] = {"exposure_s": exposure, "temperature_c": s.temperature_c}
    return s.profile.at(s.iso, s.ratio, read=s.read, bias=s.bias, **conditions, **levels)


def short_exposure(clean: Raw, settings: Settings) -> float | None:
    """Return the exposure of the synthesised shot, s: as told, or by the file's, ISO and ratio."""
    if settings.exposure_s is not None or clean.iso is None or clean.exposure_s is None:
        return settings.exposure_s
    return clean.exposure_s * clean.iso / (settings.iso * settings.ratio)


def step_for(clean: Raw, settings: Settings) -> int:
    """Return the step the synthesised values are rounded to, DN."""
    return own_step(clean) if settings.step is None else settings.step


def own_step(clean: Raw) -> int:
    """Return the step a picture's values come in, DN: a power of two where bits were shifted, else 1."""
    from .inspection import step_of_values

    step = step_of_values(clean)
    # A picture of few values tells nothing: two of them are always one step apart.
    return int(step) if math.log2(step).is_integer() and int(np.ptp(clean.active)) >= 16 * step else 1


def _in_steps(drawn: np.ndarray, clean: Raw, s: Settings) -> np.ndarray:
    """Round DN above black, (H, W) float32, to raw DN in the file's steps, uint16, none outside 0..white."""
    step = step_for(clean, s)
    first = int(clean.active.min()) % step
    for site, (row, column) in enumerate(raw_files.SITES):
        drawn[row::2, column::2] += clean.black[site]
    last = first + (int(clean.white) - first) // step * step
    return np.clip(first + step * np.rint((drawn - first) / step), first, last).astype(np.uint16)


def _generator_for(clean: Raw, s: Settings) -> LiteGenerator | None:
    """Bring the generator, which was trained in the profile's DN and CFA phase, to the file's DN."""
    if s.generator is None:
        return None
    if clean.cfa != s.profile.cfa:
        raise ValueError(
            f"--generator makes noise for the CFA {s.profile.cfa} of {s.profile.name}, and the file has "
            f"{clean.cfa}; crop it by a row or column, or leave --generator out"
        )
    return s.generator.to_range(range_factor(s.profile, clean))


def range_factor(profile: CameraProfile, clean: Raw) -> float:
    """Factor from the profile's DN to the file's: the ratio of their (white - mean black)."""
    own = profile.white - sum(profile.black) / 4
    return (clean.white - float(clean.black.mean())) / own


def recipe(job: Job, settings: Settings, params: NoiseParams) -> dict[str, Any]:
    """Everything needed to make the file again; as JSON it goes into the DNG's text tag."""
    fields: dict[str, Any] = {
        "software": f"lrd_ext {__version__}",
        "stream_version": STREAM_VERSION,
        "source": job.source.name,
        "source_sha256": hashlib.sha256(job.source.read_bytes()).hexdigest(),
        "camera": settings.profile.name,
        "iso": settings.iso,
        "ratio": settings.ratio,
        "seed": settings.seed,
        "index": job.index,
        "params": params.to_dict(),
    }
    if settings.step != 1:
        fields["step"] = settings.step or "file"
    if params.has_sensor:
        fields["sensor"] = settings.sensor
    if settings.generator is not None and settings.generator_file is not None:
        fields["generator"] = settings.generator_file.name
        fields["generator_sha256"] = hashlib.sha256(settings.generator_file.read_bytes()).hexdigest()
        fields["sigma_init"] = settings.generator.sigma_init(settings.iso)  # in the profile's DN
    return fields


def encode_synthesized(
    clean: Raw, noisy: Raw, settings: Settings, params: NoiseParams, facts: dict[str, Any]
) -> bytes:
    """Return the bytes of the DNG that :func:`synthesize_file` writes of what :func:`synthesize_raw` drew."""
    step = step_for(clean, settings)
    return raw_files.encode_dng(
        noisy,
        noise_profile=to_noise_profile(params, clean.cfa, step=None if step == 1 else step),
        description=json.dumps(facts),
        software=f"lrd_ext {__version__}",
    )


def synthesize_file(job: Job, settings: Settings, *, go_on: Callable[[], None] = lambda: None) -> Done:
    """Read one raw file, write its low-light version and, where asked for, a before/after picture.

    Both are written or neither.

    Args:
        job: the input and its outputs.
        settings: camera profile, ISO, ratio and seed.
        go_on: called between the steps and once more before the outputs get their names; what it raises ends
            the job without a trace.

    Returns: what was done; its facts are those of :func:`recipe`.

    Raises:
        ValueError, OSError: the file cannot be read, does not fit the profile, or cannot be written.
    """
    clean = raw_files.read(job.source)
    go_on()
    noisy, params = synthesize_raw(clean, settings, index=job.index)
    go_on()
    facts = recipe(job, settings, params)
    dng = encode_synthesized(clean, noisy, settings, params, facts)
    write_results(job, dng, lambda: _preview(clean, noisy, settings), go_on)
    return Done(_summary(job, settings, clean, params), facts)


def _preview(clean: Raw, noisy: Raw, s: Settings) -> bytes:
    brightening = raw_files.suggest_exposure(clean)
    return raw_files.encode_preview(
        clean,
        noisy,
        labels=("as read", f"{plain(s.profile.camera)}, ISO {s.iso:g}, 1/{s.ratio:g} of the light"),
        exposure_ev=(brightening, brightening + math.log2(s.ratio)),
    )


def _summary(job: Job, s: Settings, clean: Raw, params: NoiseParams) -> list[str]:
    height, width = clean.mosaic.shape
    camera, black = clean.camera or "camera not named", " ".join(f"{v:g}" for v in clean.black)
    lines = [
        f"{job.source} -> {job.target}",
        f"  {camera}, {width} x {height} {clean.cfa}, black {black}, white {clean.white:g}",
        f"  {s.profile.name} at ISO {s.iso:g}, ratio {s.ratio:g}, seed {s.seed}, index {job.index}",
        f"  profile to file range: K, sigmas and bias x {range_factor(s.profile, clean):.6g}",
    ]
    if s.generator is None:
        model, shape = read_model(params.read), float(params.tukey_lambda)
        read = f"{params.read} read {model.std(float(params.sigma_read), shape):.4g} DN std"
        lines.append(
            f"  K {float(params.K):.5g} DN/e-, {read}{f' (shape {shape:.3g})' if model.shaped else ''}, "
            f"row {float(params.sigma_row):.3g} DN, column {float(params.sigma_col):.3g} DN"
        )
    else:
        lines.append(f"  K {float(params.K):.5g} DN/e-")
        sigma = s.generator.sigma_init(s.iso) * range_factor(s.profile, clean)
        lines.append(f"  learned noise of {s.generator_file}, sigma_init {sigma:.4g} DN")
    lines += _told_of_sensor(s, params)
    if any(bias := params.bias[0].tolist()):
        by_site = " ".join(dict.fromkeys(f"{v:+.3g}" for v in bias))
        lines.append(f"  bias {by_site} DN by CFA site: moves the mean, as in the camera's own frames")
    if not clean.black_known:
        lines.append("  the file gives no black level: 0 is taken")
    if clean.black_offsets is not None:
        rows, columns = clean.black_offsets.shape
        lines.append(f"  black differs over {rows} x {columns} pixels: each has its own, above are the means")
    lines += [f"  odd tag: {remark}" for remark in clean.remarks]
    lines += _told_of_steps(clean, s)
    if job.preview is not None:
        lines.append(f"  picture: {job.preview}")
    return lines


def _told_of_sensor(s: Settings, params: NoiseParams) -> list[str]:
    """Say what the body adds; of taps and waves only that there are some."""
    told = []
    for name, figure in SENSOR_FIGURES.items():
        values = getattr(params, name)[0]
        if figure.shape:
            told += [name] if values.flatten()[1:].any() else []
        elif float(values) != figure.default:
            told.append(f"{name} {float(values):.3g}{figure.unit and ' ' + figure.unit}")
    text = f"sensor {s.sensor}: {', '.join(told)}"
    return textwrap.wrap(text, 110, initial_indent="  ", subsequent_indent="    ") if told else []


def _told_of_steps(clean: Raw, s: Settings) -> list[str]:
    step = step_for(clean, s)
    if step > 1:
        return [f"  values are rounded to steps of {step} DN"]
    if (own := own_step(clean)) > 1:
        return [
            f"  the file's values come in steps of {own} DN, the noise in 1: say --step to round to {own}"
        ]
    return []


def settings_for(
    camera: str,
    iso: float,
    ratio: float,
    seed: int,
    generator_file: str | None = None,
    step: str | None = None,
    read: str | None = None,
    bias: bool = True,
    **conditions: Any,
) -> Settings:
    """Load camera and generator and check ISO and ratio against them, before any file is opened.

    ``step`` is the text of --step: a number of DN, "file" for the file's own, None for 1. ``read`` names a
    read-noise model, None for the profile's own. Without ``bias`` the noise leaves the mean where it is.
    ``conditions`` are ``exposure_s``, ``temperature_c`` and ``sensor`` of :class:`Settings`.

    Raises:
        FileNotFoundError: there is no such generator file.
        ValueError: the camera is unknown (near names are given), the generator file holds none, ISO, ratio,
            exposure, temperature or sensor is out of range, the camera's read noise is not known in that
            model, a model and a generator are given, or a temperature to a profile that does not know what
            it does.
    """
    profile = load_profile(camera)
    if profile.dark_only:
        raise ValueError(f"--camera {camera} was made from dark frames alone and has no gain K")
    settings = Settings(profile, iso, ratio, seed, step=_read_step(step), read=read, bias=bias, **conditions)
    if not 0 <= settings.sensor < 2**56:
        raise ValueError(f"--sensor must be in [0, 2^56), got {settings.sensor}")
    # Each file may tell its own exposure: which it is makes no difference to what is refused here.
    exposure = 1.0 if settings.exposure_s is None else settings.exposure_s
    profile.at(iso, ratio, exposure_s=exposure, temperature_c=settings.temperature_c, read=read)
    if read is not None and generator_file is not None:
        raise ValueError("--read says what the profile's read noise is like: --generator makes another")
    if generator_file is None:
        return settings
    from .generator import LiteGenerator, for_camera
    from .generator.shipped import find_generator

    path = find_generator(generator_file)
    generator = for_camera(LiteGenerator.load(path), profile, [iso])
    generator.sigma_init(iso)
    return dataclasses.replace(settings, generator=generator, generator_file=path)


def _read_step(text: str | None) -> int | None:
    if text is None or text == "file":
        return None if text else 1
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= 4096):
        raise ValueError(f"--step must be 1 to 4096 DN, or stand alone for the file's own step, got {text!r}")
    return int(text)
