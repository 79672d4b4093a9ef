# SPDX-License-Identifier: Apache-2.0
"""docs/profile.schema.json says what the parser does, for every rule that concerns one field."""

from __future__ import annotations

import copy
import json

import jsonschema
import pytest
from profile_schema import SCHEMA_FILE, schema_text

from lrd_ext.profiles import ProfileError, list_profiles, load_profile, profile_from_dict
from lrd_ext.profiles.records import UNITS

SCHEMA = json.loads(SCHEMA_FILE.read_text("utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
#: Put in place of every value; each is wrong nearly everywhere.
WRONG = (None, True, "", " ", "x", -1, 0, 1e9, 1e301, [], [1], {}, {"x": 1})
#: What only the program checks, because it spans fields: the schema may accept what these texts refuse.
ACROSS_FIELDS = (
    "lowest first",
    "above the one before",
    "above the branch before",
    "inside one of the branches",
    "must name at least one",
    "must hold at least one",
    "at most 16383 in a profile",
    "at most 1023 in a profile",
    "white must be a number in (",
    "K must be",
    "need K",
    "is missing: ",
    "though read is",
    "K must be known",
    "needs reference_c",
    "must have energy 1",
)
#: Each part once, so that each can be wrong.
SENSOR = {
    "sigma_prnu": 0.006,
    "step": 8,
    "dark_current": {"rate": 0.8, "spread": 0.4, "reference_c": 25.0, "doubling_c": 6.5},
    "hot_pixels": {"fraction": 1e-4, "current": 40.0, "blink_fraction": 0.1},
    "rows": [
        {
            "iso": 800,
            "sigma_dsnu": 0.3,
            "row_taps": [0.8, 0.6],
            "row_waves": [[0.4, 12.5]],
            "spread": {"sigma_dsnu": 0.01},
            "interval95": {"sigma_dsnu": [0.2, 0.4]},
        }
    ],
    "interval95": {"dark_current.rate": [0.7, 0.9]},
}


def test_the_file_is_the_one_the_parser_gives():
    assert schema_text() == SCHEMA_FILE.read_text("utf-8"), (
        "the declarations changed: run make schema, which writes this file"
    )
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("name", list_profiles())
def test_the_library_is_valid_in_both(name):
    data = load_profile(name).to_dict()
    VALIDATOR.validate(data)
    profile_from_dict(data)


def verdict(data):
    """Return what the parser says, None where it accepts."""
    try:
        profile_from_dict(data)
    except ProfileError as error:
        return str(error)
    return None


def places(value, at=()):
    """Every place in JSON values; of a list the first item."""
    items = (
        value.items() if isinstance(value, dict) else enumerate(value[:1]) if isinstance(value, list) else ()
    )
    for key, item in items:
        yield (*at, key)
        yield from places(item, (*at, key))


def mutations(whole):
    for *inner, last in places(whole):
        for wrong in (*WRONG, "left out", "one more"):
            data = copy.deepcopy(whole)
            target = data
            for key in inner:
                target = target[key]
            if wrong == "left out":
                del target[last]
            elif wrong == "one more" and isinstance(target, dict):
                target["unheard_of"] = 1
            else:
                target[last] = wrong
            yield (*inner, last), wrong, data


@pytest.mark.parametrize("name", ["sony_a7s2", "canon_70d", "sony_imx686"])
def test_what_one_refuses_the_other_refuses(name):
    """A thousand files, each with one value wrong."""
    whole = load_profile(name).to_dict() | {
        "dark_shading": {"file": "x"},
        "calibration": {"a": {"b": [1.5, None, "c"]}},
        "black_level_error": [{"iso": 100, "exposure_s": 0.04, "dn": [1, 2, 3, 4]}],
        "sensor": SENSOR,
    }
    whole["units"] = UNITS
    refused = accepted = 0
    for place, wrong, data in mutations(whole):
        said, valid = verdict(data), VALIDATOR.is_valid(data)
        if said and valid:
            assert any(text in said for text in ACROSS_FIELDS), (place, wrong, said)
        assert valid or said, (place, wrong)
        refused, accepted = refused + bool(said), accepted + (said is None)
    assert refused > 500
    assert accepted > 20


@pytest.mark.parametrize("name", list_profiles())
def test_units_of_figures_a_file_does_not_hold_may_be_left_out(name, monkeypatch):
    """So that a unit added for a new figure refuses no file written before."""
    profile = load_profile(name)
    before = profile.to_bytes()
    monkeypatch.setitem(UNITS, "humidity", "percent")
    assert load_profile(name).to_bytes() == before
    data = profile.to_dict()
    for unit in ("exposure", *(() if profile.bias else ("bias",))):
        del data["units"][unit]
    assert profile_from_dict(data) == profile
    VALIDATOR.validate(data)


@pytest.mark.parametrize("unit", ["iso", "K", "sigma", "tukey_lambda", "bias", "level", "law"])
def test_units_of_figures_a_file_holds_are_needed(unit):
    data = load_profile("sony_a7s2").to_dict()
    del data["units"][unit]
    with pytest.raises(ProfileError, match=f"units.{unit} is missing: the profile holds figures in it"):
        profile_from_dict(data)
