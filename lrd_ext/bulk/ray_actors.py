# SPDX-License-Identifier: Apache-2.0
"""Sources shared out to actors of Ray, which make their shards; one that is lost costs what it had in hand.

Plain actors and no Ray Data: nothing but names crosses between processes, and Ray Data starts an actor anew
without end where one picture makes its process die, as a damaged one may in a decoder written in C.
"""

from __future__ import annotations

import collections
import contextlib
import functools
import logging
import math
import os
import socket
import time
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from lrd_ext.plain_text import cause

from .recipe import Recipe
from .shards import Synthesizer
from .sources import Source

#: A source is left out when so many actors died over it; a run ends when so many times all died idle.
_DEATHS = 3
#: Seconds within which the head of a cluster must take a connection.
_ANSWER_S = 5.0
#: Seconds between looks at the head while nothing gets done, and within which it must come back: after 60 Ray
#: ends this process itself, with the exit code of inputs that failed.
_LOOK_S, _BACK_S = 5.0, 20.0
#: Bytes of the object store of a Ray that is started here; what crosses is small and does not go there.
STORE = 100 << 20


def _said(error: BaseException) -> BaseException:
    """Return what an actor raised; of what Ray made a page of, such as a missing package, the last line."""
    if isinstance(error, OSError):
        return error
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return RuntimeError(f"ray: an actor failed: {lines[-1]}; every node needs lrd_ext, the same as here")


@contextlib.contextmanager
def joined(address: str, actors: int | None = None) -> Iterator[Any]:
    """Start Ray on this machine or join a cluster, for a while; give the module ray.

    Args:
        address: "local" starts Ray on this machine; else of a cluster, "auto" or "host:port" of its head.
        actors: how many there must be room for on this machine; None for one to each processor.

    Raises:
        ValueError: Ray is not installed, or no cluster answers.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would tell its makers of every run
    os.environ.setdefault("RAY_NUM_REDIS_GET_RETRIES", "1")  # it would knock for a quarter of an hour
    try:
        import ray
        import ray.exceptions
    except ImportError as error:
        raise ValueError("ray needs the package ray: pip install 'lrd_ext[ray]'") from error
    if ray.is_initialized():
        yield ray
        return
    told: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address == "local":
        # At its own, a niceness of 15, actors stand still on a machine that has other work.
        told["_system_config"] = {"worker_niceness": 0}
        told |= {"num_cpus": max(actors or 1, os.cpu_count() or 1), "object_store_memory": STORE}
        told |= {"include_dashboard": False}
    try:
        _knock(address)
        ray.init(address, **told)
    except (OSError, RuntimeError, ValueError) as error:
        raise ValueError(f"ray: no cluster answers at {address} ({cause(error)})") from error
    try:
        yield ray
    finally:
        ray.shutdown()  # the actors end with it


def _knock(address: str) -> None:
    """Refuse an address nobody listens at: Ray would take minutes to."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon:
        socket.create_connection((host, int(port)), timeout=_ANSWER_S).close()


def _answers(address: str) -> bool:
    with contextlib.suppress(OSError):
        _knock(address)
        return True
    return False


class _Actor:
    """The process that makes shards."""

    def __init__(self, folder: str, recipe: Recipe, url: str, device: str) -> None:
        with contextlib.suppress(OSError):  # where all names are whole, the node need not have it
            os.chdir(folder)
        torch.set_num_threads(1)  # the other processors are the other actors'
        self.maker = Synthesizer(recipe, url, device)

    def ready(self) -> str:
        return ""

    def make(self, source: Source) -> str:
        return self.maker.make(source)


def _why_not(arguments: tuple[str, Recipe, str, str], source: Source) -> str:
    return _Actor(*arguments).maker.why_not(source)


class _Head:
    """The head of the cluster, without which nothing goes on and Ray does not say so."""

    def __init__(self, address: str) -> None:
        #: Where it is, "" where it cannot be seen from here: a client from outside reaches a proxy alone.
        self.address = address if _answers(address) else ""
        self.gone_since = math.inf

    def look(self) -> None:
        """Raise when it has been gone for so long that it will not come back."""
        if not self.address or _answers(self.address):
            self.gone_since = math.inf
            return
        self.gone_since = min(self.gone_since, time.monotonic())
        if time.monotonic() - self.gone_since > _BACK_S:
            raise ConnectionError(
                f"ray: the head of the cluster, {self.address}, is gone; what is finished stays, and "
                "--resume goes on with it"
            )


class Workers:
    """Actors, each with one source in hand; a new one starts where one is lost.

    Args:
        ray: the module, joined to the cluster.
        recipe: what pairs are made by.
        url: where they go; every node must see it, and the sources, under the same name.
        device: "cpu", or "cuda" for a GPU to each actor.
        actors: how many; None for as many as the cluster has processors, or GPUs.

    Raises:
        ValueError: the cluster has no such device.
    """

    def __init__(self, ray: Any, recipe: Recipe, url: str, device: str, actors: int | None) -> None:
        self.ray, self.number = ray, actors or _room(ray, device)
        self.arguments = (os.getcwd(), recipe, url, device)
        self.remote = functools.partial(ray.remote, num_cpus=1, num_gpus=int(device == "cuda"))
        self.kind = self.remote()(_Actor)
        #: What each actor is at: its promise to the actor, and the source in its hand.
        self.running: dict[Any, tuple[Any, Source | None]] = {}
        self.idle_deaths, self.head = 0, _Head(ray.get_runtime_context().gcs_address)

    def reasons(self, sources: Sequence[Source]) -> Iterator[tuple[Source, str]]:
        """Yield each source with the reason why no pairs can be made of it, or ""; nothing is written.

        Raises:
            RuntimeError: a node could not try, as where lrd_ext is not installed there.
        """
        task = self.remote(max_retries=0)(_why_not)
        for source in sources:
            try:
                yield source, self.ray.get(task.remote(self.arguments, source))
            except self.ray.exceptions.RayTaskError as error:
                raise _said(error.cause) from None
            except self.ray.exceptions.RayError as error:
                yield source, cause(error)

    def make(self, todo: Sequence[Source]) -> Iterator[tuple[Source, str]]:
        """Make the shards of sources; yield each when it is done, with the reason it was left out or "".

        Args:
            todo: the sources, in the order in which they are handed out.

        Raises:
            ValueError: actors die before they begin.
            OSError: an actor could not write, or the head of the cluster is gone.
            RuntimeError: an actor could not do its work, as where lrd_ext is not installed on its node.
        """
        waiting, deaths, left = collections.deque(todo), collections.Counter[int](), len(todo)
        for _ in range(min(left, self.number)):
            self._start()
        while left:  # not while actors run: some may still wait for a processor
            done, _ = self.ray.wait(list(self.running), num_returns=1, timeout=_LOOK_S)
            if not done:
                self.head.look()
                continue
            (promise,) = done
            actor, source = self.running.pop(promise)
            try:
                reason = self.ray.get(promise)
            except self.ray.exceptions.RayTaskError as error:  # the actor lives, what it did failed
                raise _said(error.cause) from None
            except self.ray.exceptions.RayError as error:  # it is gone, or its node
                reason = self._after(error, source, deaths, waiting)
            else:
                self.idle_deaths = 0
                if waiting:
                    following = waiting.popleft()
                    self.running[actor.make.remote(following)] = (actor, following)
            if source is not None and reason is not None:
                left -= 1
                yield source, reason

    def _start(self) -> None:
        # Its first source is handed out when it runs, so that none waits for an actor that has no room yet.
        actor = self.kind.remote(*self.arguments)
        self.running[actor.ready.remote()] = (actor, None)

    def _after(
        self,
        error: Exception,
        source: Source | None,
        deaths: collections.Counter[int],
        waiting: collections.deque[Source],
    ) -> str | None:
        """Start another actor, and put back what the lost one had in hand; or tell why that is left out."""
        reason = None
        if source is None:
            self.idle_deaths += 1
            if self.idle_deaths >= _DEATHS * self.number:
                raise ValueError(f"ray: its actors die before they begin ({cause(error)})")
        else:
            deaths[source.number] += 1
            if deaths[source.number] < _DEATHS:
                waiting.appendleft(source)
            else:
                reason = f"{_DEATHS} processes died over it"
        if waiting:
            self._start()
        return reason


def _room(ray: Any, device: str) -> int:
    """Return how many actors a cluster has room for."""
    kind = "GPU" if device == "cuda" else "CPU"
    room = int(ray.cluster_resources().get(kind, 0))
    if room < 1:
        raise ValueError(f"ray: the cluster has no {kind}; say another device, or actors to wait for one")
    return room
