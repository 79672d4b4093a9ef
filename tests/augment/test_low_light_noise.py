# SPDX-License-Identifier: Apache-2.0
"""LowLightNoise: a sample's noise is that of its identity, whatever batch, worker or epoch it comes in."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from tile_files import write_raw

from lrd_ext import cfa, fused_synth, load_profile
from lrd_ext.augment import LowLightNoise
from lrd_ext.datasets import EPOCH, RawTiles, prepare_tiles
from lrd_ext.generator import LiteGenerator
from lrd_ext.profiles import profile_from_dict
from lrd_ext.profiles.records import UNITS

FIVE = ["sony_a7s2", "nikon_d850", "canon_5d4", "google_pixel", "sony_imx686"]


@pytest.fixture(scope="module")
def tiles(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiles")
    for i, phase in enumerate(("RGGB", "GBRG", "RGGB")):
        write_raw(folder / f"{i}.dng", cfa=phase, first=i)
    prepare_tiles(sorted(folder.glob("*.dng")), folder / "store")
    return folder / "store"


def noise(**options):
    given = {"profile": FIVE, "iso": 800, "ratio": (50, 200), "seed": 7}
    return LowLightNoise(**given | options)


def test_a_batch_is_its_items_one_by_one(tiles):
    data, augment = RawTiles(tiles, size=16, samples=24), noise()
    whole = augment.collate([data[i] for i in range(24)])
    for i in range(24):
        alone = augment.collate([data[i]])
        assert torch.equal(alone["noisy"][0], whole["noisy"][i])
        assert torch.equal(alone["clean"][0], whole["clean"][i])
        assert alone["params"].to_dict() == whole["params"].select(i).to_dict()


def test_a_pair_is_the_direct_call(tiles):
    data, profile = RawTiles(tiles, size=16), load_profile("sony_a7s2")
    item = data[1 + 5 * EPOCH]
    pair = noise(profile=profile, iso=(800, 12800)).collate([item])
    params = profile.sample(
        1,
        iso=(800, 12800),
        ratio=(50, 200),
        seed=7,
        index=1 + 5 * EPOCH,
        black=item["black"].tolist(),
        white=item["white"],
        cfa="GBRG",
    )
    assert pair["params"].to_dict() == params.to_dict()
    expected = fused_synth(item["clean"][None], params, seed=7, index=1 + 5 * EPOCH)
    assert torch.equal(pair["noisy"], expected)
    clean = (item["clean"].numpy().astype(np.float32) - 512) / np.float32(16383 - 512)
    np.testing.assert_allclose(pair["clean"][0].numpy(), clean, rtol=1e-6)


def test_another_epoch_has_other_noise_on_the_same_picture():
    clean = torch.full((2, 4, 8, 8), 0.2)
    augment = noise()
    first, again, other = (augment(clean, 3, epoch=e)["noisy"] for e in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(augment(clean, 3 + EPOCH)["noisy"], other)


def test_one_picture_is_a_batch_of_one():
    augment, clean = noise(profile="nikon_d850"), torch.rand(4, 8, 8)
    pair = augment(clean, 9, layout="packed")
    assert pair["noisy"].shape == pair["clean"].shape == (4, 8, 8)
    assert torch.equal(pair["noisy"], augment(clean[None], 9)["noisy"][0])
    dn = (400 + 15000 * clean).to(torch.uint16)
    pair = augment(dn, 9, layout="packed")
    assert torch.equal(pair["clean"], augment(dn[None], 9)["clean"][0])


def test_cameras_come_by_their_weights():
    # 4,000 draws: standard errors of the shares below 0.8 %; bound at 4 of them.
    augment = noise(profile={"sony_a7s2": 3.0, "nikon_d850": 1.0}, iso=800, ratio=1)
    chosen = np.array(augment.cameras.draw(7, torch.arange(4000)))
    alike = noise(profile=["sony_a7s2", "nikon_d850"], weights=[3.0, 1.0], iso=800, ratio=1)
    assert alike.cameras.draw(7, torch.arange(4000)) == chosen.tolist()
    assert abs((chosen == 0).mean() - 0.75) < 4 * np.sqrt(0.75 * 0.25 / 4000)
    a7s2 = load_profile("sony_a7s2").sample(
        1, iso=800, ratio=1, seed=7, index=int(np.flatnonzero(chosen == 0)[0])
    )
    drawn = augment.params(torch.tensor([int(np.flatnonzero(chosen == 0)[0])]), [(None, None, None)])
    assert drawn.to_dict() == a7s2.to_dict()


@pytest.mark.parametrize("order", ["rgbg", "rggb"])
def test_packed_orders_are_those_of_sites_with_their_channels_moved(tiles, order):
    augment = noise(
        profile=["sony_a7s2", "nikon_d850"], sigma=True
    )  # the store has two phases, and black is 512 in all
    by_site, ordered = (
        augment.collate([RawTiles(tiles, size=16, samples=6, order=o)[i] for i in range(6)])
        for o in ("site", order)
    )
    for i, phase in enumerate(("RGGB", "GBRG", "RGGB") * 2):
        sites = list(cfa.plane_sites(order, phase))
        for name in ("noisy", "clean", "sigma"):
            assert torch.equal(ordered[name][i], by_site[name][i][sites])
    assert ordered["params"].to_dict() == by_site["params"].to_dict()
    assert torch.equal(ordered["index"], by_site["index"])
    item = RawTiles(tiles, size=16, order=order)[1] | {"black": torch.tensor([500.0, 510.0, 520.0, 530.0])}
    told = {name: item[name] for name in ("black", "white", "cfa", "order")}
    pair = augment(item["clean"][None], 1, **told)
    assert torch.equal(pair["noisy"], augment.collate([item])["noisy"])
    sites = list(cfa.plane_sites(order, "GBRG"))
    clean = (
        cfa.pack(cfa.unpack(item["clean"], order, cfa="GBRG")).numpy() - item["black"].numpy()[:, None, None]
    )
    clean /= 16383 - item["black"].numpy()[:, None, None]
    np.testing.assert_allclose(pair["clean"][0].numpy(), clean[sites], rtol=1e-5)


def test_orders_that_do_not_fit_are_refused(tiles):
    items = [RawTiles(tiles, size=16, order=order)[0] for order in ("site", "rgbg")]
    with pytest.raises(ValueError, match="order must be the same"):
        noise().collate(items)
    with pytest.raises(ValueError, match="cfa, the phase of clean, which is missing"):
        noise()(items[1]["clean"][None], 0, order="rgbg")
    with pytest.raises(ValueError, match="order must be one of"):
        RawTiles(tiles, size=16, order="bgr")


def test_iso_and_ratio_of_the_item(tiles):
    item = RawTiles(tiles, size=8)[0] | {"iso": 1600.0, "ratio": 33.0}
    params = noise(profile="sony_a7s2", iso="item", ratio="item").collate([item, item | {"iso": 800.0}])[
        "params"
    ]
    assert params.iso.tolist() == [1600.0, 800.0]
    assert params.ratio.tolist() == [33.0, 33.0]


def test_a_generator_takes_the_place_of_read_noise(tiles):
    generator = LiteGenerator(isos=(400, 1600), sigmas=(2.0, 5.0))
    pair = noise(profile="sony_a7s2", iso=800, generator=generator).collate([RawTiles(tiles, size=8)[0]])
    assert pair["params"].sigma_read.item() == 0
    with pytest.raises(ValueError, match="phase RGGB"):
        noise(profile="sony_a7s2", iso=800, generator=generator).collate([RawTiles(tiles, size=8)[1]])


def test_clamp_bounds_the_noisy_picture_alone():
    clean = torch.full((1, 4, 32, 32), 0.99)
    pair = noise(clamp=(None, 1.0))(clean, 0)
    assert pair["noisy"].max() == 1.0
    assert pair["noisy"].min() < 0.95
    assert torch.equal(pair["clean"], clean)


def test_the_noise_level_comes_on_request(tiles):
    data, augment = RawTiles(tiles, size=8), noise(sigma=True)
    pair = augment.collate([data[0], data[1]])
    plain = noise().collate([data[0], data[1]])
    assert "sigma" not in plain
    assert torch.equal(pair["noisy"], plain["noisy"])
    level = torch.empty_like(pair["noisy"])
    clean = torch.stack([data[i]["clean"] for i in (0, 1)])
    fused_synth(clean, pair["params"], seed=7, index=pair["index"], sigma_out=level)
    assert torch.equal(pair["sigma"], level)
    again = augment(pair["clean"], 0)
    assert again["sigma"].shape == again["noisy"].shape


def test_it_can_be_pickled():
    augment, clean = noise(), torch.full((1, 4, 8, 8), 0.2)
    assert torch.equal(pickle.loads(pickle.dumps(augment))(clean, 4)["noisy"], augment(clean, 4)["noisy"])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"profile": []}, "at least one camera"),
        ({"profile": {"sony_a7s2": 0.0}}, "weight above 0"),
        ({"profile": "sony_a7s9"}, "did you mean"),
        ({"iso": 1}, "iso must be in the range"),
        ({"iso": "any"}, "iso must be a number"),
        ({"ratio": -1}, "ratio must be above 0"),
        ({"generator": object()}, "generator is of one camera"),
        ({"weights": [1.0]}, "each with a weight above 0"),
        ({"profile": {"sony_a7s2": 1.0}, "weights": [1.0]}, "in profile already"),
        ({"gain_jitter": 100}, "gain_jitter must be in"),
        ({"read_jitter": -1}, "read_jitter must be in"),
        ({"profile": "sony_a7s2", "generator": object(), "read_jitter": 5}, "generator or dark replaces"),
    ],
)
def test_bad_arguments_are_refused_at_once(options, said):
    with pytest.raises(ValueError, match=said):
        noise(**options)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda a: a(torch.zeros(2, 4, 8, 8), torch.arange(3)), r"index must be an int or \(2,\)"),
        (lambda a: a(torch.zeros(2, 4, 8, 8), 0, epoch=2**16), "epoch must be in"),
        (lambda a: a(torch.zeros(2, 4, 8, 8), -1), r"index must be in \[0, 2\^56\)"),
        (lambda a: noise(iso="item")(torch.zeros(2, 4, 8, 8), 0), "each sample must bring its iso"),
        (lambda a: noise(iso="item")(torch.zeros(2, 4, 8, 8), 0, iso=[800]), "one for each of 2"),
    ],
)
def test_bad_calls_are_refused_by_name(call, said):
    with pytest.raises(ValueError, match=said):
        call(noise())


def camera_with_a_sensor():
    sensor = {
        "sigma_prnu": 0.01,
        "dark_current": {"rate": 8.0, "spread": 0.4, "reference_c": 25.0, "doubling_c": 6.5},
        "rows": [{"iso": 800, "sigma_dsnu": 1.0}],
    }
    return profile_from_dict(load_profile("sony_a7s2").to_dict() | {"units": UNITS, "sensor": sensor})


def test_each_sample_is_of_a_body_of_its_own(tiles):
    """As fused_synth draws it with the identity as sensor; an item alone is its part of the batch."""
    profile, data = camera_with_a_sensor(), RawTiles(tiles, size=16, samples=6)
    module = noise(profile=profile, exposure_s=(0.01, 1.0), temperature_c=[0.0, 38.0])
    items = [data[i] for i in range(6)]
    pair = module.collate(items)
    params, identities = pair["params"], pair["index"]
    assert params.has_sensor
    assert len(set(params.exposure_s.tolist())) == 6
    cold, hot = 8 * 2 ** (-25 / 6.5), 8 * 2 ** (13 / 6.5)
    assert sorted(set(params.dark_current.tolist())) == pytest.approx([cold, hot])
    clean = torch.stack([item["clean"] for item in items])
    drawn = {"seed": 7, "index": identities}
    assert torch.equal(pair["noisy"], fused_synth(clean, params, **drawn, sensor=identities))
    assert not torch.equal(pair["noisy"], fused_synth(clean, params, **drawn))
    assert torch.equal(module.collate(items[4:5])["noisy"][0], pair["noisy"][4])
    whole = module(clean[0], 3, black=items[0]["black"].tolist(), white=items[0]["white"], layout="packed")
    assert float(whole["params"].exposure_s) == float(params.exposure_s[3])


def test_without_an_exposure_a_sensor_has_no_dark_current(tiles):
    item = RawTiles(tiles, size=16)[0]
    with pytest.warns(UserWarning, match="dark current is left off"):
        module = noise(profile=camera_with_a_sensor())
    params = module.collate([item])["params"]
    assert (float(params.dark_current), float(params.sigma_prnu)) == (0.0, pytest.approx(0.01))
    with pytest.raises(ValueError, match="temperature_c needs a profile that knows"):
        noise(profile="sony_a7s2", exposure_s=1.0, temperature_c=20.0)
