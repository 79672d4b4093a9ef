# SPDX-License-Identifier: Apache-2.0
"""The bank of dark frames: never the other gain branch, the picture's place, the darks' own distribution."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
import torch
from scipy import stats

from lrd_ext import cfa, fused_synth, load_profile, raw
from lrd_ext.augment import DarkFrameBank, LowLightNoise, dark_frame_bank
from lrd_ext.metrics import kld
from lrd_ext.profiles import profile_from_dict

A7S2 = load_profile("sony_a7s2")  # its high gain begins at ISO 2000
SHAPE = (64, 96)


def write_dark(path, mosaic, *, iso=800.0, phase=A7S2.cfa, model="A7S2"):
    path.parent.mkdir(parents=True, exist_ok=True)
    mosaic = np.rint(mosaic).astype(np.uint16)
    shot = raw.Raw(mosaic, phase, 512.0, 16383.0, iso=iso, exposure_s=0.1, make="Sony", model=model)
    raw.write_dng(path, shot)


def real_darks(count, iso, first, shape=SHAPE):
    """Frames as the camera would give them: Tukey-lambda, row and column noise, and bias."""
    params, index = A7S2.at(iso), torch.arange(first, first + count)
    return fused_synth(torch.zeros(count, 1, *shape), params, seed=99, index=index, output="dn")[:, 0].numpy()


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """Frames whose values tell ISO, frame and place: black + 100 * number + a code of the place."""
    folder = tmp_path_factory.mktemp("places")
    rows, columns = np.indices(SHAPE)
    for number, iso in enumerate((400, 800, 1600, 2000, 3200)):
        for frame in range(2):
            values = 512 + 100 * number + 50 * frame + 5 * (rows // 2 % 8) + columns // 2 % 5
            write_dark(folder / f"{iso}-{frame}.dng", values, iso=iso)
    return folder


def number_of(dark):
    return int(dark.min()) // 100


def noise_of(bank, **options):
    given = {"iso": (400, 3200), "ratio": 1.0, "seed": 7, "dark": bank}
    return LowLightNoise(A7S2, **given | options)


def test_a_dark_is_of_the_nearest_iso_and_never_of_the_other_gain_branch(places):
    bank = DarkFrameBank(places, A7S2, high_bit=False)
    params = noise_of(bank).params(torch.arange(3000), [(None, None, None)] * 3000)
    darks = bank.draw(
        params, torch.arange(3000), (16, 16), seed=7, cfas=["RGGB"] * 3000, origins=[(0, 0)] * 3000
    )
    numbers = np.array([number_of(dark) for dark in darks])
    isos = params.iso.numpy().astype(np.float64)
    assert (numbers[isos < 2000] <= 2).all()
    assert (numbers[isos >= 2000] >= 3).all()
    known = np.array([400, 800, 1600])
    low = isos < 2000
    nearest = np.abs(np.log2(isos[low][:, None] / known)).argmin(1)
    assert np.array_equal(numbers[low], nearest)
    assert ((isos > 1800) & low).any()  # nearer to the darks of ISO 2000, which are of the other branch
    # Each of two frames is drawn in half of the cases: 4 standard errors.
    second = np.array([int(dark.min()) % 100 // 50 for dark in darks])
    assert abs(second.mean() - 0.5) < 4 * 0.5 / np.sqrt(3000)


def test_the_crop_of_a_dark_is_that_of_the_mosaic(places):
    bank = DarkFrameBank(places, A7S2, high_bit=False)
    params = A7S2.at([800.0, 800.0])
    darks = bank.draw(
        params, torch.arange(2), (32, 16), seed=1, cfas=[None] * 2, origins=[(6, 20), (SHAPE[0] - 32, 80)]
    )
    rows, columns = np.indices(SHAPE)
    code = cfa.pack(5 * (rows // 2 % 8) + columns // 2 % 5)
    for dark, (r, c) in zip(darks, [(3, 10), (SHAPE[0] // 2 - 16, 40)], strict=True):
        assert np.array_equal(dark.numpy() % 50, code[:, r : r + 16, c : c + 8] % 50)


@pytest.mark.parametrize("phase", cfa.BAYER)
def test_a_picture_of_another_phase_gets_darks_of_its_colours(tmp_path, phase):
    codes = cfa.unpack(np.tile(np.array([1, 2, 3, 4])[:, None, None], (1, 32, 48)))
    write_dark(tmp_path / "darks" / "0.dng", 512 + codes)
    bank = DarkFrameBank(tmp_path / "darks", A7S2, high_bit=False, aligned=False)
    darks = bank.draw(A7S2.at([800.0] * 40), torch.arange(40), (16, 16), seed=3, cfas=[phase] * 40)
    by_colour = dict(zip(("R", "Gr", "Gb", "B"), (1.0, 2.0, 3.0, 4.0), strict=True))
    expected = torch.tensor([by_colour[colour] for colour in cfa.site_colours(phase)])
    assert (darks == expected[:, None, None]).all()


def test_drawn_darks_are_as_near_to_held_out_ones_as_those_to_each_other(tmp_path):
    for i, frame in enumerate(real_darks(12, 800, first=0, shape=(128, 128))):
        write_dark(tmp_path / "darks" / f"{i}.dng", frame)
    held_out = real_darks(12, 800, first=100, shape=(128, 128)).astype(np.float64) - 512
    bank = DarkFrameBank(tmp_path / "darks", A7S2)
    pair = noise_of(bank, iso=800)(torch.zeros(12, 128, 128), 0, layout="mosaic", origin=(0, 0))
    drawn = np.rint(pair["noisy"].numpy() * (16383 - 512))
    floor = [kld(held_out[a::2], held_out[1 - a :: 2], preset="adu") for a in (0, 1)]
    assert kld(held_out, drawn, preset="adu") < max(floor)
    assert not pair["params"].sigma_read.any()
    assert not pair["params"].bias.any()


def test_lost_bits_are_uniform_and_round_to_the_frame(tmp_path):
    frame = real_darks(1, 800, first=0)[0]
    write_dark(tmp_path / "darks" / "0.dng", frame)
    options = {"seed": 5, "cfas": [None], "origins": [(0, 0)]}
    darks = DarkFrameBank(tmp_path / "darks", A7S2).draw(A7S2.at(800.0), torch.tensor([9]), SHAPE, **options)
    recorded = torch.from_numpy(cfa.pack(frame.astype(np.float32) - 512))[None]
    assert torch.equal(darks.round(), recorded)
    assert stats.kstest((darks - recorded).ravel().numpy(), stats.uniform(-0.5, 1).cdf).pvalue > 1e-3


def test_dark_shading_is_taken_off_or_left(tmp_path):
    pattern = np.linspace(0, 40, SHAPE[1])[None, :]  # far above the noise of 4 DN
    for i, frame in enumerate(real_darks(16, 800, first=0)):
        write_dark(tmp_path / "darks" / f"{i}.dng", frame + pattern)
    call = {"identities": torch.arange(200), "size": SHAPE, "seed": 1, "cfas": [None] * 200}
    call |= {"params": A7S2.at([800.0] * 200), "origins": [(0, 0)] * 200}
    kept = DarkFrameBank(tmp_path / "darks", A7S2).draw(**call)
    flat = DarkFrameBank(tmp_path / "darks", A7S2, shading="subtract").draw(**call)
    trend = torch.from_numpy(cfa.pack(np.broadcast_to(pattern, SHAPE)).astype(np.float32))
    assert torch.corrcoef(torch.stack([kept.mean(0).ravel(), trend.ravel()]))[0, 1] > 0.99
    assert abs(torch.corrcoef(torch.stack([flat.mean(0).ravel(), trend.ravel()]))[0, 1]) < 0.05
    # 16 frames of 6144 values: the standard deviation is known to 0.3 %, row noise spreads it to some 2 %.
    real = real_darks(16, 800, first=0).astype(np.float64)
    assert flat.std().item() == pytest.approx(real.std(axis=0, ddof=1).mean(), rel=0.03)


def test_mosaic_packed_and_collated_pictures_get_the_same_noise(places):
    noise = noise_of(DarkFrameBank(places, A7S2), iso=800)
    mosaic = torch.rand(2, 1, 16, 32)
    whole = noise(mosaic, 4, origin=(8, 30))["noisy"]
    packed = noise(cfa.pack(mosaic[:, 0]), 4, origin=[(8, 30), (8, 30)])["noisy"]
    assert torch.equal(cfa.unpack(packed), whole[:, 0])
    dn = (512 + cfa.pack(mosaic[:, 0]) * 15871).round().to(torch.uint16)
    levels = {"black": torch.full((4,), 512.0), "white": 16383.0, "cfa": "RGGB", "origin": (8, 30)}
    items = [levels | {"clean": dn[i], "index": 4 + i} for i in range(2)]
    again = [noise.collate([item])["noisy"][0] for item in items]
    assert torch.equal(torch.stack(again), noise.collate(items)["noisy"])
    assert torch.equal(torch.stack(again), pickle.loads(pickle.dumps(noise)).collate(items)["noisy"])
    assert torch.equal(again[0], noise(dn, 4, origin=(8, 30))["noisy"][0])


def test_pictures_of_another_range_get_darks_in_their_dn(places):
    bank = DarkFrameBank(places, A7S2, high_bit=False)
    call = {"identities": torch.arange(1), "size": (16, 16), "seed": 1, "cfas": [None], "origins": [(0, 0)]}
    own, other = (
        bank.draw(A7S2.at(800.0, **levels), **call) for levels in ({}, {"black": 0, "white": 65535})
    )
    torch.testing.assert_close(other, own * (65535 / 15871))


def test_the_kit_of_aim_2025_is_read(tmp_path):
    for iso in (800, 1600):
        for i in range(2):
            path = tmp_path / "sony" / "dark_frame" / f"iso{iso}" / f"{i}"
            if i:
                write_dark(path.with_suffix(".dng"), np.full(SHAPE, 512 + i), iso=iso, model=None)
            else:
                path.parent.mkdir(parents=True)
                np.save(path.with_suffix(".npy"), np.full(SHAPE, 512, np.uint16))
    (tmp_path / "sony" / "calib_res").mkdir()
    np.save(tmp_path / "sony" / "calib_res" / "dark_shading_iso800.npy", np.zeros(SHAPE, np.float32))
    with pytest.raises(ValueError, match="one camera"):  # the DNGs tell a camera, the mosaics none
        DarkFrameBank(tmp_path / "sony", A7S2)
    for path in (tmp_path / "sony").rglob("*.dng"):
        path.unlink()
    bank = DarkFrameBank(tmp_path / "sony", A7S2)
    assert bank.isos == (800.0, 1600.0)
    assert len(bank) == 2


def test_frames_are_decoded_once_and_again_when_they_change(places, tmp_path, monkeypatch):
    for i in range(2):
        write_dark(tmp_path / "darks" / f"{i}.dng", np.full(SHAPE, 512 + i))
    DarkFrameBank(tmp_path / "darks", A7S2, store=tmp_path / "store", shading="subtract")
    read = []
    monkeypatch.setattr(dark_frame_bank, "read_dark", lambda p, **k: (read.append(p), raw.read(p))[1])
    bank = DarkFrameBank(tmp_path / "darks", A7S2, store=tmp_path / "store", shading="subtract")
    assert not read
    assert len(pickle.dumps(bank)) < 20_000
    write_dark(tmp_path / "darks" / "1.dng", np.full(SHAPE, 513), iso=400)
    assert DarkFrameBank(tmp_path / "darks", A7S2, store=tmp_path / "store").isos == (400.0, 800.0)
    assert len(read) == 2
    assert DarkFrameBank(tmp_path / "store", A7S2).isos == (400.0, 800.0)


def cut_off():
    return np.maximum(real_darks(1, 800, first=0)[0].astype(int) - 515, 0)


def write_one(folder):
    write_dark(folder / "a.dng", np.full(SHAPE, 512))


@pytest.mark.parametrize(
    ("make", "options", "said"),
    [
        (lambda f: None, {}, "no such folder"),
        (lambda f: f.mkdir(), {}, "holds no dark frames"),
        (lambda f: write_dark(f / "a.dng", np.full(SHAPE, 4000)), {}, "is no dark frame"),
        (lambda f: write_dark(f / "a.dng", cut_off()), {}, "is cut off at 0"),
        (lambda f: write_dark(f / "iso1600" / "a.dng", np.full(SHAPE, 512)), {}, "its Exif says ISO 800"),
        (lambda f: (f.mkdir(), np.save(f / "a.npy", np.full(SHAPE, 512))), {}, "nothing tells its ISO"),
        (lambda f: (f.mkdir(), (f / "a.dng").write_bytes(b"no")), {}, "a.dng"),
        (lambda f: write_dark(f / "a.dng", np.full(SHAPE, 512), iso=25), {}, "iso must be in the range"),
        (
            write_one,
            {"shading": "subtract"},
            "two darks of an ISO",
        ),
        (
            write_one,
            {"shading": "off"},
            "shading must be one of",
        ),
        (write_one, {"stops": -1}, "stops must be 0 or more"),
    ],
)
def test_odd_folders_are_refused_by_name(tmp_path, make, options, said):
    make(tmp_path / "darks")
    with pytest.raises(ValueError, match=said):
        DarkFrameBank(tmp_path / "darks", A7S2, **options)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"iso": 6450}, "needs darks of ISO 3225 to 12900 of that branch; those there are of ISO 2000, 3200"),
        ({"iso": (400, 12800)}, "gain branch"),
        ({"read": "gaussian"}, "leave read out"),
        ({"profile": "nikon_d850"}, "is a bank of sony_a7s2"),
    ],
)
def test_a_bank_that_does_not_fit_is_refused_at_once(places, options, said):
    given = {"profile": A7S2, "iso": 800, "ratio": 1.0, "seed": 7} | options
    with pytest.raises(ValueError, match=said):
        LowLightNoise(**given, dark=DarkFrameBank(places, A7S2))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ({}, "origin must tell"),
        ({"origin": (1, 0)}, "origin must be even"),
        ({"origin": (60, 0)}, "lies at row 60"),
        ({"origin": (0, 0), "cfa": "BGGR"}, "of another phase"),
        ({"origin": (0, 0), "cfa": "XTRANS"}, "picture's cfa must be one of RGGB, .*, got 'XTRANS'"),
    ],
)
def test_pictures_that_do_not_fit_are_refused(places, call, said):
    with pytest.raises(ValueError, match=said):
        noise_of(DarkFrameBank(places, A7S2), iso=800)(torch.zeros(1, 4, 8, 8), 0, **call)


def test_a_store_follows_the_names_of_folders_and_the_levels_of_the_profile(tmp_path, monkeypatch):
    folder = tmp_path / "darks" / "iso800"
    folder.mkdir(parents=True)
    for k, frame in enumerate(real_darks(2, 800, first=0)):
        np.save(folder / f"{k}.npy", frame)
    assert DarkFrameBank(tmp_path / "darks", A7S2).isos == (800,)
    folder.rename(tmp_path / "darks" / "iso1600")  # the files are as they were
    assert DarkFrameBank(tmp_path / "darks", A7S2).isos == (1600,)
    other = profile_from_dict(json.loads(A7S2.to_bytes()) | {"black": 500})
    bank = DarkFrameBank(tmp_path / "darks", other)
    assert {tile.black for tile in bank.frames.tiles} == {(500,) * 4}
    monkeypatch.setattr(dark_frame_bank, "prepare_tiles", None)  # nothing changed: nothing is made
    assert DarkFrameBank(tmp_path / "darks", other).isos == (1600,)
