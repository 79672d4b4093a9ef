# SPDX-License-Identifier: Apache-2.0
"""From folders of darks and pairs to a trained generator."""

from __future__ import annotations

import functools
import hashlib
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from lrd_ext.cfa import SITES
from lrd_ext.training.configuration import Configuration
from lrd_ext.training.descent import mean_over
from lrd_ext.training.loop import Place, Task, train_all

from .adversarial import NoiseAlignment
from .camera_sigma import sigma_of
from .cards import card_of
from .dark_store import Darks
from .image_domain import ImageAlignment, described
from .lite import LiteGenerator
from .matching import Matching
from .material import Material
from .pairs import Pairs
from .start import start
from .targets import Target, in_common_unit, measure
from .unet import UNetGenerator

if TYPE_CHECKING:
    from lightning_fabric import Fabric

#: Frames a U-Net draws for a lite generator to learn from, cells a side, and the level they are put on.
_DRAWN, _DRAWN_SIDE, _LEVEL = 16, 256, 4096

AnyGenerator = LiteGenerator | UNetGenerator


def fingerprint(configuration: Configuration, material: Material) -> str:
    """Return what tells this training from others: configuration, frames and sigmas."""
    told = configuration.told()
    if configuration.image_domain is not None:
        told["image_domain"] = described(configuration.image_domain)
    sigmas = [t.sigma_init for t in material.targets]
    shading = [_checksums(c.dark_shading) for c in material.cameras]
    stores = [s.digest if s else None for s in (*material.stores, *material.pair_stores)]
    pairs = [(p.sigma_init, p.gain, p.bias, p.members) for p in material.pairs]
    content = json.dumps([told, stores, sigmas, shading, pairs], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def _checksums(maps: dict[float, np.ndarray] | None) -> dict[str, str] | None:
    if maps is None:
        return None
    return {f"{iso:g}": hashlib.sha256(own.tobytes()).hexdigest() for iso, own in maps.items()}


def train_generator(
    material: Material, configuration: Configuration, folder: Path, fabric: Fabric, *, resume: bool = False
) -> AnyGenerator:
    """Train on gathered darks and pairs; with pairs alone there is no stage 1.

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
    targets, unit = in_common_unit(material.targets) if material.targets else ([], _unit(material.pairs))
    generator = _fresh(configuration, targets).to(fabric.device)
    matching = _matching(generator, targets, unit, configuration, fabric, material.darks) if targets else None
    tasks: list[Task] = [matching] if matching is not None else []
    if configuration.adversarial is not None:
        aligning = NoiseAlignment(
            generator,
            material.sources,
            configuration.adversarial,
            configuration.seed,
            dn=1 / unit,
            fabric=fabric,
            matching=matching,
            image=_image_alignment(configuration, material),
        )
        tasks.append(aligning)
    place = Place(folder, fingerprint(configuration, material), configuration.checkpoint_s)
    train_all(tasks, fabric, place, resume=resume)
    if configuration.adversarial is not None:
        generator = aligning.average
    if configuration.distill:
        generator = _distilled(generator, targets, unit, configuration, fabric)
    return finished(generator, material, configuration, unit)


def _image_alignment(configuration: Configuration, material: Material) -> ImageAlignment | None:
    options, adversarial = configuration.image_domain, configuration.adversarial
    if options is None or adversarial is None:
        return None
    return ImageAlignment(options, material.phase, adversarial.patch)


def _unit(pairs: Sequence[Pairs]) -> float:
    """Return the unit in which the mean of log(sigma_init) is 0, DN; see in_common_unit."""
    return math.exp(sum(math.log(p.sigma_init) for p in pairs) / len(pairs))


def _fresh(configuration: Configuration, targets: Sequence[Target]) -> AnyGenerator:
    draw = torch.Generator().manual_seed(configuration.seed)
    if configuration.generator == "lite":
        with torch.random.fork_rng():
            torch.manual_seed(configuration.seed)
            lite = LiteGenerator(configuration.widths)
        if targets:
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
    darks: Sequence[Darks] = (),
) -> Matching:
    rounds = [(crops, steps) for crops, steps in configuration.rounds]
    return Matching(
        generator,
        targets,
        rounds,
        configuration.seed,
        settling=configuration.settling,
        dn=1 / unit,
        mean_over_processes=functools.partial(mean_over, fabric),
        rank=fabric.global_rank,
        processes=fabric.world_size,
        darks=darks,
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
    table = {t.iso: t.sigma_init for t in material.targets} | {p.iso: p.sigma_init for p in material.pairs}
    low, high = min(table), max(table)
    between = [row.iso for row in profile.rows if low < row.iso < high]
    return dict(sorted((table | {iso: sigma_of(profile, iso) for iso in between}).items()))
