# SPDX-License-Identifier: Apache-2.0
"""A run over many sources, in this process or shared out by Ray; stopped anywhere, it can go on."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from .earlier_output import check_inputs_stay, remove_earlier, shards_of_earlier
from .ray_actors import joined, made_by_ray
from .recipe import Recipe
from .shards import Synthesizer, check_format
from .sources import Source
from .storage import FORMAT, INDEX, LINES, MANIFEST, STARTED, VERSION, Storage, as_json, read_manifest
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
        overwrite: make an output anew that is there already. The files it names are removed first, and no
            others; where its index is damaged they stay.
        device: "cpu" or "cuda": the same bytes.
        ray: None works in this process; "local" starts Ray on this machine; else the address of a cluster,
            whose nodes must see the sources and the output under the same names.
        actors: processes of Ray that work side by side; None for as many as it has processors, or GPUs for
            "cuda".
        progress: called with each source that is done.

    Raises:
        ValueError: the output is there, is of another recipe or other sources, or would be removed though it
            holds a source; the cluster does not answer, a package is missing, or no source can be read.
        OSError: the output cannot be written; what was finished by then stays, and ``resume`` goes on.

    Source: Moritz et al., "Ray", OSDI 2018, for the actors.
    """
    check_format(recipe.format)
    if actors is not None and (ray is None or actors < 1):
        raise ValueError(f"actors must be at least 1 and are of ray, got {actors} and ray {ray}")
    storage = Storage(url)
    begun_and_done = storage.exists(MANIFEST) and storage.exists(STARTED)  # killed behind its manifest
    if resume and not overwrite and begun_and_done:
        return _swept(storage, json.loads(storage.read(MANIFEST)))
    begun = _begun(storage, sources, recipe, resume, overwrite)
    earlier = shards_of_earlier(storage) if overwrite else set()
    check_inputs_stay(storage, earlier, sources)
    with contextlib.nullcontext() if ray is None else joined(ray, actors) as cluster:
        if not begun:
            remove_earlier(storage, earlier)
            storage.write(STARTED, as_json(_told(sources, recipe)))
        done = {int(name.split(".")[0]) for name in storage.names(LINES)}
        todo = [source for source in sources if source.number not in done]
        if cluster is None:
            made = _alone(todo, recipe, url, device)
        else:
            made = made_by_ray(cluster, todo, recipe, url, device, actors)
        left_out = {}
        for source, reason in made:
            if reason:
                left_out[source.path] = reason
            progress(source)
    return _finish(storage, recipe, left_out)


def _alone(todo: Sequence[Source], recipe: Recipe, url: str, device: str) -> Iterator[tuple[Source, str]]:
    maker = Synthesizer(recipe, url, device)
    for source in todo:
        yield source, maker.make(source)


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
    if overwrite:
        return False
    if storage.exists(MANIFEST):
        raise ValueError(f"{storage.url}: holds a finished output; say --overwrite to make it anew")
    if not storage.exists(STARTED):
        if storage.exists(INDEX) or storage.exists(LINES):
            raise ValueError(
                f"{storage.url}: holds an output whose removal was stopped; say --overwrite to make it anew"
            )
        return False
    if not resume:
        raise ValueError(
            f"{storage.url}: holds an output that is not finished; say --resume to go on with it, "
            "--overwrite to begin anew"
        )
    told, before = _told(sources, recipe), json.loads(storage.read(STARTED))
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


def _finish(storage: Storage, recipe: Recipe, left_out: dict[str, str]) -> Synthesized:
    """Put the lines of the index together, and last of all write the manifest."""
    names = storage.names(LINES)
    if not names:
        first = next(iter(left_out.items()))
        raise ValueError(f"no source could be read; the first: {first[0]}: {first[1]}")
    samples = 0
    with storage.writing(INDEX) as index:
        for line in _lines(storage, names):
            samples += len(line["samples"])
            index.write(json.dumps(line).encode() + b"\n")
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "recipe": recipe.told(),
        "sources": len(names),
        "samples": samples,
        "index_sha256": index.told()["sha256"],
        "left_out": dict(sorted(left_out.items())),
    }
    if recipe.format == "tiles":
        manifest["files"] = write_tables(storage, _lines(storage, names))
    storage.write(MANIFEST, as_json(manifest))
    return _swept(storage, manifest)


def _lines(storage: Storage, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    return (json.loads(storage.read(f"{LINES}/{name}")) for name in names)


def _swept(storage: Storage, manifest: dict[str, Any]) -> Synthesized:
    """Remove what only an unfinished output holds; return what the run left."""
    storage.remove(LINES)
    storage.remove_abandoned()
    storage.remove(STARTED)
    return Synthesized(manifest["sources"], manifest["samples"], manifest["left_out"])
