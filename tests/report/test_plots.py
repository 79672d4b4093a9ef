# SPDX-License-Identifier: Apache-2.0
"""Plots: what is drawn, whole files, no display."""

from __future__ import annotations

import itertools
import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from lrd_ext import fused_synth, load_profile, raw
from lrd_ext.inspection import inspect_pair, predict
from lrd_ext.profiles import list_profiles
from lrd_ext.report import draw_cameras, draw_pair, write_png
from lrd_ext.report.figure import lay_out_quickly


def lines_of(axis, label):
    return [line for line in axis.lines if line.get_label() == label]


def test_one_camera_has_a_line_for_each_gain_branch_and_a_point_for_each_row():
    figure = draw_cameras([load_profile("sony_a7s2")])
    gain, noise = figure.axes
    assert len(gain.lines) == 3  # two branches and the rows
    np.testing.assert_array_equal(len(gain.lines[-1].get_xdata()), 28)
    x, y = gain.lines[0].get_data()
    assert (min(x), max(x)) == (pytest.approx(50), pytest.approx(1600))
    np.testing.assert_allclose(np.array(y) / np.array(x), 9.563e-4, rtol=1e-3)
    assert [text.get_text() for text in noise.get_legend().get_texts()] == [
        "read (standard deviation)",
        "row",
    ]


def test_every_camera_of_the_library_is_drawn_and_told_apart():
    profiles = [load_profile(name) for name in list_profiles()]
    figure = draw_cameras(profiles)
    assert [t.get_text() for t in figure.legends[0].get_texts()] == list_profiles()
    styles = {
        (line.get_color(), line.get_linestyle())
        for name in list_profiles()
        for line in lines_of(figure.axes[0], name)
    }
    assert len(styles) == len(profiles)


def test_no_camera_is_refused():
    with pytest.raises(ValueError, match="must hold at least one camera"):
        draw_cameras([])


@pytest.fixture(scope="module")
def pair():
    levels = np.linspace(512, 16000, 256).astype(np.uint16)[:, None]
    clean = raw.Raw(mosaic=np.broadcast_to(levels, (256, 256)).copy(), cfa="RGGB", black=512, white=16383)
    params = load_profile("sony_a7s2").at(3200, 8.0)
    drawn = fused_synth(torch.from_numpy(clean.mosaic), params, seed=1, output="dn").numpy()
    return inspect_pair(clean, clean.replace(mosaic=drawn), 8.0), predict(params, "sony_a7s2 at ISO 3200")


def test_pair_shows_points_of_four_sites_and_both_lines(pair):
    report, prediction = pair
    curve, rest, dark = draw_pair(report, prediction, "RGGB").axes
    assert [t.get_text() for t in curve.get_legend().get_texts()] == [
        "R",
        "Gr",
        "Gb",
        "B",
        "fitted",
        "predicted",
    ]
    (line,) = lines_of(curve, "predicted")
    x, y = line.get_data()
    np.testing.assert_allclose(y, prediction.K * x + prediction.offset)
    assert "prediction" in rest.get_title()
    assert "kurtosis" in dark.get_title()


@pytest.mark.parametrize("cfa", ["RGGB", "MONO"])
def test_pair_without_prediction(pair, cfa):
    curve, rest, _ = draw_pair(pair[0], None, cfa).axes
    assert not lines_of(curve, "predicted")
    assert "fitted line" in rest.get_title()


def test_pair_of_one_level_of_light(tmp_path):
    clean = raw.Raw(mosaic=np.full((200, 200), 512, np.uint16), cfa="RGGB", black=512, white=16383)
    params = load_profile("sony_a7s2").at(3200, 8.0)
    drawn = fused_synth(torch.from_numpy(clean.mosaic), params, seed=1, output="dn").numpy()
    report = inspect_pair(clean, clean.replace(mosaic=drawn), 8.0)
    assert math.isnan(report.K.value)
    write_png(tmp_path / "p.png", draw_pair(report, predict(params, "x"), "RGGB"))


def test_the_quick_layout_keeps_titles_labels_and_marks_apart(pair):
    figure = draw_pair(*pair, "RGGB")
    lay_out_quickly(figure)
    figure.canvas.draw()
    top = figure._suptitle.get_window_extent()
    for axis in figure.axes:
        assert axis.title.get_window_extent().y1 < top.y0
        marks = [t.get_window_extent() for t in axis.get_yticklabels() if t.get_text()]
        assert len(marks) > 1
        label = axis.yaxis.label.get_window_extent()
        assert 0 <= label.x0 < label.x1 < min(m.x0 for m in marks)
        assert axis.xaxis.label.get_window_extent().y0 >= 0
    assert "10⁻²" in [t.get_text() for t in figure.axes[2].get_yticklabels()]


def test_png_is_whole_and_replaces_the_old_one(tmp_path):
    path = tmp_path / "p.png"
    path.write_bytes(b"old")
    write_png(path, draw_cameras([load_profile("canon_70d")]))
    assert Image.open(path).size == (1320, 552)
    assert [p.name for p in tmp_path.iterdir()] == ["p.png"]
    with pytest.raises(ValueError, match=r"must end in \.png"):
        write_png(tmp_path / "p.jpg", draw_cameras([load_profile("canon_70d")]))


def test_matplotlib_loads_only_where_something_is_drawn_and_pyplot_never():
    code = (
        "import sys, lrd_ext.cli, lrd_ext.report, lrd_ext.inspection; from lrd_ext import load_profile\n"
        "assert 'matplotlib' not in sys.modules\n"
        "lrd_ext.report.draw_cameras([load_profile('canon_70d')])\n"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_the_signal_is_told_in_plain_numbers_that_do_not_touch(pair):
    figure = draw_pair(*pair, "RGGB")
    figure.canvas.draw()
    for axis in figure.axes[:2]:
        labels = [t for t in axis.get_xticklabels() if t.get_text()]
        assert labels[0].get_text() == "0"
        assert len(labels) > 2
        boxes = [t.get_window_extent() for t in labels]
        assert all(a.x1 < b.x0 for a, b in itertools.pairwise(boxes))
