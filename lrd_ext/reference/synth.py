# SPDX-License-Identifier: Apache-2.0
"""The whole noise model, component by component, in float64. Mirrors csrc/noise/site.h."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from . import bayer
from .body import BodyWords, body_offset, body_signal
from .conv_stack import draw_n_init
from .lines import coloured_lines, drift
from .normal import normal_quantile
from .philox import Component, words
from .poisson import poisson_quantile
from .quantize import clip, quantize, to_uint16
from .read_noise import read_noise
from .targets import clean_target, noise_level

if TYPE_CHECKING:
    from ..params import NoiseParams
    from ..request import Request


def synthesize(request: Request) -> Tensor:
    """Carry out a checked request."""
    _fill_targets(request)
    cells = _noisy_cells(request)
    frames = bayer.from_cells(cells, request.packed, request.channels)
    request.out.copy_(frames)
    return request.result


def _fill_targets(request: Request) -> None:
    p, cells = request.params, bayer.to_cells(request.clean, request.packed, request.channels)
    if request.clean_out is not None:
        clean = clean_target(cells, p)
        request.clean_out.copy_(bayer.from_cells(clean, request.packed, request.channels))
    if request.sigma_out is not None:
        level = noise_level(_signal(cells, p), p, request.sigma_init, rounded=request.quantize != "none")
        request.sigma_out.copy_(bayer.from_cells(level, request.packed, request.channels))


def _noisy_cells(request: Request) -> Tensor:
    p = request.params
    cells = bayer.to_cells(request.clean, request.packed, request.channels)
    draw = _Words(request, cells)
    black, white, ratio = _site(p.black), _sample(p.white), _sample(p.ratio)
    signal = _signal(cells, p)  # float32, as every executor computes it
    if p.has_sensor:
        signal = body_signal(signal, p, draw.body())
    above_black = _shot(signal, p, draw)
    if p.read != "none":
        above_black = above_black + read_noise(draw.site(Component.READ), p)
    above_black = above_black + row_noise(p, draw) + column_noise(p, draw)
    above_black = above_black + _generated(request, draw, cells.shape)
    above_black = above_black + _site(p.bias)
    if p.has_sensor:
        above_black = (
            above_black + _site(drift(draw.seed, draw.index, p.sigma_drift)) + body_offset(p, draw.body())
        )
    if request.dark is not None:
        above_black = above_black + bayer.to_cells(request.dark, request.packed, request.channels)
    return _convert(above_black, request, black.double(), white.double(), ratio.double(), draw)


def _signal(cells: Tensor, p: NoiseParams) -> Tensor:
    """Clean signal of the short exposure in DN above black, (B, 4, h, w) float32."""
    black, white, ratio = _site(p.black), _sample(p.white), _sample(p.ratio)
    if cells.dtype == torch.uint16:  # torch has no arithmetic for uint16
        return (cells.to(torch.int32).to(torch.float32) - black) * (1 / ratio)
    return cells.to(torch.float32) * ((white - black) / ratio)


def _shot(signal: Tensor, p: NoiseParams, draw: _Words) -> Tensor:
    if not p.shot:
        return signal.double()
    K = _sample(p.K)
    electrons = poisson_quantile(draw.site(Component.SHOT), signal * (1 / K))
    return torch.where(torch.isnan(signal), torch.nan, K.double() * electrons)


def row_noise(p: NoiseParams, draw: _Words) -> Tensor:
    """Noise of the mosaic's rows at the cells they cross, (B, 4, h, 1) float64, DN."""
    if not p.has_sensor:
        return _sample(p.sigma_row) * bayer.rows_of_cells(normal_quantile(draw.row()))
    components = Component.ROW, Component.ROW_WAVES
    lines = draw.lines(components, draw.rows, p.sigma_row, p.row_taps, p.row_waves)
    return bayer.rows_of_cells(lines[..., None])


def column_noise(p: NoiseParams, draw: _Words) -> Tensor:
    """Noise of the mosaic's columns likewise, (B, 4, 1, w)."""
    if not p.has_sensor:
        return _sample(p.sigma_col) * bayer.columns_of_cells(normal_quantile(draw.column()))
    components = Component.COLUMN, Component.COLUMN_WAVES
    lines = draw.lines(components, draw.cols, p.sigma_col, p.col_taps, p.col_waves)
    return bayer.columns_of_cells(lines[:, :, None, :])


def _generated(request: Request, draw: _Words, shape: torch.Size) -> Tensor | float:
    if request.generator is None:
        return 0.0
    window = (shape[2], shape[3], request.origin, request.generator.halo)
    if 0 in shape:
        return 0.0
    with torch.no_grad():
        return request.generator(draw_n_init(draw.seed, draw.index, *window), request.sigma_init)


def _convert(
    above_black: Tensor, request: Request, black: Tensor, white: Tensor, ratio: Tensor, draw: _Words
) -> Tensor:
    """Quantize, clip and bring DN above black to the requested output."""
    p, word = request.params, draw.site(Component.QUANTIZE) if request.quantize == "uniform" else None
    raw = clip(
        _as_float32_holds(quantize(black + above_black, request.quantize, word, _sample(p.step).double())),
        request.clip,
        black,
        white,
    )
    if request.output == "dn":
        return to_uint16(raw)
    if request.output == "dn_float":
        return (raw - black).to(torch.float32).to(request.dtype)
    normalized = _as_float32_holds((raw - black) / (white - black)) * ratio
    return normalized.to(torch.float32).to(request.dtype)


def _as_float32_holds(values: Tensor) -> Tensor:
    """Make infinite what float32 cannot hold, as float32 executors do before the ratio."""
    narrow = values.to(torch.float32)
    return torch.where(torch.isinf(narrow), narrow.double(), values)


class _Words:
    """The random words of one request: (B, 4, h, w) per site, two per cell along a line."""

    def __init__(self, request: Request, cells: Tensor) -> None:
        device = cells.device
        self.seed = torch.as_tensor(request.seed, device=device)
        index = request.index
        samples = torch.arange(cells.shape[0], device=device)
        self.index = index if isinstance(index, Tensor) else index + samples
        sensor = request.sensor
        self.sensor = sensor if isinstance(sensor, Tensor) else sensor + 0 * samples
        self.rows = torch.arange(cells.shape[2], device=device) + request.origin[0]
        self.cols = torch.arange(cells.shape[3], device=device) + request.origin[1]
        self.zero = torch.zeros(1, dtype=torch.int64, device=device)

    def body(self) -> BodyWords:
        return BodyWords(self.seed, self.sensor, self.index, self.rows, self.cols)

    def lines(
        self,
        components: tuple[Component, Component],
        cells: Tensor,
        sigma: Tensor,
        taps: Tensor,
        waves: Tensor,
    ) -> Tensor:
        return coloured_lines(self.seed, self.index, components, cells, sigma, taps, waves)

    def site(self, component: Component) -> Tensor:
        return words(self.seed, self.index, component, self.rows, self.cols)

    def row(self) -> Tensor:
        return words(self.seed, self.index, Component.ROW, self.rows, self.zero)[:, :2]

    def column(self) -> Tensor:
        return words(self.seed, self.index, Component.COLUMN, self.zero, self.cols)[:, :2]


def _sample(values: Tensor) -> Tensor:
    return values[:, None, None, None]


def _site(values: Tensor) -> Tensor:
    return values[:, :, None, None]
