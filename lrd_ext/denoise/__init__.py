# SPDX-License-Identifier: Apache-2.0
"""Denoisers of packed raw: nets, their training on made-up noise, pictures of any size through them."""

from .batches import Batches, InPhase, PairedTiles
from .denoiser import Denoiser
from .frames import denoise_packed
from .nafnet import NAFNet
from .noise_level import noise_level
from .shipped import list_denoisers, load_denoiser
from .unet import UNet

__all__ = [
    "Batches",
    "Denoiser",
    "InPhase",
    "NAFNet",
    "PairedTiles",
    "UNet",
    "denoise_packed",
    "list_denoisers",
    "load_denoiser",
    "noise_level",
]
