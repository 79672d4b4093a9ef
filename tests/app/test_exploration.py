# SPDX-License-Identifier: Apache-2.0
"""What the page shows is what `lrd synth` writes, and only of files the user named."""

from __future__ import annotations

import dataclasses
import io
import json
import shlex
import threading

import numpy as np
import pytest
from PIL import Image
from rose_raw import ROOT, rose

from lrd_ext import cli, load_profile, raw, synth_files
from lrd_ext.app import Exploration
from lrd_ext.app.exploration import BUNDLED
from lrd_ext.app.picture import Picture
from lrd_ext.app.view import View
from lrd_ext.cfa import PATTERNS
from lrd_ext.generator import LiteGenerator
from lrd_ext.profiles.records import UNITS

VIEW = View(
    picture=0,
    x=0.3,
    y=0.8,
    width=200,
    height=120,
    ev=0.0,
    camera="sony_a7s2",
    iso=3200.0,
    ratio=20.0,
    noise="profile",
    seed=3,
)
VIEWS = {
    "profile": VIEW,
    "read model": dataclasses.replace(VIEW, noise="read:gaussian", iso=12800.0, ratio=6.4),
    "generator": dataclasses.replace(VIEW, noise="generator:simulated_sensor"),
}


@pytest.fixture(scope="module")
def chart():
    return Exploration()


def test_the_bundled_picture_is_the_chart():
    assert BUNDLED.read_bytes() == (ROOT / "tests/data/canon550d_ml_colorchart.dng").read_bytes()


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_download_command_and_program_give_the_same(chart, view, tmp_path, monkeypatch, capsys):
    facts, dng = chart.facts(view), chart.dng(view)
    monkeypatch.chdir(tmp_path)
    words = shlex.split(facts["command"])
    assert words[0] == "lrd"
    assert cli.main(words[1:]) == 0
    written = tmp_path / facts["file"]
    assert written.read_bytes() == dng
    mosaic = raw.read(written).mosaic
    written.unlink()
    exec(compile(facts["python"], "python", "exec"), {})
    again = raw.read(written)
    assert np.array_equal(again.mosaic, mosaic)
    assert again.baseline_exposure == pytest.approx(np.log2(view.ratio), abs=1e-5)


def test_a_camera_with_dark_current_is_drawn_at_the_pictures_exposure(tmp_path, monkeypatch):
    """Page, download, command and program agree, and the page judges what was drawn."""
    sensor = {"sigma_prnu": 0.02, "dark_current": {"rate": 400.0}, "rows": [{"iso": 3200, "sigma_dsnu": 2.0}]}
    data = load_profile("sony_a7s2").to_dict() | {"units": UNITS, "sensor": sensor}
    (tmp_path / "body.json").write_text(json.dumps(data))
    raw.write_dng(tmp_path / "in.dng", rose().replace(iso=100.0, exposure_s=30.0))
    monkeypatch.chdir(tmp_path)
    page = Exploration(["in.dng"], ["body.json"])
    view = dataclasses.replace(VIEW, camera="body.json", width=400, height=400, x=0.5, y=0.5)
    facts, dng = page.facts(view), page.dng(view)
    assert facts["sentence"].startswith("The noise is that of sony_a7s2 at ISO 3200: K, read"), facts
    assert "exposure_s=0.046875, " in facts["python"]
    exec(compile(facts["python"], "python", "exec"), {})
    again = raw.read(facts["file"]).mosaic
    (tmp_path / "b.dng").write_bytes(dng)
    assert np.array_equal(raw.read(tmp_path / "b.dng").mosaic, again)


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_a_part_shows_the_pixels_of_the_download(chart, view, tmp_path):
    path = tmp_path / "noisy.dng"
    path.write_bytes(chart.dng(view))
    part, (top, left) = Picture.open(BUNDLED).part(view.x, view.y, view.width, view.height)
    noisy = raw.read(path).mosaic[top : top + part.mosaic.shape[0], left : left + part.mosaic.shape[1]]
    drawn = part.replace(mosaic=noisy.copy())
    exposure = raw.suggest_exposure(raw.read(BUNDLED)) + np.log2(view.ratio)
    expected = raw.render(drawn, exposure_ev=exposure)
    shown = np.asarray(Image.open(io.BytesIO(chart.noisy_picture(view))))
    assert np.array_equal(shown, expected)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_parts_lie_where_the_upright_picture_shows_them(orientation, tmp_path):
    path = tmp_path / "turned.dng"
    raw.write_dng(path, rose(orientation))
    picture = Picture.open(path)
    whole, _ = picture.part(0.5, 0.5, *picture.upright_size)
    upright = raw.render(whole)
    assert upright.shape[1::-1] == picture.upright_size
    part = raw.render(picture.part(0.2, 0.7, 100, 60)[0])
    assert part.shape == (60, 100, 3)
    width, height = picture.upright_size
    left = min(max(round(0.2 * width) - 50, 0), width - 100)
    top = min(max(round(0.7 * height) - 30, 0), height - 60)
    inner = part[4:-4, 4:-4]  # the edges lack neighbours to interpolate from
    found = [
        (x, y)
        for y in range(max(top - 2, 0), top + 3)
        for x in range(max(left - 2, 0), left + 3)
        if np.array_equal(upright[y + 4 : y + 56, x + 4 : x + 96], inner)
    ]
    assert len(found) == 1


@pytest.mark.parametrize("cfa", ["XTRANS@1,2", "QUAD@3,1"])
def test_parts_of_a_large_pattern_begin_where_it_does(tmp_path, cfa):
    letters = PATTERNS[cfa].letters(120, 150)
    codes = np.searchsorted(np.array(["B", "G", "R"]), letters).astype(np.uint16)
    raw.write_dng(tmp_path / "a.dng", raw.Raw(codes, cfa, 0, 9, active_area=(1, 3, 119, 149)))
    picture = Picture.open(tmp_path / "a.dng")
    for x in np.linspace(0, 1, 7):
        part, (top, left) = picture.part(x, 1 - x, 50, 40)
        height, width = part.mosaic.shape
        np.testing.assert_array_equal(part.mosaic, codes[top : top + height, left : left + width])
        np.testing.assert_array_equal(
            PATTERNS[part.cfa].letters(height, width), letters[top:, left:][:height, :width]
        )


def test_a_black_level_that_the_program_would_not_know_is_refused(tmp_path):
    offsets = np.zeros((4, 4))
    offsets[0, 0], offsets[0, 2] = 1, -1
    raw.write_dng(tmp_path / "a.dng", rose().replace(black_offsets=offsets))
    with pytest.raises(ValueError, match=r"a.dng: black level differs over 4 x 4 pixels"):
        Picture.open(tmp_path / "a.dng")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"picture": 1}, "picture must be 0 to 0, got 1"),
        ({"camera": "../../etc/passwd"}, "camera must be one on offer"),
        ({"camera": str(ROOT / "lrd_ext/profiles/library/sony_a7s2.json")}, "camera must be one on offer"),
        ({"noise": "generator:/etc/passwd"}, "the generator must be one on offer"),
        ({"noise": "none"}, "noise must be profile, read:... or generator:..."),
        ({"noise": "read:poisson"}, "read must be one of"),
        ({"iso": 1e6}, "ISO"),
        ({"noise": "generator:msfc_esis1"}, "3200"),
    ],
)
def test_what_is_not_on_offer_is_refused(chart, changes, message):
    with pytest.raises(ValueError, match=message):
        chart.noisy_picture(dataclasses.replace(VIEW, **changes))


def test_own_files_are_on_offer_by_the_path_the_user_gave(tmp_path, monkeypatch):
    from lrd_ext import load_profile
    from lrd_ext.generator import load_generator

    monkeypatch.chdir(tmp_path)
    load_profile("sony_a7s2").save("my camera.json")
    load_generator("simulated_sensor").save("mine.safetensors")
    own = Exploration(cameras=["my camera.json"], generators=["mine.safetensors"])
    assert next(iter(own.choices()["cameras"])) == "my camera.json"
    view = dataclasses.replace(VIEW, camera="my camera.json", noise="generator:mine.safetensors")
    assert "--camera 'my camera.json'" in own.facts(view)["command"]
    same = dataclasses.replace(VIEW, noise="generator:simulated_sensor")
    assert own.noisy_picture(view) == own.noisy_picture(same)


def test_a_generator_without_a_table_is_refused(tmp_path):
    LiteGenerator().save(tmp_path / "several.safetensors")
    with pytest.raises(ValueError, match=r"several\.safetensors holds no table of sigma_init by ISO"):
        Exploration(generators=[str(tmp_path / "several.safetensors")])


def test_a_missing_picture_is_refused_at_once(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.dng"):
        Exploration([BUNDLED, tmp_path / "none.dng"])
    with pytest.raises(raw.RawFileError, match=r"none\.dng: no such file"):
        Exploration([tmp_path / "none.dng"])


@pytest.mark.filterwarnings("ignore:.*doubtful")
def test_doubtful_figures_are_told(chart):
    view = dataclasses.replace(VIEW, camera="apple_iphone_7", iso=1600.0)
    assert len(chart.facts(view)["doubts"]) == 1
    assert chart.facts(VIEW)["doubts"] == []


def test_warming_up_draws_nothing_that_could_fail(tmp_path):
    white = rose().replace(mosaic=np.full((511, 768), 15520, np.uint16))
    raw.write_dng(tmp_path / "white.dng", white)
    Exploration([tmp_path / "white.dng"]).warm_up()


def test_plots_drawn_in_several_threads_are_the_same(chart):
    found = []
    threads = [threading.Thread(target=lambda: found.append(chart.residual_plot(VIEW))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 2
    assert len(set(found)) == 1


def test_the_noise_of_a_part_is_a_part_of_the_noise():
    whole = rose()
    settings = synth_files.settings_for("sony_a7s2", 3200, 20, 5)
    everything, _ = synth_files.synthesize_raw(whole, settings)
    part = whole.replace(mosaic=whole.mosaic[100:200, 60:300].copy(), active_area=None)
    noisy, _ = synth_files.synthesize_raw(part, settings, origin=(100, 60))
    assert np.array_equal(noisy.mosaic, everything.mosaic[100:200, 60:300])
