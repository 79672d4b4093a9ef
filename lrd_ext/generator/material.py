# SPDX-License-Identifier: Apache-2.0
"""What a generator learns from: cameras' folders of darks and pairs, read and held against their profiles."""

from __future__ import annotations

import dataclasses
import hashlib
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from lrd_ext.calibration import Levels
from lrd_ext.profiles import CameraProfile
from lrd_ext.training.configuration import Configuration

from .camera_sigma import sigma_of
from .crops import Source
from .dark_store import Darks, DarkStore, keep_darks, tells_darks
from .lite import checked_widths
from .pairs import TABLE, Pairs, PairStore, has_pairs, keep_pairs, scatter
from .targets import Target, measure

#: sigma_init of the profile and scatter of the darks may differ by this factor: lines come on top of pixels.
_SIGMA_WITHIN = 2.0
#: The level of the darks lies this near the profile's black, share of the range.
_BLACK_WITHIN = 0.02

Progress = Callable[[str, int, int], None]


@dataclasses.dataclass(frozen=True)
class Camera:
    """One camera to learn: a folder of its darks, pairs or both, and its profile."""

    folder: str
    profile: CameraProfile
    levels: Levels = dataclasses.field(default_factory=Levels)
    dark_shading: dict[float, np.ndarray] | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class Material:
    """All that is learned from: cameras' darks by ISO with their statistics, and pairs by ISO.

    Of ``stores`` and ``pair_stores`` there is one for each camera, None where it has no darks or no pairs.
    """

    cameras: tuple[Camera, ...]
    stores: tuple[DarkStore | None, ...]
    darks: tuple[Darks, ...]
    targets: tuple[Target, ...]
    pair_stores: tuple[PairStore | None, ...] = ()
    pairs: tuple[Pairs, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """What figures call each camera."""
        return _names(self.cameras)

    @property
    def left_out(self) -> dict[str, str]:
        """Frames and pairs that do not count, and why; of several cameras with their folder."""
        several = len(self.cameras) > 1
        return {
            str(Path(camera.folder, name)) if several else name: reason
            for stores in (self.stores, self.pair_stores)
            for camera, store in zip(self.cameras, stores, strict=True)
            for name, reason in (store.left_out.items() if store else ())
        }

    @property
    def phase(self) -> str:
        """The CFA phase of all pairs.

        Raises:
            ValueError: they are of several.
        """
        phases = sorted({s.cfa for s in self.pair_stores if s is not None})
        if len(phases) > 1:
            raise ValueError(f"image_domain needs pairs of one phase, got {' and '.join(phases)}")
        return phases[0]

    @property
    def sources(self) -> list[Source]:
        """What stage 2 compares with: pairs, and the darks of cameras and ISOs that have none."""
        found: list[Source] = list(self.pairs)
        darks, pairs = iter(self.darks), iter(self.pairs)
        for store, pair_store in zip(self.stores, self.pair_stores, strict=True):
            paired = {next(pairs).iso for _ in pair_store.pairs} if pair_store else set()
            own = [next(darks) for _ in store.darks] if store else []
            found += [d for d in own if d.iso not in paired]
        return found


def check_use(cameras: Sequence[Camera], configuration: Configuration) -> None:
    """Refuse data that the configuration has no use for, and nets that cannot be, before any is read.

    Raises:
        ValueError: the text names the folder and what to say.
    """
    if configuration.generator == "lite" or configuration.distill:
        checked_widths(configuration.widths)
    for camera in cameras:
        if not has_pairs(camera.folder):
            continue
        if configuration.adversarial is None:
            raise ValueError(
                f"{camera.folder}: pairs of noisy and clean frames ({TABLE}) are for stage 2, which is off. "
                "Give adversarial: in --config, or --preset gpu"
            )
        if camera.profile.dark_only:
            raise ValueError(
                f"--profile {camera.profile.name} was made from darks alone: pairs need its gain K for their "
                "photon noise. Calibrate with flats too"
            )
    if configuration.image_domain is not None and not any(has_pairs(c.folder) for c in cameras):
        raise ValueError(
            f"image_domain compares pictures: give pairs of noisy and clean frames ({TABLE}) beside the darks"
        )
    if configuration.distill and not all(tells_darks(c.folder) for c in cameras):
        raise ValueError(
            "distill: a lite generator learns by stage 1, which needs dark frames beside the pairs"
        )


def gather(cameras: Sequence[Camera], kept: Path, progress: Progress = lambda *_: None) -> Material:
    """Read the darks and pairs of all cameras, and measure the darks.

    Args:
        cameras: folders and profiles.
        kept: folder for the frames as training reads them, one folder below it for each camera.
        progress: called with what is done, how much of it, and how much there is.

    Raises:
        ValueError: frames or profile are refused; the text names what is wrong.
    """
    stores, darks, targets = [], [], []
    for number, camera in enumerate(cameras):
        stores.append(_darks_of(camera, kept / str(number), progress))
    pair_stores = [
        _pairs_of(camera, kept / str(number) / "pairs", progress) for number, camera in enumerate(cameras)
    ]
    of_camera = [
        (own, camera, name)
        for camera, name, s in zip(cameras, _names(cameras), stores, strict=True)
        for own in (s.darks if s else ())
    ]
    for done, (own, camera, name) in enumerate(of_camera, 1):
        sigma = sigma_of(camera.profile, own.iso)
        darks.append(dataclasses.replace(own, shading=_shading(camera, own), sigma_init=sigma))
        targets.append(measure(darks[-1], sigma, f"{name} ISO {own.iso:g}"))
        _check_sigma(targets[-1], own, camera)
        progress("statistics", done, len(of_camera))
    pairs = [
        _with_profile(own, camera)
        for camera, s in zip(cameras, pair_stores, strict=True)
        for own in (s.pairs if s else ())
    ]
    return Material(
        tuple(cameras), tuple(stores), tuple(darks), tuple(targets), tuple(pair_stores), tuple(pairs)
    )


def _names(cameras: Sequence[Camera]) -> tuple[str, ...]:
    """Name cameras by their profiles, and number all where profiles share a name."""
    names = [camera.profile.name for camera in cameras]
    if len(set(names)) == len(names):
        return tuple(names)
    return tuple(f"{name} ({number})" for number, name in enumerate(names, 1))


def _darks_of(camera: Camera, kept: Path, progress: Progress) -> DarkStore | None:
    if not tells_darks(camera.folder):
        return None
    store = keep_darks(camera.folder, _levels(camera), kept, lambda *counts: progress("frames", *counts))
    _check_profile(store, camera, float(np.mean([d.levels.mean() for d in store.darks])))
    return store


def _pairs_of(camera: Camera, kept: Path, progress: Progress) -> PairStore | None:
    if not has_pairs(camera.folder):
        return None
    own = camera.levels.black or camera.profile.black
    store = keep_pairs(camera.folder, _levels(camera), own, kept, lambda *counts: progress("pairs", *counts))
    _check_profile(store, camera, float(np.mean(store.black)))
    return store


def _with_profile(pairs: Pairs, camera: Camera) -> Pairs:
    """Give pairs what the profile says of their ISO; refuse those that scatter otherwise."""
    profile = camera.profile
    params = profile.at(pairs.iso, cfa=camera.levels.cfa)
    sigma, gain = sigma_of(profile, pairs.iso), float(params.K)
    own = dataclasses.replace(pairs, gain=gain, bias=tuple(params.bias[0].tolist()), sigma_init=sigma)
    found, expected = scatter(own)
    if not 1 / _SIGMA_WITHIN < found / expected < _SIGMA_WITHIN and not math.isnan(found):
        raise ValueError(
            f"--profile {profile.name} is of another camera: at ISO {pairs.iso:g} it has noise of "
            f"{expected:.3g} DN for the light of the pairs in {camera.folder}, which differ from their clean "
            f"frames by {found:.3g} DN. Or the frames of a pair are not aligned"
        )
    return own


def _levels(camera: Camera) -> Levels:
    """Fill in, for mosaics that tell none, white and phase of the profile; black is measured and compared."""
    given = camera.levels
    if not any((Path(camera.folder) / table).is_file() for table in ("frames.csv", TABLE)):
        return given
    profile = camera.profile
    return Levels(given.black, given.white or profile.white, given.cfa or profile.cfa)


def _check_profile(store: DarkStore | PairStore, camera: Camera, level: float) -> None:
    profile = camera.profile
    named = [(own, told) for own, told in zip(store.camera, (profile.make, profile.model), strict=True)]
    if all("unknown" not in pair for pair in named) and any(a != b for a, b in named):
        raise ValueError(
            f"--profile {profile.name} is of {profile.make} {profile.model}, the frames in {camera.folder} "
            f"are of {' '.join(store.camera)}"
        )
    if store.cfa != profile.cfa and camera.levels.cfa is None:
        raise ValueError(
            f"--profile {profile.name} has the phase {profile.cfa}, the frames in {camera.folder} "
            f"{store.cfa}. Say --cfa if the file is wrong"
        )
    black = float(np.mean(profile.black if camera.levels.black is None else camera.levels.black))
    white_off = abs(store.white - profile.white) > 0.2 * profile.white and camera.levels.white is None
    if white_off or abs(level - black) > _BLACK_WITHIN * (profile.white - black):
        raise ValueError(
            f"--profile {profile.name} is of another bit depth or camera: its black is {black:g} and white "
            f"{profile.white:g} DN, the frames in {camera.folder} begin at {level:.1f} of {store.white:g} "
            "DN. Calibrate this camera, or say --black and --white"
        )


def _check_sigma(target: Target, darks: Darks, camera: Camera) -> None:
    q = target.mean.quantiles.mean(0)
    scatter = float(torch.sqrt(target.mean.sites[0].diagonal().mean()))
    if not 1 / _SIGMA_WITHIN < scatter < _SIGMA_WITHIN or not bool(torch.isfinite(q).all()):
        raise ValueError(
            f"--profile {camera.profile.name} is of another camera or bit depth: at ISO {darks.iso:g} it has "
            f"read noise of {target.sigma_init:.3g} DN, the darks in {camera.folder} scatter by "
            f"{scatter * target.sigma_init:.3g} DN"
        )


def _shading(camera: Camera, darks: Darks) -> np.ndarray | None:
    """Return the profile's dark shading at an ISO, blown up to the frame's size: (4, H/2, W/2) float32."""
    if camera.dark_shading is None:
        return None
    if darks.iso not in camera.dark_shading:
        known = ", ".join(f"{iso:g}" for iso in sorted(camera.dark_shading))
        raise ValueError(
            f"--dark-shading: the profile's maps are of ISO {known}, there is none of {darks.iso:g}"
        )
    small = torch.from_numpy(camera.dark_shading[darks.iso])[None]
    size = (darks.shape[0] // 2, darks.shape[1] // 2)
    blown_up = torch.nn.functional.interpolate(small, size, mode="bilinear", align_corners=False)
    return np.asarray(blown_up[0])


def read_dark_shading(
    profile_path: str | os.PathLike[str], profile: CameraProfile
) -> dict[float, np.ndarray]:
    """Read the maps `lrd calibrate` wrote beside a profile: (4, k, k) float32, DN, by ISO.

    Raises:
        ValueError: the profile has none, or the file is not the one it names.
    """
    from safetensors.numpy import load

    entry = profile.dark_shading
    if not entry:
        raise ValueError(f"--dark-shading: profile {profile.name} has no maps; lrd calibrate makes them")
    path = Path(profile_path).with_name(str(entry["file"]))
    if not path.is_file():
        raise ValueError(f"--dark-shading: {path} is missing; the profile names it")
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != entry["sha256"]:
        raise ValueError(f"--dark-shading: {path} is not the file the profile names: its checksum differs")
    return {float(name.removeprefix("iso_")): maps for name, maps in load(data).items()}
