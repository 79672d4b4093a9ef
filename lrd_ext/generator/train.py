# SPDX-License-Identifier: Apache-2.0
"""From folders of darks to a trained generator."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from lrd_ext.calibration import Levels
from lrd_ext.cfa import SITES
from lrd_ext.profiles import CameraProfile, tukey_lambda_std
from lrd_ext.training.configuration import Configuration
from lrd_ext.training.loop import Place, Task, train_all

from .adversarial import NoiseAlignment
from .cards import card_of
from .dark_store import Darks, DarkStore, keep_darks
from .lite import LiteGenerator
from .matching import Matching
from .start import start
from .targets import Target, in_common_unit, measure
from .unet import UNetGenerator

if TYPE_CHECKING:
    from lightning_fabric import Fabric

#: sigma_init of the profile and scatter of the darks may differ by this factor: lines come on top of pixels.
_SIGMA_WITHIN = 2.0
#: The level of the darks lies this near the profile's black, share of the range.
_BLACK_WITHIN = 0.02

#: Frames a U-Net draws for a lite generator to learn from, cells a side, and the level they are put on.
_DRAWN, _DRAWN_SIDE, _LEVEL = 16, 256, 4096

Progress = Callable[[str, int, int], None]
AnyGenerator = LiteGenerator | UNetGenerator


@dataclasses.dataclass(frozen=True)
class Camera:
    """One camera to learn: a folder of its darks, and its profile."""

    folder: str
    profile: CameraProfile
    levels: Levels = dataclasses.field(default_factory=Levels)
    dark_shading: dict[float, np.ndarray] | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class Material:
    """All that is learned from: cameras' darks by ISO, and their statistics."""

    cameras: tuple[Camera, ...]
    stores: tuple[DarkStore, ...]
    darks: tuple[Darks, ...]
    targets: tuple[Target, ...]

    @property
    def left_out(self) -> dict[str, str]:
        """Frames that do not count, and why."""
        return {name: reason for store in self.stores for name, reason in store.left_out.items()}


def gather(cameras: Sequence[Camera], kept: Path, progress: Progress = lambda *_: None) -> Material:
    """Read and measure the darks of all cameras.

    Args:
        cameras: folders and profiles.
        kept: folder for the frames as training reads them, one folder below it for each camera.
        progress: called with what is done, how much of it, and how much there is.

    Raises:
        ValueError: frames or profile are refused; the text names what is wrong.
    """
    stores, darks, targets = [], [], []
    for number, camera in enumerate(cameras):
        levels = _levels(camera)
        store = keep_darks(
            camera.folder, levels, kept / str(number), lambda done, all_: progress("frames", done, all_)
        )
        _check_profile(store, camera)
        stores.append(store)
        for own in store.darks:
            shading = _shading(camera, own)
            darks.append(dataclasses.replace(own, shading=shading))
    total = len(darks)
    of_camera = [c for c, s in zip(cameras, stores, strict=True) for _ in s.darks]
    for done, (own, camera) in enumerate(zip(darks, of_camera, strict=True), 1):
        name = f"{camera.profile.name} ISO {own.iso:g}"
        targets.append(measure(own, sigma_of(camera.profile, own.iso), name))
        _check_sigma(targets[-1], own, camera)
        progress("statistics", done, total)
    return Material(tuple(cameras), tuple(stores), tuple(darks), tuple(targets))


def sigma_of(profile: CameraProfile, iso: float) -> float:
    """Return sigma_init at an ISO: the profile's standard deviation of pixels, DN.

    Raises:
        ValueError: the ISO lies outside the profile, or it has no such figure there.
    """
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return float(profile.at(iso, read="gaussian").sigma_read)
        except ValueError:
            params = profile.at(iso, read="tukey_lambda")
            return float(params.sigma_read) * tukey_lambda_std(float(params.tukey_lambda))


def _levels(camera: Camera) -> Levels:
    """Fill in, for mosaics that tell none, white and phase of the profile; black is measured and compared."""
    given = camera.levels
    if not (Path(camera.folder) / "frames.csv").is_file():
        return given
    profile = camera.profile
    return Levels(given.black, given.white or profile.white, given.cfa or profile.cfa)


def _check_profile(store: DarkStore, camera: Camera) -> None:
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
    level = float(np.mean([d.levels.mean() for d in store.darks]))
    black = float(np.mean(profile.black if camera.levels.black is None else camera.levels.black))
    white_off = abs(store.white - profile.white) > 0.2 * profile.white and camera.levels.white is None
    if white_off or abs(level - black) > _BLACK_WITHIN * (profile.white - black):
        raise ValueError(
            f"--profile {profile.name} is of another bit depth or camera: its black is {black:g} and white "
            f"{profile.white:g} DN, the darks in {camera.folder} lie at {level:.1f} of {store.white:g} DN. "
            "Calibrate this camera, or say --black and --white"
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


def fingerprint(configuration: Configuration, material: Material) -> str:
    """Return what tells this training from others: configuration, frames and sigmas."""
    sigmas = [t.sigma_init for t in material.targets]
    shading = [c.dark_shading is not None for c in material.cameras]
    content = json.dumps(
        [configuration.told(), [s.digest for s in material.stores], sigmas, shading], sort_keys=True
    )
    return hashlib.sha256(content.encode()).hexdigest()


def train_generator(
    material: Material, configuration: Configuration, folder: Path, fabric: Fabric, *, resume: bool = False
) -> AnyGenerator:
    """Train on gathered darks.

    Args:
        material: from :func:`gather`.
        configuration: what to train, and how.
        folder: for checkpoints and curves.
        fabric: launched.
        resume: go on from the checkpoint in ``folder``.

    Returns: the generator, with its table of sigma_init and its card.

    Raises:
        ValueError: the checkpoint is refused, or training diverged.
    """
    targets, unit = in_common_unit(material.targets)
    generator = _fresh(configuration, targets).to(fabric.device)
    matching = _matching(generator, targets, unit, configuration, fabric)
    tasks: list[Task] = [matching]
    if configuration.adversarial is not None:
        aligning = NoiseAlignment(
            generator,
            material.darks,
            targets,
            configuration.adversarial,
            configuration.seed,
            dn=1 / unit,
            fabric=fabric,
            matching=matching,
        )
        tasks.append(aligning)
    place = Place(folder, fingerprint(configuration, material), configuration.checkpoint_s)
    train_all(tasks, fabric, place, resume=resume)
    if configuration.adversarial is not None:
        generator = aligning.average
    if configuration.distill:
        generator = _distilled(generator, targets, unit, configuration, fabric)
    return finished(generator, material, configuration, unit)


def _fresh(configuration: Configuration, targets: Sequence[Target]) -> AnyGenerator:
    draw = torch.Generator().manual_seed(configuration.seed)
    if configuration.generator == "lite":
        lite = LiteGenerator(configuration.widths)
        start(lite, targets, draw)
        return lite
    with torch.random.fork_rng():
        torch.manual_seed(configuration.seed)
        return UNetGenerator(configuration.channels)


def _matching(
    generator: AnyGenerator,
    targets: Sequence[Target],
    unit: float,
    configuration: Configuration,
    fabric: Fabric,
) -> Matching:
    rounds = [(crops, steps) for crops, steps in configuration.rounds]
    return Matching(
        generator,
        targets,
        rounds,
        configuration.seed,
        dn=1 / unit,
        mean_over_processes=_mean_over(fabric),
        rank=fabric.global_rank,
        processes=fabric.world_size,
    )


def _distilled(
    teacher: AnyGenerator,
    targets: Sequence[Target],
    unit: float,
    configuration: Configuration,
    fabric: Fabric,
) -> LiteGenerator:
    """Train a LiteGenerator to what the teacher makes: its noise takes the place of the darks."""
    draw = torch.Generator().manual_seed(configuration.seed + 1)
    made = [measure(_drawn(teacher, t, unit, draw), t.sigma_init * unit, t.name) for t in targets]
    own, unit = in_common_unit(made)
    student = LiteGenerator(configuration.widths)
    start(student, own, draw)
    task = _matching(student.to(fabric.device), own, unit, configuration, fabric)
    for number in range(task.steps):
        task.step(number)
    return student


@torch.no_grad()
def _drawn(teacher: AnyGenerator, target: Target, unit: float, draw: torch.Generator) -> Darks:
    device = next(teacher.parameters()).device
    frames = []
    for _ in range(_DRAWN):
        n_init = torch.randn(1, 4, _DRAWN_SIDE, _DRAWN_SIDE, generator=draw).to(device)
        noise = teacher(n_init, target.sigma_init) * unit
        frames.append(torch.nn.functional.pixel_shuffle(noise, 2)[0, 0].cpu().numpy())
    raw = np.rint(np.stack(frames) + _LEVEL).clip(0, 65535).astype(np.uint16)
    levels = np.stack([[frame[r::2, c::2].mean() for r, c in SITES] for frame in raw])
    return Darks(target.iso, raw, levels)


def finished(
    generator: AnyGenerator, material: Material, configuration: Configuration, unit: float
) -> AnyGenerator:
    """Return a trained generator in DN, with its table of sigma_init and its card.

    With several cameras there is no one table; each profile gives its own sigma_init.
    """
    generator = generator.cpu().to_range(unit)
    if len(material.cameras) == 1:
        generator = generator.with_table(_table(material))
    generator.card = card_of(generator, material, configuration)
    return generator


def _table(material: Material) -> dict[float, float]:
    """Return sigma_init at the trained ISOs, and at those the profile was calibrated at between them."""
    profile = material.cameras[0].profile
    table = {t.iso: t.sigma_init for t in material.targets}
    low, high = min(table), max(table)
    between = [row.iso for row in profile.rows if low < row.iso < high]
    return dict(sorted((table | {iso: sigma_of(profile, iso) for iso in between}).items()))


def _mean_over(fabric: Fabric) -> Callable[[Tensor], Tensor]:
    if fabric.world_size == 1:
        return lambda value: value

    def mean(value: Tensor) -> Tensor:
        reduced = fabric.all_reduce(value, reduce_op="mean")
        assert isinstance(reduced, Tensor)
        return reduced

    return mean
