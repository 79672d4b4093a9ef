# SPDX-License-Identifier: Apache-2.0
"""What is in a raw file, and whether the noise between two of them is what a camera profile predicts."""

from .expectation import Recipe, expected_signal, find_ratio, read_recipe
from .judgement import Finding, findings, in_one_sentence
from .levels import SiteLevels, site_levels, step_of_values
from .pair import PairReport, inspect_pair
from .prediction import Prediction, predict, predict_from_noise_profile
from .residual import Residual, measure_residual

__all__ = [
    "Finding",
    "PairReport",
    "Prediction",
    "Recipe",
    "Residual",
    "SiteLevels",
    "expected_signal",
    "find_ratio",
    "findings",
    "in_one_sentence",
    "inspect_pair",
    "measure_residual",
    "predict",
    "predict_from_noise_profile",
    "read_recipe",
    "site_levels",
    "step_of_values",
]
