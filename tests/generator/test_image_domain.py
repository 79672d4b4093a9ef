# SPDX-License-Identifier: Apache-2.0
"""Image domain alignment: what reaches the denoiser, what the loss is, and what is refused."""

from __future__ import annotations

import hashlib
import sys
import types

import pytest
import simulated_pairs
import torch
from test_pairs import ISOS, RATIO, SHAPE, STAGE_2, train, with_gain
from torch import nn

from lrd_ext.cfa import site_colours
from lrd_ext.generator import LiteGenerator
from lrd_ext.generator.crops import Crops
from lrd_ext.generator.image_domain import ImageAlignment, why_no_lpips
from lrd_ext.generator.pmrid import ANCHOR_GAIN, ANCHOR_VARIANCE, Pmrid, load_pmrid
from lrd_ext.training.configuration import ImageDomain

RANGE = 15871.0


def crops_of(real, ratio=20.0, gain=1.5, sigma=3.0):
    n = len(real)
    number = torch.ones(n, 1, 1, 1)
    levels = torch.ones(n, 4, 1, 1)
    return Crops(
        real=real,
        signal=real.clamp(min=0),
        known=torch.ones_like(real),
        low=-512 * levels,
        high=RANGE * levels,
        gain=gain * number,
        sigma=sigma * number,
        ratio=ratio * number,
    )


def test_the_loss_is_the_difference_of_denoised_pictures():
    real = torch.rand(3, 4, 16, 16) * 400
    image = ImageAlignment(ImageDomain("denoisers:recorder"), "RGGB", 16)
    made = (real + 7).requires_grad_()
    crops = crops_of(real)
    loss = image(made, crops)
    assert float(loss.detach()) == pytest.approx(0.1 * 7 / RANGE * 20, rel=1e-4)
    loss.backward()
    assert torch.allclose(made.grad, torch.full_like(made, 0.1 / RANGE * 20 / made.numel()))
    assert image.denoiser.weight.grad is None
    assert float(image(real, crops)) == 0
    # Where the clean picture is saturated nothing is compared.
    hidden = crops._replace(known=torch.zeros_like(real))
    assert float(image(made, hidden)) == 0


@pytest.mark.parametrize("cfa", ["RGGB", "GRBG", "GBRG", "BGGR"])
def test_colours_reach_the_denoiser_in_its_order(cfa):
    value = {"R": 1.0, "Gr": 2.0, "Gb": 3.0, "B": 4.0}
    real = torch.tensor([value[c] for c in site_colours(cfa)]).view(1, 4, 1, 1).expand(1, 4, 16, 16)
    image = ImageAlignment(ImageDomain("denoisers:recorder"), cfa, 16)
    image(real, crops_of(real))
    planes = image.denoiser.seen[-1][0, :, 0, 0] * RANGE / 20
    assert planes.tolist() == pytest.approx([1.0, 2.0, 3.0, 4.0])


def test_weights_stay_frozen_in_training():
    image = ImageAlignment(ImageDomain("denoisers:blur"), "RGGB", 16).train()
    assert not image.training
    assert not any(w.requires_grad for w in image.parameters())


def test_pmrid_has_the_published_names_and_shapes():
    told = "".join(f"{name}{tuple(value.shape)}" for name, value in Pmrid().state_dict().items())
    assert hashlib.sha256(told.encode()).hexdigest()[:16] == PMRID_NAMES


#: Of the published file.
PMRID_NAMES = "924c741a8c852214"


def test_pmrid_sees_the_noise_it_was_trained_for_and_gives_dn_back():
    net, seen = Pmrid(), []
    with torch.no_grad():
        for weight in net.parameters():
            weight.zero_()  # the net then adds nothing to its input
    net.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    draw = torch.Generator().manual_seed(3)
    gain, sigma, electrons = 1.7, 5.0, 90.0
    light = torch.full((1, 4, 256, 256), electrons)
    noisy = torch.poisson(light, draw) * gain + sigma * torch.randn(light.shape, generator=draw)
    found = net.denoise(noisy, torch.tensor(gain), torch.tensor(sigma**2))
    assert torch.allclose(found, noisy, atol=1e-3)
    own = seen[0] * (959 / 256)
    # Variance against mean is that of the anchor: K mean + variance; 262,144 values know it to 0.3 %.
    assert float(own.var()) == pytest.approx(ANCHOR_GAIN * float(own.mean()) + ANCHOR_VARIANCE, rel=0.015)


def test_pmrid_weights_are_read_and_others_refused(tmp_path):
    torch.save(Pmrid().state_dict(), tmp_path / "own.ckp")
    image = ImageAlignment(ImageDomain(weights=str(tmp_path / "own.ckp")), "BGGR", 16)
    assert isinstance(image.denoiser, Pmrid)
    torch.save({"a": torch.zeros(1)}, tmp_path / "other.ckp")
    with pytest.raises(ValueError, match=r"image_domain.weights: .*other.ckp holds no PMRID weights: "):
        load_pmrid(tmp_path / "other.ckp")


REFUSED = {
    "no weights": (ImageDomain(), "RGGB", 16, r"weights must name the file of PMRID's weights"),
    "no such file": (ImageDomain(weights="none.ckp"), "RGGB", 16, r"weights: no such file: none.ckp"),
    "mono": (ImageDomain(weights="x"), "MONO", 16, r"pmrid denoises Bayer pictures, the pairs are MONO"),
    "patch": (ImageDomain(weights="x"), "RGGB", 24, r"pmrid needs a patch of a multiple of 16, got 24"),
    "weights of another": (
        ImageDomain("denoisers:blur", weights="x"),
        "RGGB",
        16,
        r"weights are for denoiser: pmrid; another's factory loads its own",
    ),
    "no colon": (ImageDomain("blur"), "RGGB", 16, r"must be pmrid or package.module:factory, got 'blur'"),
    "no module": (ImageDomain("nowhere_at_all:f"), "RGGB", 16, r"cannot be found: No module named"),
    "no factory": (ImageDomain("denoisers:f"), "RGGB", 16, r"cannot be found: .* has no attribute 'f'"),
    "no net": (ImageDomain("denoisers:no_net"), "RGGB", 16, r"must return an nn.Module, got int"),
    "another shape": (
        ImageDomain("denoisers:halved"),
        "RGGB",
        16,
        r"halved must return pictures \(1, 4, 16, 16\), got \(1, 4, 8, 8\)",
    ),
    "another input": (
        ImageDomain("denoisers:broken"),
        "RGGB",
        16,
        r"broken fails on pictures \(1, 4, 16, 16\)",
    ),
    "no AlexNet": (
        ImageDomain("denoisers:blur", lpips_weights="none.pth"),
        "RGGB",
        16,
        r"lpips_weights: no such file: none.pth",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_serve_is_refused(name):
    options, cfa, patch, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        ImageAlignment(options, cfa, patch)


class FakeLpips(nn.Module):
    """Stands for lpips.LPIPS: the same names of weights, mean absolute difference as distance."""

    def __init__(self, net, pnet_rand, verbose):
        super().__init__()
        assert (net, pnet_rand) == ("alex", True)  # False would download
        self.net = nn.Module()
        self.net.slice1 = nn.Sequential()
        self.net.slice1.add_module("0", nn.Conv2d(3, 2, 1))

    def forward(self, a, b):
        assert a.shape[1:] == (3, 16, 16)
        assert float(a.min()) >= -1
        assert float(a.max()) <= 1
        return (a - b).abs().mean((1, 2, 3), keepdim=True)


@pytest.fixture
def fake_lpips(monkeypatch):
    package = types.ModuleType("lpips")
    package.LPIPS = FakeLpips
    monkeypatch.setitem(sys.modules, "lpips", package)


def test_lpips_takes_weights_of_a_file_and_adds_its_part(fake_lpips, tmp_path):
    own = {"features.0.weight": torch.full((2, 3, 1, 1), 0.5), "features.0.bias": torch.zeros(2)}
    torch.save(own, tmp_path / "alex.pth")
    options = ImageDomain("denoisers:recorder", l1=0.0, lpips_weights=str(tmp_path / "alex.pth"))
    image = ImageAlignment(options, "RGGB", 16)
    assert torch.equal(image.lpips.net.slice1[0].weight, own["features.0.weight"])
    real = torch.full((1, 4, 16, 16), 0.25 * RANGE / 20)
    made = (2 * real).requires_grad_()
    loss = image(made, crops_of(real))
    assert float(loss.detach()) == pytest.approx(0.01 * 2 * (0.5 ** (1 / 2.2) - 0.25 ** (1 / 2.2)), rel=1e-4)
    loss.backward()
    assert bool(torch.isfinite(made.grad).all())
    torch.save({}, tmp_path / "alex.pth")
    with pytest.raises(ValueError, match=r"lpips_weights: .*alex.pth holds no AlexNet: 'features.0.weight'"):
        ImageAlignment(options, "RGGB", 16)


def test_lpips_without_its_package_is_refused(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "lpips", None)
    (tmp_path / "alex.pth").write_bytes(b"")
    options = ImageDomain("denoisers:blur", lpips_weights=str(tmp_path / "alex.pth"))
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'lrd_ext\[lpips\]'"):
        ImageAlignment(options, "RGGB", 16)


def test_lpips_without_weights_is_off_and_says_so():
    assert "lpips_weights names no file" in why_no_lpips(ImageDomain("denoisers:blur"))
    assert why_no_lpips(ImageDomain("denoisers:blur", lpips=0.0)) is None
    assert ImageAlignment(ImageDomain("denoisers:blur"), "RGGB", 16).lpips is None


WITH_IMAGE = STAGE_2.replace("epochs: 2", "epochs: 3") + "image_domain: {denoiser: 'denoisers:blur'}\n"


def test_pairs_train_with_a_denoiser_and_a_stopped_run_goes_on_exactly(tmp_path, monkeypatch, capsys):
    pytest.importorskip("lightning_fabric")
    from lrd_ext.generator.adversarial import NoiseAlignment

    pictures = {"a": simulated_pairs.picture(SHAPE, 1)}
    folder = simulated_pairs.write_pairs(tmp_path / "pairs", pictures, ISOS, RATIO, 3)
    profile = with_gain(tmp_path / "camera.json")
    assert train(tmp_path, folder, profile, WITH_IMAGE) == 0
    assert "note: image_domain.lpips is off: lpips_weights names no file" in capsys.readouterr().err
    whole = LiteGenerator.load(tmp_path / "made.safetensors")
    real = NoiseAlignment.step
    losses = []

    def stopped(self, number):
        if number == 2:
            raise KeyboardInterrupt
        losses.append(real(self, number))
        return losses[-1]

    monkeypatch.setattr(NoiseAlignment, "step", stopped)
    assert train(tmp_path, folder, profile, WITH_IMAGE, "--overwrite") == 2
    assert all(0 < values["image"] < 0.1 for values in losses)
    monkeypatch.undo()
    assert train(tmp_path, folder, profile, WITH_IMAGE, "--resume") == 0
    parts = LiteGenerator.load(tmp_path / "made.safetensors")
    for name, weight in whole.state_dict().items():
        assert torch.equal(weight, parts.state_dict()[name]), name
    assert whole.card["configuration"]["image_domain"]["denoiser"] == "denoisers:blur"


def test_pictures_without_pairs_are_refused(tmp_path, capsys):
    pytest.importorskip("lightning_fabric")
    (tmp_path / "darks").mkdir()
    assert train(tmp_path, tmp_path / "darks", with_gain(tmp_path / "camera.json"), WITH_IMAGE) == 2
    assert "image_domain compares pictures: give pairs" in capsys.readouterr().err
    without = "image_domain: {denoiser: 'denoisers:blur'}\n"
    assert train(tmp_path, tmp_path / "darks", tmp_path / "camera.json", without) == 2
    assert "image_domain is a part of stage 2, which is off" in capsys.readouterr().err
