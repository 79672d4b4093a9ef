# SPDX-License-Identifier: Apache-2.0
"""What can be compared with real darks: other frames, a generator, a profile, or a rival fitted to them."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from lrd_ext.calibration.bad_frames import BLACK_WITHIN, WHITE_WITHIN
from lrd_ext.calibration.frames import Levels
from lrd_ext.generator import LiteGenerator, UNetGenerator, for_camera, open_generator
from lrd_ext.noise_sources import RIVALS, LearnedNoise, ModelNoise, NoiseSource
from lrd_ext.profiles import CameraProfile, load_profile

from .dark_stack import LARGEST_CROP, DarkSet, Progress, read_darks


@dataclasses.dataclass(frozen=True)
class Fake:
    """A candidate by its name in tables: frames, a source, or where both are None the rival of that name.

    ``read`` is the rival whose place a profile's source takes. ``white`` and ``black`` are the levels of the
    range its DN are of and ``cfa`` the phase, None where it tells none; ``origin`` names the profile or
    folder it comes from.
    """

    name: str
    frames: DarkSet | None = None
    source: NoiseSource | None = None
    white: float | None = None
    black: float | None = None
    cfa: str | None = None
    origin: str = ""
    read: str | None = None

    @property
    def rival(self) -> str | None:
        """The rival it is, or takes the place of; None for what a user gives, whatever its name."""
        return self.name if self.frames is None and self.source is None else self.read


def open_fake(
    given: str, levels: Levels, crop: int = LARGEST_CROP, progress: Progress = lambda what: None
) -> Fake:
    """Open what a user names as the fake noise.

    Args:
        given: folder of dark frames, generator (.safetensors), camera profile (.json or a name of the
            library), or the name of a rival; a file or folder of that name comes first.
        levels: levels and phase of a folder's frames in place of the files' own.
        crop: see ``read_darks``.
        progress: see ``read_darks``.

    Raises:
        ValueError: it is none of these, or cannot be read.
        FileNotFoundError: there is no such generator.
    """
    if os.path.isdir(given):
        frames = read_darks(given, levels, crop=crop, least=1, progress=progress)
        return Fake(_own_name(Path(given).name, "folder"), frames=frames)
    if given in RIVALS and not os.path.exists(given):
        return Fake(given)
    if given.lower().endswith(".safetensors"):
        return _of_generator(given)
    try:
        profile = load_profile(given)
    except (ValueError, FileNotFoundError) as error:
        raise ValueError(
            f"FAKE must be a folder of darks, a generator (.safetensors), a camera profile or one of "
            f"{', '.join(RIVALS)}, got {given}: {error}"
        ) from error
    return of_profile(profile)


def _of_generator(given: str) -> Fake:
    """Open a generator; the card of one camera's tells levels and phase of what it was trained on."""
    name = _own_name(Path(given).stem, "generator")
    generator = open_generator(given)
    cameras = _cameras(generator)
    told = cameras[0] if len(cameras) == 1 else {}
    return _with_levels(Fake(name, source=LearnedNoise(generator, name), origin=given), told)


def at_camera(fake: Fake, profile: CameraProfile, isos: Iterable[float]) -> Fake:
    """Give a generator of several cameras, which has no table, sigma_init and levels of one of them.

    Args:
        fake: any candidate; all others are returned as they are.
        profile: the camera's.
        isos: where it is to be compared.

    Raises:
        ValueError: the profile does not know an ISO.
    """
    generator = _without_table(fake)
    if generator is None:
        return fake
    source = LearnedNoise(for_camera(generator, profile, isos), fake.name)
    told = next((c for c in _cameras(generator) if c.get("profile") == profile.name), {})
    return _with_levels(dataclasses.replace(fake, source=source), told)


def _without_table(fake: Fake) -> LiteGenerator | UNetGenerator | None:
    """Return a generator that does not know sigma_init at any ISO."""
    generator = fake.source.generator if isinstance(fake.source, LearnedNoise) else None
    if not isinstance(generator, LiteGenerator | UNetGenerator) or generator.table.isos:
        return None
    return generator


def _cameras(generator: LiteGenerator | UNetGenerator) -> list[dict[str, Any]]:
    """Return what a card tells of cameras; cards of other makers may say anything, or nothing."""
    told = generator.card.get("cameras")
    return [camera for camera in told if isinstance(camera, dict)] if isinstance(told, list) else []


def _with_levels(fake: Fake, told: dict[str, Any]) -> Fake:
    cfa = told.get("cfa")
    return dataclasses.replace(
        fake,
        white=_level(told.get("white")),
        black=_level(told.get("black")),
        cfa=cfa if isinstance(cfa, str) else None,
    )


def _level(told: Any) -> float | None:
    """Return the mean of a card's levels, None for what is none."""
    try:
        return float(np.mean(told)) if told is not None else None
    except (TypeError, ValueError):
        return None


def of_profile(profile: CameraProfile, read: str | None = None) -> Fake:
    """Make a candidate of a camera profile; with ``read`` it takes the place of the rival of that name."""
    name = read or _own_name(profile.name, "profile")
    source = ModelNoise.of_profile(profile, read, name)
    return Fake(name, source=source, white=profile.white, origin=profile.name, read=read)


def _own_name(name: str, kind: str) -> str:
    """Return what tables call something that a user gives: never what they call a rival."""
    return f"{name} ({kind})" if name in RIVALS else name


def check_fits(fake: Fake, real: DarkSet) -> None:
    """Refuse a candidate of another sensor or bit depth than the real darks.

    Raises:
        ValueError: it does not fit; the text says in what.
    """
    origin = fake.origin or fake.name
    white = fake.frames.white if fake.frames else fake.white
    if white is not None and abs(white - real.white) > WHITE_WITHIN * real.white:
        raise ValueError(
            f"{origin} is of another bit depth: its white level is {white:g} DN, that of "
            f"{real.folder} {real.white:g} DN"
        )
    if fake.black is not None and abs(fake.black - real.black) > BLACK_WITHIN * real.white:
        raise ValueError(
            f"{origin} is of another camera or bit depth: it was trained on frames with a black level of "
            f"{fake.black:g} DN, that of {real.folder} is {real.black:g} DN"
        )
    if fake.cfa is not None and fake.cfa != real.cfa:
        raise ValueError(f"{origin} is of another camera: its phase is {fake.cfa}, not {real.cfa}")
    if isinstance(fake.source, LearnedNoise):
        if _without_table(fake):
            raise ValueError(
                f"{origin} holds no table of sigma_init by ISO, as one trained on several cameras: give the "
                "profile of this one by --profile"
            )
        for iso in real.stacks:
            _check_knows(fake.source, iso, origin)
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


def _check_knows(source: LearnedNoise, iso: float, origin: str) -> None:
    try:
        source.generator.sigma_init(iso)
    except ValueError as error:
        reason = str(error).rpartition("sigma_init: ")[2]
        raise ValueError(f"{origin}: {reason}; choose with --iso what it was trained at") from error
