# SPDX-License-Identifier: Apache-2.0
"""Critics of stage 2: the Fourier transformer discriminator, and a plain convolutional one to compare with.

Both map crops (B, 4, h, w) to one score each (B,), without a sigmoid: the critic of a Wasserstein GAN.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional

_SLOPE = 0.2
_HEADS = 4


class Block(nn.Module):
    """Pre-norm attention within windows, with a bias by relative position, then a perceptron.

    Args:
        width: of a token.
        window: tokens a side of a window, on a grid (rows, columns) of tokens.
    """

    apart: Tensor

    def __init__(self, width: int, window: tuple[int, int]) -> None:
        super().__init__()
        self.window = window
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.perceptron = nn.Sequential(
            nn.Linear(width, 4 * width), nn.LeakyReLU(_SLOPE), nn.Linear(4 * width, width)
        )
        rows, columns = window
        self.bias = nn.Parameter(torch.zeros(_HEADS, (2 * rows - 1) * (2 * columns - 1)))
        at = torch.stack(torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")).flatten(1)
        apart = at[:, :, None] - at[:, None] + torch.tensor([rows - 1, columns - 1])[:, None, None]
        self.register_buffer("apart", apart[0] * (2 * columns - 1) + apart[1], persistent=False)

    def forward(self, grid: Tensor) -> Tensor:
        """Map a grid of tokens (B, R, C, width) to the same shape."""
        b, rows, columns, width = grid.shape
        r, c = self.window
        cut = grid.view(b, rows // r, r, columns // c, c, width).transpose(2, 3).reshape(-1, r * c, width)
        cut = cut + self.out(_attention(self.qkv(self.norms[0](cut)), self.bias[:, self.apart]))
        cut = cut + self.perceptron(self.norms[1](cut))
        return cut.view(b, rows // r, columns // c, r, c, width).transpose(2, 3).reshape(grid.shape)


def _attention(qkv: Tensor, bias: Tensor | None) -> Tensor:
    """Attend (B, n, 3 width); written out, since the gradient penalty differentiates it twice."""
    b, n, three = qkv.shape
    q, k, v = qkv.view(b, n, 3, _HEADS, three // 3 // _HEADS).permute(2, 0, 3, 1, 4)
    logits = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
    weights = (logits if bias is None else logits + bias).softmax(-1)
    return (weights @ v).transpose(1, 2).reshape(b, n, three // 3)


class FourierCritic(nn.Module):
    """Multi-scale transformer with a spectral branch beside the spatial one.

    Tokens of patches of p cells go through window blocks, are pooled 2 x 2 and joined by tokens of patches of
    2p cells of the same crop, and go through blocks again. The crop's rFFT (real and imaginary part and log
    power) is cut into tokens likewise and goes through blocks of its own. A class token attends to all of
    them; its score comes from a linear layer.

    Args:
        side: cells a side of the crops, a multiple of 16.
        width: of a token at the coarse scale, a multiple of 16.
        depth: blocks at each scale.

    Source: named in Zhang et al., ICCV 2023 (LRD), whose sizes are not published: the skeleton is TransGAN's
        two-scale discriminator (Jiang et al., NeurIPS 2021), the rest our choice.
    """

    def __init__(self, side: int = 64, width: int = 64, depth: int = 2) -> None:
        super().__init__()
        if side % 16 or side < 16 or width % 16 or width < 16 or depth < 1:
            raise ValueError(
                "FourierCritic: side and width must be multiples of 16 and depth at least 1, got "
                f"{side}, {width}, {depth}"
            )
        patch = max(side // 16, 1)
        fine, coarse = width * 3 // 4, width // 4
        cells = side // patch
        self.fine = nn.Conv2d(4, fine, patch, patch)
        self.coarse = nn.Conv2d(4, coarse, 2 * patch, 2 * patch)
        self.spectral = nn.Conv2d(12, width, patch, patch)
        self.fine_place = nn.Parameter(torch.zeros(1, cells, cells, fine))
        self.joined_place = nn.Parameter(torch.zeros(1, cells // 2, cells // 2, width))
        self.spectral_place = nn.Parameter(torch.zeros(1, cells, cells // 2, width))
        window = (cells // 2, cells // 2)
        self.fine_blocks = nn.Sequential(*(Block(fine, window) for _ in range(depth)))
        self.joined_blocks = nn.Sequential(*(Block(width, window) for _ in range(depth)))
        self.spectral_blocks = nn.Sequential(*(Block(width, window) for _ in range(depth)))
        self.class_token = nn.Parameter(torch.zeros(1, 1, width))
        self.norm, self.qkv, self.out = (
            nn.LayerNorm(width),
            nn.Linear(width, 3 * width),
            nn.Linear(width, width),
        )
        self.last_norm, self.head = nn.LayerNorm(width), nn.Linear(width, 1)
        for parameter in self.parameters():
            if parameter.ndim > 1:
                nn.init.normal_(parameter, 0, 0.02)

    def forward(self, crops: Tensor) -> Tensor:
        """Score crops (B, 4, side, side): (B,)."""
        fine = self.fine_blocks(self.fine(crops).permute(0, 2, 3, 1) + self.fine_place)
        pooled = functional.avg_pool2d(fine.permute(0, 3, 1, 2), 2)
        joined = torch.cat([pooled, self.coarse(crops)], 1).permute(0, 2, 3, 1) + self.joined_place
        spatial = self.joined_blocks(joined).flatten(1, 2)
        spectrum = self.spectral(_spectrum(crops)).permute(0, 2, 3, 1) + self.spectral_place
        spectral = self.spectral_blocks(spectrum).flatten(1, 2)
        tokens = torch.cat([self.class_token.expand(len(crops), -1, -1), spatial, spectral], 1)
        tokens = tokens + self.out(_attention(self.qkv(self.norm(tokens)), None))
        return self.head(self.last_norm(tokens[:, 0]))[:, 0]


def _spectrum(crops: Tensor) -> Tensor:
    """Return real and imaginary part and log power of the rFFT without Nyquist: (B, 12, h, w / 2)."""
    waves = torch.fft.rfft2(crops.float(), norm="ortho")[..., : crops.shape[-1] // 2]
    power = waves.real.square() + waves.imag.square()
    return torch.cat([waves.real, waves.imag, torch.log1p(power)], 1)


class PixelCritic(nn.Module):
    """Convolutions on pixels alone: what the Fourier transformer is compared with.

    Args:
        width: channels of the first layer (ndf).
        depth: further layers of stride 2.

    Source: Isola et al., CVPR 2017 (PatchGAN), without normalisation, as a Wasserstein critic wants it.
    """

    def __init__(self, width: int = 64, depth: int = 3) -> None:
        super().__init__()
        widths = [4, *(width * 2 ** min(k, 3) for k in range(depth + 1))]
        layers: list[nn.Module] = []
        for a, b in itertools.pairwise(widths):
            layers += [nn.Conv2d(a, b, 4, 2, 1), nn.LeakyReLU(_SLOPE)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(widths[-1], 1, 1))
        for layer in self.layers:
            if isinstance(layer, nn.Conv2d):
                nn.init.normal_(layer.weight, 0, 0.02)

    def forward(self, crops: Tensor) -> Tensor:
        """Score crops (B, 4, h, w): (B,), the mean over places."""
        return self.layers(crops).mean((1, 2, 3))


def gradient_penalty(critic: nn.Module, real: Tensor, fake: Tensor, draw: torch.Generator) -> Tensor:
    """Return the mean of (|gradient| - 1)^2 at points between real and fake crops.

    Source: Gulrajani et al., NeurIPS 2017.
    """
    share = torch.rand(len(real), 1, 1, 1, generator=draw).to(real)
    between = (share * real + (1 - share) * fake).detach().requires_grad_()
    (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return (slope.flatten(1).norm(dim=1) - 1).square().mean()
