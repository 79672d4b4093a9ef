# SPDX-License-Identifier: Apache-2.0
"""Pairs as two stores that ``datasets.RawTiles`` maps into memory: raw DN, the noisy beside the clean."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lrd_ext.augment import LowLightNoise
from lrd_ext.cfa import unpack
from lrd_ext.datasets.tiles import FORMAT, INDEX, VERSION
from lrd_ext.raw import Raw
from lrd_ext.synth import fused_synth

from .storage import Hashed, Storage, as_json

#: Folders of the two stores; mosaic i of one belongs to mosaic i of the other.
STORES = ("noisy", "clean")
#: What makes them stores, written last.
TABLES = tuple(f"{store}/{INDEX}" for store in STORES)


def raw_pair(noise: LowLightNoise, item: Mapping[str, Any], device: str) -> tuple[Any, Any, Any]:
    """Draw the noise of a crop as raw DN.

    Args:
        noise: its parameters and seed.
        item: crop, as :meth:`Recipe.items` yields it.
        device: "cpu" or "cuda".

    Returns: the noisy and the clean mosaic, (H, W) uint16, and the parameters.
    """
    black = tuple(float(level) for level in item["black"])
    identity = torch.tensor([item["index"]])
    params = noise.params(identity, [(black, float(item["white"]), item["cfa"])]).to(device)
    noisy = fused_synth(
        item["clean"].to(device),
        params,
        seed=noise.seed,
        index=identity.to(device),
        layout="packed",
        output="dn",
        sensor=identity.to(device) if params.has_sensor else 0,
    )
    return unpack(noisy.cpu().numpy()), unpack(item["clean"].numpy()), params


def tile_told(raw: Raw, item: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the index must tell of a crop, besides its noise, for the tables of the stores."""
    return {
        "black": [float(level) for level in item["black"]],
        "white": float(item["white"]),
        "clean_iso": raw.iso,
        "clean_exposure_s": raw.exposure_s,
        "clean_camera": raw.camera,
    }


def write_tiles(storage: Storage, name: str, pairs: Iterable[Any]) -> dict[str, Any]:
    """Write a file of noisy and one of clean mosaics; a clean one that has several noisy ones once."""
    names = [f"{store}/{name}.u16" for store in STORES]
    at: dict[tuple[int, int], dict[str, Any]] = {}
    with storage.writing(names[0]) as noisy, storage.writing(names[1]) as clean:
        for _, noisy_mosaic, clean_mosaic, told in pairs:
            height, width = noisy_mosaic.shape
            place = tuple(told["origin"])
            if place not in at:
                at[place] = _appended(clean, clean_mosaic)
            told |= {"height": height, "width": width, "noisy": _appended(noisy, noisy_mosaic)}
            told["clean"] = at[place]
    return dict(zip(names, (noisy.told(), clean.told()), strict=True))


def _appended(file: Hashed, mosaic: np.ndarray) -> dict[str, Any]:
    values = np.ascontiguousarray(mosaic, "<u2")
    place = {"offset": file.size // 2, "sha256": hashlib.sha256(values.data).hexdigest()}
    file.write(values.data)
    return place


def write_tables(storage: Storage, lines: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Write the tables that make the files two stores; return what each file holds, by name."""
    tables: dict[str, dict[str, Any]] = {
        store: {"format": FORMAT, "version": VERSION, "shards": {}, "tiles": []} for store in STORES
    }
    for line in lines:
        for name, told in line["files"].items():
            store, file = name.split("/")
            tables[store]["shards"][file] = told["bytes"] // 2
            tables[store]["tiles"] += _entries(line, store, file)
    files = {}
    for store, table in tables.items():
        with storage.writing(f"{store}/{INDEX}") as held:
            held.write(as_json(table))
        files[f"{store}/{INDEX}"] = held.told()
    return files


def _entries(line: Mapping[str, Any], store: str, file: str) -> Iterator[dict[str, Any]]:
    for sample in line["samples"]:
        shared = {name: sample[name] for name in ("height", "width", "origin", "cfa", "black", "white")}
        source = {"source": Path(line["source"]).name, "source_sha256": line["source_sha256"], "file": file}
        yield shared | source | sample[store] | (_taken(sample) if store == "clean" else _made(sample))


def _taken(sample: Mapping[str, Any]) -> dict[str, Any]:
    return {name: sample[f"clean_{name}"] for name in ("iso", "exposure_s", "camera")}


def _made(sample: Mapping[str, Any]) -> dict[str, Any]:
    iso, ratio = (float(sample["params"][name][0]) for name in ("iso", "ratio"))
    clean = (sample["clean_iso"], sample["clean_exposure_s"])
    exposure = None if None in clean else clean[0] * clean[1] / (iso * ratio)
    return {"iso": iso, "ratio": ratio, "exposure_s": exposure, "camera": None}
