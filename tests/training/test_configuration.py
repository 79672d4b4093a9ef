# SPDX-License-Identifier: Apache-2.0
"""Configurations: both presets are whole, and what is wrong in a file is named."""

from __future__ import annotations

import pytest

from lrd_ext.commands.train_configuration import read_configuration
from lrd_ext.training.configuration import Configuration, DenoiserConfiguration


def test_presets():
    cpu, gpu = read_configuration(Configuration, "cpu"), read_configuration(Configuration, "gpu")
    assert (cpu.generator, cpu.adversarial, cpu.precision) == ("lite", None, "32-true")
    # LRD's released configuration, field by field.
    a = gpu.adversarial
    assert (gpu.generator, gpu.channels, a.critic, a.batch, a.patch) == ("unet", 64, "fourier", 128, 64)
    assert (a.rate, a.critic_steps, a.penalty, a.epochs) == (2e-4, 5, 10.0, 100)


def test_presets_of_denoisers():
    cpu, gpu = (read_configuration(DenoiserConfiguration, name) for name in ("cpu", "gpu"))
    assert (cpu.net, cpu.residual, cpu.accelerator) == ("unet", True, "cpu")
    # SID's net and crops (Chen et al., CVPR 2018).
    assert (gpu.net, gpu.width, gpu.levels, gpu.residual, gpu.patch) == ("unet", 32, 5, False, 512)


def test_what_is_wrong_with_a_denoiser_is_named(tmp_path):
    path = tmp_path / "own.yaml"
    for text, message in {
        "batch: 0": "batch must be at least 1, got 0",
        "ema: 1.0": r"ema in \[0, 1\)",
        "rounds: []": "unknown key rounds; known are net, width, levels",
        "devices: 0": "devices and nodes must be at least 1",
        "net: big": "net",
    }.items():
        path.write_text(text)
        with pytest.raises(ValueError, match=message):
            read_configuration(DenoiserConfiguration, "cpu", path)


def test_a_file_changes_single_keys(tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text("seed: 5\nadversarial:\n  batch: 4\n")
    read = read_configuration(Configuration, "gpu", path)
    assert (read.seed, read.adversarial.batch, read.adversarial.patch) == (5, 4, 64)


BAD = {
    "rate: 1": r"unknown key rate; known are generator, widths",
    "adversarial:\n  critic_step: 2": r"unknown key adversarial\.critic_step; known are critic, width",
    "generator: big": r"generator",
    "seed: many": r"seed",
    "rounds: [[1]]": r"rounds must be pairs of crops and steps",
    "distill: true": r"distill needs generator: unet",
    "- 1": r"must hold keys and values",
    "a: [": r"is no YAML",
}


@pytest.mark.parametrize("text", BAD)
def test_bad_files_are_refused_by_name(tmp_path, text):
    path = tmp_path / "own.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=BAD[text]) as caught:
        read_configuration(Configuration, "cpu", path)
    assert str(path) in str(caught.value)


def test_unknown_preset_and_missing_file(tmp_path):
    with pytest.raises(ValueError, match=r"--preset must be one of cpu, gpu, got 'tpu'"):
        read_configuration(Configuration, "tpu")
    with pytest.raises(FileNotFoundError):
        read_configuration(Configuration, "cpu", tmp_path / "none.yaml")
