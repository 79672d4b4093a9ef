# SPDX-License-Identifier: Apache-2.0
"""Pairs as training reads and remakes them, and which are refused."""

from __future__ import annotations

import re

import numpy as np
import pytest
import simulated_pairs
import simulated_sensor
import torch
from scipy import stats
from simulated_sensor import BLACK, WHITE
from test_dark_store import write_folder
from test_train_command import write_profile

from lrd_ext.calibration import Levels
from lrd_ext.cli import main
from lrd_ext.generator import LiteGenerator
from lrd_ext.generator.crops import random_crops, side_by_side
from lrd_ext.generator.material import Camera, gather
from lrd_ext.generator.pairs import Pairs, keep_pairs
from lrd_ext.profiles import load_profile

SHAPE = (128, 160)
RATIO = 20.0
LEVELS = Levels(None, WHITE, "RGGB")
ISOS = (800, 3200)


@pytest.fixture
def folder(tmp_path):
    pictures = {name: simulated_pairs.picture(SHAPE, k) for k, name in enumerate(("a", "b"))}
    return simulated_pairs.write_pairs(tmp_path / "pairs", pictures, ISOS, RATIO, 3)


def with_gain(path, **changes):
    """A profile of the simulated sensor, its gain known."""
    rows = [
        {
            "iso": iso,
            "K": simulated_pairs.gain(iso),
            "sigma_gaussian": simulated_sensor.read_sigma(iso) * 1.03,
        }
        for iso in (800, 1600, 3200)
    ]
    return write_profile(path, **({"rows": rows} | changes))


def keep(folder, tmp_path, **more):
    return keep_pairs(folder, LEVELS, (BLACK,) * 4, tmp_path / "store", **more)


def test_every_pair_is_there_about_its_level(folder, tmp_path):
    store = keep(folder, tmp_path)
    assert [(p.iso, len(p), p.shape) for p in store.pairs] == [(800.0, 2, SHAPE), (3200.0, 2, SHAPE)]
    assert (store.black, store.white, store.cfa, store.left_out) == ((BLACK,) * 4, WHITE, "RGGB", {})
    pairs = store.pairs[1]
    assert pairs.clean.shape == (2, *SHAPE)  # each clean frame once, though it serves two ISOs
    noisy, clean = (np.load(folder / f"{name}.npy").astype(np.float32) for name in ("b_3200", "b"))
    crop = pairs.window(1, slice(3, 9), slice(4, 20))
    for site, (r, c) in enumerate(((0, 0), (0, 1), (1, 0), (1, 1))):
        cut = np.s_[6 + r : 18 : 2, 8 + c : 40 : 2]
        assert np.array_equal(crop.real[site], noisy[cut] - BLACK)
        assert np.allclose(crop.signal[site], (clean[cut] - BLACK) / RATIO)
    assert crop.low.tolist() == [-BLACK] * 4
    assert crop.high.tolist() == [WHITE - BLACK] * 4


def test_a_store_is_used_again_until_a_ratio_changes(folder, tmp_path):
    seen = []
    first = keep(folder, tmp_path)
    assert keep(folder, tmp_path, progress=lambda *counts: seen.append(counts)).digest == first.digest
    assert not seen
    table = folder / "pairs.csv"
    table.write_text(table.read_text().replace(",20\n", ",21\n"))
    assert keep(folder, tmp_path).pairs[0].members[0].ratio == 21.0


def test_saturated_light_is_not_compared():
    clean = np.full((1, 8, 8), 1000, np.uint16)
    clean[0, 2, 3] = int(WHITE)
    members = keep_member()
    crop = Pairs(800.0, clean, clean, (members,), WHITE).window(0)
    assert crop.known.sum() == 63
    assert crop.known[1, 1, 1] == 0


def keep_member():
    from lrd_ext.generator.pairs import Member

    return Member(0, 0, 1.0, (BLACK,) * 4, (BLACK,) * 4)


def test_pairs_are_made_as_they_were_recorded():
    """A Gaussian sensor and a fresh generator, which is one: nothing tells real from made."""
    sigma, gain, bias = 3.0, 1.7, (2.0, -1.0, 0.5, 4.0)
    clean = simulated_pairs.picture((512, 512), 5, brightest=4000.0)
    rng = np.random.default_rng(8)
    site = np.tile(np.array(bias).reshape(2, 2), (256, 256))
    light = (clean - BLACK) / RATIO / gain
    raw = np.rint(BLACK + site + rng.poisson(light) * gain + rng.normal(0, sigma, clean.shape))
    noisy = raw.clip(0, WHITE).astype(np.uint16)
    from lrd_ext.generator.pairs import Member

    member = Member(0, 0, RATIO, (BLACK,) * 4, (BLACK,) * 4)
    pairs = Pairs(800.0, noisy[None], clean[None], (member,), WHITE, gain, bias, sigma)
    crops = side_by_side([pairs.window(0)])
    generator, draw = LiteGenerator(), torch.Generator().manual_seed(1)
    with torch.no_grad():
        n_init = torch.randn(1, 8, 256 + 2 * generator.halo, 256 + 2 * generator.halo, generator=draw)
        made = crops.recorded(crops.shot(draw) + generator(n_init, sigma))
    real, fake = ((x - crops.signal) / crops.scale for x in (crops.real, made))
    for site in range(4):
        # 65,536 values each, spread by the light: p below 1e-4 would be a wrong gain, level or ratio.
        assert stats.ks_2samp(real[0, site].flatten(), fake[0, site].flatten()).pvalue > 1e-4
    assert abs(float(real.mean() - fake.mean())) < 5 / 512
    # Values of a converter: whole DN.
    steps = made + BLACK + torch.tensor(bias)[:, None, None]
    assert torch.allclose(steps, steps.round(), atol=1e-3)


def test_the_converter_passes_gradients_between_its_ends():
    member = keep_member()
    clean = np.full((1, 8, 8), 1000, np.uint16)
    crops = side_by_side([Pairs(800.0, clean, clean, (member,), WHITE).window(0)])
    values = torch.tensor([-600.0, 3.3, 20000.0]).repeat_interleave(4).view(3, 4, 1, 1).requires_grad_()
    out = crops.recorded(values)
    out.sum().backward()
    assert out[:, 0, 0, 0].tolist() == [-BLACK, 3.0, WHITE - BLACK]
    assert values.grad[:, 0, 0, 0].tolist() == [0.0, 1.0, 0.0]


REFUSED = {
    "no ratio column": (
        lambda t: re.sub(r",ratio|,20$", "", t, flags=re.M),
        r"column ratio is missing; its first line must be noisy,clean,iso,exposure_s,ratio",
    ),
    "no ratio": (lambda t: t.replace(",20\n", ",\n", 1), r"line 2: ratio must be a number above 0, got ''"),
    "ratio 0": (lambda t: t.replace(",20\n", ",0\n", 1), r"line 2: ratio must be a number above 0, got '0'"),
    "no clean": (lambda t: t.replace(",a.npy", ",", 1), r"line 2: noisy and clean must name two files"),
    "noisy twice": (lambda t: t + t.splitlines()[1] + "\n", r"line 6: noisy and clean .* once only"),
    "no lines": (lambda t: t.splitlines()[0] + "\n", r"lists no pairs"),
    "ratio upside down": (
        lambda t: t.replace(",20\n", ",0.05\n"),
        r"no pair of pairs.csv can be used; the first, a_800.npy: lies .* and the ratio 0.05 ask for",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_tables_that_cannot_be_right_are_refused(folder, tmp_path, name):
    change, message = REFUSED[name]
    (folder / "pairs.csv").write_text(change((folder / "pairs.csv").read_text()))
    with pytest.raises(ValueError, match=message):
        keep(folder, tmp_path)
    assert not (tmp_path / "store" / "index.json").exists()


def test_frames_of_another_size_are_refused(folder, tmp_path):
    np.save(folder / "b.npy", np.load(folder / "b.npy")[:64, :64])
    message = r"all frames of pairs must be of one camera and size: shape of b.npy is \(64, 64\)"
    with pytest.raises(ValueError, match=message):
        keep(folder, tmp_path)


def test_one_broken_pair_is_left_out_and_named(folder, tmp_path):
    (folder / "a_800.npy").write_bytes(b"none")
    store = keep(folder, tmp_path)
    assert list(store.left_out) == ["a_800.npy"]
    assert [len(p) for p in store.pairs] == [1, 2]


def gathered(folder, tmp_path, profile, levels=None):
    camera = Camera(str(folder), load_profile(profile), levels or Levels())
    return gather([camera], tmp_path / "kept")


def test_the_profile_gives_gain_and_sigma(folder, tmp_path):
    material = gathered(folder, tmp_path, with_gain(tmp_path / "camera.json"))
    assert [p.gain for p in material.pairs] == pytest.approx([simulated_pairs.gain(iso) for iso in ISOS])
    crops = random_crops(material.sources, 8, 16, torch.Generator().manual_seed(0))
    noise = ((crops.real - crops.signal) / crops.scale).std()
    assert float(noise) == pytest.approx(1.0, abs=0.15)


OTHER_CAMERAS = {
    "another range": (
        {"white": 4095.0, "black": [128.0] * 4, "bits": 12},
        r"the first, a_800.npy: lies .* Look at its ratio, at the black level \(--black\)",
    ),
    "another gain": (
        {"rows": [{"iso": iso, "K": 0.05 * iso, "sigma_gaussian": 4.0} for iso in (800, 3200)]},
        r"camera is of another camera: at ISO 800 it has noise of [\d.]+ DN for the light of the pairs in ",
    ),
    "no such ISO": (
        {
            "rows": [{"iso": 1600, "K": 1.9, "sigma_gaussian": 2.4}],
            "branches": [{"name": "all", "iso": [1600, 1600]}],
        },
        r"camera: iso must be in the range ISO 1600",
    ),
}


@pytest.mark.parametrize("name", OTHER_CAMERAS)
def test_pairs_of_another_camera_are_refused(folder, tmp_path, name):
    changes, message = OTHER_CAMERAS[name]
    with pytest.raises(ValueError, match=message):
        gathered(folder, tmp_path, with_gain(tmp_path / "camera.json", **changes))


def test_levels_the_user_gives_count(folder, tmp_path):
    profile = with_gain(tmp_path / "camera.json", cfa="BGGR", black=[500.0] * 4)
    (store,) = gathered(folder, tmp_path, profile, Levels((BLACK,) * 4, WHITE, "RGGB")).pair_stores
    assert (store.cfa, store.black) == ("RGGB", (BLACK,) * 4)


def test_raw_pairs_of_another_make_or_phase_are_refused(tmp_path, folder):
    from lrd_ext.raw import Raw, write_dng

    profile = with_gain(tmp_path / "camera.json", make="Canon", model="550D")
    names = {}
    for name in ("a", "a_800"):
        raw = Raw(
            mosaic=np.load(folder / f"{name}.npy"), cfa="RGGB", black=(BLACK,) * 4, white=WHITE, iso=800,
            exposure_s=0.01, make="Nikon", model="D850",
        )  # fmt: skip
        write_dng(folder / f"{name}.dng", raw)
        names[name] = f"{name}.dng"
    (folder / "pairs.csv").write_text(
        "noisy,clean,iso,exposure_s,ratio\n" + f"{names['a_800']},{names['a']},800,0.01,20\n"
    )
    with pytest.raises(ValueError, match=r"--profile camera is of Canon 550D, the frames in .* Nikon D850"):
        gathered(folder, tmp_path, profile)
    profile = with_gain(tmp_path / "camera.json", cfa="BGGR")
    with pytest.raises(ValueError, match=r"has the phase BGGR, the frames in .* RGGB"):
        gathered(folder, tmp_path, profile)


STAGE_2 = """
rounds: [[1, 1]]
adversarial: {critic: pixel, width: 16, epochs: 2, steps_per_epoch: 1, batch: 2, patch: 16, critic_steps: 1}
checkpoint_s: 0
threads: 1
"""


def train(tmp_path, folder, profile, config=STAGE_2, *more):
    (tmp_path / "config.yaml").write_text(config)
    words = ["train", "generator", folder, "-o", tmp_path / "made.safetensors", "--profile", profile]
    return main([str(w) for w in (*words, "--config", tmp_path / "config.yaml", *more)])


def test_pairs_alone_train_stage_2(folder, tmp_path, capsys):
    pytest.importorskip("lightning_fabric")
    assert train(tmp_path, folder, with_gain(tmp_path / "camera.json")) == 0
    assert "camera ISO 3200, pairs" in capsys.readouterr().out
    generator = LiteGenerator.load(tmp_path / "made.safetensors")
    assert generator.table.isos == (800.0, 1600.0, 3200.0)
    (camera,) = generator.card["cameras"]
    assert (camera["frames"], camera["pairs"], camera["white"]) == ({}, {"800": 2, "3200": 2}, WHITE)
    found = generator.card["against_the_pairs"]["camera ISO 800"]
    assert found["std_made"] == pytest.approx(found["std_real"], rel=0.1)


def test_darks_beside_pairs_serve_stage_1(folder, tmp_path):
    pytest.importorskip("lightning_fabric")
    darks = {iso: simulated_sensor.darks(iso, 3, (160, 160), 1) for iso in (800, 1600)}
    write_folder(folder, darks)
    assert train(tmp_path, folder, with_gain(tmp_path / "camera.json")) == 0
    card = LiteGenerator.load(tmp_path / "made.safetensors").card
    assert card["cameras"][0]["frames"] == {"800": 3, "1600": 3}
    assert card["cameras"][0]["pairs"] == {"800": 2, "3200": 2}
    material = gathered(folder, tmp_path, tmp_path / "camera.json")
    # Pairs where there are any, darks at the ISO that has none.
    assert [(type(s).__name__, s.iso) for s in material.sources] == [
        ("Pairs", 800.0), ("Pairs", 3200.0), ("Darks", 1600.0)
    ]  # fmt: skip


def test_pairs_that_nothing_would_use_are_refused(folder, tmp_path, capsys):
    pytest.importorskip("lightning_fabric")
    profile = with_gain(tmp_path / "camera.json")
    assert train(tmp_path, folder, profile, "threads: 1\n") == 2
    assert (
        "pairs of noisy and clean frames (pairs.csv) are for stage 2, which is off" in capsys.readouterr().err
    )
    assert train(tmp_path, folder, write_profile(tmp_path / "darks.json")) == 2
    assert "--profile darks was made from darks alone: pairs need its gain K" in capsys.readouterr().err
    unet = STAGE_2 + "generator: unet\nchannels: 4\ndistill: true\n"
    assert train(tmp_path, folder, profile, unet) == 2
    assert "distill: a lite generator learns by stage 1, which needs dark frames" in capsys.readouterr().err
