# SPDX-License-Identifier: Apache-2.0
"""`lrd train generator`: what it writes, and what it refuses before training starts."""

from __future__ import annotations

import json
import re

import pytest
import simulated_sensor
import torch
from safetensors import safe_open
from test_dark_store import write_folder

from lrd_ext import NoiseParams, fused_synth
from lrd_ext.cli import main
from lrd_ext.generator import LiteGenerator, UNetGenerator
from lrd_ext.profiles import load_profile

pytest.importorskip("lightning_fabric")

SHAPE = (160, 160)
QUICK = "widths: [16, 16]\nrounds: [[1, 2]]\nsettling: 1\ncheckpoint_s: 0\nthreads: 1\n"


def write_profile(path, **changes):
    """A profile of the simulated sensor's read noise, darks alone."""
    rows = [
        {"iso": iso, "sigma_gaussian": simulated_sensor.read_sigma(iso) * 1.03} for iso in (800, 1600, 3200)
    ]
    base = load_profile("sony_a7s2").to_dict()
    kept = {k: base[k] for k in ("schema", "version", "units", "licence", "sources")}
    profile = kept | {
        "name": path.stem,
        "make": "unknown",
        "model": "simulated sensor",
        "bits": 14,
        "black": [512.0] * 4,
        "white": 16383.0,
        "cfa": "RGGB",
        "read": "gaussian",
        "notes": [],
        "doubtful": [],
        "rows": rows,
        "branches": [{"name": "all", "iso": [800, 3200]}],
    }
    path.write_text(json.dumps(profile | changes))
    return path


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("training")
    darks = {iso: simulated_sensor.darks(iso, 4, SHAPE, 1) for iso in (800, 3200)}
    write_folder(folder / "darks", darks)
    write_profile(folder / "camera.json")
    (folder / "quick.yaml").write_text(QUICK)
    return folder


def train(
    place, *more, folder="darks", output="made.safetensors", profile="camera.json", config="quick.yaml"
):
    words = ["train", "generator", place / folder, "-o", place / output, "--profile", place / profile]
    return main([str(w) for w in (*words, "--config", place / config, *more)])


def test_the_generator_it_writes_runs_fused_and_tells_what_it_is(place, capsys):
    assert train(place, "--overwrite") == 0
    said = capsys.readouterr().out
    assert "camera ISO 800" in said
    assert "generator: " in said
    generator = LiteGenerator.load(place / "made.safetensors")
    # The profile was calibrated at an ISO between those trained: its sigma_init is known too.
    assert generator.table.isos == (800.0, 1600.0, 3200.0)
    params = NoiseParams(K=1.0, ratio=1.0, white=16383.0, black=512.0, iso=3200.0, shot=False)
    noise = fused_synth(torch.zeros(256, 256), params, seed=1, generator=generator, output="dn_float")
    real = simulated_sensor.darks(3200, 1, SHAPE, 9)[0].astype(float)
    assert float(noise.std()) == pytest.approx(real.std(), rel=0.08)
    with safe_open(place / "made.safetensors", "np") as file:
        card = json.loads(file.metadata()["card"])
    assert card == generator.card
    assert card["cameras"][0]["frames"] == {"800": 4, "3200": 4}
    assert set(card["against_the_darks"]) == {"camera ISO 800", "camera ISO 3200"}
    assert str(place) not in json.dumps(card)
    assert not (place / "made.frames").exists()


def test_stopped_and_resumed_gives_the_same_bits(place, monkeypatch, capsys):
    assert train(place, "--overwrite", output="whole.safetensors") == 0
    from lrd_ext.generator.matching import Matching

    real = Matching.step

    def killed(self, number):
        if number == 2:
            raise KeyboardInterrupt
        return real(self, number)

    monkeypatch.setattr(Matching, "step", killed)
    assert train(place, output="parts.safetensors") == 2
    assert not (place / "parts.safetensors").exists()
    monkeypatch.undo()
    assert train(place, output="parts.safetensors") == 2
    assert "last.ckpt is the checkpoint of a training; say --resume to" in capsys.readouterr().err
    assert train(place, "--resume", output="parts.safetensors") == 0
    whole, parts = (LiteGenerator.load(place / f"{n}.safetensors") for n in ("whole", "parts"))
    for name, weight in whole.state_dict().items():
        assert torch.equal(weight, parts.state_dict()[name]), name


def test_a_checkpoint_of_another_configuration_is_refused(place, capsys):
    assert train(place, "--overwrite", output="other.safetensors") == 0
    (place / "changed.yaml").write_text(QUICK + "seed: 9\n")
    assert train(place, "--resume", output="other.safetensors", config="changed.yaml") == 2
    assert "last.ckpt: belongs to a training of another configuration" in capsys.readouterr().err


STAGE_2 = """
generator: {generator}
channels: 4
widths: [16, 16]
rounds: [[1, 1]]
settling: 0
adversarial: {{critic: {critic}, width: 16, depth: 1, epochs: 2, steps_per_epoch: 1, batch: 2, patch: 16,
  critic_steps: 1, keep: {keep}}}
distill: {distill}
checkpoint_s: 0
threads: 1
"""


@pytest.mark.parametrize(
    ("generator", "critic", "keep", "distill"),
    [("lite", "fourier", 1, "false"), ("unet", "pixel", 0, "false"), ("unet", "fourier", 0, "true")],
)
def test_stage_2_trains_both_nets_against_both_critics(place, generator, critic, keep, distill):
    text = STAGE_2.format(generator=generator, critic=critic, keep=keep, distill=distill)
    (place / "stage2.yaml").write_text(text)
    assert train(place, "--overwrite", output="stage2.safetensors", config="stage2.yaml") == 0
    kind = UNetGenerator if (generator, distill) == ("unet", "false") else LiteGenerator
    made = kind.load(place / "stage2.safetensors")
    assert made.table.isos == (800.0, 1600.0, 3200.0)


def test_a_patch_larger_than_the_frames_is_refused_before_stage_1(place, capsys):
    text = STAGE_2.format(generator="lite", critic="pixel", keep=0, distill="false")
    (place / "large.yaml").write_text(text.replace("patch: 16", "patch: 96"))
    assert train(place, output="large.safetensors", config="large.yaml") == 2
    message = "adversarial.patch: crops of 96 cells need frames of 192 x 192 pixels, got (160, 160)"
    assert message in " ".join(capsys.readouterr().err.split())
    assert not (place / "large.training").exists()


def test_widths_to_distill_to_are_refused_before_frames_are_read(place, capsys):
    text = STAGE_2.format(generator="unet", critic="pixel", keep=0, distill="true")
    (place / "widths.yaml").write_text(text.replace("widths: [16, 16]", "widths: [17]"))
    assert train(place, output="widths.safetensors", config="widths.yaml") == 2
    assert "widths must be 1 to 3 hidden layers of 16 or 32 channels, got [17]" in capsys.readouterr().err
    assert not (place / "widths.frames").exists()


def test_one_step_of_stage_2_keeps_what_stage_1_learned(place):
    """Not a share of the weights from before it."""
    weights = []
    for name, more in (
        ("stage 1", ""),
        ("stage 2", "adversarial: {critic: pixel, epochs: 1, steps_per_epoch: 1, batch: 2, patch: 16, "
         "critic_steps: 1, rate: 1.0e-9}\n"),
    ):  # fmt: skip
        (place / "one.yaml").write_text(QUICK + more)
        assert train(place, "--overwrite", output=f"{name}.safetensors", config="one.yaml") == 0
        made = LiteGenerator.load(place / f"{name}.safetensors")
        weights.append(torch.cat([w.detach().flatten() for w in made.parameters()]))
    assert torch.allclose(*weights, atol=1e-6)


REFUSED = {
    "another depth": (
        {"black": [128.0] * 4, "white": 4095.0, "bits": 12},
        r"--profile bad is of another bit depth or camera: its black is 128 and white 4095 DN, ",
    ),
    "another camera": (
        {"rows": [{"iso": iso, "sigma_gaussian": 40.0} for iso in (800, 3200)]},
        r"--profile bad is of another camera or bit depth: at ISO 800 it has read noise of 40 DN",
    ),
    "an ISO not calibrated": (
        {"rows": [{"iso": 1600, "sigma_gaussian": 2.4}], "branches": [{"name": "all", "iso": [1600, 1600]}]},
        r"bad: iso must be in the range ISO 1600",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_profiles_that_do_not_belong_are_refused(place, capsys, name):
    changes, message = REFUSED[name]
    write_profile(place / "bad.json", **changes)
    assert train(place, profile="bad.json", output="none.safetensors") == 2
    assert re.search(message, capsys.readouterr().err)
    assert not (place / "none.safetensors").exists()
    assert not (place / "none.training").exists()


def test_wrong_use_is_refused_before_frames_are_read(place, capsys):
    (place / "wrong.yaml").write_text("rate: 3\n")
    for words, options, message in (
        ((), {"config": "wrong.yaml"}, "unknown key rate; known are generator"),
        ((), {"output": "made.bin"}, "--output must end in .safetensors"),
        ((), {"folder": "nowhere"}, "nowhere"),
        (("--preset", "tpu"), {}, "--preset must be one of cpu, gpu"),
        (("--dark-shading",), {}, "--dark-shading: profile camera has no maps"),
        (("--black", "20000"), {}, "black must be below white, got 20000 and 16383"),
    ):
        assert train(place, *words, **({"output": "none.safetensors"} | options)) == 2
        assert message in capsys.readouterr().err
    assert not (place / "none.safetensors").exists()


@pytest.mark.parametrize("below", ["", "dark"])
def test_recordings_in_a_folder_named_as_that_of_frames_stay(place, capsys, below):
    write_folder(place / "shots.frames", {})
    folder = write_folder(place / "shots.frames" / below, {800: simulated_sensor.darks(800, 2, SHAPE, 1)})
    for chosen, why in ((folder.relative_to(place), f"FOLDER {folder} lies there"), ("darks", "is none of")):
        assert train(place, folder=chosen, output="shots.safetensors") == 2
        said = " ".join(capsys.readouterr().err.split())
        assert re.search(f"shots.frames: is for the frames as training reads them, and .*{why}", said)
        assert "Move it, or give --output another name" in said
    assert len(list(folder.glob("*.npy"))) == 2


def test_what_else_comes_into_the_folder_of_frames_stays(place, monkeypatch):
    from lrd_ext.generator import train as training

    real = training.card_of

    def noted(*arguments):
        (place / "noted.frames" / "0" / "note.txt").write_text("of the user")
        return real(*arguments)

    monkeypatch.setattr(training, "card_of", noted)
    assert train(place, output="noted.safetensors") == 0
    assert [p.name for p in (place / "noted.frames").rglob("*") if p.is_file()] == ["note.txt"]


def test_frames_kept_by_an_earlier_run_are_used(place):
    for _ in range(2):
        assert train(place, "--keep-frames", "--overwrite", output="kept.safetensors") == 0
        assert sorted(p.name for p in (place / "kept.frames" / "0").iterdir()) == [
            "index.json", "iso_3200.u16", "iso_800.u16"
        ]  # fmt: skip
    assert train(place, "--overwrite", output="kept.safetensors") == 0
    assert not (place / "kept.frames").exists()


def test_weights_that_are_no_numbers_stop_the_training(place, capsys, monkeypatch):
    from lrd_ext.generator import train as training

    real = training.start

    def broken(generator, targets, draw):
        real(generator, targets, draw)
        torch.nn.init.constant_(generator.convs[0].bias, float("nan"))

    monkeypatch.setattr(training, "start", broken)
    assert train(place, output="nan.safetensors") == 2
    assert "stage 1: the loss or a weight is no longer a number at step 1 of 3" in capsys.readouterr().err
    assert not (place / "nan.safetensors").exists()


def test_two_cameras_of_one_name_in_one_generator(place, capsys):
    for k, name in enumerate(("first", "second")):
        write_folder(place / name, {800: simulated_sensor.darks(800, 4 + k, SHAPE, 1)})
        (place / name / "dark_800_0.npy").write_bytes(b"none")
    words = ["train", "generator", "-o", place / "both.safetensors", "--config", place / "quick.yaml"]
    words += ["--profile", place / "camera.json", place / "camera.json", "--overwrite"]
    # Folders last: --profile takes as many as it is given.
    assert main([str(w) for w in (*words[:2], place / "first", place / "second", *words[2:])]) == 1
    generator = LiteGenerator.load(place / "both.safetensors")
    assert [c["profile"] for c in generator.card["cameras"]] == ["camera (1)", "camera (2)"]
    assert list(generator.card["against_the_darks"]) == ["camera (1) ISO 800", "camera (2) ISO 800"]
    assert generator.table.isos == ()
    said = capsys.readouterr()
    assert all(f"camera ({number}) ISO 800" in said.out for number in (1, 2))
    assert all(str(place / name / "dark_800_0.npy") in said.err for name in ("first", "second"))


def test_curves_hold_a_picture_of_darks_above_made_noise(place):
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    assert train(place, "--overwrite", output="pictured.safetensors") == 0
    curves = events.EventAccumulator(str(place / "pictured.training" / "curves" / "stage_1"))
    curves.Reload()
    (picture,) = curves.Images("sheet")
    assert (picture.width, picture.height) == (2 * 128, 2 * 128)  # two ISOs; real, made
