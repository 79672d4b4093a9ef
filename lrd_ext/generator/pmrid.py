# SPDX-License-Identifier: Apache-2.0
"""PMRID's denoiser, written anew so that its published weights fit; it works in one noise level's units.

Source: Wang et al., ECCV 2020 (Practical Deep Raw Image Denoising on Mobile Devices); net, scale and noise
figures of the camera it was trained on: github.com/MegEngine/PMRID, Apache-2.0. No weights ship.
"""

from __future__ import annotations

import os

import torch
from torch import Tensor, nn
from torch.nn import functional

#: Noise it was trained for: K, DN per electron, and read variance, DN^2, at ISO 1600 of an OPPO Reno 10x.
ANCHOR_GAIN, ANCHOR_VARIANCE = 0.0005995267 * 1600 + 0.00868861, 2.979468
#: Range of that camera, DN, and what its [0, 1] is multiplied by before the net.
_RANGE, _SCALE = 959.0, 256.0
#: Cells a side must be a multiple of: the net halves four times.
MULTIPLE = 16


class Pmrid(nn.Module):
    """U-shaped net of separable convolutions on R, Gr, Gb, B; adds what it finds to its input."""

    def __init__(self) -> None:
        super().__init__()
        self.conv0 = nn.Sequential()
        self.conv0.add_module("conv", nn.Conv2d(4, 16, 3, padding=1))
        self.enc1, self.enc2 = _encoder(16, 64, 2), _encoder(64, 128, 2)
        self.enc3, self.enc4 = _encoder(128, 256, 4), _encoder(256, 512, 4)
        self.encdec = _separable(512, 64, 3)
        self.dec1, self.dec2 = _Decoder(64, 256, 64), _Decoder(64, 128, 32)
        self.dec3, self.dec4 = _Decoder(32, 64, 32), _Decoder(32, 16, 16)
        self.out0 = _Refine(16)
        self.out1 = nn.Sequential()
        self.out1.add_module("conv", nn.Conv2d(16, 4, 3, padding=1))

    def forward(self, noisy: Tensor) -> Tensor:
        """Map (B, 4, h, w), h and w multiples of 16, to the same shape."""
        across = [functional.relu(self.conv0(noisy))]
        for encode in (self.enc1, self.enc2, self.enc3, self.enc4):
            across.append(encode(across[-1]))
        found = functional.relu(self.encdec(across.pop()))
        for decode in (self.dec1, self.dec2, self.dec3, self.dec4):
            found = decode(found, across.pop())
        return noisy + self.out1(self.out0(found))

    def denoise(self, noisy: Tensor, gain: Tensor, variance: Tensor) -> Tensor:
        """Denoise a picture in DN whose noise is known.

        Args:
            noisy: (B, 4, h, w) DN above black.
            gain: K, DN per electron, that multiplies with it.
            variance: of the signal-independent noise, DN^2, likewise.

        Returns: (B, 4, h, w) DN above black. Values below black are kept, for gradients to reach them,
            where the published program cuts them off.

        Source: Wang et al., ECCV 2020, section 3.2 (k-sigma transform): linear, and turns noise of any gain
            and variance into that of the anchor.
        """
        factor = ANCHOR_GAIN / gain
        shift = (variance / gain.square() - ANCHOR_VARIANCE / ANCHOR_GAIN**2) * ANCHOR_GAIN
        clean = self((noisy * factor + shift) * (_SCALE / _RANGE)) * (_RANGE / _SCALE)
        return (clean - shift) / factor


def load_pmrid(path: str | os.PathLike[str]) -> Pmrid:
    """Read PMRID's weights (models/torch_pretrained.ckp); nothing in the file is executed.

    Raises:
        ValueError: it holds something else.
    """
    net = Pmrid()
    try:
        net.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # whatever the parts of the reader raise for another file
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"image_domain.weights: {path} holds no PMRID weights: {reason}") from error
    return net


def _separable(inputs: int, outputs: int, size: int, stride: int = 1) -> nn.Sequential:
    made = nn.Sequential()
    depthwise = nn.Conv2d(inputs, inputs, size, stride, size // 2, groups=inputs, bias=False)
    made.add_module("depthwise", depthwise)
    made.add_module("pointwise", nn.Conv2d(inputs, outputs, 1))
    return made


def _encoder(inputs: int, outputs: int, blocks: int) -> nn.Sequential:
    further = (_Encode(outputs, outputs) for _ in range(blocks - 1))
    return nn.Sequential(_Encode(inputs, outputs, 2), *further)


class _Encode(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = _separable(inputs, outputs // 4, 5, stride)
        self.conv2 = _separable(outputs // 4, outputs, 5)
        self.proj = _separable(inputs, outputs, 3, stride) if stride > 1 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.conv2(functional.relu(self.conv1(x))) + self.proj(x))


class _Refine(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv0, self.conv1 = _separable(channels, channels, 3), _separable(channels, channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv1(functional.relu(self.conv0(x)))


class _Decoder(nn.Module):
    def __init__(self, inputs: int, across: int, outputs: int) -> None:
        super().__init__()
        self.decode_conv = _Refine(inputs)
        self.upsample = nn.ConvTranspose2d(inputs, outputs, 2, 2)
        self.proj_conv = _separable(across, outputs, 3)

    def forward(self, x: Tensor, across: Tensor) -> Tensor:
        return self.upsample(self.decode_conv(x)) + functional.relu(self.proj_conv(across))
