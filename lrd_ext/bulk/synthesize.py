# SPDX-License-Identifier: Apache-2.0
"""A run over many sources, in this process or shared out by Ray; stopped anywhere, it can go on."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from lrd_ext.plain_text import cause

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
    ray: str | None = None,
    actors: int = 1,
    device: str = "cpu",
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
        overwrite: make an output anew that is there already.
        ray: None works in this process; "local" starts Ray on this machine; else the address of a cluster,
            whose nodes must see the sources and the output under the same names.
        actors: processes of Ray that work side by side.
        device: "cpu" or "cuda"; each actor takes one GPU for "cuda".
        progress: called with each source that is done.

    Raises:
        ValueError: the output is there, is of another recipe or other sources, the cluster does not answer, a
            package is missing, or no source can be read.
        OSError: the output cannot be written; what was finished by then stays, and ``resume`` goes on.

    Source: Moritz et al., "Ray", OSDI 2018, for the actors.
    """
    check_format(recipe.format)
    if actors < 1:
        raise ValueError(f"actors must be at least 1, got {actors}")
    storage = Storage(url)
    _begin(storage, sources, recipe, resume, overwrite)
    done = {int(name.split(".")[0]) for name in storage.names(LINES)}
    todo = [source for source in sources if source.number not in done]
    rows = (
        _alone(todo, recipe, url, device) if ray is None else _by_ray(todo, recipe, url, device, ray, actors)
    )
    left_out = {}
    for row in rows:
        source = sources[row["number"]]
        if "left_out" in row:
            left_out[source.path] = row["left_out"]
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


def _done(maker: Synthesizer, source: Source) -> dict[str, Any]:
    """Make the files of a source, then write its line; return what the driver needs to know."""
    line = f"{LINES}/{source.number:06d}.json"
    if maker.storage.exists(line):  # by an actor that was lost behind it
        return {"number": source.number}
    row = maker.make(source)
    if "left_out" not in row:
        maker.storage.write(line, as_json(row))
    return {name: row[name] for name in ("number", "left_out") if name in row}


def _alone(todo: Sequence[Source], recipe: Recipe, url: str, device: str) -> Iterator[dict[str, Any]]:
    maker = Synthesizer(recipe, url, device)
    for source in todo:
        yield _done(maker, source)


class _Actor:
    """What Ray Data calls with each source; errors of writing come back as rows."""

    def __init__(self, recipe: Recipe, url: str, device: str) -> None:
        torch.set_num_threads(1)  # the other processors are the other actors'
        self.maker = Synthesizer(recipe, url, device)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        made: dict[str, Any] = {}
        code, error = 0, ""
        try:
            made = _done(self.maker, Source(row["number"], row["path"], row["tile"]))
        except OSError as failed:
            code, error = failed.errno or errno.EIO, failed.strerror or cause(failed)
        return {"number": row["number"], "left_out": made.get("left_out", ""), "errno": code, "error": error}


def _by_ray(
    todo: Sequence[Source], recipe: Recipe, url: str, device: str, address: str, actors: int
) -> Iterator[dict[str, Any]]:
    if not todo:
        return
    data = _connected(address)
    rows = data.from_items(
        [dataclasses.asdict(source) for source in todo], override_num_blocks=min(len(todo), 4096)
    ).map(
        _Actor,
        fn_constructor_args=(recipe, url, device),
        compute=data.ActorPoolStrategy(size=actors),
        num_cpus=1,
        num_gpus=1 if device == "cuda" else 0,
    )
    for row in rows.iter_rows():
        if row["errno"]:
            raise OSError(row["errno"], row["error"], url)
        yield {"number": row["number"]} | ({"left_out": row["left_out"]} if row["left_out"] else {})


def _connected(address: str) -> Any:
    """Start Ray on this machine or join a cluster, and return ray.data."""
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise ValueError("ray needs the package ray: pip install 'lrd_ext[ray]'") from error
    # Its core warns that Ray Data keeps the arguments of actors where a lost node takes them along.
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    if not ray.is_initialized():
        try:
            ray.init(address, log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise ValueError(f"ray: no cluster answers at {address} ({cause(error)})") from error
    logging.getLogger("ray.data").setLevel(logging.ERROR)  # it tells how it plans, and that its bars are off
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.target_max_block_size = (
        1 << 20
    )  # rows are names and numbers: room for large blocks is never waited for
    return ray.data
