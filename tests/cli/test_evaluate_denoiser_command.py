# SPDX-License-Identifier: Apache-2.0
"""`lrd evaluate denoiser` as a user runs it."""

from __future__ import annotations

import csv
import json
import sys

import numpy as np
import published_trees
import pytest
import torch
from PIL import Image

from lrd_ext.commands.evaluate_denoiser import _noise_level
from lrd_ext.denoise import UNet
from lrd_ext.evaluation import PROTOCOLS
from lrd_ext.profiles import load_profile

pytest.importorskip("skimage")

NETS = """
import torch

def half():
    return lambda noisy: noisy / 2

def three():
    return torch.nn.Conv2d(3, 3, 1)
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    published_trees.sid(root / "SID" / "Sony", "eval")
    published_trees.eld(root / "ELD", "SonyA7S2")
    return root


@pytest.fixture
def evaluate(lrd, tmp_path, monkeypatch):
    (tmp_path / "some_nets.py").write_text(NETS)
    monkeypatch.syspath_prepend(tmp_path)
    yield lambda *arguments: lrd("evaluate", "denoiser", *arguments)
    sys.modules.pop("some_nets", None)


def net(path, **options):
    torch.manual_seed(0)
    UNet(8, 2, residual=True, **options).save(path)
    return path


def test_choices_means_and_published_results_are_printed(evaluate, data):
    code, out, err = evaluate(data, "--protocol", "pmn_full", "--net", "some_nets:half")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "protocol pmn_full, some_nets:half"
    for name, choice in PROTOCOLS["pmn_full"].choices().items():
        assert f"  {name}: {choice}" in lines
    rows = {tuple(line.split()[:2]): line.split()[2:] for line in lines if line.startswith("SID x")}
    means = [rows["SID", f"x{ratio}"] for ratio in (100, 250, 300)]
    assert [row[0] for row in means] == ["40", "40", "49"]
    assert [row[2] for row in means] == ["29.21/.5213", "23.77/.3286", "22.26/.2691"]
    assert any(line.startswith("the input is not the published one") for line in lines)
    # The run stands among the published results, in the order of the first column.
    table = lines[lines.index("published by NMOH, CVPR 2025, table 1") + 2 :]
    names = [line.split()[0] for line in table[:12]]
    assert len(names) == 12
    assert {"some_nets:half", "PNNP", "NMOH"} <= set(names)
    firsts = [float(line.split()[1].split("/")[0]) for line in table[:12]]
    assert firsts == sorted(firsts)


def test_without_a_model_the_input_is_measured(evaluate, data):
    code, out, _ = evaluate(data / "ELD", "--protocol", "pmn_full")
    assert code == 0
    assert out.startswith("protocol pmn_full, input alone\n")
    assert "denoised" not in out
    assert "SID x" not in out
    assert "30.98/.4878" in out


def test_json_and_csv_hold_every_image(evaluate, data, tmp_path):
    table = tmp_path / "out" / "images.csv"
    code, out, _ = evaluate(
        data, "--protocol", "sid_paper", "--net", "some_nets:half", "--json", "--csv", table
    )
    found = json.loads(out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert code == 0
    assert found["choices"]["region"] == "the middle 512 x 512 cells"
    groups = {g["group"]: g["images"] for g in found["groups"]}
    assert groups == {"SID x100": 15, "SID x250": 15, "SID x300": 15}
    rows = list(csv.DictReader(table.open()))
    assert [row["id"] for row in rows] == [image["id"] for image in found["images"]]
    assert len(rows) == 45
    assert [float(row["psnr"]) for row in rows] == [image["psnr"] for image in found["images"]]
    mean = np.mean([float(row["ssim"]) for row in rows if row["group"] == "SID x250"])
    assert found["groups"][1]["ssim"] == pytest.approx(mean)
    assert found["published"] == []


def test_a_sheet_of_the_worst_images(evaluate, data, tmp_path):
    sheet = tmp_path / "worst.png"
    code, out, _ = evaluate(data, "--protocol", "sid_paper", "--net", "some_nets:half", "--worst", sheet)
    assert (code, f"worst: {sheet}" in out) == (0, True)
    with Image.open(sheet) as picture:
        assert picture.width == 1392
        assert len(np.unique(np.asarray(picture))) > 50
    code, _, err = evaluate(data, "--protocol", "sid_paper", "--net", "some_nets:half", "--worst", sheet)
    assert (code, "exists already; say --overwrite" in err) == (2, True)


def test_own_denoisers(evaluate, data, tmp_path):
    plain = net(tmp_path / "plain.safetensors")
    code, out, _ = evaluate(data, "--protocol", "sid_paper", "--net", plain)
    assert code == 0
    assert "channels: packed rggb (the authors' nets take rgbg)" in out
    conditioned = net(tmp_path / "conditioned.safetensors", conditioned=True)
    code, _, err = evaluate(data, "--protocol", "sid_paper", "--net", conditioned)
    assert (code, "needs to know the noise: say --camera" in err) == (2, True)
    code, out, _ = evaluate(data, "--protocol", "sid_paper", "--net", conditioned, "--camera", "sony_a7s2")
    assert code == 0


def test_the_noise_level_of_a_camera_of_another_phase_comes_in_the_sites_of_the_data(tmp_path):
    document = load_profile("sony_a7s2").to_dict()
    document |= {"cfa": "GBRG", "black": [400.0, 500.0, 600.0, 700.0]}
    path = tmp_path / "other_phase.json"
    path.write_text(json.dumps(document))
    level = _noise_level(str(path))(torch.zeros(1, 4, 2, 2), {"iso": 1600.0, "ratio": 100.0})
    blacks = level.new_tensor([600.0, 700.0, 400.0, 500.0])  # R is the third site of GBRG
    in_dn = level[0, :, 0, 0] * (16383.0 - blacks)
    torch.testing.assert_close(in_dn, in_dn[:1].expand(4))


def test_a_camera_has_its_black_level_error_taken_off(evaluate, data):
    arguments = (data / "ELD", "--protocol", "eld_paper", "--group", "x200", "--json")
    plain = json.loads(evaluate(*arguments)[1])
    code, out, _ = evaluate(*arguments, "--camera", "sony_a7s2")
    less = json.loads(out)
    assert code == 0
    assert plain["choices"]["dark shading"] == "left in"
    assert less["choices"]["dark shading"] == "black-level error of sony_a7s2 taken off the input"
    assert [g["group"] for g in less["groups"]] == ["ELD SonyA7S2 x200"]
    assert plain["groups"][0]["psnr_in"] != less["groups"][0]["psnr_in"]


def test_one_cameras_profile_is_refused_for_several(evaluate, tmp_path):
    root = published_trees.eld(tmp_path / "ELD", "NikonD850", "SonyA7S2")
    code, _, err = evaluate(root, "--protocol", "eld_paper", "--camera", "nikon_d850")
    says = "--camera is one camera, the pictures are of NikonD850, SonyA7S2: say --group SonyA7S2"
    assert (code, says in err) == (2, True)
    code, _, err = evaluate(root.parent / "nothing", "--protocol", "eld_paper")
    assert (code, "holds none of the folders CanonEOS70D," in err) == (2, True)


def test_unreadable_files_are_named_and_left_out(evaluate, tmp_path):
    root = published_trees.sid(tmp_path / "Sony", "eld")
    path = root / "short" / "10185_00_0.04s.ARW"
    cut = path.read_bytes()[:700]
    path.unlink()
    path.write_bytes(cut)
    code, out, err = evaluate(root, "--protocol", "sid_paper", "--json")
    assert code == 1
    assert err.count("\n") == 1
    assert err.startswith(f"lrd evaluate: left out: {path}: ")
    assert [g["images"] for g in json.loads(out)["groups"]] == [15, 14, 15]


SID = ("--protocol", "sid_paper")
HALF = (*SID, "--net", "some_nets:half")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--protocol", "eld"), "one of eld_paper, sid_paper, pmn_full, lrd, lrid, got 'eld'"),
        (("--protocol", "lrd"), "holds no file of LRD's test split, such as Clean/00541_00_*s.DNG"),
        (("--protocol", "lrid"), "holds no clean mosaics in npy/GT_align_ours"),
        ((*SID, "--group", "x50"), "group must be part of one of SID x100, SID x250, SID x300, got 'x50'"),
        ((*SID, "--net", "some_nets:three"), "the denoiser does not take (1, 4, 16, 16)"),
        ((*SID, "--net", "some_nets:none"), "has no attribute 'none'"),
        ((*SID, "--net", "no_nets:none"), "cannot be made: No module named 'no_nets'"),
        ((*SID, "--net", "no.safetensors"), "no.safetensors"),
        ((*HALF, "--order", "rgb"), "--order must be rggb or rgbg"),
        ((*HALF, "--device", "moon"), "--device: moon cannot be used here"),
        ((*SID, "--worst", "x.png"), "--worst needs --net"),
        ((*SID, "--csv", "x.txt"), "--csv must end in .csv"),
        ((), "missing: --protocol"),
    ],
)
def test_what_is_refused(evaluate, data, arguments, says):
    code, out, err = evaluate(data, *arguments)
    assert (code, out) == (2, "")
    assert says in err.splitlines()[-1]
    assert "Traceback" not in err


def test_a_net_of_another_phase_is_refused(evaluate, data, tmp_path):
    path = net(tmp_path / "net.safetensors", cfa="GBRG")
    code, _, err = evaluate(data, "--protocol", "sid_paper", "--net", path)
    assert (code, "was trained for GBRG; the data sets are RGGB" in err) == (2, True)
    path = net(tmp_path / "other.safetensors")
    code, _, err = evaluate(data, "--protocol", "sid_paper", "--net", path, "--order", "rgbg")
    assert (code, "takes rggb, got rgbg" in err) == (2, True)
