# SPDX-License-Identifier: Apache-2.0
"""Denoisers under the field's protocols: each choice as the authors' code makes it, written out here."""

from __future__ import annotations

import collections
import dataclasses
import math

import numpy as np
import published_trees
import pytest
import torch
from torch.nn import functional

from lrd_ext import evaluation
from lrd_ext.evaluation import PROTOCOLS, evaluate_denoiser, protocol_named, published_input, published_of

skimage = pytest.importorskip("skimage.metrics")
PMN = PROTOCOLS["pmn_full"]


def pair(seed=0, size=(40, 52), group="SID x100", noise=0.1):
    """An item of a data set: noise goes below 0 and above 1, and some of the target is saturated."""
    draw = np.random.default_rng(seed)
    clean = draw.random((4, *size), np.float32) * 0.8
    clean[:, :6] = 1
    noisy = clean + draw.normal(0, noise, clean.shape).astype(np.float32)
    return {
        "noisy": torch.from_numpy(noisy),
        "clean": torch.from_numpy(clean),
        "ratio": 100.0,
        "iso": 800.0,
        "id": f"image {seed}",
        "group": group,
    }


def numbers(pred, target):
    """PSNR and SSIM as ELD's quality_assess has them: (H, W, C), times 255, clipped."""
    a, b = (255 * np.asarray(v).clip(0, 1).transpose(1, 2, 0) for v in (pred, target))
    return (
        skimage.peak_signal_noise_ratio(b, a, data_range=255),
        skimage.structural_similarity(b, a, data_range=255, channel_axis=-1),
    )


def corrected(pred, target):
    """ELD's IlluminanceCorrect, for one image."""
    pred = np.asarray(pred, np.float64).clip(0, 1)
    counts = np.asarray(target) != 1
    p, t = pred[counts], np.asarray(target, np.float64)[counts]
    return pred * (p @ t) / (p @ p)


@pytest.mark.parametrize("name", list(PROTOCOLS))
def test_numbers_are_those_of_the_authors_code(name):
    protocol, item = dataclasses.replace(PROTOCOLS[name], crop=PROTOCOLS[name].crop and 32), pair()
    found = evaluate_denoiser(lambda noisy: 0.7 * noisy + 0.01, [item], protocol)
    rows, columns = (slice(4, 36), slice(10, 42)) if protocol.crop else (slice(None), slice(None))
    noisy, clean = (item[k][:, rows, columns].numpy() for k in ("noisy", "clean"))
    low = 0 if name in ("eld_paper", "sid_paper", "lrd") else -math.inf
    made = 0.7 * noisy.clip(low, 1) + 0.01
    if name in ("eld_paper", "sid_paper", "pmn_full"):
        made = corrected(made, clean)
    (image,) = found.images
    assert (image.psnr_in, image.ssim_in) == pytest.approx(numbers(noisy, clean), abs=1e-5)
    assert (image.psnr, image.ssim) == pytest.approx(numbers(made, clean), abs=1e-5)
    assert (image.id, image.group, image.ratio, image.iso) == ("image 0", "SID x100", 100, 800)


def test_without_a_denoiser_the_input_is_measured():
    found = evaluate_denoiser(None, [pair()], PMN)
    assert found.images[0].psnr is None
    assert found.groups[0].psnr is None
    assert found.worst == ()
    item = pair()
    assert found.images[0].psnr_in == pytest.approx(numbers(item["noisy"], item["clean"])[0], abs=1e-5)


@pytest.mark.parametrize("size", [(40, 52), (48, 64), (9, 20)])
def test_frames_are_filled_up_by_mirrored_cells_evenly_on_both_sides(size):
    seen = []
    evaluate_denoiser(lambda noisy: seen.append(noisy) or noisy, [pair(size=size)], PMN)
    given, item = seen[0][0], pair(size=size)["noisy"].clamp(max=1)
    assert all(side % 16 == 0 for side in given.shape[1:])
    top, left = ((whole - part) // 2 for whole, part in zip(given.shape[1:], size, strict=True))
    height, width = size
    assert torch.equal(given[:, top : top + height, left : left + width], item)
    if size == (40, 52):  # 4 + 40 + 4 and 6 + 52 + 6; PMN's own frames of 1416 x 2120 get 4 on each side
        assert torch.equal(given[:, :4, 6:58], item[:, 1:5].flip(1))
        assert torch.equal(given[:, 4:44, 58:], item[:, :, -7:-1].flip(2))


def test_tiles_cover_the_frame_and_their_margins_do_not_count():
    protocol = dataclasses.replace(PROTOCOLS["lrd"], tiles=(24, 4), clip_black=False)
    kernel = torch.full((4, 1, 5, 5), 1 / 25)
    sides = collections.Counter()

    def blur(noisy):
        sides[tuple(noisy.shape[2:])] += 1
        return functional.conv2d(noisy, kernel, padding=2, groups=4)

    item = pair()
    found = evaluate_denoiser(blur, [item], protocol)
    assert sides == {(24, 24): 3 * 4}
    # With mirrored cells around it, as each tile has its margin, the frame at once gives the same.
    wide = functional.pad(item["noisy"].clamp(max=1)[None], (2, 2, 2, 2), "reflect")
    whole = functional.conv2d(wide, kernel, groups=4)[0]
    assert found.images[0].psnr == pytest.approx(numbers(whole, item["clean"])[0], abs=1e-5)


def test_groups_are_means_of_images_numbers():
    items = [pair(1), pair(2, noise=0.02), pair(3, group="ELD SonyA7S2 x100")]
    found = evaluate_denoiser(lambda noisy: noisy, items, PMN)
    assert [(g.group, g.images) for g in found.groups] == [("SID x100", 2), ("ELD SonyA7S2 x100", 1)]
    first, second = found.images[:2]
    assert abs(first.psnr - second.psnr) > 3
    assert found.groups[0].psnr == pytest.approx((first.psnr + second.psnr) / 2)
    assert found.groups[0].ssim_in == pytest.approx((first.ssim_in + second.ssim_in) / 2)


def test_lrid_has_means_over_subsets():
    names = ["LRID indoor_x5 x1", "LRID indoor_x5 x16", "LRID outdoor_x3 x1"]
    items = [pair(i, group=name) for i, name in enumerate(names)]
    found = evaluate_denoiser(None, items, PROTOCOLS["lrid"])
    assert [(g.group, g.images) for g in found.groups[3:]] == [
        ("LRID indoor_x5", 2),
        ("LRID outdoor_x3", 1),
        ("LRID", 3),
    ]


def test_the_worst_come_first_with_the_place_of_their_largest_error():
    items = [pair(i, size=(200, 300), noise=0.02 * (i + 1)) for i in range(4)]

    def spoil(noisy):
        made = noisy.clone()
        made[:, :, 150:160, 30:40] = 0.5 + 0.5 * (noisy[:, :, 150:160, 30:40] < 0.5)
        return made

    found = evaluate_denoiser(spoil, items, PMN, worst=2)
    assert [w.score.id for w in found.worst] == ["image 3", "image 2"]
    for w in found.worst:
        assert w.noisy.shape == w.made.shape == w.clean.shape == (4, 128, 128)
        index = int(w.score.id[-1])
        # The piece starts 72 rows down, as near to the block's middle as the frame allows.
        expected = items[index]["clean"][:, 72:, :128].numpy()
        np.testing.assert_array_equal(w.clean, expected)


def test_a_conditioned_net_is_given_the_noise_level_of_its_item():
    def level(noisy, item):
        return torch.full_like(noisy, item["ratio"])

    seen = []
    evaluate_denoiser(lambda noisy, sigma: seen.append(sigma) or noisy, [pair()], PMN, noise_level=level)
    assert seen[0].shape == (1, 4, 48, 64)
    assert (seen[0] == 100).all()


def test_a_net_of_torch_is_run_as_for_use():
    net = torch.nn.Sequential(torch.nn.Conv2d(4, 4, 1), torch.nn.Dropout(0.9))
    net[0].eval()
    first, second = (evaluate_denoiser(net, [pair()], PMN).images[0] for _ in range(2))
    assert first == second  # no dropout
    assert [m.training for m in net.modules()] == [True, False, True]  # left as it was


def test_a_denoiser_may_work_in_place():
    def erase(noisy):
        return noisy.zero_()

    item = pair(size=(48, 64))
    found = evaluate_denoiser(erase, [item], PMN)
    assert found.images[0].psnr_in == pytest.approx(numbers(item["noisy"], item["clean"])[0], abs=1e-5)
    assert found.worst[0].noisy.any()


def test_memory_that_is_not_there_is_no_fault_of_shapes():
    def ask(noisy):
        raise RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 1 bytes")

    with pytest.raises(RuntimeError, match="not enough memory"):
        evaluate_denoiser(ask, [pair()], PMN)


@pytest.mark.parametrize(
    ("denoise", "says"),
    [
        (
            lambda noisy: noisy[:, :3],
            r"image 0: the denoiser must give the shape it was given, \(1, 4, 48, 64\)",
        ),
        (lambda noisy: noisy.numpy(), "got ndarray"),
        (torch.nn.Conv2d(3, 3, 1), r"image 0: the denoiser does not take \(1, 4, 48, 64\): .* 3 channels"),
        (lambda noisy: noisy * math.nan, "image 0: the denoiser gave NaN or infinity"),
    ],
)
def test_what_a_denoiser_may_not_give(denoise, says):
    with pytest.raises(ValueError, match=says):
        evaluate_denoiser(denoise, [pair()], PMN)


class Broken(list):
    """A data set of which some files cannot be read."""

    def __getitem__(self, index):
        item = super().__getitem__(index)
        if item is None:
            raise ValueError(f"short/{index}.ARW: truncated")
        return item


def test_unreadable_pairs_are_left_out_and_named():
    found = evaluate_denoiser(None, Broken([pair(), None, pair(2)]), PMN)
    assert [image.id for image in found.images] == ["image 0", "image 2"]
    assert found.left_out == ("short/1.ARW: truncated",)
    with pytest.raises(ValueError, match=r"none of the pairs could be read: short/0.ARW: truncated"):
        evaluate_denoiser(None, Broken([None]), PMN)


# The presets


@pytest.fixture(scope="module")
def roots(tmp_path_factory):
    """A folder that holds every data set in its published layout."""
    root = tmp_path_factory.mktemp("data")
    published_trees.sid(root / "SID" / "Sony", "eval")
    published_trees.eld(root / "ELD", *evaluation.protocols._ELD_CAMERAS)
    published_trees.lrd(root / "LRD", "test")
    published_trees.lrid(root / "LRID", frames=1)
    published_trees.lrid(root / "LRID", "outdoor_x3", (1, 2, 4), frames=1)
    return root


@pytest.mark.parametrize(
    ("name", "groups"),
    [
        ("eld_paper", {f"ELD {c} x{r}": 30 for c in evaluation.protocols._ELD_CAMERAS for r in (100, 200)}),
        ("sid_paper", {"SID x100": 15, "SID x250": 15, "SID x300": 15}),
        (
            "pmn_full",
            {"SID x100": 40, "SID x250": 40, "SID x300": 49}
            | {"ELD SonyA7S2 x100": 30, "ELD SonyA7S2 x200": 30},
        ),
        ("lrd", {f"LRD -{ev}EV": 60 for ev in (1, 2, 3)}),
        (
            "lrid",
            {f"LRID indoor_x5 x{g}": 9 for g in (1, 2, 4, 8, 16)}
            | {f"LRID outdoor_x3 x{g}": 6 for g in (1, 2, 4)},
        ),
    ],
)
def test_presets_open_the_images_of_the_paper(roots, name, groups):
    dataset = protocol_named(name).dataset(roots)
    parts = getattr(dataset, "datasets", [dataset])
    assert collections.Counter(p.group for part in parts for p in part.pairs) == groups
    assert {part.order for part in parts} == {"rggb" if name == "lrd" else "rgbg"}
    item = dataset[len(dataset) - 1]
    assert item["noisy"].shape == item["clean"].shape == (4, 12, 16)


def test_pmn_full_takes_what_is_there(roots, tmp_path):
    assert len(PMN.dataset(roots / "ELD")) == 60
    assert len(PMN.dataset(roots / "SID")) == 129
    with pytest.raises(ValueError, match=r"holds neither SID .* nor ELD"):
        PMN.dataset(tmp_path)


def test_groups_may_be_chosen_and_dark_shading_taken_off(roots):
    dataset = PROTOCOLS["eld_paper"].dataset(roots, group="SonyA7S2 x200", dark=lambda iso: [1, 1, 1, 1])
    assert len(dataset) == 30
    lower = PROTOCOLS["eld_paper"].dataset(roots, group="SonyA7S2 x200")[0]["noisy"] - dataset[0]["noisy"]
    assert lower.mean() == pytest.approx(200 / (16383 - 515), rel=1e-3)
    with pytest.raises(ValueError, match="part of one of SID x100, SID x250, SID x300, got 'x50'"):
        PROTOCOLS["sid_paper"].dataset(roots, group="x50")


def test_every_preset_says_all_its_choices():
    choices = {name: protocol.choices() for name, protocol in PROTOCOLS.items()}
    for chosen in choices.values():
        assert list(chosen) == [
            *("data", "region", "levels", "input", "dark shading", "illuminance correction", "channels"),
            *("measures", "averaging", "source"),
        ]
    assert choices["sid_paper"]["region"] == "the middle 512 x 512 cells"
    assert choices["pmn_full"]["input"].endswith("what lies below black is kept")
    assert choices["eld_paper"]["input"].endswith("cut at the black level")
    assert choices["lrd"]["illuminance correction"] == "no"
    assert "tiles of 256 cells, 32 on each side" in choices["lrd"]["region"]
    assert PMN.choices("rggb")["channels"] == "packed rggb (the authors' nets take rgbg)"


def test_an_unknown_protocol_is_refused():
    with pytest.raises(ValueError, match="one of eld_paper, sid_paper, pmn_full, lrd, lrid, got 'eld'"):
        protocol_named("eld")


def test_published_figures_agree_with_one_another():
    by_source = collections.defaultdict(dict)
    for entry in published_of("lrid"):
        by_source[entry.source][entry.method] = entry.figures
    log, averages = (
        by_source["PMN's released log"]["PMN"],
        by_source["NMOH, CVPR 2025, averages on LRID"]["PMN"],
    )
    for subset, gains, images in (("LRID indoor_x5", 5, 9), ("LRID outdoor_x3", 3, 6)):
        psnrs = [psnr for group, (psnr, _) in log.items() if group.startswith(subset)]
        assert len(psnrs) == gains
        assert np.mean(psnrs) == pytest.approx(averages[subset][0], abs=0.006)
        by_source[subset] = psnrs * images
    everything = np.mean(by_source["LRID indoor_x5"] + by_source["LRID outdoor_x3"])
    assert everything == pytest.approx(averages["LRID"][0], abs=0.006)
    assert published_input("pmn_full", "SID x300") == (22.26, 0.2691)
    assert published_input("sid_paper", "SID x300") is None
    assert {len(entry.figures) for entry in published_of("pmn_full")} == {4, 5}
    assert published_of("lrd") == []
