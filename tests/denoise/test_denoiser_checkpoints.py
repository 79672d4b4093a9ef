# SPDX-License-Identifier: Apache-2.0
"""`lrd train denoiser` and checkpoints: what is gone on with, refused, and never replaced by oversight."""

from __future__ import annotations

import pytest
from denoiser_training import STEPS, train

from lrd_ext import raw
from lrd_ext.datasets import prepare_tiles
from lrd_ext.denoise import load_denoiser
from lrd_ext.denoise.train import Denoising
from lrd_ext.training.checkpoints import NAME

pytest.importorskip("lightning_fabric")


def test_an_unfinished_training_is_lost_to_no_oversight(place, monkeypatch, capsys):
    kept, target = place / "left.training" / NAME, place / "left.safetensors"
    with monkeypatch.context() as patch:
        patch.setattr(Denoising, "sheet", lambda self: 1 / 0)  # at step 5, after four checkpoints
        assert train(place, target.name) == 2
    before = kept.read_bytes()
    assert train(place, target.name) == 2
    said = capsys.readouterr().err
    assert f"{kept} is the checkpoint of a training; say --resume to go on with it, --overwrite to" in said
    assert kept.read_bytes() == before
    assert train(place, target.name, "--overwrite") == 0
    assert load_denoiser(target).card["schedule"] == [[0, STEPS]]


def test_resume_replaces_no_denoiser_without_its_checkpoint(place, whole, capsys):
    (place / "mine.safetensors").write_bytes((place / whole).read_bytes())
    assert train(place, "mine.safetensors", "--resume") == 2
    said = capsys.readouterr().err
    assert "mine.training holds no checkpoint; --output: " in said
    assert "mine.safetensors exists already; say --overwrite to replace it" in said
    assert (place / "mine.safetensors").read_bytes() == (place / whole).read_bytes()


def another_noise(place):
    return {"noise": ("--camera", "sony_a7s2", "canon_70d", "--iso", "800,3200", "--ratio", "10,100")}


def other_tiles(place, **options):
    """Prepare the pictures of "tiles" once more, and return the words that train on them."""
    options = {"read": raw.read} | options
    prepare_tiles([place / f"{k}.dng" for k in range(3)], place / "other", overwrite=True, **options)
    return {"tiles": "other"}


def other_levels(place):
    return other_tiles(place, read=lambda path: raw.read(path).replace(white=16000))


def other_values(place):
    def read(path):
        picture = raw.read(path)
        return picture.replace(mosaic=picture.mosaic // 2)

    return other_tiles(place, read=read)


CHANGES = {
    "choices for a range": another_noise,
    "grid": lambda place: other_tiles(place, tile=24),
    "levels": other_levels,
    "values": other_values,
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_checkpoint_of_other_noise_or_mosaics_is_refused(place, whole, capsys, name):
    """The raw files are the same ones, and so are the figures of ISO and ratio."""
    assert train(place, whole, "--resume", **CHANGES[name](place)) == 2
    assert "belongs to a training of another configuration" in capsys.readouterr().err


def test_the_same_mosaics_stored_elsewhere_are_no_others(place, whole):
    assert train(place, whole, "--resume", **other_tiles(place)) == 0
    told = load_denoiser(place / whole).card["data"]
    assert told["iso"] == {"range": [800.0, 3200.0]}
    assert told["ratio"] == [10.0, 100.0]


def test_a_checkpoint_of_other_data_is_refused(place, whole, capsys):
    assert train(place, whole, "--resume", tiles="few") == 2
    assert "belongs to a training of another configuration" in capsys.readouterr().err
