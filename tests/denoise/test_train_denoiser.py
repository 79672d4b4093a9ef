# SPDX-License-Identifier: Apache-2.0
"""`lrd train denoiser`: exact resuming, what stops it, what it writes and what it refuses."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from denoiser_training import NOISE, QUICK, STEPS, same, train
from scipy import stats

from lrd_ext import raw
from lrd_ext.augment import LowLightNoise
from lrd_ext.cli import main
from lrd_ext.datasets import EPOCH, RawTiles, prepare_tiles
from lrd_ext.denoise import NAFNet, load_denoiser
from lrd_ext.denoise.batches import Batches, InPhase, PairedTiles
from lrd_ext.denoise.train import Denoising, fresh
from lrd_ext.generator import LiteGenerator
from lrd_ext.training.checkpoints import NAME, read_checkpoint
from lrd_ext.training.configuration import DenoiserConfiguration

pytest.importorskip("lightning_fabric")


def test_killed_at_five_moments_and_resumed_gives_the_same_bits(place, whole, monkeypatch):
    real = Denoising.step
    for kill in (0, 3, 4, 8, STEPS - 1):

        def step(self, number, kill=kill):
            if number == kill:
                raise KeyboardInterrupt
            return real(self, number)

        monkeypatch.setattr(Denoising, "step", step)
        assert train(place, "parts.safetensors", "--resume") == 2
        assert not (place / "parts.safetensors").exists()
    monkeypatch.undo()
    assert train(place, "parts.safetensors", "--resume") == 0
    assert same(place, whole, "parts.safetensors")


def test_workers_change_no_bit(place, whole):
    (place / "workers.yaml").write_text(QUICK + "workers: 1\n")
    assert train(place, "workers.safetensors", config="workers.yaml") == 0
    assert same(place, whole, "workers.safetensors")


def test_a_training_can_be_prolonged_and_its_card_says_so(place, whole):
    (place / "short.yaml").write_text(QUICK.replace("steps: 12", "steps: 5"))
    assert train(place, "longer.safetensors", config="short.yaml") == 0
    assert load_denoiser(place / "longer.safetensors").card["schedule"] == [[0, 5]]
    assert train(place, "longer.safetensors", "--resume") == 0
    assert load_denoiser(place / "longer.safetensors").card["schedule"] == [[0, 5], [5, STEPS]]
    assert load_denoiser(place / whole).card["schedule"] == [[0, STEPS]]
    assert not same(place, whole, "longer.safetensors")


def test_another_seed_gives_another_net(place, whole):
    (place / "seed.yaml").write_text(QUICK + "seed: 1\n")
    assert train(place, "seed.safetensors", config="seed.yaml") == 0
    assert not same(place, whole, "seed.safetensors")


def test_the_card_tells_data_noise_and_what_it_does_on_other_pictures(place, capsys):
    assert train(place, "few.safetensors", "--held", place / "held", tiles="few") == 0
    said = capsys.readouterr().out
    assert "PSNR on the pictures of --held" in said
    card = load_denoiser(place / "few.safetensors").card
    assert [c["file"] for c in card["data"]["clean"]] == ["0.dng", "1.dng"]
    assert [c["profile"] for c in card["data"]["cameras"]] == ["sony_a7s2", "canon_70d"]
    assert len(card["held_out"]) == 2 * 2 * 2  # cameras, ends of ISO, ends of ratio
    assert card["configuration"]["steps"] == STEPS
    assert str(place) not in str(card)


def test_a_full_disk_leaves_the_earlier_checkpoint(place, whole, monkeypatch, capsys):
    real, calls = os.fsync, []

    def full(descriptor):
        calls.append(descriptor)
        if len(calls) == 6:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    assert train(place, "full.safetensors") == 2
    assert f"{NAME}: No space left on device" in capsys.readouterr().err
    folder = place / "full.training"
    found = torch.load(folder / NAME, weights_only=True)
    assert read_checkpoint(folder / NAME, found["fingerprint"]).step == 5
    monkeypatch.undo()
    assert train(place, "full.safetensors", "--resume") == 0
    assert same(place, whole, "full.safetensors")


def test_nan_stops_and_says_where(place, monkeypatch, capsys):
    real = Batches.at

    def spoiled(self, number):
        batch = real(self, number)
        if number == 7:
            batch["noisy"][0, 0, 0, 0] = float("nan")
        return batch

    monkeypatch.setattr(Batches, "at", spoiled)
    assert train(place, "nan.safetensors") == 2
    said = capsys.readouterr().err
    assert f"denoiser: the loss or a weight is no longer a number at step 8 of {STEPS}" in said
    assert f"the last good checkpoint is {place / 'nan.training' / NAME}" in said
    assert "Lower the rate in --config, or look at the data it learns from" in said
    assert not (place / "nan.safetensors").exists()


def test_recorded_pairs_take_the_ratio_of_their_files(place):
    pairs = PairedTiles(place / "tiles", place / "short", 16)
    assert pairs.ratios == [8.0] * 3
    item = pairs[1]
    assert torch.allclose(item["noisy"], item["clean"], atol=8 * 0.6 / 15871)
    assert train(place, "pairs.safetensors", "--noisy", place / "short", noise=()) == 0
    data = load_denoiser(place / "pairs.safetensors").card["data"]
    assert data["ratios"] == [8.0] * 3


def test_stores_that_other_files_were_left_out_of_are_no_pairs(tmp_path):
    """As many mosaics of one size in both, and the second of one belongs to the third of the other."""

    def prepare(name, bad):
        def read(path):
            if path.name == bad:
                raise ValueError("cut short")
            return raw.Raw(np.full((64, 64), 1000, np.uint16), "RGGB", 512, 16383, iso=100, exposure_s=1.0)

        for k in range(4):
            (tmp_path / f"{name}{k}").write_text(f"{name}{k}")
        inputs = [tmp_path / f"{name}{k}" for k in range(4)]
        prepare_tiles(inputs, tmp_path / name, read=read, overwrite=True)
        return tmp_path / name

    long = prepare("long", "long1")
    with pytest.raises(ValueError, match="long: long1 could not be read and was left out, its partner was"):
        PairedTiles(long, prepare("short", "short3"), 8)
    assert len(PairedTiles(long, prepare("short", "short1"), 8)) == 3


def test_darks_and_generators_are_trained_with_and_measured_under(place):
    (place / "darks" / "iso3200").mkdir(parents=True)
    for k in range(3):
        frame = np.rint(np.random.default_rng(k).normal(512, 4, (64, 96))).astype(np.uint16)
        np.save(place / "darks" / "iso3200" / f"{k}.npy", frame)
    a7s2 = ("--camera", "sony_a7s2", "--iso", "3200", "--ratio", "10")
    for name, words in (
        ("darks", ("--darks", place / "darks")),
        ("generator", ("--generator", "simulated_sensor")),
    ):
        assert (
            train(place, f"{name}.safetensors", *words, "--held", place / "held0", tiles="one", noise=a7s2)
            == 0
        )
        card = load_denoiser(place / f"{name}.safetensors").card
        assert name in card["data"]
        assert len(card["held_out"]) == 1
    darks = load_denoiser(place / "darks.safetensors").card
    learned = load_denoiser(place / "generator.safetensors").card
    # The noise that is measured under is that of the source, not of the profile.
    assert darks["held_out"][0]["psnr_in"] != learned["held_out"][0]["psnr_in"]


def test_a_generator_of_several_cameras_takes_sigma_init_from_the_camera(place):
    LiteGenerator((16,)).save(place / "several.safetensors")
    noise = ("--camera", "sony_a7s2", "--iso", "800:3200", "--ratio", "10")
    words = ("--generator", place / "several.safetensors", "--held", place / "held0")
    assert train(place, "of_several.safetensors", *words, tiles="one", noise=noise) == 0
    assert len(load_denoiser(place / "of_several.safetensors").card["held_out"]) > 0


def test_a_conditioned_nafnet_trains(place):
    (place / "naf.yaml").write_text(QUICK + "net: nafnet\nblocks: [1, 1]\nconditioned: true\n")
    assert train(place, "naf.safetensors", config="naf.yaml") == 0
    net = load_denoiser(place / "naf.safetensors")
    assert isinstance(net, NAFNet)
    assert net.conditioned
    words = (place / "short0.dng", "-o", place / "naf.dng", "--net", place / "naf.safetensors")
    assert main(["denoise", *map(str, words), "--camera", "sony_a7s2", "--iso", "800"]) == 0
    made, noisy = raw.read(place / "naf.dng"), raw.read(place / "short0.dng")
    assert made.mosaic.shape == noisy.mosaic.shape
    assert not np.array_equal(made.mosaic, noisy.mosaic)


def test_mixed_precision_goes_where_full_precision_goes(place, whole):
    (place / "bf16.yaml").write_text(QUICK + "precision: bf16-mixed\n")
    assert train(place, "bf16.safetensors", config="bf16.yaml") == 0
    first = fresh(DenoiserConfiguration(width=2, levels=2), "RGGB")
    start, full, mixed = (
        torch.cat([w.flatten() for w in net.state_dict().values()])
        for net in (first, load_denoiser(place / whole), load_denoiser(place / "bf16.safetensors"))
    )
    assert 0 < (mixed - full).norm() < 0.2 * (full - start).norm()


#: Runs the program and tells of each step which pictures each process saw, and its weights after it.
TOLD = """
import sys
import lrd_main
from lrd_ext.denoise.train import Denoising

real = Denoising.step
def step(self, number):
    values = real(self, number)
    weights = sum(w.detach().double().sum().item() for w in self.net.parameters())
    with open(f"process_{self.fabric.global_rank}", "a") as told:
        print(number, self._seen[0].double().sum().item(), weights, file=told)
    return values
Denoising.step = step
if __name__ == "__main__":
    sys.exit(lrd_main.main())
"""


def test_two_processes_see_other_pictures_and_keep_the_same_weights(place, tmp_path):
    (tmp_path / "two.yaml").write_text(QUICK.replace("steps: 12", "steps: 3") + "devices: 2\n")
    (tmp_path / "told.py").write_text(TOLD)
    words = ["train", "denoiser", place / "tiles", "-o", "two.safetensors", "--config", "two.yaml", *NOISE]
    done = subprocess.run(
        [sys.executable, "told.py", *map(str, words)],
        cwd=tmp_path, env={k: v for k, v in os.environ.items() if k != "LOCAL_RANK"},
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    first, second = (
        [line.split() for line in (tmp_path / f"process_{rank}").read_text().splitlines()] for rank in (0, 1)
    )
    assert [line[0] for line in first] == [line[0] for line in second] == ["0", "1", "2"]
    for (_, pictures, weights), (_, other_pictures, other_weights) in zip(first, second, strict=True):
        assert pictures != other_pictures
        assert weights == other_weights
    assert load_denoiser(tmp_path / "two.safetensors").card["configuration"]["devices"] == 2


def test_batches_depend_on_the_number_of_their_step_alone(place):
    def batches():
        noise = LowLightNoise(["sony_a7s2"], iso=800, ratio=10, seed=3)
        tiles = RawTiles(place / "tiles", 9, 8, seed=3)
        return Batches(tiles, InPhase(noise.collate, "RGGB", conditioned=True), 2)

    in_order = batches()
    seen = [in_order.at(number) for number in range(10)]
    assert seen[0].keys() == {"noisy", "clean", "noise_level"}
    assert all(batch["noisy"].shape == (2, 4, 8, 8) for batch in seen)
    for number in (9, 4, 3, 0, 7):  # two epochs and a half, in any order
        again = batches().at(number)
        assert all(torch.equal(again[name], seen[number][name]) for name in again)
    assert not torch.equal(seen[0]["noisy"], seen[4]["noisy"])


def test_mirrors_do_not_depend_on_the_place_of_the_crop(tmp_path):
    """Of 32 x 64 places each quarter of rows and columns is mirrored in the four ways alike: chi-squared."""
    rows, columns = np.mgrid[:80, :144]
    picture = raw.Raw((rows * 144 + columns).astype(np.uint16), "RGGB", 0, 65535)
    prepare_tiles([__file__], tmp_path, read=lambda path: picture)
    tiles = RawTiles(tmp_path, 9, 4000, seed=3)
    items = [tiles[identity] for identity in range(4000)]
    made = InPhase(lambda items: {"noisy": torch.stack([i["clean"].float() for i in items])}, "RGGB", seed=3)
    seen = made(items)["noisy"]
    mirrored = 2 * (seen[:, 0, 0, 0] > seen[:, 0, -1, 0]) + (seen[:, 0, 0, 0] > seen[:, 0, 0, -1])
    for axis, places in enumerate((32, 64)):
        quarter = np.array([item["origin"][axis] // 2 * 4 // places for item in items])
        counts = np.bincount(4 * quarter + mirrored.numpy(), minlength=16)
        assert stats.chisquare(counts).pvalue > 1e-4


def test_pairs_bring_their_own_ratio_in_every_epoch(place):
    pairs = PairedTiles(place / "tiles", place / "short", 16, 2)
    pairs.ratios = [1.0, 10.0, 100.0]
    for epoch in range(3):
        item = pairs[1 + epoch * EPOCH]
        assert item["id"] == f"{(1 + 2 * epoch) % 3}.dng"
        scale = (item["noisy"] / item["clean"]).median() * 8
        assert abs(scale / pairs.ratios[(1 + 2 * epoch) % 3] - 1) < 0.05


def test_denoising_is_learned(place):
    """Enough steps to see that the loss is that of the picture and goes down."""
    (place / "more.yaml").write_text(
        "steps: 120\nbatch: 8\npatch: 15\nwidth: 8\nlevels: 2\nrate: 0.01\nema: 0.9\n"
    )
    words = ("--camera", "sony_a7s2", "--iso", "3200", "--ratio", "100")
    assert train(place, "more.safetensors", "--held", place / "held", noise=words, config="more.yaml") == 0
    [figures] = load_denoiser(place / "more.safetensors").card["held_out"]
    assert figures["psnr"] > figures["psnr_in"] + 2


def test_the_loop_of_the_docs_runs(place, monkeypatch):
    text = (Path(__file__).parents[2] / "docs" / "denoise.md").read_text(encoding="utf-8")
    [loop] = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    for printed, small in (("width=32", "width=1"), ("=65, samples=800", "=9, samples=8"), ("100_000", "2")):
        assert printed in loop
        loop = loop.replace(printed, small)
    monkeypatch.chdir(place)
    seen: dict = {}
    exec(compile(loop, "denoise.md", "exec"), seen)
    assert torch.isfinite(seen["loss"])


REFUSED = {
    "no noise": ((), {"noise": ()}, "say one of --camera, for made-up noise, and --noisy"),
    "both": (("--noisy", "short"), {}, "say one of --camera, for made-up noise, and --noisy"),
    "no iso": ((), {"noise": ("--camera", "sony_a7s2", "--ratio", "10")}, "--iso must be given"),
    "iso out of range": ((), {"noise": (*NOISE[:3], "--iso", "9e9", "--ratio", "1")}, "iso must be"),
    "unknown camera": ((), {"noise": ("--camera", "sony", *NOISE[3:])}, "sony"),
    "pairs with iso": (("--noisy", "short", "--iso", "3"), {"noise": ()}, "--iso belongs to --camera"),
    "other pairs": (("--noisy", "few"), {"noise": ()}, "must hold as many mosaics as"),
    "no store": ((), {"tiles": "none"}, "none: holds no raw tiles"),
    "darks of many": (("--darks", "few"), {}, "--darks are of one camera, got 2"),
    "held of another phase": (
        ("--generator", "simulated_sensor", "--held", "held"),
        {"noise": ("--camera", "sony_a7s2", "--iso", "3200", "--ratio", "9"), "tiles": "one"},
        "generator makes noise for the phase RGGB",
    ),
    "conditioned": (
        ("--generator", "simulated_sensor"),
        {"noise": ("--camera", "sony_a7s2", *NOISE[3:]), "config": "naf.yaml"},
        "conditioned: tells the profile's read noise",
    ),
    "phase": (("--cfa", "RGBG"), {}, "--cfa must be one of RGGB"),
    "preset": (("--preset", "tpu"), {}, "--preset must be one of cpu, gpu"),
    "suffix": ((), {"output": "net.bin"}, "--output must end in .safetensors"),
    "size": ((), {"config": "big.yaml"}, "size must fit every tile"),
    "width": ((), {"config": "wide.yaml"}, "width must be a whole number in 1..256, got 999"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_wrong_use_is_refused(place, capsys, name):
    (place / "big.yaml").write_text(QUICK + "patch: 64\n")
    (place / "wide.yaml").write_text(QUICK + "width: 999\n")
    (place / "naf.yaml").write_text(QUICK + "conditioned: true\n")
    more, changes, message = REFUSED[name]
    more = [place / w if w in ("short", "few", "held") else w for w in more]
    options = {"output": "none.safetensors"} | changes
    assert train(place, options.pop("output"), *more, **options) == 2
    assert message in capsys.readouterr().err
    assert not list(place.glob("none.*"))
