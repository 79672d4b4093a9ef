# SPDX-License-Identifier: Apache-2.0
"""Camera noise profiles: the schema, the library of published cameras, and NoiseParams out of them."""

from lrd_ext.read_models import tukey_lambda_std

from .camera_profile import CameraProfile, profile_from_dict
from .library import list_profiles, load_profile
from .noise_profile import from_noise_profile, to_noise_profile
from .records import ProfileError
from .self_test import self_test

__all__ = [
    "CameraProfile",
    "ProfileError",
    "from_noise_profile",
    "list_profiles",
    "load_profile",
    "profile_from_dict",
    "self_test",
    "to_noise_profile",
    "tukey_lambda_std",
]
