# SPDX-License-Identifier: Apache-2.0
"""LiteGenerator: the conv stack that runs inside the noise kernel."""

from __future__ import annotations

import copy
import itertools
import math
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, cast, overload

import torch
from torch import Tensor, nn

from .. import net_files
from ..reference.conv_stack import convolve, draw_n_init
from .packing import Order, order_of, pack
from .sigma_table import SigmaTable

_Made = TypeVar("_Made")

WIDTHS = (16, 32)
MAX_HIDDEN_LAYERS = 3


class LiteGenerator(nn.Module):
    """Signal-independent noise n_gen = sigma_init * (N_init + stack(N_init)), DN, on packed 2x2 cells.

    The stack is 3x3 convolutions with leaky ReLU (slope 0.2) between them. Its input is N(0, 1): the four
    sites of a cell and, repeated along their line, one value for each of its two mosaic rows and columns, so
    that it can make row and column structure; and log(sigma_init), so that the shape can follow ISO. A fresh
    generator's last convolution is zero: it gives Gaussian noise of sigma_init until it is trained.

    Args:
        widths: channels of each hidden layer, 1 to 3 of 16 or 32.
        log_sigma: whether log(sigma_init) is a ninth input channel.
        isos: ISOs it was trained at, ascending.
        sigmas: sigma_init at each of them, DN.

    Raises:
        ValueError: widths or a table that is not supported.

    Source: Zhang et al., ICCV 2023 (LRD): noise learned on dark frames, added to physical shot noise. The
        stack, its line channels, the residual and sigma_init outside the net are our choices.
    """

    WHAT = "generator"
    #: The widest has 90 kB; what a file claims to hold is held against its bytes first.
    MAX_FILE_BYTES = 1_000_000

    def __init__(
        self,
        widths: Sequence[int] = (16, 16),
        *,
        log_sigma: bool = True,
        isos: Sequence[float] = (),
        sigmas: Sequence[float] = (),
    ) -> None:
        super().__init__()
        self.widths = checked_widths(widths)
        self.log_sigma = bool(log_sigma)
        self.table = SigmaTable.of(isos, sigmas)
        #: What it was trained on, and how well it fits; travels with the file.
        self.card: dict[str, Any] = {}
        channels = (9 if self.log_sigma else 8, *self.widths, 4)
        self.convs = nn.ModuleList(nn.Conv2d(a, b, kernel_size=3) for a, b in itertools.pairwise(channels))
        last = self._layers()[-1]
        nn.init.zeros_(last.weight)
        nn.init.zeros_(cast(Tensor, last.bias))
        self._keep_orders()
        self._kept: dict[Any, tuple[Any, Any, Any]] = {}

    @property
    def halo(self) -> int:
        """Cells of N_init that forward consumes on each side: one per convolution."""
        return len(self.widths) + 1

    def forward(self, n_init: Tensor, sigma_init: float | Tensor) -> Tensor:
        """Turn N_init into noise: plain torch, differentiable.

        Args:
            n_init: (B, 8, h + 2 halo, w + 2 halo) floating point, see :meth:`n_init`.
            sigma_init: DN, > 0, a number or (B,).

        Returns: (B, 4, h, w) of n_init's dtype, DN, channels in site order.

        Raises:
            ValueError: a shape that does not fit.
        """
        if n_init.ndim != 4 or n_init.shape[1] != 8 or min(n_init.shape[2:]) <= 2 * self.halo:
            raise ValueError(
                f"LiteGenerator: n_init must be (B, 8, h, w) with h and w above {2 * self.halo} (a halo "
                f"of {self.halo} cells), got {tuple(n_init.shape)}"
            )
        sigma = torch.as_tensor(sigma_init, dtype=n_init.dtype, device=n_init.device).reshape(-1)
        if sigma.shape[0] not in (1, n_init.shape[0]):
            raise ValueError(
                f"LiteGenerator: sigma_init must be a number or ({n_init.shape[0]},), got "
                f"{sigma.shape[0]} numbers"
            )
        weights, biases = self._weights()
        return convolve(n_init, sigma, weights, biases, self.log_sigma)

    def n_init(
        self,
        seed: int | Tensor,
        index: int | Tensor,
        cell_rows: int,
        cell_cols: int,
        *,
        origin: tuple[int, int] = (0, 0),
        dtype: torch.dtype = torch.float32,
    ) -> Tensor:
        """Draw the N_init that fused_synth draws, with the halo forward needs.

        Args:
            seed: taken mod 2^64.
            index: identity of the samples, int or (B,) int64.
            cell_rows: height of the noise, cells (half the mosaic's).
            cell_cols: width likewise.
            origin: (row, col) of the first cell on the sensor, in CELLS (fused_synth's counts sites).
            dtype: of the result.

        Returns: (B, 8, cell_rows + 2 halo, cell_cols + 2 halo) on the weights' device.
        """
        device = self._layers()[0].weight.device
        if not isinstance(seed, Tensor):
            seed = torch.tensor((seed + 2**63) % 2**64 - 2**63)
        index = torch.as_tensor(index, dtype=torch.int64).reshape(-1)
        window = draw_n_init(seed.to(device), index.to(device), cell_rows, cell_cols, origin, self.halo)
        return window.to(dtype)

    @overload
    def sigma_init(self, iso: float) -> float: ...
    @overload
    def sigma_init(self, iso: Tensor) -> Tensor: ...
    def sigma_init(self, iso: float | Tensor) -> float | Tensor:
        """Return sigma_init at an ISO, DN: log-log between the trained ISOs.

        Returns: a number for a number, float32 of iso's shape for a tensor.

        Raises:
            ValueError: an ISO outside the trained range, or no table.
        """
        if isinstance(iso, Tensor):
            return self.table.at(iso).to(torch.float32)
        return float(self.table.at(torch.tensor(float(iso), dtype=torch.float64)))

    def to_range(self, factor: float) -> LiteGenerator:
        """Return a copy that gives the same noise in DN of another raw range.

        Args:
            factor: size of the present DN in the new ones. sigma_init is multiplied by it, and the first
                bias takes up what that adds to the log(sigma_init) channel.

        Raises:
            ValueError: the factor is not finite and above 0, or takes sigma_init out of its range.
        """
        if not 0 < factor < math.inf:
            raise ValueError(f"LiteGenerator.to_range: factor must be finite and above 0, got {factor}")
        other = copy.deepcopy(self)
        other.table = SigmaTable.of(self.table.isos, [s * factor for s in self.table.sigmas])
        if self.log_sigma:
            first, biases = other._layers()[0], other._weights()[1]
            with torch.no_grad():
                biases[0] -= math.log(factor) * first.weight[:, 8].sum((1, 2))
        return other

    def with_table(self, sigma_by_iso: Mapping[float, float]) -> LiteGenerator:
        """Return a copy that knows sigma_init, DN, at these ISOs, ascending."""
        other = copy.deepcopy(self)
        other.table = SigmaTable.of(list(sigma_by_iso), list(sigma_by_iso.values()))
        return other

    def packed_weights(self) -> Tensor:
        """Return all weights as the compiled op takes them on the CPU, 1-D float32 without a gradient.

        The same tensor until a weight changes, and not to be written to.
        """
        return self.once("order", lambda: pack(*self._weights(), self._order("order")))

    def packed_weights_for_cuda(self) -> Tensor:
        """Return all weights as the compiled op takes them on a GPU, hidden layers as wide as the widest.

        Weights in bfloat16 are followed by the same once more in the order of tensor cores. The same tensor
        on each stream until a weight changes; while a CUDA graph is captured always a new one, so that its
        replays follow the weights.
        """
        weights = self._layers()[0].weight
        if not weights.is_cuda:
            return self._packed_for_cuda()
        if not torch.compiler.is_compiling() and torch.cuda.is_current_stream_capturing():
            return self._packed_for_cuda()
        return self.once(("wide_order", _stream(weights)), self._packed_for_cuda)

    def _packed_for_cuda(self) -> Tensor:
        order = self._order("wide_order")
        if not self.bfloat16_weights:
            order = order._replace(tiles=order.tiles[:0])
        return pack(*self._weights(), order)

    def once(self, what: Any, make: Callable[[], _Made]) -> _Made:
        """Return what ``make`` gives of these weights, made anew only after one of them has changed.

        Changes are known by what torch counts for its own gradients: what writes through ``weight.data`` is
        not among them.
        """
        if torch.compiler.is_compiling():  # nothing is counted
            return make()
        parameters = self._weights_and_biases()
        try:
            stamp = [(id(p), p._version, p.data_ptr()) for p in parameters]
        except RuntimeError:  # likewise of tensors made in inference mode
            return make()
        kept = self._kept.get(what)
        if kept is None or kept[0] != stamp:
            kept = self._kept[what] = (stamp, parameters, make())  # while kept, no other gets their ids
        return kept[2]

    @property
    def bfloat16_weights(self) -> bool:
        """Whether the weights are bfloat16 (``generator.bfloat16()``): tensor cores then run the stack."""
        return self._layers()[0].weight.dtype == torch.bfloat16

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write weights and configuration to a safetensors file, whole or not at all.

        Raises:
            ValueError: a weight is not finite, or the path cannot be a file.
        """
        net_files.save(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> LiteGenerator:
        """Read a generator that :meth:`save` wrote, on the CPU.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: it is damaged or holds something else.
        """
        return net_files.load(path, cls)

    def configuration(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {
            "widths": list(self.widths),
            "log_sigma": self.log_sigma,
            "isos": list(self.table.isos),
            "sigmas": list(self.table.sigmas),
        }

    def _keep_orders(self) -> None:
        """Keep the orders of packing as buffers, which follow the weights to a device; they are no state."""
        channels = (9 if self.log_sigma else 8, *self.widths, 4)
        device = self._layers()[0].weight.device
        for name, width in (("order", None), ("wide_order", max(self.widths))):
            with torch.device("cpu"):  # they have values even where the weights are made on the meta device
                order = order_of(channels, self.log_sigma, width)
            for part, numbers in order._asdict().items():
                self.register_buffer(f"_{name}_{part}", numbers.to(device), persistent=False)

    def _apply(self, fn: Any, recurse: bool = True) -> LiteGenerator:
        """Let torch move or convert the module; what comes from the meta device brings no orders along."""
        self._kept.clear()  # float32 to bfloat16 and back may end in the memory it began in
        had_values = not self._order_sums.is_meta
        super()._apply(fn, recurse)
        if not had_values:
            self._keep_orders()
        return self

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_kept": {}}

    def _order(self, name: str) -> Order:
        order = Order(*(getattr(self, f"_{name}_{part}") for part in Order._fields))
        if order.sums.device != self._layers()[0].weight.device:  # load_state_dict(assign=True)
            self._keep_orders()
            return self._order(name)
        return order

    def _weights(self) -> tuple[list[Tensor], list[Tensor]]:
        layers = self._layers()
        return [c.weight for c in layers], [cast(Tensor, c.bias) for c in layers]

    def _weights_and_biases(self) -> list[Tensor]:
        """Return all, past what nn.Module does for each attribute: longer than a call's other checks."""
        found: list[Tensor] = []
        for layer in self._modules["convs"]._modules.values():  # type: ignore[union-attr]
            own = cast(nn.Module, layer)._parameters
            weight, bias = own.get("weight"), own.get("bias")
            found.append(layer.weight if weight is None else weight)  # type: ignore[union-attr, arg-type]
            found.append(layer.bias if bias is None else bias)  # type: ignore[union-attr, arg-type]
        return found

    def _layers(self) -> list[nn.Conv2d]:
        return [cast(nn.Conv2d, c) for c in self.convs]


def _stream(weights: Tensor) -> int:
    """The stream that work on the weights goes to: what is made on one is not ready on another."""
    return 0 if torch.compiler.is_compiling() else torch.cuda.current_stream(weights.device).cuda_stream


def checked_widths(widths: Sequence[int]) -> tuple[int, ...]:
    """Return widths of hidden layers, which the kernel must know.

    Raises:
        ValueError: it does not.
    """
    valid = isinstance(widths, (tuple, list)) and 1 <= len(widths) <= MAX_HIDDEN_LAYERS
    if not valid or any(isinstance(w, bool) or w not in WIDTHS for w in widths):
        raise ValueError(
            f"LiteGenerator: widths must be 1 to {MAX_HIDDEN_LAYERS} hidden layers of 16 or 32 channels, "
            f"got {widths!r}. The noise of another net, made in plain torch, goes in as fused_synth's dark="
        )
    return tuple(int(w) for w in widths)
