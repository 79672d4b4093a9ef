# SPDX-License-Identifier: Apache-2.0
"""Fit the coefficients of csrc/noise/octaves.h and write csrc/noise/octave_coefficients.h.

``python tools/fit_octaves.py`` (needs numpy, scipy and clang-format). A cell's polynomial minimizes the
largest error in float32 ulps of the quantile (Lawson's reweighted least squares). Its coefficients
are rounded one by one, the highest power first; the lower ones are fitted again to what the rounding left.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
from fit_coefficients import lawson
from numpy.typing import NDArray
from scipy.special import ndtri

HEADER = Path(__file__).resolve().parents[1] / "csrc" / "noise" / "octave_coefficients.h"
CELLS, TERMS = 32, 9  # kOctaves, kOctaveTerms
LOW = -0.75  # g is in [LOW, 0]
SHAPES = np.concatenate([np.linspace(-0.5, 0.6, 45), np.linspace(0.65, 5.0, 30)])  # of NoiseParams

HEAD = """// SPDX-License-Identifier: Apache-2.0
// Written by tools/fit_octaves.py: the numbers of octaves.h and tukey_lambda.h.
#pragma once

#include "octaves.h"

namespace lrd::LRD_ISA {

"""
TAIL = """
}  // namespace lrd::LRD_ISA
"""

Array = NDArray[np.float64]


def chebyshev(low: float, high: float, count: int = 400) -> Array:
    """Nodes that lie densest at both ends."""
    return (low + high) / 2 - (high - low) / 2 * np.cos(np.pi * (np.arange(count) + 0.5) / count)


def rounded(basis: Array, target: Array, weight: Array) -> Array:
    """Coefficients that are float32 numbers; the columns of ``basis`` from the lowest power on."""
    left, fixed = target.copy(), []
    for count in range(basis.shape[1], 0, -1):
        c = np.float64(np.float32(lawson(basis[:, :count], left, weight, 100)[-1]))
        fixed.insert(0, c)
        left = left - c * basis[:, count - 1]
    return np.array(fixed)


def tail(cell: int, g: Array) -> Array:
    """P of a cell's g."""
    return 0.5 + g / 6 if cell == CELLS - 1 else (g + 1.5) * 2.0 ** (cell - CELLS)


def normal_cell(cell: int) -> Array:
    """Coefficients of -z, lowest power first. Cell 0 holds one word alone, at g = -1."""
    if cell == 0:
        return np.array([float(np.float32(-ndtri(2.0**-33)))] + [0.0] * (TERMS - 1))
    g = chebyshev(LOW, 0)
    x = -ndtri(tail(cell, g))
    ulp = np.spacing(x.astype(np.float32)).astype(float)
    first = int(cell == CELLS - 1)  # the median is 0
    basis = g[:, None] ** np.arange(first, TERMS)
    c = rounded(basis, x, 1 / ulp)
    error = np.abs((basis @ c - x) / ulp).max()
    print(f"normal, cell {cell}: {error:.2f} ulps")
    return np.concatenate([np.zeros(first), c])


def binomials(shape: Array) -> Array:
    """binom(shape, k) / shape for k = 1 ... TERMS, in rows."""
    rows = [np.ones_like(shape)]
    for k in range(1, TERMS):
        rows.append(rows[-1] * (shape - k) / (k + 1))
    return np.array(rows)


def power_over_shape(shape: Array, h: Array) -> Array:
    """((1 + h)^shape - 1) / shape."""
    safe = np.where(shape == 0, 1e-12, shape)
    return np.expm1(safe * np.log1p(h)) / safe


def remainder(h_per_g: float, shape_terms: int, *, odd: bool = False) -> Array:
    """What replaces a power's binomial series beyond h^8: binom(shape, 9) / shape times a polynomial in g.

    It is of degree 8; h = h_per_g g. Columns are powers of the shape, which the polynomial's coefficients
    depend on. ``odd``: of (1 + h)^shape - (1 - h)^shape.
    """
    gs, shapes = (v.ravel() for v in np.meshgrid(chebyshev(LOW, 0, 60), SHAPES))
    h, beta = h_per_g * gs, binomials(shapes)
    exact = power_over_shape(shapes, h)
    series = sum(beta[k - 1] * h**k for k in range(1, TERMS))
    if odd:
        exact = exact - power_over_shape(shapes, -h)
        series = series - sum(beta[k - 1] * (-h) ** k for k in range(1, TERMS))
    columns = [beta[TERMS - 1] * gs**k * shapes**n for k in range(1, TERMS) for n in range(shape_terms)]
    weight = 1 / np.abs(h) if odd else np.ones_like(h)
    basis, target = np.stack(columns, axis=1), exact - series
    c = lawson(basis, target, weight, 100)
    print(f"remainder at {h_per_g:.3f}: {np.abs((basis @ c - target) * weight).max():.1e}")
    return c.reshape(TERMS - 1, shape_terms)


def cell_constants() -> dict[str, Array]:
    """Of each cell's upper edge b: log2 b and log2(1 - b) in two parts, h / g of 1 - p = (1 - b) (1 + h)."""
    middle = np.arange(CELLS) == CELLS - 1
    edge = np.where(middle, 0.5, 1.5 * 2.0 ** (np.arange(CELLS) - CELLS))
    exact = edge.astype(np.longdouble)
    constants = {}
    for name, value in (("kLogEdge", np.log(exact)), ("kLogRest", np.log1p(-exact))):
        log = value / np.log(np.longdouble(2))
        constants[name + "High"] = log.astype(np.float32).astype(float)
        constants[name + "Low"] = (log - constants[name + "High"]).astype(float)
    constants["kStepOfRest"] = -edge / (1 - edge) * np.where(middle, 1 / 3, 2 / 3)
    return constants


def number(x: float) -> str:
    """A float32 literal of C++."""
    return "0.0f" if x == 0 else f"{np.float32(x):#.9g}f"


def array(name: str, values: Array, comment: str) -> str:
    """A table of C++."""
    sizes = "".join(f"[{n}]" for n in values.shape)
    rows = values if values.ndim == 2 else [values]
    lists = [", ".join(map(number, row)) for row in rows]
    inner = ", ".join(f"{{{line}}}" for line in lists) if values.ndim == 2 else lists[0]
    kind, size = ("OctaveTable", "") if values.shape == (TERMS, CELLS) else ("float", sizes)
    inner = f"{{{inner}}}" if kind == "OctaveTable" else inner
    return f"// {comment}\nLRD_TABLE {kind} {name}{size} = {{{inner}}};\n"


def main() -> None:
    """Write the header."""
    normal = np.array([normal_cell(cell) for cell in range(CELLS)]).T
    parts = [array("kNormalTable", normal, "Standard normal.")]
    comments = {
        "kLogEdgeHigh": "Tukey-lambda: log2 of a cell's upper edge b, in two parts.",
        "kLogRestHigh": "log2(1 - b), likewise.",
        "kStepOfRest": "1 - p = (1 - b) (1 + kStepOfRest g).",
    }
    for name, values in cell_constants().items():
        parts.append(array(name, values, comments.get(name, "")).removeprefix("// \n"))
    of_shape = "What is left of p^shape, by power of g from 1 on, then of the shape."
    parts += [
        array("kRemainder", remainder(2 / 3, 3), of_shape),
        array("kRemainderOfRest", remainder(-0.4, 2), "Of (1 - p)^shape in the last cell but one, likewise."),
        array("kRemainderOfMiddle", remainder(1 / 3, 1, odd=True)[:, 0], "Of both in the last cell."),
    ]
    HEADER.write_text(HEAD + "\n".join(parts) + TAIL)
    subprocess.run(["clang-format", "-i", str(HEADER)], check=True)


if __name__ == "__main__":
    main()
