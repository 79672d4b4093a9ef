# SPDX-License-Identifier: Apache-2.0
"""A run over many sources; stopped anywhere, it can go on."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Sequence

from .recipe import Recipe
from .shards import Synthesizer, check_format
from .sources import Source
from .storage import FORMAT, INDEX, LINES, MANIFEST, STARTED, VERSION, Storage, as_json, read_manifest


@dataclasses.dataclass(frozen=True)
class Synthesized:
    """What a run left: sources in the output, their samples, and sources left out with the reason."""

    sources: int
    samples: int
    left_out: dict[str, str]


def synthesize(
    sources: Sequence[Source],
    url: str,
    recipe: Recipe,
    *,
    resume: bool = False,
    overwrite: bool = False,
    device: str = "cpu",
    progress: Callable[[Source], None] = lambda source: None,
) -> Synthesized:
    """Make the noisy and clean pairs of many sources and write them in shards, one or more files a source.

    A sample depends on the recipe, the number of its source and its place there, so the bytes of every file
    are the same whenever and wherever it is made. A file is whole or not there. The line of a source in the
    index is written behind its files, and a run that goes on leaves out what has a line.

    Args:
        sources: what :func:`find_sources` gave.
        url: output folder, local or such as "s3://bucket/folder".
        recipe: what pairs are made by.
        resume: go on with an output that is not finished.
        overwrite: make an output anew that is there already.
        device: "cpu" or "cuda": the same bytes.
        progress: called with each source that is done.

    Raises:
        ValueError: the output is there, is of another recipe or other sources, a package is missing, or no
            source can be read.
        OSError: the output cannot be written; what was finished by then stays, and ``resume`` goes on.
    """
    check_format(recipe.format)
    storage = Storage(url)
    _begin(storage, sources, recipe, resume, overwrite)
    done = {int(name.split(".")[0]) for name in storage.names(LINES)}
    todo = [source for source in sources if source.number not in done]
    maker, left_out = Synthesizer(recipe, url, device), {}
    for source in todo:
        row = maker.make(source)
        if "left_out" in row:
            left_out[source.path] = row["left_out"]
        else:
            storage.write(f"{LINES}/{source.number:06d}.json", as_json(row))
        progress(source)
    return _finish(storage, sources, recipe, left_out)


def verify_shards(url: str, *, progress: Callable[[str], None] = lambda name: None) -> list[str]:
    """Return the names of the files of a finished output that are not what was written.

    Raises:
        ValueError: the output is not finished, or its manifest or index is damaged.
    """
    storage, (_, lines) = Storage(url), read_manifest(url)
    damaged = []
    for line in lines:
        for name, told in line["files"].items():
            if storage.digest(name) != told["sha256"]:
                damaged.append(name)
        progress(line["source"])
    return damaged


def _begin(
    storage: Storage, sources: Sequence[Source], recipe: Recipe, resume: bool, overwrite: bool
) -> None:
    """Refuse an output that must stay; else note what the run is made by, or find it noted so."""
    told = recipe.told() | {"sources": _digest_of(sources)}
    finished, started = storage.exists(MANIFEST), storage.exists(STARTED)
    if overwrite:
        for name in (MANIFEST, INDEX, STARTED, LINES):
            storage.remove(name)
    elif finished:
        raise ValueError(f"{storage.url}: holds a finished output; say --overwrite to make it anew")
    elif started and not resume:
        raise ValueError(
            f"{storage.url}: holds an output that is not finished; say --resume to go on with it, "
            "--overwrite to begin anew"
        )
    elif started:
        before = json.loads(storage.read(STARTED))
        other = [name for name in told if before.get(name) != told[name]]
        if other:
            raise ValueError(
                f"{storage.url}: was begun with other {', '.join(other)}; say --overwrite to begin anew"
            )
        return
    storage.write(STARTED, as_json(told))


def _digest_of(sources: Sequence[Source]) -> str:
    told = json.dumps([dataclasses.astuple(source) for source in sources])
    return hashlib.sha256(told.encode()).hexdigest()


def _finish(
    storage: Storage, sources: Sequence[Source], recipe: Recipe, left_out: dict[str, str]
) -> Synthesized:
    """Put the lines of the index together, and last of all write the manifest."""
    lines = [json.loads(storage.read(f"{LINES}/{name}")) for name in storage.names(LINES)]
    if not lines:
        first = next(iter(left_out.items()))
        raise ValueError(f"no source could be read; the first: {first[0]}: {first[1]}")
    index = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    storage.write(INDEX, index)
    samples = sum(len(line["samples"]) for line in lines)
    manifest = {
        "format": FORMAT,
        "version": VERSION,
        "recipe": recipe.told(),
        "sources": len(lines),
        "samples": samples,
        "index_sha256": hashlib.sha256(index).hexdigest(),
        "left_out": dict(sorted(left_out.items())),
    }
    storage.write(MANIFEST, as_json(manifest))
    storage.remove(LINES)
    storage.remove(STARTED)
    return Synthesized(len(lines), samples, left_out)
