# SPDX-License-Identifier: Apache-2.0
"""NoiseParams: what the noise model needs to know about each sample of a batch."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from . import read_models

Numbers = float | Sequence[float] | Sequence[Sequence[float]] | Tensor

READ_MODELS = tuple(read_models.READ_MODELS)

_SCALARS = ("K", "ratio", "white", "sigma_read", "tukey_lambda", "sigma_row", "sigma_col", "iso")
_SITES = ("black", "bias")
_TENSORS = _SCALARS + _SITES

# Range of each field as (lowest, highest, is the lowest itself allowed); all must be finite but iso.
# The upper ends keep every product of the model finite in float32.
_RANGES: dict[str, tuple[float, float, bool]] = {
    "K": (0.0, 1e6, False),
    "ratio": (0.0, 1e9, False),
    "white": (0.0, 1e7, False),
    "sigma_read": (0.0, 1e6, True),
    "tukey_lambda": (-0.5, 5.0, False),
    "sigma_row": (0.0, 1e6, True),
    "sigma_col": (0.0, 1e6, True),
    "black": (-1e7, 1e7, True),
    "bias": (-1e7, 1e7, True),
}

_ENDS = [_RANGES.get(name, (0.0, 3e38, False)) for name in _SCALARS]  # iso: any number above 0
_LOWEST = np.array(
    [[low if closed else np.nextafter(np.float32(low), np.float32(1e9))] for low, _, closed in _ENDS],
    np.float32,
)
_HIGHEST = np.array([[high] for _, high, _ in _ENDS], np.float32)


@dataclasses.dataclass(frozen=True, eq=False, init=False)
class NoiseParams:
    """Noise of a batch of exposures, every figure in DN of one raw range.

    Numbers, sequences and tensors are accepted, converted to float32 and broadcast to the batch size B.
    A sequence of four numbers given for ``black`` or ``bias`` is one value per CFA site.

    Args:
        K: system gain, (B,), DN/e-, > 0.
        ratio: exposure ratio by which the signal is cut and the result amplified, (B,), > 0.
        white: white level, (B,), raw DN, above every black level.
        black: black level per CFA site (0,0), (0,1), (1,0), (1,1), (B, 4), raw DN.
        sigma_read: read noise, (B,), DN: the standard deviation for "gaussian", the SCALE for "tukey_lambda".
        tukey_lambda: Tukey-lambda shape, (B,), in (-0.5, 5], no unit; the variance ends at -0.5.
        sigma_row: standard deviation of row noise, (B,), DN, one draw per mosaic row.
        sigma_col: standard deviation of column noise, (B,), DN, one draw per mosaic column.
        bias: black-level error (colour bias) per CFA site, (B, 4), DN.
        iso: ISO speed, (B,), NaN where unknown; the kernels ignore it.
        read: read-noise model, "none", "gaussian" or "tukey_lambda".
        shot: whether photon shot noise is drawn.

    Raises:
        TypeError: a field is not a number, a sequence of numbers or a real tensor.
        ValueError: a value is out of range or not finite, or the fields' batch sizes or devices disagree.

    Source: Wei et al., CVPR 2020, section 3 (noise formation model and the names of its parameters).
    """

    K: Tensor
    ratio: Tensor
    white: Tensor
    black: Tensor
    sigma_read: Tensor
    tukey_lambda: Tensor
    sigma_row: Tensor
    sigma_col: Tensor
    bias: Tensor
    iso: Tensor
    read: str
    shot: bool

    def __init__(
        self,
        *,
        K: Numbers,
        ratio: Numbers,
        white: Numbers,
        black: Numbers,
        sigma_read: Numbers = 0.0,
        tukey_lambda: Numbers = 0.0,
        sigma_row: Numbers = 0.0,
        sigma_col: Numbers = 0.0,
        bias: Numbers = 0.0,
        iso: Numbers = math.nan,
        read: str = "none",
        shot: bool = True,
    ) -> None:
        """Convert, broadcast and validate every field (reads values: may synchronize a device)."""
        given = {
            "K": K,
            "ratio": ratio,
            "white": white,
            "black": black,
            "sigma_read": sigma_read,
            "tukey_lambda": tukey_lambda,
            "sigma_row": sigma_row,
            "sigma_col": sigma_col,
            "bias": bias,
            "iso": iso,
        }
        read_models.read_model(read, "NoiseParams: read")
        if not isinstance(shot, bool):
            raise TypeError(f"NoiseParams: shot must be True or False, got {shot!r}")
        devices = {value.device for value in given.values() if isinstance(value, Tensor)}
        if len(devices) > 1:
            raise ValueError(
                f"NoiseParams: all tensors must be on one device, got {sorted(map(str, devices))}"
            )
        device = devices.pop() if devices else torch.device("cpu")
        tensors = {name: _as_tensor(name, value) for name, value in given.items()}
        batch = _batch_size(tensors)
        for name, tensor in tensors.items():
            shape = (batch, 4) if name in _SITES else (batch,)
            object.__setattr__(
                self, name, tensor.to(device).expand(shape).clone(memory_format=torch.contiguous_format)
            )
        object.__setattr__(self, "read", read)
        object.__setattr__(self, "shot", shot)
        self._check_values()

    def _check_values(self) -> None:
        for name, (low, high, closed) in _RANGES.items():
            values = getattr(self, name)
            bad = ~torch.isfinite(values) | (values > high) | ((values < low) if closed else (values <= low))
            if bool(bad.any()):
                raise ValueError(
                    f"NoiseParams: {name} must be finite and in {'[' if closed else '('}{low:g}, {high:g}], "
                    f"got {values[bad].flatten()[0].item():g}"
                )
        if bool((torch.isinf(self.iso) | (self.iso <= 0)).any()):
            raise ValueError(f"NoiseParams: iso must be above 0 or NaN (unknown), got {self.iso.tolist()}")
        if bool((self.white[:, None] <= self.black).any()):
            raise ValueError(
                f"NoiseParams: white must be above black at every site, got white {self.white.tolist()} "
                f"and black {self.black.tolist()}"
            )

    def __len__(self) -> int:
        return self.K.shape[0]

    @property
    def device(self) -> torch.device:
        """Device all tensors are on."""
        return self.K.device

    def to(self, device: torch.device | str) -> NoiseParams:
        """Return a copy on ``device``."""
        return self._replace(**{name: getattr(self, name).to(device) for name in _TENSORS})

    def select(self, i: int | slice | Sequence[int] | Tensor) -> NoiseParams:
        """Return the samples ``i`` of the batch: an int gives a batch of 1, else a slice or indices.

        Raises:
            IndexError: ``i`` lies outside the batch.
        """
        if isinstance(i, int):
            if not -len(self) <= i < len(self):
                raise IndexError(f"NoiseParams.select: i must be in [-{len(self)}, {len(self)}), got {i}")
            i = slice(i % len(self), i % len(self) + 1)
        elif not isinstance(i, (slice, Tensor)):
            i = torch.as_tensor(i, dtype=torch.int64)
        return self._replace(**{name: getattr(self, name)[i] for name in _TENSORS})

    def shot_only(self) -> NoiseParams:
        """Return a copy without read, row and column noise: what goes with a learned generator."""
        zero = torch.zeros_like(self.K)
        return self._replace(
            read="none",
            sigma_read=zero,
            tukey_lambda=zero.clone(),
            sigma_row=zero.clone(),
            sigma_col=zero.clone(),
        )

    def to_range(self, black: Numbers, white: Numbers) -> NoiseParams:
        """Express the same noise in DN of another raw range.

        K, sigma_read, sigma_row, sigma_col and bias are multiplied by
        (white - mean black) of the new range over that of the present one.

        Args:
            black: new black level, a number or one per CFA site, raw DN.
            white: new white level, raw DN.

        Raises:
            ValueError: the new white is not above the new black.
        """
        target = NoiseParams(K=self.K, ratio=self.ratio, white=white, black=black)
        factor = (target.white - target.black.mean(1)) / (self.white - self.black.mean(1))
        scaled = {
            name: getattr(self, name) * factor for name in ("K", "sigma_read", "sigma_row", "sigma_col")
        }
        return self._replace(
            **scaled, bias=self.bias * factor[:, None], white=target.white, black=target.black
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists, strings and numbers, ready for JSON; an unknown ISO is None."""
        out: dict[str, Any] = {name: getattr(self, name).tolist() for name in _TENSORS}
        out["iso"] = [None if math.isnan(v) else v for v in out["iso"]]
        return out | {"read": self.read, "shot": self.shot}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> NoiseParams:
        """Make NoiseParams from what :meth:`to_dict` gave.

        Raises:
            ValueError: a required field is missing or an unknown one is present.
        """
        known = {f.name for f in dataclasses.fields(cls)}
        missing = {"K", "ratio", "white", "black"} - set(fields)
        if missing or set(fields) - known:
            raise ValueError(
                f"NoiseParams.from_dict: needs K, ratio, white, black and accepts {sorted(known)}, "
                f"got {sorted(fields)}"
            )
        fields = dict(fields)
        if isinstance(fields.get("iso"), list):
            fields["iso"] = [math.nan if v is None else v for v in fields["iso"]]
        return cls(**fields)

    @classmethod
    def _of_columns(
        cls, columns: Mapping[str, np.ndarray | float], n: int, *, read: str, shot: bool
    ) -> NoiseParams:
        """Make NoiseParams of arrays in a tenth of the constructor's time, for what a camera profile answers.

        Args:
            columns: every field but ``read`` and ``shot``: numbers, (n,) and for black and bias (4,) or
                (n, 4). Black, white and bias are taken as checked.
            n: batch size.
            read: a read-noise model that is known.
            shot: whether shot noise is drawn.

        Raises:
            ValueError: a value is out of range.
        """
        scalars = np.empty((len(_SCALARS), n), dtype=np.float32)
        sites = np.empty((len(_SITES), n, 4), dtype=np.float32)
        for block, names in ((scalars, _SCALARS), (sites, _SITES)):
            for row, name in zip(block, names, strict=True):
                row[...] = columns[name]
        tensors = (*torch.from_numpy(scalars).unbind(), *torch.from_numpy(sites).unbind())
        if not ((scalars >= _LOWEST) & (scalars <= _HIGHEST)).all():
            return cls(**dict(zip(_TENSORS, tensors, strict=True)), read=read, shot=shot)  # names the value
        new = object.__new__(cls)
        new.__dict__.update(zip(_TENSORS, tensors, strict=True), read=read, shot=shot)
        return new

    def _replace(self, **changes: Any) -> NoiseParams:
        # Skips __post_init__: the values were checked when first given, and reading them again would sync.
        new = object.__new__(NoiseParams)
        for field in dataclasses.fields(self):
            object.__setattr__(new, field.name, changes.get(field.name, getattr(self, field.name)))
        return new


def _as_tensor(name: str, value: Any) -> Tensor:
    if isinstance(value, Tensor):
        if value.is_complex() or value.dtype == torch.bool:
            raise TypeError(f"NoiseParams: {name} must be real numbers, got a tensor of {value.dtype}")
        tensor = value.detach().to(torch.float32)
    else:
        try:
            if isinstance(value, bool):
                raise TypeError("a truth value is no number")
            tensor = torch.as_tensor(value, dtype=torch.float64).to(torch.float32)
        except (TypeError, ValueError, RuntimeError) as error:
            raise TypeError(
                f"NoiseParams: {name} must be a number, a sequence of numbers or a tensor, got {value!r}"
            ) from error
    allowed = (0, 1, 2) if name in _SITES else (0, 1)
    if tensor.ndim not in allowed or (name in _SITES and tensor.ndim and tensor.shape[-1] != 4):
        rule = "a number, (4,) or (B, 4)" if name in _SITES else "a number or (B,)"
        raise ValueError(f"NoiseParams: {name} must be {rule}, got shape {tuple(tensor.shape)}")
    return tensor


def _batch_size(given: Mapping[str, Tensor]) -> int:
    sizes = {}
    for name, tensor in given.items():
        if tensor.ndim == (2 if name in _SITES else 1):
            sizes[name] = tensor.shape[0]
    if 0 in sizes.values():
        raise ValueError(f"NoiseParams: the batch must hold at least one sample, got sizes {sizes}")
    batches = {n for n in sizes.values() if n != 1}
    if len(batches) > 1:
        raise ValueError(f"NoiseParams: batch sizes must agree (or be 1), got {sizes}")
    return batches.pop() if batches else 1
