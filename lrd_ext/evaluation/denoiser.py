# SPDX-License-Identifier: Apache-2.0
"""A denoiser against ground truth under one of the field's protocols."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import Dataset

from lrd_ext.metrics import psnr, ssim
from lrd_ext.metrics.image_quality import illuminance_scale

from .protocols import Protocol, middle

#: Cells a side of the pieces kept of the worst images, and of the blocks among which the worst is sought.
PIECE, _BLOCK = 128, 32
#: What can be wrong with one pair of files without being a fault of the denoiser.
_FILE_ERRORS = (ValueError, OSError)

Denoise = Callable[..., Tensor]
NoiseLevel = Callable[[Tensor, Mapping[str, Any]], Tensor]


@dataclasses.dataclass(frozen=True)
class ImageScore:
    """One image: of the input and, where a denoiser ran, of what it made, PSNR [dB] and SSIM.

    ``scale`` is the factor of the illuminance correction, 1 where there is none.
    """

    id: str
    group: str
    ratio: float
    iso: float
    psnr_in: float
    ssim_in: float
    psnr: float | None = None
    ssim: float | None = None
    scale: float = 1.0


@dataclasses.dataclass(frozen=True)
class GroupScore:
    """Means over the images of a group."""

    group: str
    images: int
    psnr_in: float
    ssim_in: float
    psnr: float | None
    ssim: float | None


@dataclasses.dataclass(frozen=True, eq=False)
class Worst:
    """An image of low PSNR, and the piece of it around its largest error, (4, h, w) in [0, 1]."""

    score: ImageScore
    noisy: np.ndarray
    made: np.ndarray
    clean: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False)
class DenoiserEvaluation:
    """All images of a run, the worst first in ``worst``; ``left_out`` tells why files could not be used."""

    protocol: Protocol
    images: tuple[ImageScore, ...]
    worst: tuple[Worst, ...]
    left_out: tuple[str, ...]

    @property
    def groups(self) -> list[GroupScore]:
        """Means of the groups, in the order of the data, and those over several that the protocol tells."""
        names = list(dict.fromkeys(image.group for image in self.images))
        means = [_mean_of(name, [i for i in self.images if i.group == name]) for name in names]
        for start in self.protocol.means:
            inside = [i for i in self.images if i.group.startswith(start)]
            if inside:
                means.append(_mean_of(start, inside))
        return means


@torch.no_grad()
def evaluate_denoiser(
    denoise: Denoise | None,
    dataset: Dataset[dict[str, Any]],
    protocol: Protocol,
    *,
    noise_level: NoiseLevel | None = None,
    worst: int = 6,
    progress: Callable[[str], None] = lambda id: None,
) -> DenoiserEvaluation:
    """Measure a denoiser on pairs.

    Args:
        denoise: a net or function that turns (1, 4, h, w) float32, the noisy signal above black over
            white - black times the ratio, into the clean one; a net of torch runs in its evaluation mode and
            on its own device. None measures the input alone, which tests the loader.
        dataset: items as :class:`lrd_ext.datasets.RawPairs`, packed as the denoiser takes them;
            ``protocol.dataset(root, order)`` opens the protocol's own.
        protocol: the choices; ``dataclasses.replace`` changes one.
        noise_level: gives for the input and its item a second argument for ``denoise``, as conditioned nets
            need it.
        worst: how many images of lowest PSNR to keep pieces of.
        progress: called with the id of each image that is done.

    Raises:
        ValueError: no pair could be read, or the denoiser gives another shape or a value that is not finite.
    """
    images: list[ImageScore] = []
    kept: list[Worst] = []
    left_out: list[str] = []
    for index in range(len(dataset)):  # type: ignore[arg-type]
        try:
            item = dataset[index]
        except _FILE_ERRORS as error:
            left_out.append(str(error))
            continue
        noisy, clean = (middle(item[name], protocol.crop)[None] for name in ("noisy", "clean"))
        noisy = noisy.clamp(max=1, min=0 if protocol.clip_black else None)
        made = None
        if denoise is not None:
            level = () if noise_level is None else (noise_level(noisy, item),)
            with _evaluating(denoise):
                made = _through(denoise, noisy, level, protocol, item["id"])
        score, corrected = _score(item, noisy, made, clean, protocol)
        images.append(score)
        if made is not None:
            kept = _keep(kept, Worst(score, *_worst_place(noisy, corrected, clean)), worst)
        progress(item["id"])
    if not images:
        raise ValueError(f"none of the pairs could be read: {next(iter(left_out), 'there are none')}")
    return DenoiserEvaluation(protocol, tuple(images), tuple(kept), tuple(left_out))


def _score(
    item: Mapping[str, Any], noisy: Tensor, made: Tensor | None, clean: Tensor, protocol: Protocol
) -> tuple[ImageScore, Tensor]:
    """Return an image's numbers and the prediction they are of."""
    score = ImageScore(
        id=item["id"],
        group=item["group"],
        ratio=float(item["ratio"]),
        iso=float(item["iso"]),
        psnr_in=psnr(noisy, clean),
        ssim_in=ssim(noisy, clean),
    )
    if made is None:
        return score, noisy
    made, scale = made.clamp(0, 1), 1.0
    if protocol.illuminance:
        scale = illuminance_scale(made.numpy(), clean.numpy())
        made = (made * scale).clamp_(0, 1)
    measured = dataclasses.replace(score, psnr=psnr(made, clean), ssim=ssim(made, clean), scale=scale)
    return measured, made


def _through(
    denoise: Denoise, noisy: Tensor, level: Sequence[Tensor], protocol: Protocol, name: str
) -> Tensor:
    """Put a frame through the denoiser as the protocol does, and check what it gives."""
    planes = [noisy, *level]
    if protocol.tiles is not None:
        made = _in_tiles(denoise, planes, *protocol.tiles, name)
    else:
        made = _filled_up(denoise, planes, protocol.multiple, name)
    if not torch.isfinite(made).all():
        raise ValueError(f"{name}: the denoiser gave NaN or infinity")
    return made


def _filled_up(denoise: Denoise, planes: Sequence[Tensor], multiple: int, name: str) -> Tensor:
    """Fill up by mirrored cells to a multiple, evenly on both sides, as PMN does with 4; and cut again."""
    height, width = planes[0].shape[-2:]
    rows, columns = -height % multiple, -width % multiple
    fill = (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2)
    mode = "reflect" if min(height, width) > max(fill) else "replicate"
    made = _call(denoise, [functional.pad(p, fill, mode) for p in planes], name)
    return made[..., fill[2] : fill[2] + height, fill[0] : fill[0] + width]


def _in_tiles(denoise: Denoise, planes: Sequence[Tensor], side: int, margin: int, name: str) -> Tensor:
    """Denoise tile by tile; a margin of each does not count, beyond the frame cells are mirrored."""
    height, width = planes[0].shape[-2:]
    mode = "reflect" if min(height, width) > margin else "replicate"
    wide = [functional.pad(p, (margin,) * 4, mode) for p in planes]
    made = torch.zeros_like(planes[0])
    inner = side - 2 * margin
    for row in _starts(height, inner):
        for column in _starts(width, inner):
            cut = [p[..., row : row + side, column : column + side] for p in wide]
            out = _call(denoise, cut, name)[..., margin:-margin, margin:-margin]
            made[..., row : row + inner, column : column + inner] = out
    return made


def _starts(length: int, inner: int) -> Iterator[int]:
    """Give the first cell of each tile; the last one ends with the frame."""
    yield from (min(start, max(length - inner, 0)) for start in range(0, length, inner))


@contextlib.contextmanager
def _evaluating(denoise: Denoise) -> Iterator[None]:
    """Put a net into its evaluation mode for a while; other functions are left alone."""
    nets = [m for m in denoise.modules() if m.training] if isinstance(denoise, nn.Module) else []
    for net in nets:
        net.training = False
    try:
        yield
    finally:
        for net in nets:
            net.training = True


def _call(denoise: Denoise, planes: Sequence[Tensor], name: str) -> Tensor:
    weight = next(denoise.parameters(), None) if isinstance(denoise, nn.Module) else None
    try:
        made = denoise(*(planes if weight is None else (p.to(weight.device) for p in planes)))
    except RuntimeError as error:  # what torch raises for channels a net does not have
        if "memory" in str(error):
            raise
        raise ValueError(f"{name}: the denoiser does not take {tuple(planes[0].shape)}: {error}") from error
    if not isinstance(made, Tensor) or made.shape != planes[0].shape:
        got = tuple(made.shape) if isinstance(made, Tensor) else type(made).__name__
        given = tuple(planes[0].shape)
        raise ValueError(f"{name}: the denoiser must give the shape it was given, {given}, got {got}")
    return made.detach().float().cpu()


def _worst_place(noisy: Tensor, made: Tensor, clean: Tensor) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cut the piece of each around the block of largest squared error."""
    error = ((made - clean) ** 2).mean(1, keepdim=True)
    blocks = functional.avg_pool2d(error, min(_BLOCK, *error.shape[-2:]), ceil_mode=True)[0, 0]
    place = divmod(int(blocks.argmax()), blocks.shape[1])
    corner = [
        min(max(_BLOCK * at + _BLOCK // 2 - PIECE // 2, 0), max(side - PIECE, 0))
        for at, side in zip(place, error.shape[-2:], strict=True)
    ]
    rows, columns = (slice(start, start + PIECE) for start in corner)
    a, b, c = (v[0, :, rows, columns].clamp(0, 1).numpy().copy() for v in (noisy, made, clean))
    return a, b, c


def _keep(kept: list[Worst], new: Worst, most: int) -> list[Worst]:
    """Return the images of lowest PSNR, the lowest first."""
    return sorted([*kept, new], key=lambda w: w.score.psnr if w.score.psnr is not None else math.inf)[:most]


def _mean_of(name: str, images: Sequence[ImageScore]) -> GroupScore:
    def mean(field: str) -> float:
        return float(np.mean([getattr(image, field) for image in images]))

    ran = images[0].psnr is not None
    made = (mean("psnr"), mean("ssim")) if ran else (None, None)
    return GroupScore(name, len(images), mean("psnr_in"), mean("ssim_in"), *made)
