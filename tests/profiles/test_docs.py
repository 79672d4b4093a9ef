# SPDX-License-Identifier: Apache-2.0
"""docs/parameters.md says what the code does."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from pathlib import Path

import pytest
from camera_table import camera_table
from scipy import stats

from lrd_ext.params import NoiseParams
from lrd_ext.profiles import CameraProfile, list_profiles, load_profile, profile_from_dict, tukey_lambda_std
from lrd_ext.profiles.importers import import_eld
from lrd_ext.profiles.records import BiasRow, Branch, Doubtful, ExposureBias, GainLaw, Law, Row, Source
from lrd_ext.profiles.self_test import undeclared
from lrd_ext.profiles.sensor import DarkCurrent, HotPixels, SensorFigures, SensorRow

README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
DOCS = (Path(__file__).parents[2] / "docs" / "parameters.md").read_text("utf-8")
TABLE = (Path(__file__).parents[2] / "docs" / "results" / "cameras.md").read_text("utf-8")


def table_row(name):
    """Return the cells of a camera's row in docs/results/cameras.md."""
    return re.search(rf"^\| `{name}` \|.*$", TABLE, re.MULTILINE).group().strip("| ").split(" | ")


@pytest.fixture(scope="module")
def example():
    return json.loads(re.search(r"```json\n(.*?)```", DOCS, re.DOTALL).group(1))


def test_the_example_profile_is_valid_and_complete(example):
    profile = profile_from_dict(example)
    assert undeclared(profile) == ()
    fields = {f.name for f in dataclasses.fields(CameraProfile) if f.init}
    assert fields - {"read_quantiles"} == set(example) - {"schema", "version", "units"}  # 929 numbers an ISO
    with pytest.warns(UserWarning, match="sigma_row is doubtful here: mains hum"):
        assert profile.at(100, exposure_s=1).K.item() == pytest.approx(0.096)


@pytest.mark.parametrize(
    "record",
    [
        *(NoiseParams, Row, Branch, Law, GainLaw, BiasRow, ExposureBias, Doubtful, Source),
        *(SensorFigures, DarkCurrent, HotPixels, SensorRow),
    ],
)
def test_every_field_is_explained(record):
    for field in dataclasses.fields(record):
        assert re.search(rf"`[^`]*\b{field.name}\b[^`]*`", DOCS), field.name


def test_the_table_of_cameras_is_the_one_the_profiles_give():
    assert camera_table() == TABLE, "run make cameras"


def test_every_camera_is_listed_with_its_range_and_links():
    for name in list_profiles():
        profile = load_profile(name)
        row = table_row(name)
        for branch in profile.branches:
            assert f"{branch.iso[1]:g}" in row[2]
        source = profile.sources[0]
        assert f"{source.url}/blob/{source.commit}/" in row[-1]


@pytest.mark.filterwarnings("ignore:.*doubtful", "ignore:.*hot pixels are left off")
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
@pytest.mark.filterwarnings("ignore:.*doubtful")
def test_read_noise_and_gain_of_the_table_are_what_a_user_gets(name):
    """By load_profile(name).at(iso) and SciPy's deviation, not by the code that wrote the table."""
    profile, row = load_profile(name), table_row(name)
    shown = re.findall(r"([\d.]+) at (\d+)", row[4])
    assert len(shown) == 3
    for value, iso in shown:
        at = profile.at(float(iso))
        shape = stats.tukeylambda.std(at.tukey_lambda.item()) if at.read == "tukey_lambda" else 1.0
        assert float(value) == pytest.approx(at.sigma_read.item() * shape / at.K.item(), abs=0.0051)
    per_iso = [1e3 * profile.at(iso).K.item() / iso for iso in profile.iso_range]
    for value, expected in zip(re.findall(r"[\d.]+", row[3]), per_iso, strict=False):
        assert float(value) == pytest.approx(expected, rel=0.006)


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


# What docs/parameters.md works out for other projects' figures: the text, and the sum done here.
A7S2_DARK = (2.0417721 * stats.tukeylambda.std(-0.034863412)) ** 2 + 0.44543457**2 + 1 / 12
WORKED = [
    ("`per_iso` 9.39161e-4", 0.0939161 / 100),
    ("K at ISO 1600 = 1.50266", 0.0939161 / 100 * 1600),
    ("exp(0.46210 ln 1.50266 + 0.56571) = 2.1253", math.exp(0.46210 * math.log(1.50266) + 0.56571)),
    ("IMX686 Kmax 2.1682: exp = 8.7425", math.exp(2.1682)),
    ("exp(0.74043 ln 1.53008 + 0.86182) = 3.2438", math.exp(0.74043 * math.log(1.53008) + 0.86182)),
    ("sqrt(38.117816) = 6.1740", math.sqrt(38.117816)),
    ("exp(0.85 ln 2 - 2.5) = 0.1480", math.exp(0.85 * math.log(2) - 2.5)),
    ("standard deviation 0.2887", 1 / math.sqrt(12)),
    ("0.00366055 * 959 = 3.5105", 0.00366055 * 959),
    ("sqrt(7.56926e-6) * 959 = 2.6384", math.sqrt(7.56926e-6) * 959),
    ("A7S2 ISO 3200, range 15871: S 1.92815e-4", 3.06016 / 15871),
    ("is K 3.06016", 1.928146e-4 * 15871),
    ("O 6.2739e-8", A7S2_DARK / 15871**2),
    ("is 3.9753", math.sqrt(6.2739e-8) * 15871),
    ("shot 0.005 has read exp(2.18 ln 0.005 + 1.20) = 3.1982e-5", math.exp(2.18 * math.log(0.005) + 1.20)),
    ("on a range of 15871 K 79.36", 0.005 * 15871),
    ("sigma 89.75", math.sqrt(3.1982e-5) * 15871),
    ("A7R ISO 800: K 2.6174", 8 * (0.327064 + 2 * 0.330341 + 0.32096) / 4),
    ("0.32718*sqrt(5.5928^2 + 0.0359^2) = 1.8299", 0.32718 * math.hypot(5.5928, 0.0359)),
    ("ISO 1600: K 0.96793", 0.0005995267 * 1600 + 0.00868861),
    ("sqrt(2.97945) = 1.7261", math.sqrt(7.11772e-7 * 1600**2 + 6.514934e-4 * 1600 + 0.11492713)),
]


@pytest.mark.parametrize(("text", "value"), WORKED)
def test_every_worked_conversion_is_right_to_its_last_digit(text, value):
    assert text in DOCS
    shown = re.search(r"[\d.]+(e-\d+)?$", text).group()
    mantissa, _, exponent = shown.partition("e")
    step = 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))
    assert float(shown) == pytest.approx(value, abs=0.51 * step)


def test_worked_colours_and_black_level_error():
    row = re.search(r"\((.+?)\) becomes \((.+?)\)", DOCS)
    published, ours = (tuple(float(v) for v in part.split(",")) for part in row.groups())
    law = {"slope": 1.0, "bias": 0.0, "sigma": 0.0}
    figures = {"Kmin": 0.1, "Kmax": 0.1, "G_shape": [0.1], "color_bias": [published] * 2}
    figures["Profile-1"] = {"g_scale": law, "G_scale": law, "R_scale": law}
    profile = import_eld(figures, name="x", make="x", model="x", black=0, white=100, file="x.npy")
    assert profile.bias[0].dn == pytest.approx(ours)
    assert "A7S2 ISO 3200: -1.7263 DN" in DOCS
    assert load_profile("sony_a7s2").at(3200).bias.unique().item() == pytest.approx(-1.7263, abs=5e-5)


def test_each_project_has_a_worked_conversion():
    section = DOCS.split("## 5.")[1].split("\n## ")[0]
    for project in ("ELD", "PMN, PNNP", "LED", "Noise Flow, SIDD", "DNG", "unprocessing"):
        cells = re.search(rf"^\| {project} \| (.+)$", section, re.MULTILINE).group(1).split(" | ")
        assert re.search(r"\d\.\d", cells[2]), project
