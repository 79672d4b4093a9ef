# SPDX-License-Identifier: Apache-2.0
"""The published data sets: pairs, ratios and ids of the published lists, and what is refused."""

from __future__ import annotations

import collections
import math
import pickle

import numpy as np
import published_trees
import pytest
import torch

from lrd_ext import datasets, raw
from lrd_ext.datasets import AIM2025, ELD, LRD, LRID, SID, aim2025
from lrd_ext.raw import RawFileError


@pytest.fixture(scope="module")
def sid_root(tmp_path_factory):
    return published_trees.sid(tmp_path_factory.mktemp("sid") / "Sony", "train", "eval")


@pytest.fixture(scope="module")
def eld_root(tmp_path_factory):
    return published_trees.eld(tmp_path_factory.mktemp("eld"), *datasets.ELD_CAMERAS)


@pytest.fixture(scope="module")
def lrd_root(tmp_path_factory):
    return published_trees.lrd(tmp_path_factory.mktemp("lrd"), "train", "val", "test")


def groups(dataset):
    return collections.Counter(pair.group for pair in dataset.pairs)


def listed(dataset):
    """The text of ELD's lists of SID: noisy name, clean name, ratio."""
    return "".join(f"{p.noisy.name} {p.clean.name} {p.ratio:g}\n" for p in dataset.pairs)


def test_sid_has_the_pairs_of_the_published_lists(sid_root):
    train = SID(sid_root, "train")
    # dataset/Sony_train_list.txt of SID: 1865 lines, 161 long exposures.
    assert (len(train), len(train.clean_files)) == (1865, 161)
    assert groups(train) == {"SID x100": 587, "SID x250": 457, "SID x300": 821}
    names = [pair.noisy.name for pair in train.pairs]
    assert len(set(names)) == 1865
    # ... of which data/Sony_train.txt of ELD has the first of each time: 280 lines, 9953 characters.
    first = [p for p in train.pairs if p.noisy.name[6:8] == "00"]
    text = "".join(sorted(f"{p.noisy.name} {p.clean.name}\n" for p in first))
    assert (len(first), len(text)) == (280, 9953)
    for name in ("00004_02_0.04s.ARW", "00050_11_0.1s.ARW", "00207_02_0.033s.ARW", "00232_09_0.04s.ARW"):
        assert name in names
    for name in ("00104_09_0.1s.ARW", "00180_00_0.033s.ARW", "00232_01_0.033s.ARW", "00003_00_0.1s.ARW"):
        assert name not in names


def test_sid_evaluates_the_pairs_of_elds_lists(sid_root):
    paired = SID(sid_root, "eval")
    assert groups(paired) == {"SID x100": 40, "SID x250": 40, "SID x300": 49}
    assert len(listed(paired)) == 5109  # characters of SID_Sony_paired.txt
    lines = listed(paired).splitlines()
    assert lines[0] == "20005_00_0.1s.ARW 20005_00_10s.ARW 100"
    assert lines[89] == "20188_00_0.033s.ARW 20188_00_10s.ARW 300"
    assert lines[-1] == "10228_00_0.033s.ARW 10228_00_10s.ARW 300"
    indoor = SID(sid_root, "eld")
    assert groups(indoor) == {"SID x100": 15, "SID x250": 15, "SID x300": 15}
    assert len(listed(indoor)) == 1800  # characters of SID_Sony_15_paired.txt
    assert set(listed(indoor).splitlines()) <= set(lines)
    assert [len(SID(sid_root, split)) for split in ("val", "test")] == [36, 93]


@pytest.mark.parametrize("camera", list(datasets.ELD_CAMERAS))
def test_eld_has_30_pairs_for_each_ratio(eld_root, camera):
    dataset = ELD(eld_root, camera)
    assert groups(dataset) == {f"ELD {camera} x100": 30, f"ELD {camera} x200": 30}
    partners = {(p.noisy.stem, p.clean.stem) for p in dataset.pairs}
    assert partners == {
        *(("IMG_0004", "IMG_0006"), ("IMG_0009", "IMG_0011"), ("IMG_0014", "IMG_0016")),
        *(("IMG_0005", "IMG_0006"), ("IMG_0010", "IMG_0011"), ("IMG_0015", "IMG_0016")),
    }
    assert dataset.pairs[0].id == f"{camera}/scene-1/IMG_0004"
    assert len(ELD(eld_root, camera, ratios=(1, 10))) == 60


def test_elds_ratio_is_that_of_the_exposures_in_the_files(eld_root):
    dataset = ELD(eld_root)
    pair = dataset.pairs[30]
    noisy, clean = (raw.read(path) for path in (pair.noisy, pair.clean))  # ISO 800 against ISO 1600
    told = clean.iso * clean.exposure_s / (noisy.iso * noisy.exposure_s)
    assert (noisy.iso, clean.iso, told) == (800, 1600, pytest.approx(200))
    assert (dataset[30]["ratio"], dataset[30]["iso"]) == (told, 800)
    write(pair.noisy, "RGGB", np.full(published_trees.SIZE, 0.1), noisy.exposure_s * 1.1)
    assert dataset[30]["ratio"] == pytest.approx(200 / 1.1)


def test_lrd_has_the_splits_of_the_published_lists(lrd_root):
    sets = {split: LRD(lrd_root, split) for split in ("train", "val", "test")}
    assert {split: len(s) for split, s in sets.items()} == {"train": 1440, "val": 180, "test": 180}
    scenes = {split: {p.clean.name[:5] for p in s.pairs} for split, s in sets.items()}
    assert {split: len(s) for split, s in scenes.items()} == {"train": 480, "val": 60, "test": 60}
    assert len(set.union(*scenes.values())) == 600
    assert min(scenes["test"]) == "00541"
    # Ends of the blocks in LRD_val_list.txt.
    assert {"00205", "00229", "00283", "00313", "00325", "00343", "00409", "00456"} <= scenes["val"]
    assert {"00206", "00307", "00492", "00499", "00540"} <= scenes["train"]
    assert groups(sets["test"]) == {"LRD -1EV": 60, "LRD -2EV": 60, "LRD -3EV": 60}


def test_lrds_ratio_takes_times_from_names_and_iso_from_files(tmp_path):
    root = published_trees.lrd(tmp_path, "test")
    for name, new in {
        "Clean/00541_00_8s.DNG": "00541_00_0.05s.DNG",
        "Noisy/00541_02_1s.DNG": "00541_02_0.00417s.DNG",
    }.items():
        (root / name).rename(root / name.split("/")[0] / new)
    item = LRD(root, "test")[1]
    assert item["id"] == "00541_02_0.00417s"
    assert item["ratio"] == pytest.approx(100 * 0.05 / (200 * 0.00417))


def test_lrid_evaluates_the_scenes_of_pmns_code(tmp_path):
    root = published_trees.lrid(tmp_path / "LRID")
    dataset = LRID(root.parent)  # the folder that holds it will do
    assert groups(dataset) == {f"LRID indoor_x5 x{g}": 9 for g in (1, 2, 4, 8, 16)}
    scenes = [p.clean.stem for p in dataset.pairs[:9]]
    assert scenes == ["004", "014", "025", "041", "044", "051", "052", "053", "058"]
    assert len(LRID(root, split="train", gains=(4,))) == 60 - 9
    item = dataset[18]
    assert (item["id"], item["ratio"], item["iso"]) == ("indoor_x5/004_x04", 4.0, 6400.0)
    # The clean mosaic is not rounded; noise of 4 DN at 1/4 of the light, times 4.
    np.testing.assert_allclose(item["clean"][0], 0.9 * published_trees.scene()[::2, ::2], atol=1e-6)
    assert (item["noisy"] - item["clean"]).std() == pytest.approx(16 / 959, rel=0.1)


def test_aim2025_takes_ratio_and_iso_from_names_and_dark_shading_off(tmp_path, monkeypatch):
    monkeypatch.setitem(aim2025.AIM2025_CAMERAS, "sonya7r4", ((2, 4, 22, 30), ".ARW"))
    root = published_trees.aim2025(tmp_path)
    dataset, shaded = AIM2025(root, "sonya7r4"), AIM2025(root, "sonya7r4", dark_shading=False)
    assert dataset.pairs[0].id == "sonya7r4/scene1_iso1600_dgain100"
    item, without = dataset[0], shaded[0]
    assert (item["ratio"], item["iso"], item["noisy"].shape) == (100.0, 1600.0, (4, 10, 13))
    lower = without["noisy"] - item["noisy"]
    assert lower[0].mean() == pytest.approx(100 * 2 / (16383 - 512), rel=1e-3)


def test_items_are_the_signal_above_black_times_the_ratio(sid_root):
    dataset = SID(sid_root, "eval")
    item = dataset[40]  # x250
    assert set(item) == {"noisy", "clean", "ratio", "iso", "id", "group"}
    assert (item["id"], item["ratio"], item["iso"]) == ("20005_00_0.04s", 250.0, 800.0)
    pair = dataset.pairs[40]
    noisy, clean = (raw.read(path).mosaic for path in (pair.noisy, pair.clean))
    for site, black in enumerate(published_trees.BLACK):
        row, column = divmod(site, 2)
        planes = {n: v[row::2, column::2].astype(np.float64) for n, v in (("n", noisy), ("c", clean))}
        expected = (planes["n"] - black) / (16383 - black) * 250
        np.testing.assert_allclose(item["noisy"][site], expected, rtol=1e-6)
        expected = ((planes["c"] - black) / (16383 - black)).clip(0, 1)
        np.testing.assert_allclose(item["clean"][site], expected, rtol=1e-6)
    assert item["noisy"].min() < 0 < item["clean"].min() + 1e-3  # what lies below black is kept


@pytest.mark.parametrize("cfa", ["RGGB", "BGGR", "GRBG", "GBRG"])
def test_channels_go_by_colour_in_every_phase(tmp_path, cfa):
    root = published_trees.sid(tmp_path / "Sony", "eld")
    colours = dict(zip("RGB", (0.8, 0.5, 0.2), strict=True))
    mosaic = np.zeros(published_trees.SIZE)
    for site, colour in enumerate(cfa):
        mosaic[site // 2 :: 2, site % 2 :: 2] = colours[colour]
    dataset = SID(root, "eld", order="rgbg")
    write(dataset.pairs[0].noisy, cfa, mosaic / 100, 0.1)
    write(dataset.pairs[0].clean, cfa, mosaic, 10)
    item = dataset[0]
    np.testing.assert_allclose(item["clean"].mean((1, 2)), [0.8, 0.5, 0.2, 0.5], atol=1e-3)
    np.testing.assert_allclose(item["noisy"].mean((1, 2)), [0.8, 0.5, 0.2, 0.5], atol=5e-3)


def write(path, cfa, signal, time_s, iso=800):
    path.unlink(missing_ok=True)  # one of several names of a file
    black = 40 * np.array(published_trees.BLACK, np.float32) - 40 * 512 + 512
    levels = np.tile(black.reshape(2, 2), (signal.shape[0] // 2, signal.shape[1] // 2))
    values = (signal * (16383 - levels) + levels).round().astype(np.uint16)
    raw.write_dng(path, raw.Raw(values, cfa, black, 16383.0, iso=iso, exposure_s=time_s))


@pytest.mark.parametrize("cfa", ["RGGB", "GBRG"])
def test_dark_shading_may_be_four_numbers_by_colour(tmp_path, cfa):
    root = published_trees.sid(tmp_path / "Sony", "eld")
    asked = []
    plain, less = (
        SID(root, "eld", order="rgbg", dark=dark)
        for dark in (None, lambda iso: asked.append(iso) or [1.0, 2.0, 3.0, 4.0])
    )
    for path, time in ((plain.pairs[0].noisy, 0.1), (plain.pairs[0].clean, 10)):
        write(path, cfa, np.full(published_trees.SIZE, time / 20), time)
    lower = (plain[0]["noisy"] - less[0]["noisy"]).mean((1, 2)) / 100
    black = np.mean(raw.read(plain.pairs[0].noisy).black)
    # R, the green of the red rows, B, the green of the blue rows.
    np.testing.assert_allclose(lower * (16383 - black), [1, 2, 4, 3], rtol=1e-2)
    assert asked == [800.0]

    def unknown(iso):
        raise ValueError(f"iso must be below 500, got {iso:g}")

    with pytest.raises(ValueError, match=r"20188_00_0.1s.ARW: iso must be below 500, got 800"):
        SID(root, "eld", dark=unknown)[0]
    with pytest.raises(ValueError, match="its dark shading must be of its size"):
        SID(root, "eld", dark=lambda iso: np.zeros((3, 3)))[0]


def test_levels_may_be_the_files_own(lrd_root):
    ours, files = LRD(lrd_root, "val"), LRD(lrd_root, "val", white=None)
    assert torch.equal(ours[0]["clean"], files[0]["clean"])  # 65535 both
    darker = LRD(lrd_root, "val", white=32767.0)
    assert darker[0]["clean"].max() == 1


def test_a_loader_with_workers_takes_them(eld_root):
    loader = torch.utils.data.DataLoader(
        torch.utils.data.Subset(ELD(eld_root), range(4)),
        *(2, False),
        num_workers=1,
        multiprocessing_context="forkserver",
    )
    ids = [id for batch in loader for id in batch["id"]]
    assert ids == [p.id for p in ELD(eld_root).pairs[:4]]
    assert len(pickle.loads(pickle.dumps(ELD(eld_root)))) == 60


def test_clean_files_feed_lrd_data_prepare(sid_root, tmp_path):
    files = SID(sid_root, "train").clean_files[:3]
    done = datasets.prepare_tiles(files, tmp_path / "store")
    assert (done.tiles, done.left_out) == (3, {})
    assert datasets.RawTiles(tmp_path / "store", size=8)[0]["clean"].shape == (4, 8, 8)


# What is refused


def test_a_half_downloaded_set_names_the_first_missing_file(tmp_path):
    root = published_trees.sid(tmp_path / "Sony", "eval")
    for name in ("short/20007_00_0.1s.ARW", "long/10228_00_10s.ARW"):
        (root / name).unlink()
    (root / "short" / "10003_00_0.04s.ARW").unlink()
    (root / "short" / "10003_00_0.04s.ARW").touch()  # a download that has begun
    says = r"3 of 199 files of SID's eval split are missing or empty, the first short/20007_00_0.1s.ARW"
    with pytest.raises(ValueError, match=says):
        SID(root, "eval")
    with pytest.raises(ValueError, match=r"holds no file of SID's train split, such as short/00001_00_0.04s"):
        SID(root, "train")


def test_missing_files_of_the_others_are_named(tmp_path):
    eld = published_trees.eld(tmp_path / "eld", "NikonD850")
    (eld / "NikonD850/scene-3/IMG_0006.nef").unlink()
    with pytest.raises(ValueError, match=r"1 of 90 files of ELD's .* NikonD850/scene-3/IMG_0006.nef"):
        ELD(eld, "NikonD850")
    lrd = published_trees.lrd(tmp_path / "lrd", "test")
    (lrd / "Noisy/00541_02_1s.DNG").unlink()
    with pytest.raises(ValueError, match=r"1 of 240 files .* the first Noisy/00541_02_\*s.DNG"):
        LRD(lrd, "test")
    lrid = published_trees.lrid(tmp_path / "lrid", scenes=58)
    with pytest.raises(ValueError, match="has 58 clean mosaics, but evaluation takes the one in place 58"):
        LRID(lrid)
    kit = published_trees.aim2025(tmp_path / "kit")
    for path in (kit / "sonya7r4/test_data/paired_gt").iterdir():
        path.unlink()
    with pytest.raises(ValueError, match=r"such as test_data/paired_gt/scene1_iso1600_gt.ARW.*first release"):
        AIM2025(kit, "sonya7r4")


def test_two_frames_of_one_place_are_named(tmp_path):
    root = published_trees.lrd(tmp_path, "test")
    (root / "Noisy/00541_01_2s.DNG").rename(root / "Noisy/00541_01_3s.DNG")
    published_trees.Tree(root).add("Noisy/00541_01_2s.DNG", b"x")
    with pytest.raises(ValueError, match=r"00541_01_2s.DNG and Noisy/00541_01_3s.DNG are one frame"):
        LRD(root, "test")


def test_a_cut_file_is_named_when_it_is_read(tmp_path):
    dataset = SID(published_trees.sid(tmp_path / "Sony", "eld"), "eld")
    path = dataset.pairs[0].noisy
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(RawFileError, match=r"20188_00_0.1s.ARW"):
        dataset[0]
    assert dataset[1]["id"] == "20201_00_0.1s"


def test_a_file_of_another_exposure_is_named(tmp_path):
    root = published_trees.sid(tmp_path / "Sony", "eld")
    dataset = SID(root, "eld")
    write(dataset.pairs[0].noisy, "RGGB", np.full(published_trees.SIZE, 0.5), 10)
    says = r"20188_00_0.1s.ARW: a wrong file, or .*10s.ARW is: .* got 1 times the light, by their names 100"
    with pytest.raises(ValueError, match=says):
        dataset[0]


def test_sids_pair_of_two_isos_is_taken_as_published(sid_root):
    train = SID(sid_root, "train")
    place = next(i for i, p in enumerate(train.pairs) if p.id == "00207_02_0.033s")
    write(train.pairs[place].noisy, "RGGB", np.full(published_trees.SIZE, 0.01), 1 / 30, iso=12800)
    write(train.pairs[place].clean, "RGGB", np.full(published_trees.SIZE, 0.5), 10, iso=25600)
    assert (train[place]["ratio"], train[place]["iso"]) == (300.0, 12800.0)


def test_files_that_are_no_pair_are_named(tmp_path):
    dataset = SID(published_trees.sid(tmp_path / "Sony", "eld"), "eld")
    write(dataset.pairs[0].noisy, "BGGR", np.full(published_trees.SIZE, 0.5), 0.1)
    with pytest.raises(ValueError, match=r"is no pair with .*10s.ARW: filters BGGR and RGGB"):
        dataset[0]
    write(dataset.pairs[1].noisy, "RGGB", np.full((24, 40), 0.5), 0.1)
    with pytest.raises(ValueError, match=r"20201_00_0.1s.ARW: is no pair .* size 40 x 24 and 32 x 24"):
        dataset[1]
    write(dataset.pairs[2].noisy, "MONO", np.full(published_trees.SIZE, 0.5), 0.1)
    with pytest.raises(ValueError, match=r"20208_00_0.1s.ARW: a Bayer picture is needed, got MONO"):
        dataset[2]


def test_a_file_without_black_level_is_named_where_it_counts(tmp_path, monkeypatch):
    root, read = published_trees.sid(tmp_path / "Sony", "eld"), raw.read
    monkeypatch.setattr(raw, "read", lambda path: read(path).replace(black=0, black_known=False))
    with pytest.raises(ValueError, match=r"20188_00_0.1s.ARW: tells no black level; say black="):
        SID(root, "eld")[0]
    assert SID(root, "eld", black=512)[0]["id"] == "20188_00_0.1s"


def test_a_file_without_exposure_is_named_where_the_ratio_needs_it(tmp_path):
    dataset = ELD(published_trees.eld(tmp_path, "SonyA7S2"))
    write(dataset.pairs[0].noisy, "RGGB", np.full(published_trees.SIZE, 0.5), None)
    with pytest.raises(ValueError, match=r"IMG_0004.ARW: tells no ISO or exposure time"):
        dataset[0]


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda root: SID(root, "all"), "split must be one of train, val, test, eval, eld, got 'all'"),
        (lambda root: SID(root / "no"), "is no folder"),
        (lambda root: ELD(root, "SonyA7S3"), "camera must be one of CanonEOS5D4, .*, got 'SonyA7S3'"),
        (lambda root: ELD(root, ratios=(50,)), "ratios must be of 1, 10, 100, 200"),
        (lambda root: LRD(root, "eval"), "split must be one of train, val, test, got 'eval'"),
        (lambda root: LRID(root, "indoor"), "subset must be one of indoor_x5, "),
        (lambda root: LRID(root, gains=(3,)), "gains of indoor_x5 must be of 1, 2, 4, 8, 16"),
        (lambda root: LRID(root), "holds no clean mosaics in npy/GT_align_ours"),
        (lambda root: AIM2025(root, "canon70d"), "holds no .CR2 files in test_data/paired_input"),
        (lambda root: datasets.RawPairs([], order="rggb"), "pairs must hold at least one"),
        (lambda root: datasets.RawPairs([None], order="rgb"), "order must be one of site, rgbg, rggb"),
    ],
)
def test_wrong_arguments_are_named(tmp_path, call, says):
    with pytest.raises(ValueError, match=says):
        call(tmp_path)


def test_unknown_iso_is_nan(tmp_path):
    dataset = SID(published_trees.sid(tmp_path / "Sony", "eld"), "eld")
    write(dataset.pairs[0].noisy, "RGGB", np.full(published_trees.SIZE, 0.5), 0.1, iso=None)
    assert math.isnan(dataset[0]["iso"])
