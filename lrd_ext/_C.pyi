# SPDX-License-Identifier: Apache-2.0
"""Signatures of the compiled module. Mirrors csrc/module.cpp; tests/test_stub.py compares both."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

compiler: str
source_hash: str
cuda_targets: str
cuda_why_not: str
table_columns: list[tuple[str, int]]
sensor_columns: list[tuple[str, int]]
read_models: list[str]

def at_most(address: int, shape: Sequence[int], steps: Sequence[int], limit: float) -> bool: ...
def isa() -> str: ...
def isa_names() -> list[str]: ...
def pack(mosaic: NDArray[np.uint16], planes: NDArray[np.uint16], sites: Sequence[int]) -> None: ...
def philox(counter: Sequence[int], key: Sequence[int]) -> list[int]: ...
def quantile(which: str, words: ArrayLike, argument: ArrayLike, isa: str = "") -> NDArray[np.float32]: ...
def words(seed: int, index: ArrayLike, component: int, first_cell: int, cells: int) -> NDArray[np.int64]: ...
def synth(
    clean: int,
    clean_dtype: int,
    out: int,
    out_dtype: int,
    table: int,
    rows: int,
    columns: int,
    batch: int,
    height: int,
    width: int,
    channels: Sequence[int],
    shot: bool,
    output: int,
    quantize: int,
    clip: int,
    seed: int,
    index: int,
    sensor: int,
    origin_row: int,
    origin_col: int,
) -> None: ...
