# SPDX-License-Identifier: Apache-2.0
"""What can be compared with real darks: other frames, a generator, a profile, or a rival fitted to them."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

from lrd_ext.calibration.bad_frames import WHITE_WITHIN
from lrd_ext.calibration.frames import Levels
from lrd_ext.generator import LiteGenerator
from lrd_ext.noise_sources import RIVALS, LearnedNoise, ModelNoise, NoiseSource
from lrd_ext.profiles import CameraProfile, load_profile

from .dark_stack import LARGEST_CROP, DarkSet, Progress, read_darks


@dataclasses.dataclass(frozen=True)
class Fake:
    """A candidate by its name in tables: frames, a source, or where both are None the rival of that name.

    ``white`` is the white level of the range its DN are of, None where it tells none; ``origin`` names the
    profile or folder it comes from.
    """

    name: str
    frames: DarkSet | None = None
    source: NoiseSource | None = None
    white: float | None = None
    origin: str = ""


def open_fake(
    given: str, levels: Levels, crop: int = LARGEST_CROP, progress: Progress = lambda what: None
) -> Fake:
    """Open what a user names as the fake noise.

    Args:
        given: folder of dark frames, generator (.safetensors), camera profile (.json or a name of the
            library), or the name of a rival.
        levels: levels and phase of a folder's frames in place of the files' own.
        crop: see ``read_darks``.
        progress: see ``read_darks``.

    Raises:
        ValueError: it is none of these, or cannot be read.
        FileNotFoundError: there is no such generator.
    """
    if given in RIVALS:
        return Fake(given)
    if os.path.isdir(given):
        return Fake(Path(given).name, frames=read_darks(given, levels, crop=crop, least=1, progress=progress))
    if given.lower().endswith(".safetensors"):
        return Fake(Path(given).stem, source=LearnedNoise(LiteGenerator.load(given), Path(given).stem))
    try:
        profile = load_profile(given)
    except (ValueError, FileNotFoundError) as error:
        raise ValueError(
            f"FAKE must be a folder of darks, a generator (.safetensors), a camera profile or one of "
            f"{', '.join(RIVALS)}, got {given}: {error}"
        ) from error
    return of_profile(profile)


def of_profile(profile: CameraProfile, read: str | None = None) -> Fake:
    """Make a candidate of a camera profile; with ``read`` it takes the place of the rival of that name."""
    name = read or profile.name
    source = ModelNoise.of_profile(profile, read, name)
    return Fake(name, source=source, white=profile.white, origin=profile.name)


def check_fits(fake: Fake, real: DarkSet) -> None:
    """Refuse a candidate of another sensor or bit depth than the real darks.

    Raises:
        ValueError: it does not fit; the text says in what.
    """
    white = fake.frames.white if fake.frames else fake.white
    if white is not None and abs(white - real.white) > WHITE_WITHIN * real.white:
        raise ValueError(
            f"{fake.origin or fake.name} is of another bit depth: its white level is {white:g} DN, that of "
            f"{real.folder} {real.white:g} DN"
        )
    if fake.frames is None:
        return
    for what in ("cfa", "sensor"):
        own, other = getattr(fake.frames, what), getattr(real, what)
        if own != other:
            shown = {"cfa": "phase", "sensor": "size"}[what]
            raise ValueError(f"{fake.name} does not fit {real.folder}: its {shown} is {own}, not {other}")
    missing = sorted(set(real.stacks) - set(fake.frames.stacks))
    if missing:
        isos = ", ".join(f"{iso:g}" for iso in missing)
        raise ValueError(f"{fake.name} has no darks of ISO {isos}; choose with --iso what both have")
