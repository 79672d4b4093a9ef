# SPDX-License-Identifier: Apache-2.0
"""Loading, refusing and saving profile files."""

from __future__ import annotations

import copy
import dataclasses
import errno
import json
import math
import os
import pickle
import stat

import pytest

from lrd_ext.profiles import ProfileError, list_profiles, load_profile, profile_from_dict, self_test
from lrd_ext.profiles.answers import BranchAnswers
from lrd_ext.profiles.library import MAX_BYTES
from lrd_ext.read_models import profile_models


@pytest.fixture
def write(tmp_path):
    """Write JSON values, or text as it is, and return the path."""

    def _write(data):
        path = tmp_path / "camera.json"
        path.write_text(data if isinstance(data, str) else json.dumps(data), "utf-8")
        return path

    return _write


@pytest.mark.parametrize("name", list_profiles())
def test_a_saved_library_profile_loads_equal_and_canonical(name, tmp_path):
    profile = load_profile(name)
    profile.save(tmp_path / "a.json")
    again = load_profile(tmp_path / "a.json")
    again.save(tmp_path / "b.json")
    assert again == profile
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_every_optional_field_survives_saving(minimal, tmp_path):
    minimal["rows"][0] |= {
        "sigma_tukey_lambda": 0.83,
        "tukey_lambda": 0.0,
        "sigma_row": 0.1,
        "sigma_col": 0.2,
        "spread": {"sigma_row": 0.01},
        "interval95": {"K": [0.39, 0.41]},
        "goodness": {"r2_gaussian": 0.999},
    }
    minimal |= {
        "notes": ["a note"],
        "doubtful": [
            {"field": "K", "reason": "a cloud"},
            {"field": "bias", "iso": [100, 100], "reason": "warm"},
        ],
        "bias": [{"iso": 100, "dn": [1, 2, 3, 4]}],
        "black_level_error": [{"iso": 100, "exposure_s": 0.04, "dn": 0.5}],
        "dark_shading": {"file": "shading.safetensors", "sha256": "0" * 64},
        "calibration": {"frames": 40, "tool": {"name": "lrd calibrate"}, "isos": [100]},
    }
    minimal["branches"][0] |= {
        "K": {"per_iso": 0.004, "offset": 0.001, "jitter": 0.01},
        "laws": {"sigma_row": {"slope": 0.5, "intercept": -0.7, "spread": 0.2}},
        "tukey_lambda": [0.1, -0.1],
    }
    profile = profile_from_dict(minimal)
    profile.save(tmp_path / "a.json")
    assert load_profile(tmp_path / "a.json") == profile
    written = json.loads((tmp_path / "a.json").read_text("utf-8"))
    assert set(written) == set(minimal)
    assert written["rows"][0] == minimal["rows"][0]


def test_saving_leaves_no_temporary_file_and_ordinary_permissions(minimal, tmp_path):
    profile_from_dict(minimal).save(tmp_path / "a.json")
    assert os.listdir(tmp_path) == ["a.json"]
    (tmp_path / "plain").touch()
    assert stat.S_IMODE((tmp_path / "a.json").stat().st_mode) == stat.S_IMODE(
        (tmp_path / "plain").stat().st_mode
    )


def test_a_profile_that_could_not_be_loaded_again_is_not_saved(minimal, tmp_path):
    broken = dataclasses.replace(profile_from_dict(minimal), white=10)
    (tmp_path / "a.json").write_text("the old file")
    with pytest.raises(ProfileError, match="white must be a number in"):
        broken.save(tmp_path / "a.json")
    assert (tmp_path / "a.json").read_text() == "the old file"


def test_a_name_that_is_nearly_right_is_answered_with_the_nearest_ones():
    with pytest.raises(ProfileError, match="no camera or file named 'sony_a7sii'; did you mean sony_a7s2"):
        load_profile("sony_a7sii")
    with pytest.raises(ProfileError, match="did you mean canon_70d"):
        load_profile("Canon 70D")


def test_a_file_of_any_name_in_the_working_directory_is_found(write, minimal, monkeypatch):
    path = write(minimal)
    monkeypatch.chdir(path.parent)
    path.rename(path.parent / "mycamera")
    assert load_profile("mycamera").name == "test camera"


REQUIRED = (
    "schema",
    "version",
    "units",
    "name",
    "make",
    "model",
    "licence",
    "sources",
    "bits",
    "black",
    "white",
)


@pytest.mark.parametrize("field", [*REQUIRED, "cfa", "read", "branches"])
def test_a_missing_field_is_named(write, minimal, field):
    del minimal[field]
    with pytest.raises(ProfileError, match=rf"camera\.json: {field}"):
        load_profile(write(minimal))


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ("version", 2, "version must be 1, the one this release of lrd_ext reads, got 2"),
        ("schema", "other", "schema must be"),
        ("units.sigma", "e-", r"units\.sigma must be \"DN\".*got 'e-'"),
        ("units.sigma", None, r"units\.sigma must be"),
        ("colour", "red", "colour is not a field of the schema; accepted: .*black"),
        ("rows.0.sigma", 1.0, r"rows\[0\]\.sigma is not a field"),
        ("rows.0.iso", None, r"rows\[0\]\.iso must be a number"),
        ("rows.0.iso", True, r"rows\[0\]\.iso must be a number"),
        ("rows.0.K", 0, r"rows\[0\]\.K must be a number in \(0, 1e\+06\], got 0"),
        ("rows.0.K", "0.4", r"rows\[0\]\.K must be a number .*got '0\.4'"),
        ("rows.0.sigma_gaussian", -1, r"rows\[0\]\.sigma_gaussian must be a number in \[0"),
        ("rows.0.tukey_lambda", -0.5, r"rows\[0\]\.tukey_lambda must be a number in \(-0\.5"),
        ("rows.0.iso", 50, r"rows\[0\]\.iso must be inside one of the branches \(ISO 100\)"),
        ("rows.0.spread", {"sigma": 1}, r"rows\[0\]\.spread\.sigma is not a field"),
        ("rows.0.spread", [1], r"rows\[0\]\.spread must be a JSON object"),
        (
            "rows.0.interval95",
            {"K": [2, 1]},
            r"rows\[0\]\.interval95\.K must be a pair of numbers, lowest first",
        ),
        (
            "rows",
            [{"iso": 100, "sigma_gaussian": 1}, {"iso": 100}],
            r"rows\[1\]\.iso must be above the one before",
        ),
        ("rows", {}, "rows must be a list"),
        ("bias", [{"iso": 100, "dn": [1, 2]}], r"bias\[0\]\.dn must be a number or four"),
        (
            "bias",
            [{"iso": 200, "dn": 1}, {"iso": 100, "dn": 1}],
            r"bias\[1\]\.iso must be above the one before",
        ),
        ("black", 4095, "white must be a number in"),
        ("black", [1, 2, 3], "black must be a number or four"),
        ("white", 4096, "white must be at most 4095 in a profile of 12 bits"),
        ("cfa", "rggb", "cfa must be one of RGGB"),
        ("read", "laplace", "read must be one of gaussian, tukey_lambda"),
        ("read", "tukey_lambda", r"branches\[0\]: no sigma_tukey_lambda"),
        ("rows.0.sigma_tukey_lambda", 1.0, r"tukey_lambda is missing: sigma_tukey_lambda is a scale"),
        ("bits", 12.5, "bits must be a whole number"),
        ("bits", 10**400, "bits must be a number in"),
        ("name", " ", "name must be a non-empty string"),
        ("sources", [], "sources must name at least one"),
        ("sources.0", {"url": "x"}, r"sources\[0\]\.title is missing"),
        ("branches", [], "branches must hold at least one"),
        ("branches.0.iso", [200, 100], r"branches\[0\]\.iso must be a pair"),
        ("branches.0.K", {"per_iso": -1}, r"branches\[0\]\.K\.per_iso must be a number"),
        ("branches.0.K", {"per_iso": 0.001, "offset": -1}, r"branches\[0\]\.K must be above 0"),
        ("branches.0.laws", {"sigma_row": {"slope": 1}}, r"laws\.sigma_row\.intercept is missing"),
        ("doubtful", [{"field": "sigma", "reason": "x"}], r"doubtful\[0\]\.field must be one of K"),
        ("calibration", {"x": float("inf")}, r"calibration\.x must be a number in .*, got inf"),
    ],
)
def test_a_wrong_value_is_refused_by_the_name_of_its_field(write, minimal, place, value, message):
    *inner, last = place.split(".")
    target = minimal
    for key in inner:
        target = target[int(key)] if key.isdigit() else target[key]
    target[int(last) if last.isdigit() else last] = value
    with pytest.raises(ProfileError, match=message):
        load_profile(write(minimal))


def test_branches_must_not_overlap(minimal):
    minimal["branches"].append({"name": "high", "iso": [100, 200], "K": {"per_iso": 0.004}})
    with pytest.raises(
        ProfileError, match=r"branches\[1\]\.iso must be above the branch before, which ends at ISO 100"
    ):
        profile_from_dict(minimal)


def test_gain_known_in_some_branches_only_is_refused(minimal):
    minimal["rows"].append({"iso": 200, "sigma_gaussian": 1.0})
    minimal["branches"].append({"name": "high", "iso": [200, 200]})
    with pytest.raises(ProfileError, match=r"branches\[1\]\.K must be known in every branch"):
        profile_from_dict(minimal)


def test_a_law_over_an_unknown_gain_is_refused(minimal):
    minimal["rows"][0]["K"] = None
    minimal["branches"][0]["laws"] = {"sigma_row": {"slope": 1, "intercept": 0}}
    with pytest.raises(ProfileError, match=r"branches\[0\]\.laws need K"):
        profile_from_dict(minimal)


@pytest.mark.parametrize(
    ("constant", "shown"), [("NaN", "nan"), ("Infinity", "inf"), ("-Infinity", "-inf"), ("1e999", "inf")]
)
def test_numbers_that_are_not_finite_are_refused_by_field(write, minimal, constant, shown):
    text = json.dumps(minimal).replace("1.5", constant)
    with pytest.raises(
        ProfileError, match=rf"rows\[0\]\.sigma_gaussian must be a number in .*, got {shown}$"
    ):
        load_profile(write(text))


def places(value, at=()):
    """Every place in JSON values but the whole."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield (*at, key)
        yield from places(item, (*at, key))


@pytest.mark.parametrize("name", ["sony_a7s2", "canon_70d", "sony_imx686"])
def test_nan_is_refused_wherever_it_stands(name):
    whole = load_profile(name).to_dict()
    for *inner, last in places(whole):
        target = broken = copy.deepcopy(whole)
        for key in inner:
            target = target[key]
        target[last] = math.nan
        with pytest.raises(ProfileError, match=str(last) if isinstance(last, str) else str(inner[-1])):
            profile_from_dict(broken)


@pytest.mark.parametrize("text", ["", "{", "K: 0.4", "[" * 100_000, '{"a": ' + "1" * 5000 + "}"])
def test_what_is_not_json_is_refused(write, text):
    with pytest.raises(
        ProfileError, match=r"camera\.json: (is not JSON|is nested too deeply|schema must be)"
    ):
        load_profile(write(text))


def test_a_field_given_twice_is_refused(write, minimal):
    with pytest.raises(ProfileError, match="bits is given twice"):
        load_profile(write(json.dumps(minimal).replace('"bits"', '"bits": 10, "bits"')))


def test_a_pickle_is_never_loaded(tmp_path):
    class Trap:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "sprung"),))

    (tmp_path / "camera.json").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(ProfileError, match="is not JSON text"):
        load_profile(tmp_path / "camera.json")
    assert not (tmp_path / "sprung").exists()


def test_a_file_that_is_too_large_is_refused_unread(tmp_path):
    with open(tmp_path / "camera.json", "wb") as file:
        file.truncate(MAX_BYTES + 1)  # sparse
    with pytest.raises(ProfileError, match=f"at most {MAX_BYTES} bytes"):
        load_profile(tmp_path / "camera.json")


def test_directories_devices_and_missing_files_are_refused(tmp_path):
    with pytest.raises(ProfileError, match="must be a regular file, got a folder"):
        load_profile(tmp_path)
    with pytest.raises(ProfileError, match="must be a regular file"):
        load_profile("/dev/zero")
    with pytest.raises(ProfileError, match="there is no such file"):
        load_profile(tmp_path / "none.json")
    with pytest.raises(TypeError, match="name_or_path must be a name or a path"):
        load_profile(7)


def test_contradicting_figures_are_named_on_load(write, minimal):
    minimal["rows"][0] |= {"sigma_tukey_lambda": 1.5, "tukey_lambda": 0.0}  # std 2.72 against 1.5
    with pytest.warns(UserWarning, match=r"sigma_tukey_lambda looks doubtful: Tukey-lambda std 2\.721 DN"):
        load_profile(write(minimal))


def test_a_scale_of_zero_beside_a_deviation_is_named_on_load(write, minimal):
    minimal["rows"][0] |= {"sigma_tukey_lambda": 0.0, "tukey_lambda": 0.0}
    with pytest.warns(
        UserWarning, match="sigma_tukey_lambda looks doubtful: Tukey-lambda std 0 DN, Gaussian"
    ):
        load_profile(write(minimal))


def test_the_work_of_the_self_test_grows_with_the_rows_not_with_their_square(minimal, monkeypatch):
    calls, sigma = [], BranchAnswers.sigma
    monkeypatch.setattr(BranchAnswers, "sigma", lambda *a: calls.append(1) or sigma(*a))
    figures = {"sigma_gaussian": 1.8138, "sigma_tukey_lambda": 1.0, "tukey_lambda": 0.0}
    minimal["rows"] = [{"iso": iso, "K": iso / 250, **figures} for iso in range(100, 600)]
    minimal["branches"][0]["iso"] = [100, 600]
    assert self_test(profile_from_dict(minimal)) == ()
    assert len(calls) == len(profile_models())


def test_a_full_disk_names_the_profile_and_leaves_the_old_one(tmp_path, monkeypatch):
    target = tmp_path / "camera.json"
    target.write_text("old")

    def full(source, destination):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match=r"camera\.json") as caught:
        load_profile("canon_70d").save(target)
    assert caught.value.errno == errno.ENOSPC
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("camera.json", "old")]


def test_saving_keeps_the_mode_and_follows_no_planted_link(minimal, tmp_path):
    target, victim = tmp_path / "a.json", tmp_path / "victim"
    victim.write_text("mine")
    target.write_text("old")
    target.chmod(0o600)
    (tmp_path / f".a.json.{os.getpid()}.tmp").symlink_to(victim)
    profile_from_dict(minimal).save(target)
    assert victim.read_text() == "mine"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def test_deep_nesting_is_one_line(write, minimal):
    text = json.dumps(minimal)[:-1] + ', "calibration": {"x": ' + "[" * 5000 + "]" * 5000 + "}}"
    with pytest.raises(ProfileError, match=r"is nested too deeply$"):
        load_profile(write(text))
