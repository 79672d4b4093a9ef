# SPDX-License-Identifier: Apache-2.0
"""Folders of dark frames of made-up cameras."""

from __future__ import annotations

import numpy as np

SHAPE = (96, 128)
LEVELS = ["--black", 256, "--white", 4095, "--cfa", "RGGB"]


def dark(g: np.random.Generator, *, std=4.0, rows=1.0, correlation=0.7, pattern=None, shape=SHAPE):
    """A raw dark, uint16: Gaussian grain, AR(1) rows, bias by site, and the camera's own fixed pattern."""
    noise = g.normal(0, std, shape)
    line, steps = np.zeros(shape[0]), g.normal(0, rows * np.sqrt(1 - correlation**2), shape[0])
    for i in range(shape[0]):
        line[i] = correlation * line[i - 1] + steps[i]
    bias = np.tile([[0.3, -0.2], [1.1, 0.0]], (shape[0] // 2, shape[1] // 2))
    fixed = 0 if pattern is None else pattern
    return np.rint(256 + bias + fixed + noise + line[:, None]).astype(np.uint16)


def write_darks(folder, frames, *, iso=800, exposure=0.01, kind="dark"):
    """Write frames (name: mosaic, or a list) as .npy with a frames.csv; more calls add ISOs."""
    folder.mkdir(parents=True, exist_ok=True)
    table = folder / "frames.csv"
    rows = table.read_text().splitlines() if table.exists() else ["file,kind,iso,exposure_s"]
    for i, mosaic in enumerate(frames):
        name = f"{kind}_{iso}_{i:02d}.npy"
        np.save(folder / name, mosaic)
        rows.append(f"{name},{kind},{iso},{exposure}")
    table.write_text("\n".join(rows) + "\n")
    return folder


def make_darks(folder, count=12, seed=1, *, iso=800, **camera):
    """Write ``count`` darks of a camera."""
    g = np.random.default_rng(seed)
    return write_darks(folder, [dark(g, **camera) for _ in range(count)], iso=iso)
