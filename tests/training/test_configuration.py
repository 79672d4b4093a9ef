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
        "ema: 1.0": r"ema must be in \[0, 1\), got 1\.0",
        "rate: 0": r"rate must be above 0 and finite, got 0",
        "workers: -1": "workers must be at least 0, got -1",
        "rounds: []": "unknown key rounds; known are net, width, levels",
        "devices: 0": "devices must be at least 1, got 0",
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
    "threads: -1": r"threads must be at least 0, got -1",
    "seed: 4294967296": r"seed must be below 2\*\*32, got 4294967296",
    **{
        f"adversarial: {{{name}: 0}}": rf"adversarial\.{name} must be at least 1, got 0"
        for name in ("width", "depth", "epochs", "steps_per_epoch", "batch", "critic_steps")
    },
    "adversarial: {patch: 8}": r"adversarial\.patch must be at least 16, got 8",
    "adversarial: {patch: 24}": r"adversarial\.patch must be a multiple of 16 for critic: fourier, got 24",
    "adversarial: {width: 20}": r"adversarial\.width must be a multiple of 16 for critic: fourier, got 20",
    "adversarial: {critic: pixel, patch: 20}": r"patch must be a multiple of 8 for generator: unet, got 20",
    "adversarial: {rate: 0}": r"adversarial\.rate must be above 0 and finite, got 0",
    "adversarial: {rate: .nan}": r"adversarial\.rate must be above 0 and finite, got nan",
    "adversarial: {ema: 1.5}": r"adversarial\.ema must be in \[0, 1\), got 1\.5",
    "adversarial: {ema: -0.1}": r"adversarial\.ema must be in \[0, 1\), got -0\.1",
    "adversarial: {keep: -1}": r"adversarial\.keep must be at least 0, got -1",
    "adversarial: {penalty: .nan}": r"adversarial\.penalty must be at least 0, got nan",
    "adversarial: {}\nimage_domain: {l1: -1}": r"image_domain\.l1 must be at least 0, got -1",
    "distill: true": r"distill needs generator: unet",
    "- 1": r"must hold keys and values",
    "a: [": r"is no YAML",
}


@pytest.mark.parametrize("text", BAD)
def test_bad_files_are_refused_by_name(tmp_path, text):
    path = tmp_path / "own.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=BAD[text]) as caught:
        read_configuration(Configuration, "gpu" if "for generator: unet" in BAD[text] else "cpu", path)
    assert str(path) in str(caught.value)


def test_unknown_preset_and_missing_file(tmp_path):
    with pytest.raises(ValueError, match=r"--preset must be one of cpu, gpu, got 'tpu'"):
        read_configuration(Configuration, "tpu")
    with pytest.raises(FileNotFoundError):
        read_configuration(Configuration, "cpu", tmp_path / "none.yaml")
