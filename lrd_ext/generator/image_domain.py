# SPDX-License-Identifier: Apache-2.0
"""Image domain alignment: what a frozen denoiser makes of recorded and of made pictures shall be alike."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lrd_ext.cfa import MONO, plane_sites
from lrd_ext.training.configuration import ImageDomain

from .crops import Crops
from .pmrid import MULTIPLE, Pmrid, load_pmrid

#: What the view for LPIPS is raised to, and what it is cut at below, where the root's slope has no bound.
_GAMMA, _LEAST = 1 / 2.2, 1e-3


class ImageAlignment(nn.Module):
    """Loss between pictures denoised: mean absolute difference and LPIPS, each with its weight.

    Args:
        options: of the configuration.
        cfa: phase of the pictures.
        patch: cells a side of a crop; a first picture of it is tried.

    Raises:
        ValueError: the denoiser or a file of weights is refused; the text names the key.
        ModuleNotFoundError: LPIPS is asked for and its package missing.

    Source: Cai et al., NeurIPS 2021 (PNGAN), and Zhang et al., ICCV 2023 (LRD). The view for LPIPS (red, mean
        green, blue, raised to 1/2.2) is our choice.
    """

    def __init__(self, options: ImageDomain, cfa: str, patch: int) -> None:
        super().__init__()
        self.options = options
        self.sites = list(range(4)) if cfa == MONO else list(plane_sites("rggb", cfa))
        self.mono = cfa == MONO
        self.denoiser = _denoiser(options, self.mono, patch)
        on = options.lpips > 0 and options.lpips_weights is not None
        self.lpips = _lpips(str(options.lpips_weights)) if on else None
        self.requires_grad_(False).eval()
        self._try(patch)

    def forward(self, made: Tensor, crops: Crops) -> Tensor:
        """Return the loss of made pictures against the recorded ones, a scalar.

        Args:
            made: (n, 4, h, w), DN, what a camera would record of the crops' signal.
            crops: of pairs, with what it did record.
        """
        with torch.no_grad():
            aim = self._clean(crops.real * crops.known, crops)
        found = self._clean(made * crops.known, crops)
        loss = self.options.l1 * (found - aim).abs().mean()
        if self.lpips is not None:
            loss = loss + self.options.lpips * self.lpips(self._view(found), self._view(aim)).mean()
        return loss

    def train(self, mode: bool = True) -> ImageAlignment:
        """Stay as it is: frozen."""
        return super().train(False)

    def _clean(self, noisy: Tensor, crops: Crops) -> Tensor:
        """Denoise DN: 0 at black, 1 at white, times the ratio, planes in the denoiser's order."""
        planes, scale = noisy[:, self.sites], (crops.ratio / crops.high)[:, self.sites]
        if isinstance(self.denoiser, Pmrid):
            return self.denoiser.denoise(planes, crops.gain, crops.sigma.square()) * scale
        return self.denoiser(planes * scale)

    def _view(self, planes: Tensor) -> Tensor:
        """Turn planes into a picture (n, 3, h, w) in [-1, 1]."""
        if self.mono:
            rgb = planes.mean(1, keepdim=True).expand(-1, 3, -1, -1)
        else:
            rgb = torch.stack([planes[:, 0], planes[:, 1:3].mean(1), planes[:, 3]], 1)
        return rgb.clamp(_LEAST, 1) ** _GAMMA * 2 - 1

    def _try(self, patch: int) -> None:
        one = torch.ones(1, 1, 1, 1)
        zeros = torch.zeros(1, 4, patch, patch)
        levels = one.expand(1, 4, 1, 1)
        crops = Crops(zeros, zeros, zeros, -levels, levels, one, one, one)
        name = f"image_domain.denoiser: {self.options.denoiser}"
        with torch.no_grad():
            try:
                found = self._clean(zeros, crops)
            except Exception as error:  # whatever a user's net raises
                raise ValueError(f"{name} fails on pictures {tuple(zeros.shape)}: {error}") from error
            if not isinstance(found, Tensor) or found.shape != zeros.shape:
                shape = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
                raise ValueError(f"{name} must return pictures {tuple(zeros.shape)}, got {shape}")
            if self.lpips is not None:
                try:
                    self.lpips(self._view(found), self._view(found))
                except RuntimeError as error:
                    raise ValueError(
                        f"image_domain.lpips: crops of {patch} cells are too small for AlexNet; say a larger "
                        "patch, or lpips: 0"
                    ) from error


def why_no_lpips(options: ImageDomain) -> str | None:
    """Say why LPIPS is off though its weight is not 0; None where it is on, or not asked for."""
    if options.lpips <= 0 or options.lpips_weights is not None:
        return None
    return (
        "image_domain.lpips is off: lpips_weights names no file of AlexNet's weights "
        "(torchvision's alexnet-owt-7be5be79.pth)"
    )


def described(options: ImageDomain) -> dict[str, Any]:
    """Return the options with checksums of files in place of their paths."""
    told = dataclasses.asdict(options)
    for key in ("weights", "lpips_weights"):
        if told[key] is not None:
            told[key] = hashlib.sha256(_file(told[key], key).read_bytes()).hexdigest()
    return told


def _denoiser(options: ImageDomain, mono: bool, patch: int) -> nn.Module:
    if options.denoiser != "pmrid":
        if options.weights is not None:
            raise ValueError("image_domain.weights are for denoiser: pmrid; another's factory loads its own")
        return _of_factory(options.denoiser)
    if options.weights is None:
        raise ValueError(
            "image_domain.weights must name the file of PMRID's weights (models/torch_pretrained.ckp of "
            "github.com/MegEngine/PMRID); or say denoiser: package.module:factory"
        )
    if mono:
        raise ValueError("image_domain.denoiser: pmrid denoises Bayer pictures, the pairs are MONO")
    if patch % MULTIPLE:
        raise ValueError(
            f"image_domain.denoiser: pmrid needs a patch of a multiple of {MULTIPLE}, got {patch}"
        )
    return load_pmrid(_file(options.weights, "weights"))


def _of_factory(name: str) -> nn.Module:
    module, colon, factory = name.partition(":")
    what = f"image_domain.denoiser: {name}"
    if not (module and colon and factory):
        raise ValueError(f"image_domain.denoiser must be pmrid or package.module:factory, got {name!r}")
    try:
        made: Callable[[], Any] = getattr(importlib.import_module(module), factory)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"{what} cannot be found: {error}") from error
    found = made()
    if not isinstance(found, nn.Module):
        raise ValueError(f"{what} must return an nn.Module, got {type(found).__name__}")
    return found


def _lpips(weights: str) -> nn.Module:
    """Return LPIPS on AlexNet with weights of a local file; its own linear layers come with the package."""
    path = _file(weights, "lpips_weights")
    try:
        import lpips
    except (ImportError, RuntimeError) as error:  # torchvision of another torch raises the latter
        raise ModuleNotFoundError(
            f"image_domain.lpips needs the package lpips: pip install 'lrd_ext[lpips]' ({error})"
        ) from error
    net = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    try:
        own = torch.load(path, map_location="cpu", weights_only=True)
        with torch.no_grad():
            for name, weight in net.net.named_parameters():
                weight.copy_(own[f"features.{name.partition('.')[2]}"])
    except Exception as error:  # whatever the parts of the reader raise for another file
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"image_domain.lpips_weights: {path} holds no AlexNet: {reason}") from error
    return net


def _file(path: str, key: str) -> Path:
    if not Path(path).is_file():
        raise ValueError(f"image_domain.{key}: no such file: {path}")
    return Path(path)
