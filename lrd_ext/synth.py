# SPDX-License-Identifier: Apache-2.0
"""fused_synth and reference_synth: the front door. Checks the call, chooses who carries it out."""

from __future__ import annotations

import functools
import inspect
import warnings
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from . import ops
from .call_form import Clip, Layout, Output, Quantize
from .cfa import Order
from .native import CURE
from .params import NoiseParams
from .reference.synth import synthesize
from .request import check_arguments

Backend = Literal["auto", "cpu", "cuda", "reference"]

BACKENDS: tuple[str, ...] = get_args(Backend)


def fused_synth(
    clean: Tensor,
    params: NoiseParams,
    *,
    seed: int | Tensor,
    index: int | Tensor = 0,
    origin: tuple[int, int] = (0, 0),
    layout: Layout = "auto",
    generator: Any = None,
    sigma_init: float | Tensor | None = None,
    dark: Tensor | None = None,
    output: Output = "normalized",
    quantize: Quantize = "round",
    clip: Clip = "adc",
    dtype: torch.dtype = torch.float32,
    out: Tensor | None = None,
    backend: Backend = "auto",
    order: Order = "site",
    cfa: str = "RGGB",
    clean_out: Tensor | None = None,
    sigma_out: Tensor | None = None,
    sensor: int | Tensor = 0,
) -> Tensor:
    """Synthesise what a camera would have recorded of a clean scene with 1/ratio of the light.

    Shot, read, row, column and quantization noise in one pass, without temporaries. The noise of a site
    depends on (seed, index, position on the sensor, component) and nothing else: not on batch, crop, layout,
    thread count or instruction set. A NaN in ``clean`` gives NaN in float outputs and 0 in uint16.

    Args:
        clean: normalized linear signal in [0, 1] (above 1 allowed; float64 is read as float32), or uint16 raw
            DN. Mosaic (H, W), (B, H, W), (B, 1, H, W) or packed (B, 4, H/2, W/2), channels in CFA-site order
            (0,0), (0,1), (1,0), (1,1), or see ``order``. With shot noise, signal below 0 gives no electrons,
            and signal above 1e7 electrons counts as 1e7. Floats on the CPU whose median is above 4, in a raw
            range of 255 DN or more, are refused as raw DN; for a scene that bright divide clean and ratio.
        params: noise of each sample, on clean's device, a batch of 1 or of B.
        seed: int or int64 tensor of one number, bits taken mod 2^64.
        index: identity of each sample (data-set index, frame number), int64 tensor (B,) or int; an int i for
            a batch means i ... i + B - 1. In [0, 2^56); tensors on a GPU are not checked, but taken mod 2^56.
        origin: (row, col) of clean's first site on the sensor, even.
        layout: "auto" reads 2-D and 3-D as mosaic and 4-D by its channel count, and refuses (4, h, w) and
            what looks like a picture, (3, H, W) or (H, W, 3 or 4) with H and W from 32 on; "mosaic";
            "packed". Loops over batches (B, H, W) need "mosaic": a last batch of 3 or 4 would be refused.
        generator: a :class:`lrd_ext.generator.LiteGenerator` on clean's device whose noise joins the sum
            after column noise; None draws none. It adds to the read noise in params, which
            :meth:`NoiseParams.shot_only` leaves out. Its weights are used without a gradient. With
            ``generator.bfloat16()`` tensor cores (sm_80 and newer) and Intel's matrix unit (AMX) run it:
            fast, but equal to other machines within 0.04 sigma_init only, not bit for bit.
        sigma_init: scale of the generator's noise, DN, a number or (B,); None asks the generator for that of
            ``params.iso``, and for ISOs on a GPU waits for the device. In [1e-6, 1e6]: a value outside is
            an error on the CPU; on a GPU, where checking would mean waiting, its sample becomes NaN.
        dark: dark frame or dark shading, float32 DN above black, clean's layout and crop, for each sample or
            one for all. Sums beyond float32's range become infinite.
        output: "normalized", (raw - black) / (white - black) * ratio, as denoisers take it; "dn", uint16 raw
            DN, saturating at 0 and 65535; "dn_float", DN above black.
        quantize: "round", the converter's own rounding, half to even; "uniform", adds U(-1/2, 1/2) DN
            instead; "none".
        clip: "adc" clips raw DN to [0, white], "black" to [black, white], "none" not at all.
        dtype: float32, float16 or bfloat16; of float outputs.
        out: contiguous tensor of clean's shape that receives the result.
        backend: "auto", "cpu", "cuda" or "reference".
        order: what the channels of packed frames (clean, dark, out) hold: "site", the sites above; "rgbg", R,
            the green of the red rows, B, the green of the blue rows, as SID, ELD and PMN pack; "rggb", R, the
            two greens likewise, B. Row and column noise, black and bias stay with their own sites.
        cfa: colours of the sites (0,0), (0,1), (1,0), (1,1), "RGGB", "GRBG", "GBRG" or "BGGR": what ``order``
            is read with.
        clean_out: contiguous tensor of clean's shape that receives the clean target, in the same pass: uint16
            as (v - black) / (white - black), floats as they are. It and ``sigma_out`` have the dtype of the
            result, float32 for output "dn", and are normalized whatever ``output`` says.
        sigma_out: likewise, receives the noise level: the standard deviation of the noise at each site,
            sqrt(K y + sigma_read^2 s(shape)^2 + sigma_row^2 + sigma_col^2 + sigma_init^2 + 1/12) * ratio /
            (white - black). y is the signal of the short exposure in DN as shot noise takes it, 0 below 0 and
            at most 1e7 K; K y stands for shot noise where it is drawn, s(shape) is the standard deviation of
            the read noise at scale 1, sigma_init counts as that of a generator's noise, and 1/12 is left out
            with quantize="none". Dark frames, bias and clipping are not in it. NaN where clean is.
        sensor: identity of the body, int for all samples or int64 tensor (B,), in [0, 2^56). What is fixed in
            a camera (``sigma_prnu``, ``sigma_dsnu``, fixed rows and columns, dark current, hot pixels)
            depends on (seed, sensor, position) and not on index: frames of one sensor share it.

    Returns: tensor of clean's shape.

    Raises:
        TypeError: an argument of the wrong type or dtype.
        ValueError: a shape, size, mode or device that does not fit.
        RuntimeError: the backend asked for is not available here.

    A process that has run this on several threads must not call it in a child made by ``os.fork()``, where
    torch's threads are gone and it would wait for ever: start children by "spawn" or "forkserver", or call
    ``torch.set_num_threads(1)`` in the child first, as a DataLoader's workers do.

    Source: Zhang et al., ICCV 2023 (signal-dependent noise from physics, the rest added before clipping);
    Wei et al., CVPR 2020, section 3 (the components).
    """
    request = check_arguments(
        clean,
        params,
        seed=seed,
        index=index,
        origin=origin,
        layout=layout,
        generator=generator,
        sigma_init=sigma_init,
        dark=dark,
        output=output,
        quantize=quantize,
        clip=clip,
        dtype=dtype,
        out=out,
        order=order,
        cfa=cfa,
        clean_out=clean_out,
        sigma_out=sigma_out,
        sensor=sensor,
    )
    if _resolve(backend, clean) == "reference":
        return synthesize(request)
    return ops.run(request)


def reference_synth(clean: Tensor, params: NoiseParams, **options: Any) -> Tensor:
    """Draw the noise of :func:`fused_synth` by the textbook: the executable specification.

    Same arguments, same random words, same result: integers are equal except where a float64 sum lies
    within a few float32 ulps of a half integer or a word within 1e-6 of a step of the Poisson CDF.
    Runs on any device torch does, slowly and with large temporaries. ``backend`` is accepted and ignored.

    Raises:
        TypeError, ValueError: as :func:`fused_synth`.

    Source: the split into physical shot noise and signal-independent noise is that of Zhang et al.,
    "Towards General Low-Light Raw Noise Synthesis and Modeling", ICCV 2023; the physical
    signal-independent components are those of Wei et al., CVPR 2020, section 3.
    """
    return fused_synth(clean, params, **(options | {"backend": "reference"}))


reference_synth.__signature__ = inspect.signature(fused_synth)  # type: ignore[attr-defined]


def _resolve(backend: str, clean: Tensor) -> str:
    """Name the executor that carries out a call."""
    if backend not in BACKENDS:
        raise ValueError(f"fused_synth: backend must be one of {BACKENDS}, got {backend!r}")
    if backend == "reference":
        return backend
    if backend != "auto" and backend != clean.device.type:
        got = clean.device.type
        raise ValueError(f"fused_synth: backend={backend!r} needs clean on that device, got {got}")
    why_not = _why_not_compiled(clean)
    if not why_not:
        return "compiled"
    if backend != "auto":
        raise RuntimeError(f"fused_synth: backend={backend!r} is not available: {why_not}")
    _warn_once(why_not)
    return "reference"


def _why_not_compiled(clean: Tensor) -> str:
    if ops.NATIVE is None:
        return f"{ops.WHY_NOT_NATIVE}; {CURE}"
    if clean.is_cpu:  # asked first, and not by the device's type, whose name torch makes anew each time
        return ""
    if clean.is_cuda:
        return ops.why_not_cuda(clean.device.index)
    kind = clean.device.type
    return f"there are no compiled kernels for {kind} tensors; move clean and params to the CPU"


@functools.cache
def _warn_once(why_not: str) -> None:
    warnings.warn(
        f"lrd_ext: running the slow reference executor, because {why_not}", RuntimeWarning, stacklevel=4
    )
