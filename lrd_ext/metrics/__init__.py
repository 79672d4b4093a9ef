# SPDX-License-Identifier: Apache-2.0
"""How far made-up noise is from a camera's: distances of distributions, spectra and correlations."""

from .correlation import line_autocorrelation, neighbour_covariance, site_covariance
from .noise_distance import KLD_PRESETS, akld, kld, ks, tail_mass
from .spectrum import Spectrum, power_spectrum, psd_distance

__all__ = [
    "KLD_PRESETS",
    "Spectrum",
    "akld",
    "kld",
    "ks",
    "line_autocorrelation",
    "neighbour_covariance",
    "power_spectrum",
    "psd_distance",
    "site_covariance",
    "tail_mass",
]
