# SPDX-License-Identifier: Apache-2.0
"""The output of an earlier run, removed before another takes its place: the files it names and no others."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Sequence

from lrd_ext.datasets.tiles import INDEX as TABLE

from .sources import Source
from .storage import INDEX, LINES, MANIFEST, STARTED, Storage, checked_manifest
from .tile_stores import STORES


def shards_of_earlier(storage: Storage) -> set[str]:
    """Return the shards an earlier output names, finished or not; a damaged index names none."""
    shards: set[str] = set()
    for text in _told_of_sources(storage):
        with contextlib.suppress(ValueError, KeyError, TypeError, RecursionError):
            shards.update(filter(_is_a_shard, map(str, json.loads(text)["files"])))
    return shards | {f"{name.split('/')[0]}/{TABLE}" for name in shards if "/" in name}


def _told_of_sources(storage: Storage) -> Iterator[bytes]:
    if _has_its_index(storage):
        with storage.files.open(storage.path(INDEX), "rb") as lines:
            yield from lines
    for name in storage.names(LINES):
        yield storage.read(f"{LINES}/{name}")


def _has_its_index(storage: Storage) -> bool:
    if not storage.exists(MANIFEST):
        return storage.exists(INDEX)  # of an output whose removal was stopped
    try:
        checked_manifest(storage)
    except ValueError:
        return False
    return True


def _is_a_shard(name: str) -> bool:
    """Whether a run could have given the name; it does not lead out of the output then."""
    *folder, file = name.split("/")
    return "/".join(folder) in ("", *STORES) and file not in ("", ".", "..")


def check_inputs_stay(storage: Storage, shards: set[str], sources: Sequence[Source]) -> None:
    """Refuse to make pairs of what is about to be removed.

    Raises:
        ValueError: an input is one of the shards, or a store of tiles among them.
    """
    if not storage.local:  # inputs are files of this machine
        return
    going, root = shards | {name.split("/")[0] for name in shards}, os.path.realpath(storage.root)
    for source in sources:
        if os.path.relpath(os.path.realpath(source.path), root) in going:
            raise ValueError(
                f"{source.path}: --overwrite would remove this input with the output it is part of; "
                "write to another folder"
            )


def remove_earlier(storage: Storage, shards: set[str]) -> None:
    """Remove an output. Stopped meanwhile, it is neither finished nor to be gone on with, and still named."""
    for name in (MANIFEST, STARTED):
        storage.remove(name)
    for name in sorted(shards):
        storage.remove_file(name)
    for name in (INDEX, LINES):
        storage.remove(name)
    if storage.local:
        for name in STORES:
            with contextlib.suppress(OSError):  # not there, or not empty
                os.rmdir(storage.path(name))
