# SPDX-License-Identifier: Apache-2.0
"""`lrd denoise`: what is kept, where values come back to, and what is refused."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from test_nets import lively

from lrd_ext import load_profile, raw
from lrd_ext.cfa import shift_cfa
from lrd_ext.cli import main
from lrd_ext.denoise import UNet
from lrd_ext.denoise.files import Settings, denoise_raw

sys.path.insert(0, str(Path(__file__).parents[1] / "raw"))
import dng_files

#: Fuji's pattern as DNG writes it.
XTRANS = tuple("RGB".index(c) for c in "GGRGGBGGBGGRBRGRBGGGBGGRGGRGGBRBGBRG")
#: Gives its input back.
SAME = Settings(UNet(2, 2, residual=True), "same")


def odd_raw(cfa="GRBG", seed=5):
    """A picture with everything that must stay: border, odd area, levels by site, tags."""
    mosaic = np.random.default_rng(seed).integers(400, 4000, (61, 85)).astype(np.uint16)
    return raw.Raw(
        mosaic,
        cfa,
        [500, 510, 520, 530],
        16000.0,
        iso=3200,
        exposure_s=0.01,
        active_area=(3, 4, 58, 83),
        orientation=6,
        make="Made",
        model="Up",
        opcode_lists={51009: b"\0\0\0\0"},
        baseline_exposure=3.0,
        noise_profile=[[1e-4, 1e-6]],
    )


@pytest.mark.parametrize("cfa", ["RGGB", "GRBG", "GBRG", "BGGR"])
@pytest.mark.parametrize("ratio", [None, 1.0, 37.5])
def test_a_net_that_changes_nothing_changes_nothing(cfa, ratio):
    noisy = odd_raw(cfa)
    made = denoise_raw(noisy, dataclasses.replace(SAME, ratio=ratio))
    assert np.array_equal(made.mosaic, noisy.mosaic)
    for field in dataclasses.fields(noisy):
        if field.name not in ("mosaic", "noise_profile"):
            assert np.array_equal(getattr(made, field.name), getattr(noisy, field.name)), field.name
    assert made.noise_profile is None


@pytest.mark.parametrize("shift", [(0, 1), (1, 0), (1, 1)])
def test_other_phases_are_seen_as_the_one_trained_on(shift):
    """A picture without its first row or column is denoised to the same values, away from the cut."""
    settings = Settings(lively(UNet(4, 2, residual=True)), "lively", 1.0)
    mosaic = np.random.default_rng(1).integers(600, 9000, (80, 80)).astype(np.uint16)
    whole = denoise_raw(raw.Raw(mosaic, "RGGB", 600, 16383), settings).mosaic
    row, column = shift
    cut = np.ascontiguousarray(mosaic[row:, column:])
    made = denoise_raw(raw.Raw(cut, shift_cfa("RGGB", row, column), 600, 16383), settings).mosaic
    near = 2 * settings.net.halo + 2
    inner = (slice(near, -near), slice(near, -near))
    assert np.array_equal(made[inner], whole[row:, column:][inner])
    # Taken for RGGB it would come out otherwise.
    wrong = denoise_raw(raw.Raw(cut, "RGGB", 600, 16383), settings).mosaic
    assert (wrong[inner] != made[inner]).mean() > 0.5


def test_the_masked_border_is_left_alone():
    settings = Settings(lively(UNet(2, 2, residual=True)), "lively")
    noisy = odd_raw()
    made = denoise_raw(noisy, settings)
    outside = np.ones(noisy.mosaic.shape, bool)
    outside[3:58, 4:83] = False
    assert np.array_equal(made.mosaic[outside], noisy.mosaic[outside])
    assert (made.mosaic != noisy.mosaic)[~outside].mean() > 0.9


def test_the_black_level_error_of_the_camera_is_taken_off():
    profile = load_profile("sony_a7s2")
    noisy = odd_raw("RGGB").replace(black=512, white=16383)
    made = denoise_raw(noisy, dataclasses.replace(SAME, profile=profile))
    bias = float(profile.at(3200).bias[0, 0])
    assert abs(bias) > 0.4
    off = made.active.astype(float) - noisy.active + bias
    assert np.abs(off).max() <= 0.5
    assert off.mean() == pytest.approx(0, abs=0.3)


def test_a_black_level_that_is_told_takes_the_place_of_the_files():
    net = UNet(2, 2)  # gives 0 everywhere: black
    with torch.no_grad():
        for weight in net.parameters():
            weight.zero_()
    made = denoise_raw(odd_raw(), Settings(net, "black", 1.0, black=(300.0,)))
    assert (made.active == 300).all()
    assert made.black.tolist() == [300.0] * 4


def test_lights_beyond_the_range_are_passed_on():
    net = UNet(2, 2)
    with torch.no_grad():
        for weight in net.parameters():
            weight.zero_()
    noisy = raw.Raw(np.full((16, 16), 8000, np.uint16), "RGGB", 1000, 15000)
    made = denoise_raw(noisy, Settings(net, "black", 4.0))
    assert (made.mosaic == 1000 + 7000 - 14000 / 4).all()  # of 7000 DN, 3500 are within the range


def test_fine_values_keep_what_rounding_would_take():
    settings = Settings(lively(UNet(4, 2, residual=True)), "lively", 8.0)
    noisy = odd_raw().replace(white=4095)
    coarse, fine = (denoise_raw(noisy, dataclasses.replace(settings, fine=f)) for f in (False, True))
    assert (fine.white, fine.black.tolist()) == (4095 * 16, [8000, 8160, 8320, 8480])
    off = fine.active.astype(float) / 16 - coarse.active
    assert 0.4 < np.abs(off).max() <= 0.5 + 1 / 32
    assert np.array_equal(fine.mosaic[0], noisy.mosaic[0] * 16)


def test_conditioned_nets_hear_of_the_noise_from_file_or_camera():
    settings = Settings(lively(UNet(4, 2, conditioned=True)), "told")
    told = odd_raw("RGGB")
    silent = told.replace(noise_profile=None)
    profile = load_profile("sony_a7s2")
    by_file = denoise_raw(told, settings)
    by_camera = denoise_raw(silent, dataclasses.replace(settings, profile=profile))
    assert not np.array_equal(by_file.mosaic, by_camera.mosaic)
    with pytest.raises(ValueError, match="told needs to know the noise, and the file has no NoiseProfile"):
        denoise_raw(silent, settings)
    with pytest.raises(ValueError, match="--camera needs the ISO, which the file does not tell"):
        denoise_raw(silent.replace(iso=None), dataclasses.replace(settings, profile=profile))


@pytest.fixture
def place(tmp_path):
    lively(UNet(2, 2)).save(tmp_path / "net.safetensors")
    raw.write_dng(tmp_path / "in.dng", odd_raw("RGGB"), noise_profile=[[1e-4, 1e-6]] * 3)
    return tmp_path


def lrd(*words):
    try:
        return main(["denoise", *map(str, words)])
    except SystemExit as stop:
        return stop.code


def test_the_command_writes_a_dng_and_a_picture(place, capsys):
    words = (place / "in.dng", "-o", place / "out.dng", "--net", place / "net.safetensors")
    assert lrd(*words, "--preview", place / "out.png") == 0
    said = capsys.readouterr().out
    assert "Made Up, 79 x 55 GBRG" in said
    assert "ratio 8, of the file's BaselineExposure" in said
    made = raw.read(place / "out.dng")
    noisy = raw.read(place / "in.dng")
    assert (made.cfa, made.white, made.iso, made.baseline_exposure) == ("RGGB", 16000, 3200, 3.0)
    assert np.array_equal(made.black, noisy.black)
    assert made.active_area == noisy.active_area
    assert made.opcode_lists == noisy.opcode_lists
    recipe = json.loads(made.description)
    assert (recipe["ratio"], recipe["source"]) == (8.0, "in.dng")
    assert (place / "out.png").read_bytes()[:4] == b"\x89PNG"
    assert lrd(*words) == 2
    assert "exists already; say --overwrite" in capsys.readouterr().err


def test_many_inputs_and_one_that_is_refused(place, capsys):
    raw.write_dng(place / "mono.dng", odd_raw("MONO"))
    code = lrd(
        *(place / "in.dng", place / "mono.dng", "-o", place / "out"),
        *("--net", place / "net.safetensors", "--tile", 8, "--fine"),
    )
    said = capsys.readouterr()
    assert code == 1
    assert "mono.dng: the picture is monochrome (MONO), the denoiser was trained on Bayer (RGGB)" in said.err
    assert "1 of 2 files written" in said.out
    assert "values, black and white multiplied by 4" in said.out
    assert [p.name for p in (place / "out").iterdir()] == ["in.dng"]


def test_x_trans_is_refused_by_name(place, capsys):
    dng_files.make_dng(place / "x.dng", np.zeros((30, 36), np.uint16), cfa=XTRANS, period=(6, 6))
    assert lrd(place / "x.dng", "-o", place / "out.dng", "--net", place / "net.safetensors") == 2
    said = capsys.readouterr().err
    assert "the picture is of a larger pattern (XTRANS@1,0), the denoiser was trained on Bayer (RGGB)" in said
    assert not (place / "out.dng").exists()


def test_wrong_use_is_refused_with_nothing_written(place, capsys):
    good = (place / "in.dng", "-o", place / "out.dng", "--net", place / "net.safetensors")
    for more, message in (
        (("--ratio", 0), "--ratio must be above 0, got 0"),
        (("--ratio", "20:30"), "must be a number"),
        (("--tile", 0), "--tile must be at least 1 cell, got 0"),
        (("--iso", 800), "--iso belongs to --camera"),
        (("--camera", "sony_a7s4"), "sony_a7s"),
        (("--black", "a"), "--black must be one number or four"),
        (("--black", "17000"), "black must be >= 0 and below white"),
        (("--net", "nothing"), "no denoiser or file named 'nothing'"),
        (("--jobs", 0), "--jobs must be at least 1"),
    ):
        assert lrd(*good, *more) == 2
        assert message in capsys.readouterr().err
        assert not (place / "out.dng").exists()
