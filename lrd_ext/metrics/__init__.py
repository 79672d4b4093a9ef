# SPDX-License-Identifier: Apache-2.0
"""How far made-up noise is from a camera's, and how near a denoised picture comes to the clean one."""

from .correlation import line_autocorrelation, neighbour_covariance, site_covariance
from .image_quality import illuminance_correct, psnr, ssim
from .noise_distance import KLD_PRESETS, akld, kld, ks, tail_mass
from .spectrum import Spectrum, power_spectrum, psd_distance

__all__ = [
    "KLD_PRESETS",
    "Spectrum",
    "akld",
    "illuminance_correct",
    "kld",
    "ks",
    "line_autocorrelation",
    "neighbour_covariance",
    "power_spectrum",
    "psd_distance",
    "psnr",
    "site_covariance",
    "ssim",
    "tail_mass",
]
