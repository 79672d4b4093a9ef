# SPDX-License-Identifier: Apache-2.0
"""What lies where an output shall go: whether it is ours, which files an earlier run made, their removal."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Sequence

from .manifest import FORMAT, parsed
from .sources import Source
from .storage import INDEX, MANIFEST, STARTED, Storage, number_of
from .tile_stores import STORES, TABLES

#: What follows the name of a source in the names of its files, in each format.
_ENDS = {
    "npz": r"-\d{4,}-\d{4,}\.npz",
    "dng": r"-\d{4,}\.dng",
    "webdataset": r"\.tar",
    "parquet": r"\.parquet",
    "tiles": r"\.u16",
}


def check_ours(storage: Storage) -> None:
    """Refuse files of others, and broken ones, that have names which a run writes and removes.

    Raises:
        ValueError: there is one; the text names it.
    """
    heads = [name for name in (MANIFEST, STARTED) if storage.exists(name)]
    for name in heads:
        told = parsed(storage.read(name))
        if not (told.get("format") == FORMAT if name == MANIFEST else "stream_version" in told):
            raise _foreign(storage, name)
    if heads:  # what else is there is theirs
        return
    for name in ([INDEX] if storage.exists(INDEX) else []) + storage.lines():
        with storage.files.open(storage.path(name), "rb") as file:
            told = parsed(file.readline() if name == INDEX else file.read())
        if not {"source_sha256", "files"} <= told.keys():
            raise _foreign(storage, name)


def _foreign(storage: Storage, name: str) -> ValueError:
    return ValueError(
        f"{storage.url}: its {name} is broken, or lrd data synthesize did not write it; "
        "write to another folder, or remove that file"
    )


def shards_of_earlier(storage: Storage) -> set[str]:
    """Return the files of an earlier output, finished or not; a damaged index names no shards."""
    shards: set[str] = set()
    for text in _told_of_sources(storage):
        with contextlib.suppress(KeyError, TypeError):
            shards.update(filter(_is_a_shard, map(str, parsed(text)["files"])))
    shards.update(_in_hand(storage))
    tables_named = storage.exists(MANIFEST) and "files" in parsed(storage.read(MANIFEST))
    return shards | set(TABLES) if tables_named or any("/" in name for name in shards) else shards


def _told_of_sources(storage: Storage) -> Iterator[bytes]:
    if _has_its_index(storage):
        with storage.files.open(storage.path(INDEX), "rb") as lines:
            yield from lines
    for name in storage.lines():
        yield storage.read(name)


def _has_its_index(storage: Storage) -> bool:
    if not storage.exists(INDEX):
        return False
    if not storage.exists(MANIFEST):
        return True  # of an output whose removal was stopped
    return bool(storage.digest(INDEX) == parsed(storage.read(MANIFEST)).get("index_sha256"))


def _is_a_shard(name: str) -> bool:
    """Whether a run could have given the name; it does not lead out of the output then."""
    *folder, file = name.split("/")
    return "/".join(folder) in ("", *STORES) and file not in ("", ".", "..")


def _in_hand(storage: Storage) -> Iterator[str]:
    """Yield the files of pictures that a run was at when it was killed: they have no line yet."""
    started = parsed(storage.read(STARTED)) if storage.exists(STARTED) else {}
    done = {number_of(line) for line in storage.lines()}
    names = {name for name in started.get("names", []) if int(name.partition("-")[0]) not in done}
    end = re.compile(_ENDS.get(str(started.get("format")), "$.") + "$")
    for folder in STORES if started.get("format") == "tiles" else ("",):
        for file in storage.names(folder) if names else ():
            if (found := end.search(file)) and file[: found.start()] in names:
                yield f"{folder}/{file}".lstrip("/")


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


def check_stores_stay(storage: Storage, shards: set[str]) -> None:
    """Refuse to write tables of tiles over those of stores that are not of the earlier output.

    Raises:
        ValueError: there is such a store.
    """
    for table in TABLES:
        if table not in shards and storage.exists(table):
            raise ValueError(
                f"{storage.url}: its {table} is of no earlier output; write to another folder, or remove it"
            )


def remove_earlier(storage: Storage, shards: set[str]) -> None:
    """Remove an output. Stopped meanwhile, it is neither finished nor to be gone on with, and still named."""
    for name in (MANIFEST, STARTED, *sorted(shards), INDEX):
        storage.remove_file(name)
    storage.remove_lines()
    if storage.local:
        for name in STORES:
            with contextlib.suppress(OSError):  # not there, or not empty
                os.rmdir(storage.path(name))
