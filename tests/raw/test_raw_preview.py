# SPDX-License-Identifier: Apache-2.0
"""Rendering: colours, exposure, geometry, and pictures side by side."""

from __future__ import annotations

import os

import numpy as np
import pytest
from dng_files import COLOR_MATRIX, DATA, MOSAIC

from lrd_ext import raw

PIL = pytest.importorskip("PIL.Image")
NEUTRAL = np.array([0.5, 1, 0.6])


def flat(rgb, *, cfa="RGGB", shape=(24, 32), **fields):
    """A mosaic whose camera colour is ``rgb`` everywhere, in [0, 1] between black 100 and white 10100."""
    tile = np.array([rgb["RGB".index(c)] for c in cfa]).reshape(2, 2)
    mosaic = np.tile(tile, (shape[0] // 2 + 1, shape[1] // 2 + 1))[: shape[0], : shape[1]] * 10000 + 100
    return raw.Raw(mosaic=np.round(mosaic).astype(np.uint16), cfa=cfa, black=100, white=10100, **fields)


def srgb(linear):
    """IEC 61966-2-1, one value at a time."""
    return 255 * (12.92 * linear if linear <= 0.0031308 else 1.055 * linear ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("cfa", raw.BAYER)
@pytest.mark.parametrize("matrix", [None, np.reshape(COLOR_MATRIX, (3, 3))])
def test_grey_stays_grey_at_the_expected_value(cfa, matrix):
    picture = flat(0.2 * NEUTRAL, cfa=cfa, as_shot_neutral=NEUTRAL, color_matrix=matrix)
    for max_size in (None, 8):
        out = raw.render(picture, max_size=max_size)
        assert np.abs(out.astype(float) - srgb(0.2)).max() < 1.01


def test_the_colour_matrix_turns_camera_colours_into_srgb():
    matrix = np.reshape(COLOR_MATRIX, (3, 3))
    xyz_of_srgb = np.linalg.inv(raw.writer.XYZ_TO_SRGB)
    neutral = matrix @ xyz_of_srgb @ np.ones(3)
    neutral = neutral / neutral[1]
    wanted = np.array([0.3, 0.1, 0.05])
    camera = matrix @ xyz_of_srgb @ wanted
    camera = camera / (matrix @ xyz_of_srgb @ np.ones(3))[1]
    out = raw.render(flat(camera, color_matrix=matrix, as_shot_neutral=neutral))
    np.testing.assert_allclose(out[8, 8], [srgb(v) for v in wanted], atol=1.1)


@pytest.mark.parametrize("matrix", [None, np.reshape(COLOR_MATRIX, (3, 3))])
def test_saturation_is_white_and_black_is_black(matrix):
    bright = flat(np.ones(3), as_shot_neutral=NEUTRAL, color_matrix=matrix)
    bright.mosaic[...] = 65535
    assert raw.render(bright, exposure_ev=20).min() == 255
    dark = bright.replace(mosaic=np.zeros_like(bright.mosaic))
    assert raw.render(dark, exposure_ev=20).max() == 0


def test_exposure_brightens_by_powers_of_two():
    picture = flat(0.01 * NEUTRAL, as_shot_neutral=NEUTRAL)
    assert raw.render(picture, exposure_ev=4)[5, 5, 1] == pytest.approx(srgb(0.16), abs=1)


def test_bilinear_is_exact_on_a_ramp_and_at_the_edges():
    rows, columns = np.mgrid[:24, :32]
    ramp = raw.Raw(mosaic=(100 + 40 * rows + 50 * columns).astype(np.uint16), cfa="GBRG", black=0, white=5000)
    out = raw.preview._demosaic(raw.preview._linear(ramp), ramp.active_cfa, None)
    inside = np.s_[2:-2, 2:-2]
    for channel in range(3):
        np.testing.assert_allclose(out[..., channel][inside], ramp.mosaic[inside] / 5000, atol=1e-6)
    assert np.abs(out[..., 1] - ramp.mosaic / 5000).max() < 0.03


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_puts_the_first_pixel_where_tiff_says(orientation):
    # TIFF 6.0, Orientation: where the 0th row and 0th column are.
    corner = {1: "tl", 2: "tr", 3: "br", 4: "bl", 5: "tl", 6: "tr", 7: "br", 8: "bl"}[orientation]
    mosaic = np.zeros((24, 32), np.uint16)
    mosaic[:4, :4] = 1000
    out = raw.render(raw.Raw(mosaic=mosaic, cfa="MONO", black=0, white=1000, orientation=orientation))
    assert out.shape == ((24, 32, 3) if orientation < 5 else (32, 24, 3))
    assert out[0 if corner[0] == "t" else -1, 0 if corner[1] == "l" else -1].min() == 255
    assert np.count_nonzero(out[..., 0] == 255) == 16


@pytest.mark.parametrize("area", [(0, 0, 24, 32), (3, 5, 24, 31), (2, 1, 9, 8), (0, 0, 1, 1), (1, 1, 2, 9)])
def test_active_areas_of_any_offset_and_size(area):
    picture = flat(0.2 * NEUTRAL, as_shot_neutral=NEUTRAL, active_area=area)
    out = raw.render(picture)
    assert out.shape == (area[2] - area[0], area[3] - area[1], 3)
    if min(out.shape[:2]) > 1:
        assert np.abs(out.astype(float) - srgb(0.2)).max() < 1.01


@pytest.mark.parametrize("corner", [(0, 0), (0, 1), (1, 0), (1, 1), (4, 3)])
def test_each_site_has_its_own_black_at_any_corner_of_the_active_area(corner):
    black = np.array([100, 900, 1700, 2500])
    mosaic = np.tile((black + 0.2 * (12100 - black)).reshape(2, 2), (12, 16))
    picture = raw.Raw(
        mosaic=mosaic.astype(np.uint16), cfa="MONO", black=black, white=12100, active_area=(*corner, 20, 30)
    )
    for max_size in (None, 8):
        out = raw.render(picture, max_size=max_size).astype(float)
        assert np.abs(out - srgb(0.2)).max() < 1.01


def test_the_chart_looks_as_libraw_renders_it(chart):
    rawpy = pytest.importorskip("rawpy")
    with rawpy.imread(str(DATA / "canon550d_ml_colorchart.dng")) as libraw:
        theirs = libraw.postprocess(
            use_camera_wb=True,
            no_auto_bright=True,
            half_size=True,
            gamma=(2.4, 12.92),
            adjust_maximum_thr=0.0,
        )
    ours = raw.render(chart, max_size=867)
    assert ours.shape == (578, 867, 3)
    assert np.abs(ours.astype(int) - theirs).mean() < 0.5  # of 255: rounding, measured 0.29


def test_bilinear_and_cell_rendering_agree(chart):
    full = raw.render(chart)
    assert full.shape == (1156, 1734, 3)
    cells = raw.render(chart, max_size=867)
    assert np.abs(full.mean(axis=(0, 1)) - cells.mean(axis=(0, 1))).max() < 1


def test_suggested_exposure_brings_the_brightest_to_white(chart):
    assert 1 < raw.suggest_exposure(chart) < 4
    assert raw.suggest_exposure(flat(np.zeros(3))) == 0
    assert raw.suggest_exposure(flat(np.full(3, 0.25))) == pytest.approx(2)


def test_noise_neither_tints_nor_darkens_what_is_shrunk():
    clean = flat(0.02 * NEUTRAL, shape=(256, 256), as_shot_neutral=NEUTRAL)
    noise = np.random.default_rng(3).normal(0, 80, clean.mosaic.shape)
    noisy = clean.replace(mosaic=np.clip(clean.mosaic + noise, 0, 65535).astype(np.uint16))
    shown = raw.render(noisy, exposure_ev=4, max_size=16).mean(axis=(0, 1))
    np.testing.assert_allclose(shown, srgb(0.32), atol=4)


def test_without_white_balance_grey_world_or_matrix_decides():
    grey = raw.render(flat([0.1, 0.2, 0.05]))
    assert np.ptp(grey.astype(int), axis=-1).max() <= 1
    matrix = np.reshape(COLOR_MATRIX, (3, 3))
    white = matrix @ [0.95047, 1, 1.08883]
    daylight = raw.render(flat(0.1 * white / white[1], color_matrix=matrix))
    assert np.ptp(daylight.astype(int), axis=-1).max() <= 1


def test_before_after_shares_the_white_balance(tmp_path):
    before = flat([0.1, 0.2, 0.05])
    after = flat([0.2, 0.2, 0.2])
    sheet = raw.before_after(before, after, labels=("clean", "noisy"), exposure_ev=(0, 1))
    assert sheet.size == (2 * 32 + 8, 24 + 24)
    right = np.array(sheet)[-5, -5].astype(int)
    assert right[2] > right[0] > right[1]
    raw.write_preview(tmp_path / "p.png", before, after, exposure_ev=(0, 1), labels=("clean", "noisy"))
    np.testing.assert_array_equal(np.array(PIL.open(tmp_path / "p.png")), np.array(sheet))


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: raw.render(MOSAIC), TypeError, "ndarray"),
        (lambda: raw.render(flat(NEUTRAL), exposure_ev=np.nan), ValueError, "exposure_ev"),
        (lambda: raw.render(flat(NEUTRAL), max_size=0), ValueError, "max_size"),
        (lambda: raw.suggest_exposure(MOSAIC), TypeError, "ndarray"),
        (lambda: raw.write_preview("a.jpg", flat(NEUTRAL), flat(NEUTRAL)), ValueError, r"\.png"),
        (lambda: raw.write_preview("no/a.png", flat(NEUTRAL), flat(NEUTRAL)), ValueError, "folder"),
    ],
)
def test_bad_input_is_refused_by_name(call, error, says):
    with pytest.raises(error, match=says):
        call()


def test_an_interrupted_preview_leaves_nothing(tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        raw.write_preview(tmp_path / "p.png", flat(NEUTRAL), flat(NEUTRAL))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("corner", [(0, 0), (0, 1), (1, 0), (1, 1), (2, 3)])
@pytest.mark.parametrize("cfa", ["RGGB", "MONO"])
def test_each_site_has_its_own_black_wherever_the_active_area_starts(corner, cfa):
    """Four blacks far apart, all sites at theirs: black; and as much above theirs: the grey of that."""
    black = np.array([[100, 3000], [700, 1800]])
    mosaic = np.tile(black, (14, 16)).astype(np.uint16)
    picture = raw.Raw(
        mosaic=mosaic,
        cfa=cfa,
        black=black.ravel(),
        white=60000,
        active_area=(*corner, 27, 31),
        as_shot_neutral=np.ones(3),
    )
    assert raw.render(picture).max() == 0
    share = 0.25
    lit = picture.replace(mosaic=np.rint(mosaic + share * (60000 - mosaic.astype(float))).astype(np.uint16))
    assert np.abs(raw.render(lit).astype(float) - srgb(share)).max() < 1.01
    assert raw.suggest_exposure(lit) == pytest.approx(-np.log2(share), abs=1e-3)
