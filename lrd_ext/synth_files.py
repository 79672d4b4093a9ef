# SPDX-License-Identifier: Apache-2.0
"""Raw files in, low-light raw files out: what `lrd synth` does."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from . import raw as raw_files
from .params import NoiseParams
from .profiles import CameraProfile, load_profile, to_noise_profile
from .read_models import read_model
from .reference import STREAM_VERSION
from .synth import fused_synth
from .version import __version__

if TYPE_CHECKING:
    from .generator import LiteGenerator
    from .raw import Raw

#: What can go wrong with one file without being a fault of this program.
FILE_ERRORS = (ValueError, TypeError, OSError)


@dataclasses.dataclass(frozen=True)
class Job:
    """One input, where its results go, and the identity of its noise."""

    source: Path
    target: Path
    preview: Path | None
    index: int


@dataclasses.dataclass(frozen=True)
class Settings:
    """What all inputs of one call share."""

    profile: CameraProfile
    iso: float
    ratio: float
    seed: int
    generator: LiteGenerator | None = None
    generator_file: Path | None = None


def synthesize_raw(clean: Raw, settings: Settings, *, index: int = 0) -> tuple[Raw, NoiseParams]:
    """Draw the noise of a named camera onto a raw picture cut to 1/ratio of its light.

    The profile's figures are brought to the file's range and CFA phase first; rounding is at the file's DN.
    An odd height or width is padded by a line for the draw and cut again.

    Args:
        clean: the picture, taken as noiseless.
        settings: camera profile, ISO, ratio and seed.
        index: identity of the picture, see :func:`lrd_ext.fused_synth`.

    Returns: the noisy Raw (ISO and exposure time of the synthesised shot, BaselineExposure raised by
        log2(ratio)) and the parameters that were drawn with, in the file's DN.

    Raises:
        ValueError: the ISO or ratio is out of the profile's range, the profile has no gain (K), or there is a
            generator and the file's CFA phase is not the profile's.
    """
    s = settings
    if s.profile.dark_only:
        raise ValueError(f"camera {s.profile.name} was made from dark frames alone and has no system gain K")
    levels: dict[str, Any] = {"black": clean.black.tolist(), "white": clean.white, "cfa": clean.cfa}
    params = s.profile.at(s.iso, s.ratio, **levels)
    height, width = clean.mosaic.shape
    even = np.pad(clean.mosaic, ((0, height % 2), (0, width % 2)), mode="edge")
    generator = None
    if s.generator is not None:
        params, generator = params.shot_only(), _generator_for(clean, s)
    noisy = fused_synth(
        torch.from_numpy(even), params, seed=s.seed, index=index, generator=generator, output="dn"
    )
    exposure = None
    if clean.iso is not None and clean.exposure_s is not None:
        exposure = clean.exposure_s * clean.iso / (s.iso * s.ratio)
    result = clean.replace(
        mosaic=np.ascontiguousarray(noisy.numpy()[:height, :width]),
        iso=s.iso,
        exposure_s=exposure,
        baseline_exposure=clean.baseline_exposure + math.log2(s.ratio),
    )
    return result, params


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


def recipe(job: Job, settings: Settings, params: NoiseParams) -> str:
    """Everything needed to make the file again, as JSON for the DNG's text tag."""
    fields = {
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
    if settings.generator is not None and settings.generator_file is not None:
        fields["generator"] = settings.generator_file.name
        fields["generator_sha256"] = hashlib.sha256(settings.generator_file.read_bytes()).hexdigest()
        fields["sigma_init"] = settings.generator.sigma_init(settings.iso)  # in the profile's DN
    return json.dumps(fields)


def synthesize_file(job: Job, settings: Settings, *, go_on: Callable[[], None] = lambda: None) -> list[str]:
    """Read one raw file, write its low-light version and, where asked for, a before/after picture.

    Both are written or neither.

    Args:
        job: the input and its outputs.
        settings: camera profile, ISO, ratio and seed.
        go_on: called between the steps and once more before the outputs get their names; what it raises ends
            the job without a trace.

    Returns: lines that tell the user what was done.

    Raises:
        ValueError, OSError: the file cannot be read, does not fit the profile, or cannot be written.
    """
    clean = raw_files.read(job.source)
    go_on()
    noisy, params = synthesize_raw(clean, settings, index=job.index)
    go_on()
    outputs = {
        job.target: raw_files.encode_dng(
            noisy,
            noise_profile=to_noise_profile(params, clean.cfa),
            description=recipe(job, settings, params),
            software=f"lrd_ext {__version__}",
        )
    }
    if job.preview is not None:
        outputs[job.preview] = _preview(clean, noisy, settings)
    go_on()
    _write(outputs, go_on)
    return _summary(job, settings, clean, params)


def _write(outputs: Mapping[Path, bytes], go_on: Callable[[], None]) -> None:
    for path in outputs:
        path.parent.mkdir(parents=True, exist_ok=True)
    real = {Path(os.path.realpath(path)): data for path, data in outputs.items()}  # links are followed
    raw_files.write_files(real, last_check=go_on)


def _preview(clean: Raw, noisy: Raw, s: Settings) -> bytes:
    brightening = raw_files.suggest_exposure(clean)
    return raw_files.encode_preview(
        clean,
        noisy,
        labels=("as read", f"{s.profile.camera}, ISO {s.iso:g}, 1/{s.ratio:g} of the light"),
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
    if any(bias := params.bias[0].tolist()):
        by_site = " ".join(dict.fromkeys(f"{v:+.3g}" for v in bias))
        lines.append(f"  bias {by_site} DN by CFA site: moves the mean, as in the camera's own frames")
    if not clean.black_known:
        lines.append("  the file gives no black level: 0 is taken")
    if job.preview is not None:
        lines.append(f"  picture: {job.preview}")
    return lines


def plan(
    inputs: Sequence[Path], output: Path, preview: Path | None, index: int, overwrite: bool
) -> list[Job]:
    """Decide where every result goes and refuse what cannot be written, before any work.

    Raises:
        ValueError: two inputs would write one file, a file exists already, or a folder is read-only.
    """
    single = len(inputs) == 1 and not output.is_dir() and output.suffix.lower() == ".dng"
    if len(inputs) > 1 and output.suffix.lower() == ".dng" and not output.is_dir():
        raise ValueError(f"--output must be a folder for {len(inputs)} inputs, got the file name {output}")
    folder_of_previews = preview is not None and not (single or len(inputs) == 1)
    if preview is not None:
        named_png = preview.suffix.lower() == ".png"
        if not folder_of_previews and not named_png:
            raise ValueError(f"--preview must end in .png, got {preview}")
        if folder_of_previews and named_png and not preview.is_dir():
            raise ValueError(f"--preview must be a folder for several inputs, got {preview}")
    jobs = []
    for number, source in enumerate(inputs):
        target = output if single else output / f"{source.stem}.dng"
        picture = preview / f"{source.stem}.png" if preview is not None and folder_of_previews else preview
        jobs.append(Job(source, target, picture, index + number))
    targets = [t for job in jobs for t in (job.target, job.preview) if t is not None]
    _check_distinct(jobs)
    for target in targets:
        check_writable(target, overwrite)
    return jobs


def _check_distinct(jobs: Sequence[Job]) -> None:
    sources: dict[str, list[Path]] = {}
    for job in jobs:
        sources.setdefault(_real(job.source).casefold(), []).append(job.source)
    seen: dict[str, Path] = {}
    for job in jobs:
        for option, target in (("--output", job.target), ("--preview", job.preview)):
            if target is None:
                continue
            real = _real(target)
            if any(_is_same(target, source) for source in sources.get(real.casefold(), ())):
                raise ValueError(f"{option} must not be an input itself, got {target}")
            if real in seen:
                raise ValueError(f"{seen[real]} and {job.source} would both be written to {target}")
            seen[real] = job.source


def _real(path: Path) -> str:
    return os.path.normcase(os.path.realpath(path))


def _is_same(target: Path, source: Path) -> bool:
    """Tell whether both name one file; on some file systems names that differ in case do."""
    if _real(target) == _real(source):
        return True
    return target.exists() and source.exists() and os.path.samefile(target, source)


def check_writable(target: Path, overwrite: bool) -> None:
    """Refuse a file that cannot be written, before any work.

    Raises:
        ValueError: it is a folder, exists already and ``overwrite`` is False, or its folder is read-only.
    """
    if target.is_dir():
        raise ValueError(f"{target} is a folder; a file is to be written there")
    if target.exists() and not overwrite:
        raise ValueError(f"{target} exists already; say --overwrite to replace it")
    folder = target.parent
    while not folder.exists() and folder != folder.parent:  # a drive that is not there has no parent
        folder = folder.parent
    if not folder.is_dir():
        raise ValueError(f"{folder} is no folder; {target} cannot be written")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ValueError(f"{folder} is read-only; {target} cannot be written")


def synthesize_files(
    jobs: Sequence[Job],
    settings: Settings,
    *,
    workers: int = 1,
    done: Callable[[Job, list[str] | Exception], Any],
) -> int:
    """Carry out all jobs; a bad file does not stop the others.

    Args:
        jobs: what :func:`plan` gave.
        settings: what all of them share.
        workers: files in work at the same time.
        done: called in this thread for each job as it ends, with its summary or with what went wrong.

    Returns: number of jobs that failed.
    """
    stop, failed = threading.Event(), 0

    def go_on() -> None:
        if stop.is_set():
            raise InterruptedError("interrupted")

    pool = ThreadPoolExecutor(max_workers=workers)
    try:
        pending = {pool.submit(synthesize_file, job, settings, go_on=go_on): job for job in jobs}
        for future in as_completed(pending):
            error = future.exception()
            if error is not None and not isinstance(error, FILE_ERRORS):
                raise error
            failed += error is not None
            done(pending[future], future.result() if error is None else error)
    except BaseException:  # Ctrl-C above all: what is not complete by now shall not appear
        stop.set()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return failed


def settings_for(
    camera: str, iso: float, ratio: float, seed: int, generator_file: str | None = None
) -> Settings:
    """Load camera and generator and check ISO and ratio against them, before any file is opened.

    Raises:
        FileNotFoundError: there is no such generator file.
        ValueError: the camera is unknown (near names are given), the generator file is none, or ISO or ratio
            is out of range.
    """
    profile = load_profile(camera)
    if profile.dark_only:
        raise ValueError(f"--camera {camera} was made from dark frames alone and has no system gain K")
    profile.at(iso, ratio)
    if generator_file is None:
        return Settings(profile, iso, ratio, seed)
    from .generator import LiteGenerator

    generator = LiteGenerator.load(generator_file)
    generator.sigma_init(iso)
    return Settings(profile, iso, ratio, seed, generator, Path(generator_file))
