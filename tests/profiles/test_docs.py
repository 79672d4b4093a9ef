# SPDX-License-Identifier: Apache-2.0
"""docs/parameters.md says what the code does."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from pathlib import Path

import pytest

from lrd_ext.params import NoiseParams
from lrd_ext.profiles import CameraProfile, list_profiles, load_profile, profile_from_dict, tukey_lambda_std
from lrd_ext.profiles.figures import BiasRow, Branch, Doubtful, ExposureBias, GainLaw, Law, Row, Source
from lrd_ext.profiles.self_test import undeclared
from lrd_ext.profiles.summary import figures_at

README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
DOCS = (Path(__file__).parents[2] / "docs" / "parameters.md").read_text("utf-8")


@pytest.fixture(scope="module")
def example():
    return json.loads(re.search(r"```json\n(.*?)```", DOCS, re.DOTALL).group(1))


def test_the_example_profile_is_valid_and_complete(example):
    profile = profile_from_dict(example)
    assert undeclared(profile) == ()
    fields = {f.name for f in dataclasses.fields(CameraProfile) if f.init}
    assert fields == set(example) - {"schema", "version", "units"}
    with pytest.warns(UserWarning, match="sigma_row is doubtful here: mains hum"):
        assert profile.at(100).K.item() == pytest.approx(0.096)


@pytest.mark.parametrize(
    "record", [NoiseParams, Row, Branch, Law, GainLaw, BiasRow, ExposureBias, Doubtful, Source]
)
def test_every_field_is_explained(record):
    for field in dataclasses.fields(record):
        assert re.search(rf"`[^`]*\b{field.name}\b[^`]*`", DOCS), field.name


def test_every_camera_is_listed_with_its_range():
    for name in list_profiles():
        row = re.search(rf"^\| `{name}` \|.*$", DOCS, re.MULTILINE).group()
        for branch in load_profile(name).branches:
            assert f"{branch.iso[1]:g}" in row


@pytest.mark.filterwarnings("ignore:.*doubtful")
def test_the_readme_has_a_working_line_for_each_camera(tmp_path, monkeypatch, example):
    section = README.split("## Cameras")[1].split("\n## ")[0]
    lines = re.search(r"```python\n(.*?)```", section, re.DOTALL).group(1).splitlines()
    (tmp_path / "my_camera.json").write_text(json.dumps(example), "utf-8")
    monkeypatch.chdir(tmp_path)
    shown = []
    for line in lines:
        params = eval(line, {"load_profile": load_profile})
        assert params.K.min() > 0
        shown += re.findall(r'load_profile\("(\w+)"\)', line)
    assert sorted(shown) == list_profiles()


@pytest.mark.parametrize("name", list_profiles())
def test_read_noise_and_gain_of_the_table_are_the_profiles(name):
    profile = load_profile(name)
    row = re.search(rf"^\| `{name}` \|.*$", DOCS, re.MULTILINE).group().split(" | ")
    shown = re.findall(r"([\d.]+) at (\d+)", row[4])
    assert len(shown) >= 2
    for value, iso in shown:
        assert float(value) == pytest.approx(figures_at(profile, float(iso)).read_e, abs=0.0051)
    ends = [figures_at(profile, iso) for iso in profile.iso_range]
    for value, found in zip(re.findall(r"[\d.]+", row[3]), ends, strict=False):
        assert float(value) == pytest.approx(1e3 * found.K / found.iso, rel=0.006)


def test_worked_numbers():
    a7s2, eld = load_profile("sony_a7s2"), load_profile("sony_a7s2_eld")
    assert [f"{tukey_lambda_std(shape):.3f}" for shape in (0.14, 0, -0.1)] == ["1.453", "1.814", "2.186"]
    assert eld.at(1600).K.item() == pytest.approx(1.50266, abs=1e-5)
    assert eld.at(1600).sigma_read.item() == pytest.approx(2.1253, abs=1e-4)
    for iso, off in ((1600, -0.33), (2000, 0.79)):
        ratio = eld.at(iso, read="gaussian").sigma_read / a7s2.at(iso, read="gaussian").sigma_read
        assert ratio.item() == pytest.approx(1 + off, abs=0.005)
    assert math.exp(2.18 * math.log(0.005) + 1.2) == pytest.approx(3.1982e-5, rel=1e-4)
    assert math.sqrt(3.1982e-5) * 15871 == pytest.approx(89.75, abs=0.01)
    assert load_profile("sony_a7r").at(800).sigma_read.item() == pytest.approx(1.8299, abs=1e-4)
    assert load_profile("oppo_reno_10x").at(1600).sigma_read.item() == pytest.approx(1.7261, abs=1e-4)
