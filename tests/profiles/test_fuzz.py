# SPDX-License-Identifier: Apache-2.0
"""Whatever stands in a profile file, the answer is a profile or a ProfileError."""

from __future__ import annotations

import copy
import json

from hypothesis import given, settings
from hypothesis import strategies as st

from lrd_ext.profiles import CameraProfile, ProfileError, load_profile, profile_from_dict
from lrd_ext.profiles.records import UNITS

VALID = load_profile("sony_a7s2").to_dict() | {
    "units": dict(UNITS),
    "sensor": {
        "sigma_prnu": 0.006,
        "dark_current": {"rate": 0.8, "reference_c": 25.0, "doubling_c": 6.5},
        "hot_pixels": {"fraction": 1e-4, "current": 40.0},
        "rows": [{"iso": 800, "sigma_dsnu": 0.3, "row_taps": [0.8, 0.6], "row_waves": [[0.4, 12.5]]}],
    },
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def places(value, here=()):
    if here:
        yield here
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, (*here, key))


@settings(max_examples=300, deadline=None)
@given(place=st.sampled_from(list(places(VALID))), value=JSON)
def test_any_value_at_any_place_is_read_or_refused(place, value):
    data = copy.deepcopy(VALID)
    target = data
    for key in place[:-1]:
        target = target[key]
    target[place[-1]] = value
    try:
        profile = profile_from_dict(data)
    except ProfileError:
        return
    assert isinstance(profile, CameraProfile)
    assert profile_from_dict(json.loads(json.dumps(profile.to_dict()))) == profile


@settings(max_examples=100, deadline=None)
@given(value=JSON)
def test_any_json_instead_of_a_profile_is_refused(value):
    try:
        profile_from_dict(value)
    except ProfileError:
        return
    raise AssertionError(f"accepted {value!r}")
