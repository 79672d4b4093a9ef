# SPDX-License-Identifier: Apache-2.0
"""Calls whose results are pinned by SHA-256: ``python tests/hash_cases.py`` prints them as JSON.

The hashes in tests/hashes.json hold for every instruction set, thread count and machine. A change of the
stream's version or of a quantile changes them: print them again, and the changelog says "results change".
"""

from __future__ import annotations

import hashlib
import json

import torch

from lrd_ext import NoiseParams, fused_synth

CAMERA = {"K": 2.3, "ratio": 100.0, "white": 16383.0, "black": [512.0, 511.0, 513.0, 512.5]}
NOISE = {
    "sigma_read": 6.0,
    "tukey_lambda": -0.14,
    "sigma_row": 1.3,
    "sigma_col": 0.7,
    "bias": [0.1, -0.2, 0.3, 0.05],
}
SENSOR = {
    "sigma_prnu": 0.02,
    "sigma_dsnu": 3.0,
    "sigma_row_fixed": 2.0,
    "sigma_col_fixed": 1.5,
    "dark_current": 3.0,
    "dark_current_spread": 0.8,
    "hot_fraction": 0.03,
    "hot_current": 50.0,
    "blink_fraction": 0.3,
    "exposure_s": 2.0,
    "sigma_drift": 3.0,
    "step": 4.0,
    "row_taps": [0.8, 0.6],
    "col_taps": [0.6, 0.0, -0.8],
    "row_waves": [[5.0, 7.3], [2.0, 31.0]],
    "col_waves": [[4.0, 9.0]],
}


def scene(*shape):
    """Signal over several decades, from integer arithmetic alone: the same everywhere."""
    n = torch.Size(shape).numel()
    word = (torch.arange(n, dtype=torch.int64) * 2654435761) % 2**32
    return ((word.double() / 2**32) ** 3).to(torch.float32).view(shape)


def call(frame, *, seed=7, index=3, **options):
    fields = {name: options.pop(name) for name in list(options) if name in NoiseParams.__dataclass_fields__}
    silent = {} if "read" in fields else {"sigma_read": 0.0}
    return fused_synth(
        frame, NoiseParams(**(CAMERA | NOISE | silent | fields)), seed=seed, index=index, **options
    )


def beside(name, frame, **options):
    """What the call writes to ``clean_out`` or ``sigma_out``."""
    buffer = torch.empty(frame.shape, dtype=options.get("dtype", torch.float32))
    call(frame, **{name: buffer}, **options)
    return buffer


CASES = {
    "tukey-lambda, uint16": lambda: call(scene(2, 70, 150), read="tukey_lambda", output="dn"),
    "tukey-lambda, float32": lambda: call(scene(2, 70, 150), read="tukey_lambda"),
    "logistic, not rounded": lambda: call(
        scene(70, 150), read="tukey_lambda", tukey_lambda=0.0, quantize="none"
    ),
    "gaussian, packed, uniform": lambda: call(
        scene(2, 4, 35, 75), read="gaussian", quantize="uniform", clip="none"
    ),
    "shot only, small means": lambda: call(scene(200, 300), K=15.0, output="dn"),
    "shot only, large means": lambda: call(scene(200, 300), K=0.01, ratio=1.0, output="dn_float"),
    "dark, index and origin": lambda: call(
        scene(40, 150),
        dark=50 * scene(40, 150),
        index=2**40 + 1,
        origin=(-6, 2**32 - 80),
        seed=-1,
        clip="black",
    ),
    "uint16 in": lambda: call(
        (scene(40, 150) * 16000).to(torch.uint16), read="gaussian", ratio=4.0, output="dn"
    ),
    "float16 out": lambda: call(scene(40, 150), read="gaussian", dtype=torch.float16),
    "bfloat16 in and out": lambda: call(
        scene(40, 150).to(torch.bfloat16), read="gaussian", dtype=torch.bfloat16
    ),
    "clean target, uint16 in": lambda: beside("clean_out", (scene(40, 150) * 16000).to(torch.uint16)),
    "noise level, tukey-lambda": lambda: beside("sigma_out", scene(2, 70, 150), read="tukey_lambda"),
    "noise level, gaussian, float16": lambda: beside(
        "sigma_out", scene(2, 4, 35, 75), read="gaussian", dtype=torch.float16
    ),
    "sensor, uint16": lambda: call(
        scene(2, 70, 150), read="gaussian", **SENSOR, sensor=2**40 + 1, output="dn"
    ),
    "sensor, packed, not rounded": lambda: call(
        scene(2, 4, 35, 75), read="tukey_lambda", **SENSOR, sensor=3, quantize="none", origin=(-6, 2**32 - 80)
    ),
    "sensor, noise level": lambda: beside("sigma_out", scene(40, 150), **SENSOR),
}


def hashes():
    """SHA-256 of each case's bytes, little-endian."""
    return {
        name: hashlib.sha256(make().contiguous().view(torch.uint8).numpy().tobytes()).hexdigest()
        for name, make in CASES.items()
    }


if __name__ == "__main__":
    print(json.dumps(hashes(), indent=2))
