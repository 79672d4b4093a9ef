# SPDX-License-Identifier: Apache-2.0
"""A run over many sources, in this process or shared out by Ray; stopped anywhere, it can go on."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from .earlier_output import (
    check_inputs_stay,
    check_ours,
    check_stores_stay,
    remove_earlier,
    shards_of_earlier,
)
from .manifest import checked_manifest, parsed, read_manifest, write_manifest
from .ray_actors import Workers, joined
from .recipe import Recipe
from .shards import Synthesizer, check_device, check_format
from .sources import Source
from .storage import INDEX, MANIFEST, STARTED, Storage, as_json, number_of
from .tile_stores import write_tables


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
    ray: str | None = None,
    actors: int | None = None,
    progress: Callable[[Source], None] = lambda source: None,
) -> Synthesized:
    """Make the noisy and clean pairs of many sources and write them in shards, one or more files a source.

    A sample depends on the recipe, the number of its source and its place there, so the bytes of every file
    are the same for one process, any number of actors and any order. A file is whole or not there. The line
    of a source in the index is written behind its files, and a run that goes on leaves out what has a line.

    Args:
        sources: what :func:`find_sources` gave.
        url: output folder, local or such as "s3://bucket/folder".
        recipe: what pairs are made by.
        resume: go on with an output that is not finished.
        overwrite: make an output anew that is there already. When pairs of one source at least can be made,
            the files it names are removed, and no others; where its index is damaged they stay.
        device: "cpu" or "cuda": the same bytes.
        ray: None works in this process; "local" starts Ray on this machine; else the address of a cluster,
            whose nodes must see the sources and the output under the same names.
        actors: processes of Ray that work side by side; None for as many as it has processors, or GPUs for
            "cuda".
        progress: called with each source that is done.

    Raises:
        ValueError: the output is there, is of another recipe or other sources, is not ours, would be removed
            though it holds a source, or is being written by another run; the cluster does not answer, there
            is no such device, a package is missing, or no source can be read.
        OSError: the output cannot be written; what was finished by then stays, and ``resume`` goes on.

    Source: Moritz et al., "Ray", OSDI 2018, for the actors.
    """
    check_format(recipe.format)
    check_device(device, here=ray is None)
    if actors is not None and (ray is None or actors < 1):
        raise ValueError(f"actors must be at least 1 and are of ray, got {actors} and ray {ray}")
    storage = Storage(url)
    with storage.alone():
        begun = _begun(storage, sources, recipe, resume, overwrite)
        if begun and storage.exists(MANIFEST):  # killed behind it
            return _swept(storage, checked_manifest(storage))
        earlier = shards_of_earlier(storage) if overwrite else set()
        check_inputs_stay(storage, earlier, sources)
        if recipe.format == "tiles" and not begun:
            check_stores_stay(storage, earlier)
        with contextlib.nullcontext() if ray is None else joined(ray, actors) as cluster:
            makers = (
                _Here(recipe, url, device) if ray is None else Workers(cluster, recipe, url, device, actors)
            )
            if overwrite:
                _check_some_are_fit(makers.reasons(sources))
            if not begun:
                remove_earlier(storage, earlier)
                names = [source.name for source in sources]
                storage.write(STARTED, as_json(_told(sources, recipe) | {"names": names}))
            done = {number_of(line) for line in storage.lines()}
            left_out = {}
            for source, reason in makers.make([source for source in sources if source.number not in done]):
                if reason:
                    left_out[source] = reason
                progress(source)
        return _finish(storage, sources, recipe, left_out)


class _Here:
    """This process, with the methods of Workers."""

    def __init__(self, recipe: Recipe, url: str, device: str) -> None:
        self.maker = Synthesizer(recipe, url, device)

    def reasons(self, sources: Sequence[Source]) -> Iterator[tuple[Source, str]]:
        return ((source, self.maker.why_not(source)) for source in sources)

    def make(self, todo: Sequence[Source]) -> Iterator[tuple[Source, str]]:
        return ((source, self.maker.make(source)) for source in todo)


def _check_some_are_fit(tried: Iterator[tuple[Source, str]]) -> None:
    """Refuse to give up an output for sources of which no pairs can be made."""
    left_out = {}
    for source, reason in tried:
        if not reason:
            return
        left_out[source] = reason
    raise _none_read(left_out)


def _none_read(left_out: Mapping[Source, str]) -> ValueError:
    source, reason = next(iter(left_out.items()))
    return ValueError(f"no source could be read; the first: {source.path}: {reason}")


def verify_shards(url: str, *, progress: Callable[[str], None] = lambda name: None) -> list[str]:
    """Return the names of the files of a finished output that are not what was written.

    Raises:
        ValueError: the output is not finished, or its manifest or index is damaged.
    """
    storage, (manifest, lines) = Storage(url), read_manifest(url)
    damaged = _damaged(storage, manifest.get("files", {}))
    for line in lines:
        damaged += _damaged(storage, line["files"])
        progress(line["source"])
    return damaged


def _damaged(storage: Storage, files: Mapping[str, Any]) -> list[str]:
    return [name for name, told in files.items() if storage.digest(name) != told["sha256"]]


def _begun(
    storage: Storage, sources: Sequence[Source], recipe: Recipe, resume: bool, overwrite: bool
) -> bool:
    """Refuse an output that must stay; return whether it was begun with the same and goes on."""
    check_ours(storage)
    if overwrite:
        return False
    started = storage.exists(STARTED)
    if storage.exists(MANIFEST) and not (resume and started):
        raise ValueError(f"{storage.url}: holds a finished output; say --overwrite to make it anew")
    if not started:
        if storage.exists(INDEX) or storage.lines():
            raise ValueError(
                f"{storage.url}: holds an output whose removal was stopped; say --overwrite to make it anew"
            )
        return False
    if not resume:
        raise ValueError(
            f"{storage.url}: holds an output that is not finished; say --resume to go on with it, "
            "--overwrite to begin anew"
        )
    told, before = _told(sources, recipe), parsed(storage.read(STARTED))
    other = [name for name in told if before.get(name) != told[name]]
    if other:
        raise ValueError(
            f"{storage.url}: was begun with other {', '.join(other)}; say --overwrite to begin anew"
        )
    return True


def _told(sources: Sequence[Source], recipe: Recipe) -> dict[str, Any]:
    return recipe.told() | {"sources": _digest_of(sources)}


def _digest_of(sources: Sequence[Source]) -> str:
    told = json.dumps([dataclasses.astuple(source) for source in sources])
    return hashlib.sha256(told.encode()).hexdigest()


def _finish(
    storage: Storage, sources: Sequence[Source], recipe: Recipe, left_out: Mapping[Source, str]
) -> Synthesized:
    """Put the lines of the index together, and last of all write the manifest."""
    names = storage.lines()
    if not names and left_out:
        storage.remove_lines()
        storage.remove_file(STARTED)  # there is nothing to go on with
        raise _none_read(left_out)
    missing = {source.number for source in sources if source not in left_out} - set(map(number_of, names))
    if missing:
        raise ValueError(
            f"{storage.url}: {len(missing)} pictures that were made are not in the index: another run writes "
            "this output too; wait for it, or stop it and say --resume"
        )
    samples = 0
    with storage.writing(INDEX) as index:
        for line in _lines(storage, names):
            samples += len(line["samples"])
            index.write(json.dumps(line).encode() + b"\n")
    manifest: dict[str, Any] = {
        "recipe": recipe.told(),
        "sources": len(names),
        "samples": samples,
        "index_sha256": index.told()["sha256"],
        "left_out": dict(sorted((source.path, reason) for source, reason in left_out.items())),
    }
    if recipe.format == "tiles":
        manifest["files"] = write_tables(storage, _lines(storage, names))
    return _swept(storage, write_manifest(storage, manifest))


def _lines(storage: Storage, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    return (json.loads(storage.read(name)) for name in names)


def _swept(storage: Storage, manifest: dict[str, Any]) -> Synthesized:
    """Remove what only an unfinished output holds; return what the run left."""
    storage.remove_lines()
    storage.remove_abandoned()
    storage.remove_file(STARTED)
    return Synthesized(manifest["sources"], manifest["samples"], manifest["left_out"])
