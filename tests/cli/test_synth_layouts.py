# SPDX-License-Identifier: Apache-2.0
"""lrd synth and lrd inspect on X-Trans, quad-Bayer and monochrome files."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from lrd_ext import raw
from lrd_ext.cfa import PATTERNS, tiled
from lrd_ext.profiles import from_noise_profile, load_profile, profile_from_dict
from lrd_ext.raw.model import split_black

rawpy = pytest.importorskip("rawpy")

LAYOUTS = ("XTRANS@1,2", "QUAD@3,1", "MONO")
BLACK, WHITE, RATIO = 1024.0, 16383.0, 4.0
GAIN, READ = 0.9, 4.0
LIGHT = {"R": 0.35, "G": 0.8, "B": 0.5, "Y": 0.6}


def scene(cfa, shape=(240, 252), **changes):
    """An evenly lit picture in which each colour has its own level."""
    share = np.vectorize(LIGHT.get)(PATTERNS[cfa].letters(*shape))
    mosaic = np.rint(BLACK + share * (WHITE - BLACK)).astype(np.uint16)
    fields = {"black": BLACK, "white": WHITE, "iso": 200, "exposure_s": 0.5} | changes
    return raw.Raw(mosaic, cfa, **fields)


@pytest.fixture
def camera(tmp_path):
    """Return the file of a profile of one ISO, of a camera of a pattern."""

    def make(cfa, bias=None):
        span = WHITE - BLACK
        profile = from_noise_profile(
            [[GAIN / span, (READ / span) ** 2]], iso=1600, black=BLACK, white=WHITE, cfa=cfa, name="made"
        )
        if bias is not None:
            profile = profile_from_dict(profile.to_dict() | {"bias": [{"iso": 1600, "dn": bias}]})
        profile.save(tmp_path / "camera.json")
        return tmp_path / "camera.json"

    return make


def draw(lrd, folder, picture, camera, *more, seed=1):
    raw.write_dng(folder / "in.dng", picture)
    target = folder / f"{seed}.dng"
    code, out, err = lrd(
        "synth", folder / "in.dng", "-o", target, "--camera", camera, "--iso", 1600, "--ratio", RATIO,
        "--seed", seed, "--overwrite", *more,
    )  # fmt: skip
    assert (code, err) == (0, "")
    return raw.read(target), out


@pytest.mark.parametrize("cfa", LAYOUTS)
def test_what_is_written_reopens_with_pattern_levels_and_iso(lrd, tmp_path, camera, cfa):
    picture = scene(cfa, active_area=(1, 3, 240, 250))
    noisy, out = draw(lrd, tmp_path, picture, camera(cfa), "--preview", tmp_path / "p.png")
    assert f"252 x 240 {cfa}, black 1024 1024 1024 1024, white 16383" in out
    assert (noisy.cfa, noisy.active_area, noisy.iso, noisy.white) == (cfa, (1, 3, 240, 250), 1600, WHITE)
    assert noisy.noise_profile.shape == (1 if cfa == "MONO" else 3, 2)
    with rawpy.imread(str(tmp_path / "1.dng")) as libraw:
        np.testing.assert_array_equal(libraw.raw_image, noisy.mosaic)
        assert (libraw.white_level, libraw.other.iso_speed) == (WHITE, 1600)
        if cfa.startswith("XTRANS"):
            names = np.array(list(libraw.color_desc.decode()))
            np.testing.assert_array_equal(names[libraw.raw_colors], PATTERNS[cfa].letters(240, 252))
        assert libraw.black_level_per_channel == [BLACK] * 4


@pytest.mark.parametrize("cfa", LAYOUTS)
def test_two_seeds_vary_at_each_place_of_the_pattern_as_predicted(lrd, tmp_path, camera, cfa):
    """Chi-square of every place of the cell, two-sided at 1e-3 over all of them; another phase fails."""
    picture = scene(cfa)
    frames = [draw(lrd, tmp_path, picture, camera(cfa), seed=seed)[0].mosaic for seed in (1, 2)]
    half = np.square(frames[0].astype(float) - frames[1]) / 2
    cell = PATTERNS[cfa].cell

    def p_values(mosaic):
        variance = GAIN * (mosaic - BLACK) / RATIO + READ**2 + 1 / 12
        ratios = [
            half[r::cell, c::cell] / variance[r::cell, c::cell] for r in range(cell) for c in range(cell)
        ]
        chances = [stats.chi2.cdf(ratio.sum(), ratio.size) for ratio in ratios]
        return 2 * np.minimum(chances, 1 - np.array(chances))

    assert p_values(picture.mosaic.astype(float)).min() > 1e-3 / cell**2
    if cfa != "MONO":
        assert p_values(np.roll(picture.mosaic, 1, 1).astype(float)).min() < 1e-9


@pytest.mark.parametrize("more", [(), ("--step", 4)])
def test_black_levels_of_a_larger_block_are_kept_and_change_no_electron(lrd, tmp_path, camera, more):
    # Of mean 0: the profile is brought to the file's range by its mean black level.
    levels = np.random.default_rng(1).permutation(np.repeat([-16.0, -4, 8, 12], 9)).reshape(6, 6)
    black, offsets = split_black(BLACK + levels)
    even, own = scene("XTRANS@1,2"), camera("XTRANS@1,2")
    frame = tiled(levels, *even.mosaic.shape)
    odd = even.replace(
        mosaic=(even.mosaic + frame).astype(np.uint16),
        black=black,
        black_offsets=offsets,
    )
    want, _ = draw(lrd, tmp_path, even, own, *more)
    got, out = draw(lrd, tmp_path, odd, own, *more, seed=1)
    assert "black differs over 6 x 6 pixels" in out
    np.testing.assert_array_equal(got.black_frame, BLACK + frame)
    apart = got.mosaic - frame - want.mosaic
    # The signal comes in as float32 there, as whole DN here: a Poisson step is crossed now and then.
    assert np.mean(apart != 0) < 1e-3
    assert np.abs(apart).max() <= 4


def test_noise_knows_places_of_the_mosaic_and_no_colours(lrd, tmp_path, camera):
    mosaic = np.random.default_rng(2).integers(BLACK, WHITE, (24, 36)).astype(np.uint16)
    drawn = [
        draw(lrd, tmp_path, scene("RGGB", (24, 36)).replace(mosaic=mosaic, cfa=cfa), camera(cfa))[0].mosaic
        for cfa in ("RGGB", *LAYOUTS)
    ]
    for other in drawn[1:]:
        np.testing.assert_array_equal(other, drawn[0])


def test_inspect_finds_what_was_drawn_on_x_trans(lrd, tmp_path, camera):
    own = camera("XTRANS@1,2", bias=[2.0, -1.0, 0.5, 1.5])
    ramp = np.repeat(np.linspace(BLACK, 15000, 24).astype(np.uint16), 16)[:, None]
    picture = scene("XTRANS@1,2", (384, 384)).replace(mosaic=np.broadcast_to(ramp, (384, 384)).copy())
    draw(lrd, tmp_path, picture, own, seed=2)
    code, out, err = lrd("inspect", tmp_path / "in.dng", tmp_path / "2.dng", "--camera", own)
    assert (code, err) == (0, "")
    assert "K, row, column, dark kurtosis, brightness, bias agree." in out
    code, out, err = lrd("inspect", tmp_path / "2.dng")
    assert (code, err) == (0, "")
    assert "384 x 384, XTRANS@1,2" in out


BIAS = [2.0, 2.0, 2.0, 2.5]


@pytest.mark.parametrize(
    ("cfa", "of"), [("XTRANS", "RGGB"), ("QUAD", "RGGB"), ("RGGB", "XTRANS"), ("XTRANS", "XTRANS@1,2")]
)
def test_a_bias_by_colour_contradicts_another_pattern_and_can_be_left_out(lrd, tmp_path, camera, cfa, of):
    raw.write_dng(tmp_path / "in.dng", scene(cfa))
    rest = ("--camera", camera(of, BIAS), "--iso", 1600, "--ratio", 4)
    code, _, err = lrd("synth", tmp_path / "in.dng", "-o", tmp_path / "out.dng", *rest)
    assert code == 2
    assert (
        f"black level or bias by site of {of} (2 2 2 2.5 DN) has no place on {cfa}: leave the bias out" in err
    )
    assert not (tmp_path / "out.dng").exists()
    assert lrd("synth", tmp_path / "in.dng", "-o", tmp_path / "out.dng", *rest, "--no-bias")[0] == 0
    dark = raw.read(tmp_path / "out.dng").mosaic.mean(dtype=float)
    mean = BLACK + (scene(cfa).mosaic.mean(dtype=float) - BLACK) / RATIO
    assert abs(dark - mean) < 0.5


def test_a_figure_that_is_the_same_at_all_sites_fits_any_pattern(lrd, tmp_path, camera):
    for cfa in LAYOUTS:
        noisy, out = draw(lrd, tmp_path, scene(cfa), camera("RGGB", [2.0] * 4))
        assert "bias +2 DN" in out
        assert noisy.cfa == cfa


def test_a_published_bayer_camera_is_refused_on_x_trans_by_name(lrd, tmp_path):
    assert len(set(load_profile("nikon_d850").at(3200).bias[0].tolist())) > 1
    raw.write_dng(tmp_path / "in.dng", scene("XTRANS"))
    code, _, err = lrd(
        "synth", tmp_path / "in.dng", "-o", tmp_path / "o.dng", "--camera", "nikon_d850", "--iso", 3200
    )
    assert code == 2
    assert "of RGGB" in err
    assert "no place on XTRANS" in err
