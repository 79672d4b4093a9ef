# SPDX-License-Identifier: Apache-2.0
"""`lrd synth --generator`: learned noise on a raw file."""

from __future__ import annotations

import pytest
import torch
from rose_picture import rose

from lrd_ext import fused_synth, load_profile, raw
from lrd_ext.generator import LiteGenerator

CAMERA = ("--camera", "sony_a7s2", "--iso", 1600, "--ratio", 20)


@pytest.fixture
def generator_file(tmp_path):
    """A small generator with noise of its own for ISO 800 to 3200."""
    torch.manual_seed(0)
    generator = LiteGenerator((16,), isos=(800, 3200), sigmas=(20.0, 60.0))
    torch.nn.init.normal_(generator.convs[-1].weight, std=0.1)
    path = tmp_path / "generator.safetensors"
    generator.save(path)
    return path


def test_generator_takes_the_place_of_read_and_row_noise(lrd, rose_dng, tmp_path, generator_file):
    target = tmp_path / "out.dng"
    code, out, err = lrd("synth", rose_dng, "-o", target, *CAMERA, "--generator", generator_file)
    assert code == 0, err
    assert f"learned noise of {generator_file}, sigma_init" in out
    clean, profile = raw.read(rose_dng), load_profile("sony_a7s2")
    params = profile.at(1600, 20, black=clean.black.tolist(), white=clean.white, cfa=clean.cfa)
    own = profile.white - sum(profile.black) / 4
    factor = (clean.white - float(clean.black.mean())) / own
    expected = fused_synth(
        torch.from_numpy(clean.mosaic),
        params.shot_only(),
        seed=0,
        generator=LiteGenerator.load(generator_file).to_range(factor),
        output="dn",
    )
    assert torch.equal(torch.from_numpy(raw.read(target).mosaic), expected)
    assert b"generator_sha256" in target.read_bytes()


def test_a_generator_of_several_cameras_takes_sigma_init_from_the_camera(
    lrd, rose_dng, tmp_path, generator_file
):
    known = LiteGenerator.load(generator_file)
    known.with_table({}).save(tmp_path / "several.safetensors")
    sigma = float(load_profile("sony_a7s2").at(1600, read="gaussian").sigma_read)
    known.with_table({1600: sigma}).save(tmp_path / "one.safetensors")
    for name in ("several", "one"):
        arguments = ("-o", tmp_path / f"{name}.dng", *CAMERA, "--generator", tmp_path / f"{name}.safetensors")
        code, _, err = lrd("synth", rose_dng, *arguments)
        assert code == 0, err
    several, one = (raw.read(tmp_path / f"{name}.dng").mosaic for name in ("several", "one"))
    assert (several == one).all()
    assert (several != raw.read(rose_dng).mosaic).any()


@pytest.mark.parametrize("cfa", ["GRBG", "BGGR"])
def test_another_cfa_phase_is_refused(lrd, tmp_path, generator_file, cfa):
    source = tmp_path / "in.dng"
    raw.write_dng(source, rose(cfa))
    code, _, err = lrd("synth", source, "-o", tmp_path / "o.dng", *CAMERA, "--generator", generator_file)
    assert code == 2
    assert "--generator makes noise for the CFA RGGB" in err


def test_what_is_no_generator_is_refused(lrd, rose_dng, tmp_path, generator_file):
    call = ("synth", rose_dng, "-o", tmp_path / "o.dng", *CAMERA, "--generator")
    code, _, err = lrd(*call, rose_dng)
    assert code == 2
    assert "is no whole safetensors file" in err
    code, _, err = lrd(*call, tmp_path / "none")
    assert code == 2
    assert "path must be a file" in err
    code, _, err = lrd(*call, generator_file, "--iso", 6400)
    assert code == 2
    assert "iso must be in the trained range [800, 3200], got 6400" in err
    assert not (tmp_path / "o.dng").exists()
