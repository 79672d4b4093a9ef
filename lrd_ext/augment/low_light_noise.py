# SPDX-License-Identifier: Apache-2.0
"""LowLightNoise: a noisy and a clean picture from a clean one, another camera setting for every sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from lrd_ext.batch_memory import BatchMemory, as_one
from lrd_ext.call_form import Layout, is_packed
from lrd_ext.cfa import Order, plane_sites, unpack
from lrd_ext.params import NoiseParams
from lrd_ext.profiles.draws import Choice
from lrd_ext.synth import fused_synth

from .arguments import batch_of, identities_of, one_each, origins_of
from .cameras import CameraChoice, Cameras, Jitter
from .dark_frame_bank import DarkFrameBank

if TYPE_CHECKING:
    from lrd_ext.generator import LiteGenerator

#: In place of a number, a range or a list: what the item itself says.
FROM_ITEM = "item"

_Levels = tuple[float, float, float, float]


class LowLightNoise(nn.Module):
    """Draw low-light noise on clean pictures, by the identity of each.

    The identity of a sample, index + epoch * 2^40, and the seed decide its camera, ISO, ratio, parameters and
    every deviate of its noise: no worker, batch or restart changes them, and another epoch has other noise.
    Where a profile knows its sensor each sample is of another body too, numbered like the sample: what is
    fixed in a body cannot be learned by heart. For frames of one body see :func:`burst`.

    Args:
        profile: a camera's profile or its name; several, of which each sample gets one; or a dict of names
            and weights. :func:`virtual_cameras` makes some up.
        iso: a number, a tuple (low, high) drawn log-uniformly, a list of choices, or "item": each item's own.
        ratio: a number, a tuple (low, high) drawn uniformly, a list of choices, or "item".
        seed: any int, bits taken mod 2^64.
        generator: learned noise in place of the profile's read, row and column noise, see
            :func:`lrd_ext.fused_synth`; it is of one camera, so ``profile`` must be one too.
        dark: dark frame or dark shading added to every sample, see :func:`lrd_ext.fused_synth`; or a
            :class:`DarkFrameBank` of the camera, whose frames take the place of the profile's read, row and
            column noise and of bias.
        clamp: (low, high) that noisy values are clamped to, None for no bound, such as (None, 1.0).
            Cutting values below black brightens shadows.
        read: read-noise model in place of the profile's own.
        bias: whether the black-level error is part of the noise; it moves the mean.
        weights: how likely each of several profiles is, in proportion; default, all alike.
        gain_jitter: percent that K may be off to either side, evenly; read_jitter: likewise the scale of read
            noise. They come on top of the spread a profile has of its own.
        sigma: whether pairs hold ``sigma`` too, the noise level at each site in the unit of ``noisy``, see
            ``sigma_out`` of :func:`lrd_ext.fused_synth`.
        exposure_s: exposure of the noisy picture, s, for the dark current and hot pixels of profiles that
            know them: a number, a tuple drawn log-uniformly, or a list of choices; None leaves them off.
        temperature_c: temperature of the sensor, degrees C, likewise, a tuple drawn uniformly; None is that
            the profile was measured at.

    Raises:
        TypeError: an argument of another type.
        ValueError: an unknown camera, one without system gain, an ISO or ratio out of range, or a generator
            beside several cameras.
    """

    dark: Tensor | None

    def __init__(
        self,
        profile: Cameras,
        *,
        iso: Choice | str,
        ratio: Choice | str,
        seed: int,
        generator: LiteGenerator | None = None,
        dark: Tensor | DarkFrameBank | None = None,
        clamp: tuple[float | None, float | None] | None = None,
        read: str | None = None,
        bias: bool = True,
        weights: Sequence[float] | None = None,
        gain_jitter: float = 0.0,
        read_jitter: float = 0.0,
        sigma: bool = False,
        exposure_s: Choice | None = None,
        temperature_c: Choice | None = None,
    ) -> None:
        super().__init__()
        self.conditions: dict[str, Any] = {"exposure_s": exposure_s, "temperature_c": temperature_c}
        self.cameras, self.jitter = CameraChoice.of(profile, weights), Jitter(gain_jitter, read_jitter)
        self.profiles = self.cameras.profiles
        self.iso, self.ratio, self.seed = iso, ratio, seed
        self.generator, self.clamp, self.read, self.bias = generator, clamp, read, bias
        self.sigma, self._memory, self._stacks = sigma, BatchMemory(crosses=True), BatchMemory()
        self.bank: DarkFrameBank | None = dark if isinstance(dark, DarkFrameBank) else None
        self.register_buffer("dark", None if isinstance(dark, DarkFrameBank) else dark, persistent=False)
        if generator is not None and len(self.profiles) > 1:
            raise ValueError(f"generator is of one camera, got {len(self.profiles)} profiles")
        if self.bank is not None:
            self._check_bank(self.bank)
        if read_jitter and (generator is not None or self.bank is not None):
            raise ValueError("read_jitter is of the profile's read noise, which generator or dark replaces")
        for one in self.profiles:  # refuse now what every sample would be refused for
            one.sample(
                1,
                iso=one.iso_range[0] if iso == FROM_ITEM else _choice("iso", iso),
                ratio=1.0 if ratio == FROM_ITEM else _choice("ratio", ratio),
                seed=seed,
                read=read,
                **self.conditions,
            )

    def _check_bank(self, bank: DarkFrameBank) -> None:
        if self.profiles != (bank.profile,):
            names = ", ".join(one.name for one in self.profiles)
            raise ValueError(
                f"dark is a bank of {bank.profile.name}: profile must be that camera, got {names}"
            )
        if self.generator is not None or self.read is not None:
            other = "read" if self.generator is None else "generator"
            raise ValueError(f"dark, a bank, is all noise that light does not cause; leave {other} out")
        if self.iso != FROM_ITEM:
            bank.check(_choice("iso", self.iso))

    def forward(
        self,
        clean: Tensor,
        index: int | Tensor,
        epoch: int = 0,
        *,
        black: float | Sequence[float] | None = None,
        white: float | None = None,
        cfa: str | None = None,
        iso: float | Sequence[float] | None = None,
        ratio: float | Sequence[float] | None = None,
        layout: Layout = "auto",
        origin: tuple[int, int] | Sequence[tuple[int, int]] | None = None,
        order: Order = "site",
    ) -> dict[str, Any]:
        """Make a pair of each clean picture.

        Args:
            clean: mosaics or packed pictures, one or a batch, see :func:`lrd_ext.fused_synth`.
            index: of each sample in its data set, an int or (B,) int64; an int i means i ... i + B - 1.
                It may hold the epoch already, as the items of :class:`lrd_ext.datasets.RawTiles` do.
            epoch: number of the epoch, in [0, 2^16).
            black: black level of ``clean`` by site of ``cfa``; None where it is that of the profile.
            white: white level of ``clean``; None where it is that of the profile.
            cfa: phase of ``clean``; None where it is that of the profile.
            iso: of each sample, where the module takes it from the item.
            ratio: of each sample, where the module takes it from the item.
            layout: see :func:`lrd_ext.fused_synth`.
            origin: (row, column) on the active area of the first site of all pictures, or of each; where an
                aligned bank cuts its darks.
            order: of the channels of packed pictures, in and out, read with ``cfa``; see
                :func:`lrd_ext.fused_synth`.

        Returns: dict of ``noisy``, float32 of clean's shape; ``clean``, the same picture without noise,
            normalized float32; ``sigma`` where the module was told so; ``params``, NoiseParams of the batch.
        """
        if order != "site" and cfa is None:
            raise ValueError(f"order {order!r} is read with cfa, the phase of clean, which is missing")
        many = batch_of(clean, layout)
        identities = identities_of(index, epoch, many)
        whole = [(tuple(black) if isinstance(black, Sequence) else black, white, cfa)] * many
        params = self.params(identities, whole, one_each(iso, many), one_each(ratio, many)).to(clean.device)
        dark = self.dark
        if self.bank is not None:
            packed = is_packed(tuple(clean.shape), layout)
            height, width = clean.shape[-2:]
            dark = self.bank.draw(
                params,
                identities,
                (2 * height, 2 * width) if packed else (height, width),
                seed=self.seed,
                cfas=[cfa] * many,
                origins=origins_of(origin, many),
            )
            dark = dark[:, plane_sites(order, cfa)] if packed else unpack(dark)
            dark = dark.reshape(clean.shape).to(clean.device)
        names = ("noisy", "clean", "sigma")[: 2 + self.sigma]
        buffers = {name: torch.empty(clean.shape, device=clean.device) for name in names}
        return self._pair(clean, params, identities, layout, cfa, dark, order, buffers)

    def collate(self, items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Make a batch of pairs: the ``collate_fn`` of a DataLoader over :class:`lrd_ext.datasets.RawTiles`.

        Items hold ``clean`` (4, h, w) uint16, their levels ``black`` and ``white``, the phase ``cfa``, their
        identity ``index``, ``order`` of their channels if it is not "site", and ``iso`` or ``ratio`` where
        the module takes those from the item. Items of several cameras, levels and phases may stand in one
        batch. In a worker the batch is made in shared memory, where the training process finds it; memory of
        batches that nobody holds any more is used again.

        Returns: dict of ``noisy`` and ``clean``, (B, 4, h, w) float32 in the order of the items' channels,
            and ``sigma`` likewise where the module was told so; ``params``; and ``index`` (B,) int64.

        Raises:
            ValueError: the orders differ, or an ISO or ratio is missing or out of range.
        """
        order = _order_of(items)
        by_phase: dict[str, list[int]] = {}
        for i, item in enumerate(items):
            by_phase.setdefault(item["cfa"], []).append(i)
        if order != "site" and len(by_phase) > 1:  # one call has one place for each colour
            parts = [self.collate([items[i] for i in places]) for places in by_phase.values()]
            return _rejoined(parts, [i for places in by_phase.values() for i in places])
        clean = self._stacked([item["clean"] for item in items])
        identities = torch.tensor([int(item["index"]) for item in items])
        levels = [_levels_of(item) for item in items]
        isos = [float(item["iso"]) for item in items] if self.iso == FROM_ITEM else None
        ratios = [float(item["ratio"]) for item in items] if self.ratio == FROM_ITEM else None
        params = self.params(identities, levels, isos, ratios)
        cfa = items[0]["cfa"] if len(by_phase) == 1 else "several phases"
        dark = self.dark
        if self.bank is not None:
            dark = self.bank.draw(
                params,
                identities,
                (2 * clean.shape[2], 2 * clean.shape[3]),
                seed=self.seed,
                cfas=[item["cfa"] for item in items],
                origins=[item["origin"] for item in items],
            )[:, plane_sites(order, cfa)]
        buffers = self._memory.lend(dict.fromkeys(("noisy", "clean", "sigma")[: 2 + self.sigma], clean.shape))
        return self._pair(clean, params, identities, "packed", cfa, dark, order, buffers, index=identities)

    def _stacked(self, pictures: list[Tensor]) -> Tensor:
        stack = as_one(pictures)
        if stack is not None:
            return stack
        shape = (len(pictures), *pictures[0].shape)
        return torch.stack(pictures, out=self._stacks.lend({"clean": shape}, pictures[0].dtype)["clean"])

    def params(
        self,
        identities: Tensor,
        levels: Sequence[tuple[Any, Any, Any]],
        isos: Sequence[float] | None = None,
        ratios: Sequence[float] | None = None,
    ) -> NoiseParams:
        """Draw the parameters of samples.

        Args:
            identities: (B,) int64, index + epoch * 2^40 of each.
            levels: (black, white, cfa) of each sample, None for those of the profile.
            isos: ISO of each, where the module takes it from the item.
            ratios: ratio of each, where the module takes it from the item.

        Returns: NoiseParams of the batch, on the CPU, in DN of each sample's range and sites of its phase.

        Raises:
            ValueError: an ISO or ratio is missing or out of range.
        """
        for name, given, wanted in (("iso", isos, self.iso), ("ratio", ratios, self.ratio)):
            if wanted == FROM_ITEM and given is None:
                raise ValueError(f'{name} is "{FROM_ITEM}", so each sample must bring its {name}')
        groups: dict[Any, list[int]] = {}
        for i, camera in enumerate(self.cameras.draw(self.seed, identities)):
            own = (isos[i] if isos else None, ratios[i] if ratios else None)
            groups.setdefault((camera, levels[i], own), []).append(i)
        drawn = [self._draw(key, identities[places]) for key, places in groups.items()]
        params = drawn[0]
        if len(drawn) > 1:
            order = torch.tensor([place for places in groups.values() for place in places])
            params = NoiseParams.cat(drawn).select(order.argsort())
        return self.jitter.shake(params, self.seed, identities)

    def _draw(self, key: Any, identities: Tensor) -> NoiseParams:
        camera, (black, white, cfa), (iso, ratio) = key
        return self.profiles[camera].sample(
            len(identities),
            iso=_choice("iso", self.iso) if iso is None else iso,
            ratio=_choice("ratio", self.ratio) if ratio is None else ratio,
            seed=self.seed,
            index=identities,
            read=self.read,
            bias=self.bias,
            black=black,
            white=white,
            cfa=cfa,
            **self.conditions,
        )

    def _pair(
        self,
        clean: Tensor,
        params: NoiseParams,
        identities: Tensor,
        layout: Layout,
        cfa: str | None,
        dark: Tensor | None,
        order: Order,
        pair: dict[str, Any],
        **more: Any,
    ) -> dict[str, Any]:
        """Fill the tensors of a pair, and put beside them what else it holds."""
        generator = self.generator
        if self.bank is not None:
            params = params.shot_only().without_bias()
        if generator is not None:
            generator, params = self._generator_for(params, cfa), params.shot_only()
        fused_synth(
            clean,
            params,
            seed=self.seed,
            index=identities.to(clean.device),
            layout=layout,
            generator=generator,
            dark=dark,
            order=order,
            cfa=cfa if order != "site" and cfa else "RGGB",
            out=pair["noisy"],
            clean_out=pair["clean"],
            sigma_out=pair.get("sigma"),
            sensor=identities.to(clean.device) if params.has_sensor else 0,
        )
        if self.clamp is not None:
            pair["noisy"].clamp_(*self.clamp)
        pair.update(params=params, **more)
        return pair

    def _generator_for(self, params: NoiseParams, cfa: str | None) -> LiteGenerator | None:
        """Bring the generator, which was trained in the profile's DN and phase, to those of the pictures."""
        profile = self.profiles[0]
        if self.generator is None:
            return None
        if cfa not in (None, profile.cfa):
            raise ValueError(f"generator makes noise for the phase {profile.cfa} of its camera, got {cfa}")
        spans = params.white - params.black.mean(1)
        if bool((spans != spans[0]).any()):
            raise ValueError("generator needs pictures of one raw range in a batch")
        factor = float(spans[0]) / (profile.white - sum(profile.black) / 4)
        return self.generator if factor == 1 else self.generator.to_range(factor)


def _choice(name: str, given: Choice | str) -> Choice:
    if isinstance(given, str):
        raise ValueError(f'{name} must be a number, (low, high), a list or "{FROM_ITEM}", got {given!r}')
    return given


def _order_of(items: Sequence[Mapping[str, Any]]) -> Any:
    orders = {item.get("order", "site") for item in items}
    if len(orders) > 1:
        raise ValueError(
            f"order must be the same in all items of a batch, got {' and '.join(sorted(orders))}"
        )
    return orders.pop()


def _rejoined(parts: Sequence[dict[str, Any]], places: Sequence[int]) -> dict[str, Any]:
    """Join batches into one, each sample in the place it had."""
    back = torch.tensor(places).argsort()
    joined = {name: torch.cat([part[name] for part in parts])[back] for name in parts[0] if name != "params"}
    return joined | {"params": NoiseParams.cat([part["params"] for part in parts]).select(back)}


def _levels_of(item: Mapping[str, Any]) -> tuple[_Levels, float, str]:
    a, b, c, d = (float(v) for v in item["black"])
    return (a, b, c, d), float(item["white"]), str(item["cfa"])
