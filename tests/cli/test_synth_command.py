# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
import json
import os
import struct
import subprocess
import sys

import numpy as np
import pytest
import torch
from rose_picture import DATA, rose

from lrd_ext import NoiseParams, fused_synth, load_profile, raw

A7S2 = ("--camera", "sony_a7s2", "--iso", 3200)


@pytest.mark.parametrize("cfa", ["RGGB", "GRBG", "GBRG", "BGGR"])
@pytest.mark.parametrize("camera", ["sony_a7s2", "nikon_d850", "canon_70d"])
@pytest.mark.parametrize("iso", [400, 1600, 6400])
def test_output_reopens_with_the_same_levels_and_the_iso_asked_for(lrd, tmp_path, cfa, camera, iso):
    source, target = tmp_path / "in.dng", tmp_path / "out.dng"
    raw.write_dng(source, rose(cfa))
    code, _, err = lrd("synth", source, "-o", target, "--camera", camera, "--iso", iso, "--ratio", 50)
    assert (code, err) == (0, "")
    noisy = raw.read(target)
    assert (noisy.cfa, noisy.white, noisy.iso) == (cfa, 15520, iso)
    np.testing.assert_array_equal(noisy.black, 600)
    assert noisy.exposure_s == pytest.approx(0.5 * 100 / (iso * 50), rel=1e-3)
    assert noisy.baseline_exposure == pytest.approx(np.log2(50), abs=1e-4)
    assert noisy.mosaic.max() <= 15520


@pytest.mark.parametrize("iso", [800, 3200, 12800])
def test_two_seeds_give_gain_and_noise_of_the_profile(lrd, tmp_path, iso):
    """Half the variance of two draws' difference over the mean: slope K within 1 %, offset within 3 %."""
    source = tmp_path / "in.dng"
    # Steps of light wide enough for a slope, 60 lines each: 1.3e5 sites a step leave 0.4 % of variance.
    steps = np.repeat(np.linspace(600, 15520, 12).astype(np.uint16), 64)[:, None]
    raw.write_dng(source, rose("RGGB", iso=100).replace(mosaic=np.broadcast_to(steps, (768, 2048)).copy()))
    frames = []
    for seed in (1, 2):
        target = tmp_path / f"{seed}.dng"
        args = (
            "synth",
            source,
            "-o",
            target,
            "--camera",
            "sony_a7s2",
            "--iso",
            iso,
            "--ratio",
            8,
            "--seed",
            seed,
        )
        assert lrd(*args)[0] == 0
        frames.append(raw.read(target).mosaic.astype(np.float64).reshape(12, 64 * 2048))
    level = (frames[0] + frames[1]).mean(1) / 2 - 600
    variance = (frames[0] - frames[1]).var(1) / 2
    params = load_profile("sony_a7s2").at(iso, 8.0, black=600, white=15520)
    weight = 1 / variance
    slope, _ = np.polyfit(level, variance, 1, w=weight)
    assert slope == pytest.approx(float(params.K), rel=0.01)
    from lrd_ext.profiles import tukey_lambda_std

    read = float(params.sigma_read) * tukey_lambda_std(float(params.tukey_lambda))
    expected = read**2 + float(params.sigma_row) ** 2 + 1 / 12
    assert variance[0] == pytest.approx(expected, rel=0.03)


def test_same_bytes_over_processes_and_threads(tmp_path, rose_dng):
    hashes = set()
    for threads in ("1", "2"):
        target = tmp_path / "same.dng"
        subprocess.run(
            [
                sys.executable,
                "-m",
                "lrd_ext.cli",
                "synth",
                rose_dng,
                "-o",
                target,
                *map(str, A7S2),
                "--overwrite",
            ],
            env=os.environ | {"OMP_NUM_THREADS": threads},
            check=True,
            stdout=subprocess.DEVNULL,
        )
        hashes.add(hashlib.sha256(target.read_bytes()).hexdigest())
    assert len(hashes) == 1


def test_file_can_be_made_again_from_its_own_text_tag(lrd, tmp_path, rose_dng):
    target = tmp_path / "out.dng"
    assert lrd("synth", rose_dng, "-o", target, *A7S2, "--ratio", 30, "--seed", 5, "--index", 9)[0] == 0
    written, clean = raw.read(target), raw.read(rose_dng)
    recipe = json.loads(written.description)
    assert recipe["source_sha256"] == hashlib.sha256(rose_dng.read_bytes()).hexdigest()
    again = fused_synth(
        torch.from_numpy(clean.mosaic),
        NoiseParams.from_dict(recipe["params"]),
        seed=recipe["seed"],
        index=recipe["index"],
        output="dn",
    )
    np.testing.assert_array_equal(again.numpy(), written.mosaic)


def test_mosaic_packed_and_crop_give_the_pixels_of_the_file(lrd, tmp_path, rose_dng):
    target = tmp_path / "out.dng"
    assert lrd("synth", rose_dng, "-o", target, *A7S2, "--ratio", 30)[0] == 0
    written = raw.read(target)
    params = NoiseParams.from_dict(json.loads(written.description)["params"])
    clean = torch.from_numpy(raw.read(rose_dng).mosaic)
    packed = fused_synth(raw.pack(clean), params, seed=0, output="dn", layout="packed")
    np.testing.assert_array_equal(raw.unpack(packed).numpy(), written.mosaic)
    crop = fused_synth(clean[100:300, 64:512], params, seed=0, output="dn", origin=(100, 64))
    np.testing.assert_array_equal(crop.numpy(), written.mosaic[100:300, 64:512])


def test_odd_sizes_are_those_of_the_even_frame_cut(lrd, tmp_path):
    whole, odd = rose("GRBG"), rose("GRBG")
    odd = odd.replace(mosaic=odd.mosaic[:-1, :-1].copy(), active_area=None)
    frames = []
    for name, picture in (("whole", whole), ("odd", odd)):
        raw.write_dng(tmp_path / f"{name}.dng", picture)
        args = ("synth", tmp_path / f"{name}.dng", "-o", tmp_path / f"{name}_out.dng", *A7S2)
        assert lrd(*args)[0] == 0
        frames.append(raw.read(tmp_path / f"{name}_out.dng").mosaic)
    np.testing.assert_array_equal(frames[0][:-1, :-1], frames[1])


def test_the_factor_between_ranges_is_told(lrd, tmp_path):
    source = tmp_path / "in.dng"
    raw.write_dng(source, rose("RGGB", black=0))
    code, out, _ = lrd("synth", source, "-o", tmp_path / "out.dng", *A7S2)
    assert code == 0
    assert f"x {15520 / (16383 - 512):.6g}" in out
    assert "no black level" not in out


def test_a_file_without_black_level_keeps_0_and_is_told_of(lrd, tmp_path, rose_dng):
    level, private = (struct.pack("<HHI", code, 3, 4) for code in (50714, 65001))
    assert level in rose_dng.read_bytes()
    rose_dng.write_bytes(rose_dng.read_bytes().replace(level, private))
    code, out, _ = lrd("synth", rose_dng, "-o", tmp_path / "out.dng", *A7S2)
    assert code == 0
    assert "the file gives no black level: 0 is taken" in out
    np.testing.assert_array_equal(raw.read(tmp_path / "out.dng").black, 0)


def test_demo_picture_and_its_preview(lrd, tmp_path):
    picture = tmp_path / "p.png"
    args = (
        "synth",
        DATA / "canon550d_ml_colorchart.dng",
        "-o",
        tmp_path / "o.dng",
        *A7S2,
        "--preview",
        picture,
    )
    assert lrd(*args)[0] == 0
    assert picture.read_bytes()[:4] == b"\x89PNG"
    noisy = raw.read(tmp_path / "o.dng")
    assert noisy.active_area == raw.read(DATA / "canon550d_ml_colorchart.dng").active_area


def test_doctor_tells_which_executor_runs(lrd):
    code, out, _ = lrd("doctor")
    assert code == 0
    for word in ("executor", "CUDA", "self-check"):
        assert word in out
