# SPDX-License-Identifier: Apache-2.0
"""The files that the pairs of one source become, in each format, and their line of the index.

No file holds a time or a name of a machine: the same pairs are the same bytes.
"""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, cast

import numpy as np
import torch

from lrd_ext.datasets import identity_of
from lrd_ext.plain_text import cause
from lrd_ext.raw import Raw
from lrd_ext.reference import STREAM_VERSION
from lrd_ext.synth_files import Settings, encode_synthesized, synthesize_raw

from .recipe import CROPS, Recipe
from .sources import Source
from .storage import Storage, as_json, line_of
from .tile_stores import raw_pair, tile_told, write_tiles

#: (key, noisy, clean, what the index tells of the sample); pictures (4, h, w) float32, normalized, or for
#: "tiles" (H, W) uint16.
Pair = tuple[str, np.ndarray, np.ndarray, dict[str, Any]]
#: Writes the pairs of a source and returns what each file holds, by name.
Writer = Callable[[Storage, str, Iterable[Pair]], dict[str, Any]]

#: For which a source is left out.
_LEFT_OUT = (ValueError, TypeError, OSError, MemoryError)


class Synthesizer:
    """Makes the files of one source after another.

    Args:
        recipe: what they are made by.
        url: where they go.
        device: "cpu" or "cuda": the noise is the same.
    """

    def __init__(self, recipe: Recipe, url: str, device: str = "cpu") -> None:
        self.recipe, self.storage, self.device = recipe, Storage(url), device
        self.noise = recipe.noise()

    def make(self, source: Source) -> str:
        """Write the files of a source, and behind them its line of the index.

        Returns: "", or the reason why the source is left out: it cannot be read, or holds no crop.

        Raises:
            OSError: a file cannot be written.
        """
        try:
            digest, samples, pairs = self._opened(source)
        except _LEFT_OUT as error:
            return cause(error)
        files = _WRITERS[self.recipe.format](self.storage, source.name, pairs)
        told = {"source": source.path, "number": source.number, "source_sha256": digest}
        if source.tile >= 0:
            told["tile"] = source.tile
        self.storage.write(line_of(source.number), as_json(told | {"files": files, "samples": samples}))
        return ""

    def why_not(self, source: Source) -> str:
        """Return "" where pairs can be made of a source, else the reason; nothing is written."""
        try:
            self._opened(source)
        except _LEFT_OUT as error:
            return cause(error)
        return ""

    def _opened(self, source: Source) -> tuple[str, list[dict[str, Any]], Iterator[Pair]]:
        """Return the checksum of a source, what will be told of its samples, and its pairs, one drawn."""
        raw, digest = source.read()
        samples: list[dict[str, Any]] = []
        pairs = self._pairs(source, raw, samples)
        return digest, samples, itertools.chain([next(pairs)], pairs)

    def _pairs(self, source: Source, raw: Raw, samples: list[dict[str, Any]]) -> Iterator[Pair]:
        if self.recipe.format == "dng":
            yield from self._whole_files(source, raw, samples)
            return
        for key, item in self.recipe.items(source.number, raw, source.name):
            told = {"key": key, "identity": item["index"], "origin": item["origin"], "cfa": item["cfa"]}
            if self.recipe.format == "tiles":
                noisy, clean, params = raw_pair(self.noise, item, self.device)
                samples.append(told | {"params": params.to_dict()} | tile_told(raw, item))
                yield key, noisy, clean, samples[-1]
                continue
            black = tuple(float(level) for level in item["black"])
            made = self.noise(
                item["clean"].to(self.device),
                item["index"],
                black=black,
                white=float(item["white"]),
                cfa=item["cfa"],
                layout="packed",
            )
            samples.append(told | {"params": made["params"].to_dict()})
            yield key, made["noisy"].cpu().numpy(), made["clean"].cpu().numpy(), samples[-1]

    def _whole_files(self, source: Source, raw: Raw, samples: list[dict[str, Any]]) -> Iterator[Any]:
        r = self.recipe
        settings = Settings(r.cameras[0], cast(float, r.iso), cast(float, r.ratio), r.seed)
        for copy in range(r.copies):
            index = identity_of(source.number * CROPS, copy)
            noisy, params = synthesize_raw(raw, settings, index=index)
            key = f"{source.name}-{copy:04d}"
            samples.append({"key": key, "identity": index, "params": params.to_dict()})
            facts = samples[-1] | {"stream_version": STREAM_VERSION, "seed": r.seed}
            data = encode_synthesized(raw, noisy, settings, params, facts)
            yield key, data, None, samples[-1]


def _npz(storage: Storage, name: str, pairs: Iterable[Pair]) -> dict[str, Any]:
    """Write a file for each pair, as datasets.PairFolder reads them."""
    files: dict[str, Any] = {}
    for key, noisy, clean, told in pairs:
        held = io.BytesIO()
        numbers = {what: np.float64(told["params"][what][0]) for what in ("iso", "ratio")}
        np.savez(held, noisy=noisy, clean=clean, **numbers)
        files |= _whole(storage, f"{key}.npz", held.getbuffer())
    return files


def _dng(storage: Storage, name: str, pairs: Iterable[Any]) -> dict[str, Any]:
    files: dict[str, Any] = {}
    for key, data, _, _ in pairs:
        files |= _whole(storage, f"{key}.dng", data)
    return files


def _whole(storage: Storage, name: str, data: Any) -> dict[str, Any]:
    with storage.writing(name) as file:
        file.write(data)
    return {name: file.told()}


def _webdataset(storage: Storage, name: str, pairs: Iterable[Pair]) -> dict[str, Any]:
    """Write a tar file of members KEY.noisy.npy, KEY.clean.npy and KEY.json.

    Readers of WebDataset end the key at the first dot of a member's name, so it has none.
    """
    from webdataset import TarWriter

    names: dict[str, Any] = {"user": "lrd_ext", "group": "lrd_ext", "mtime": 0}
    with storage.writing(f"{name}.tar") as file, TarWriter(cast(Any, file), **names) as tar:
        for key, noisy, clean, told in pairs:
            told["key"] = key.replace(".", "_")
            tar.write({"__key__": told["key"], "noisy.npy": noisy, "clean.npy": clean, "json": told})
    return {f"{name}.tar": file.told()}


def _parquet(storage: Storage, name: str, pairs: Iterable[Pair]) -> dict[str, Any]:
    """Write a table of a row for each pair; its pictures are tensors of fixed shape."""
    import pyarrow
    from pyarrow import parquet

    table = None
    with storage.writing(f"{name}.parquet") as file:
        for key, noisy, clean, told in pairs:
            columns = {
                "key": pyarrow.array([key]),
                "identity": pyarrow.array([told["identity"]]),
                **{n: pyarrow.array([told["params"][n][0]], pyarrow.float64()) for n in ("iso", "ratio")},
                "noisy": pyarrow.FixedShapeTensorArray.from_numpy_ndarray(noisy.reshape(1, *noisy.shape)),
                "clean": pyarrow.FixedShapeTensorArray.from_numpy_ndarray(clean.reshape(1, *clean.shape)),
                "about": pyarrow.array([json.dumps(told)]),
            }
            rows = pyarrow.table(columns)
            table = table or parquet.ParquetWriter(cast(Any, file), rows.schema, compression="zstd")
            table.write_table(rows)
        if table is not None:
            table.close()
    return {f"{name}.parquet": file.told()}


_WRITERS: dict[str, Writer] = {
    "npz": _npz,
    "webdataset": _webdataset,
    "parquet": _parquet,
    "tiles": write_tiles,
    "dng": _dng,
}
#: What each format needs beside what is always there, and how it is installed.
NEEDS = {"webdataset": ("webdataset", "webdataset"), "parquet": ("pyarrow", "pyarrow")}


def check_device(name: str, *, here: bool) -> None:
    """Refuse a device that pairs are not made on, or that this machine lacks where they are made here.

    Raises:
        ValueError: it is such a device.
    """
    if name not in ("cpu", "cuda"):
        raise ValueError(f"device must be cpu or cuda, got {name!r}")
    if here and name == "cuda" and not torch.cuda.is_available():
        raise ValueError("device: cuda needs a GPU that torch can use; say cpu")


def check_format(name: str) -> None:
    """Refuse a format whose library is missing.

    Raises:
        ValueError: it is; the text tells how to install it.
    """
    import importlib.util

    module, package = NEEDS.get(name, (None, None))
    if module is not None and importlib.util.find_spec(module) is None:
        raise ValueError(f"format {name!r} needs the package {package}: pip install 'lrd_ext[bulk]'")
