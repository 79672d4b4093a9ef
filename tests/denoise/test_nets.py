# SPDX-License-Identifier: Apache-2.0
"""The nets: published sizes, bounded reach, tilings without seams, files that tell what is wrong."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lrd_ext.denoise import NAFNet, UNet, denoise_packed, load_denoiser


def lively(net, seed=1):
    """The net with weights none of which is zero, so that everything reaches the output."""
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in net.parameters():
            weight += 0.05 * torch.randn(weight.shape, generator=draw)
    return net


NETS = {
    "unet": lambda **more: lively(UNet(4, 3, **more)),
    "residual unet": lambda **more: lively(UNet(4, 4, residual=True, **more)),
    "nafnet": lambda **more: lively(NAFNet(4, (1, 2, 1), window=2, **more)),
}


@pytest.fixture(params=NETS)
def make(request):
    return NETS[request.param]


def picture(height, width, seed=3):
    return torch.rand(1, 4, height, width, generator=torch.Generator().manual_seed(seed))


def test_the_published_unet_layer_by_layer():
    """SID's net, as its authors' graph lists it: channels of every convolution."""
    net = UNet()
    shapes = [tuple(w.shape) for name, w in net.state_dict().items() if name.endswith("weight")]
    down = [(32, 4), (32, 32), (64, 32), (64, 64), (128, 64), (128, 128), (256, 128), (256, 256)]
    down += [(512, 256), (512, 512)]
    up = [(512, 256), (256, 128), (128, 64), (64, 32)]  # transposed: inputs first
    join = [(256, 512), (256, 256), (128, 256), (128, 128), (64, 128), (64, 64), (32, 64), (32, 32)]
    expected = [(*s, 3, 3) for s in down] + [(*s, 2, 2) for s in up] + [(*s, 3, 3) for s in join]
    assert shapes == [*expected, (4, 32, 1, 1)]
    assert sum(w.numel() for w in net.parameters()) == 7_760_484
    assert not net.residual


def test_a_fresh_residual_net_gives_its_input_back():
    noisy = picture(17, 23)
    assert torch.equal(UNet(4, 3, residual=True)(noisy), noisy)


@pytest.mark.parametrize("size", [(1, 1), (5, 9), (16, 24), (33, 40)])
def test_any_size_goes_in(make, size):
    assert make()(picture(*size)).shape == (1, 4, *size)


def test_no_output_depends_on_more_than_the_halo(make):
    net = make()
    side = 2 * net.halo + 4 * net.multiple
    one = picture(side, side)
    for row, column in ((0, 0), (side // 2 + 1, side // 2 + 2)):
        other = one.clone()
        other[:, :, row, column] += 1
        with torch.no_grad():
            moved = (net(one) - net(other)).abs().amax((0, 1)) > 0
        rows, columns = np.nonzero(moved.numpy())
        reach = max(np.abs(rows - row).max(), np.abs(columns - column).max())
        assert net.halo / 3 < reach <= net.halo


@pytest.mark.parametrize("size", [(96, 88), (101, 75)])
def test_two_tilings_and_the_whole_agree(make, size):
    net, noisy = make(), 3 * picture(*size)
    whole = denoise_packed(net, noisy, tile=None)
    for tile in (8, 24, 40):
        off = (denoise_packed(net, noisy, tile=tile) - whole).abs().max()
        assert off < 1e-5 * whole.abs().max().clamp(min=1), tile


def test_a_tile_without_its_surroundings_would_leave_seams(make):
    """The check above sees what it is for."""
    net, noisy = make(), 3 * picture(96, 88)
    whole = denoise_packed(net, noisy, tile=None)
    net.halo = 0
    assert (denoise_packed(net, noisy, tile=24) - whole).abs().max() > 1e-3


def test_one_picture_and_a_batch(make):
    net, noisy = make(), torch.cat([picture(20, 20, 1), picture(20, 20, 2)])
    both = denoise_packed(net, noisy)
    assert torch.allclose(denoise_packed(net, noisy[1]), both[1], atol=1e-6)


def test_nafnet_attention_averages_over_its_window():
    from lrd_ext.denoise.nafnet import _local_mean

    x = picture(7, 9)
    mean = _local_mean(x, 2)
    assert torch.allclose(mean[0, :, 3, 4], x[0, :, 1:6, 2:7].mean((1, 2)))
    assert torch.allclose(mean[0, :, 0, 0], x[0, :, :3, :3].mean((1, 2)))


def test_conditioned_nets_want_the_noise_level(make):
    net, plain, noisy = make(conditioned=True), make(), picture(12, 12)
    level = 0.1 * noisy
    assert net(noisy, level).shape == noisy.shape
    assert not torch.equal(net(noisy, level), net(noisy, 2 * level))
    with pytest.raises(ValueError, match="needs noise_level"):
        net(noisy)
    with pytest.raises(ValueError, match="takes no noise_level"):
        plain(noisy, level)
    with pytest.raises(ValueError, match=r"of noisy's shape \(1, 4, 12, 12\), got \(1, 4, 6, 6\)"):
        net(noisy, level[:, :, :6, :6])
    assert torch.allclose(denoise_packed(net, noisy, level, tile=4), net(noisy, level).detach(), atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 3, 8, 8), (4, 8, 8), (1, 4, 0, 8), (1, 1, 16, 16)])
def test_other_shapes_are_refused(make, shape):
    with pytest.raises(ValueError, match=r"noisy must be \(B, 4, h, w\), got"):
        make()(torch.zeros(shape))


def test_sizes_out_of_range_are_refused():
    for build, message in (
        (lambda: UNet(0), "width must be a whole number in 1..256, got 0"),
        (lambda: UNet(8, 9), "levels must be a whole number in 1..6, got 9"),
        (lambda: NAFNet(8, ()), "number of blocks must be a whole number in 1..6"),
        (lambda: NAFNet(8, (1, 0)), "blocks must be a whole number in 1..64, got 0"),
        (lambda: UNet(8, cfa="RGBG"), "cfa must be one of RGGB"),
        (lambda: denoise_packed(UNet(1, 1), torch.zeros(1, 4, 2, 2), tile=0), "at least 1 cell, got 0"),
    ):
        with pytest.raises(ValueError, match=message):
            build()


def test_files_bring_net_and_card_back(make, tmp_path):
    net, noisy = make(cfa="GBRG", conditioned=True), picture(12, 12)
    net.card = {"made_by": "a test"}
    net.save(tmp_path / "net.safetensors")
    again = load_denoiser(tmp_path / "net.safetensors")
    assert (type(again), again.card, again.cfa) == (type(net), net.card, "GBRG")
    assert again.configuration() == net.configuration()
    assert torch.equal(again(noisy, noisy), net(noisy, noisy))


def test_files_that_hold_something_else_are_refused(tmp_path):
    from safetensors.torch import load_file, save_file

    from lrd_ext.generator import LiteGenerator

    LiteGenerator().save(tmp_path / "generator.safetensors")
    with pytest.raises(ValueError, match=r"holds no denoiser: .* lrd_ext\.UNet or lrd_ext\.NAFNet, got"):
        load_denoiser(tmp_path / "generator.safetensors")
    UNet(2, 2).save(tmp_path / "net.safetensors")
    weights = load_file(tmp_path / "net.safetensors")
    weights["down.0.0.weight"] = weights["down.0.0.weight"][:, :3].contiguous()  # a net of three channels
    told = {"kind": "lrd_ext.UNet", "version": "1", "configuration": '{"width": 2, "levels": 2}'}
    save_file(weights, tmp_path / "three.safetensors", told)
    with pytest.raises(
        ValueError, match=r"down\.0\.0\.weight must be \(\(2, 4, 3, 3\), .*got \(\(2, 3, 3, 3\)"
    ):
        load_denoiser(tmp_path / "three.safetensors")
    with pytest.raises(ValueError, match="no denoiser or file named 'high_light'"):
        load_denoiser("high_light")


def test_a_small_file_that_asks_for_large_weights_gets_no_memory(tmp_path, monkeypatch):
    from safetensors.torch import save_file

    large = {"kind": "lrd_ext.UNet", "version": "1", "configuration": '{"width": 256, "levels": 6}'}
    save_file(UNet(2, 2).state_dict(), tmp_path / "large.safetensors", large)

    def in_memory(weight, *more):
        assert weight.device.type == "meta", "weights of gigabytes were made for a file of 2 kB"

    monkeypatch.setattr(torch.nn.init, "kaiming_normal_", in_memory)
    with pytest.raises(ValueError, match=r"must be \(\(256,"):
        load_denoiser(tmp_path / "large.safetensors")
