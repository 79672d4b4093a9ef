# SPDX-License-Identifier: Apache-2.0
"""Runs inputs in worker processes that may crash, hang or eat memory, and counts what happened.

A worker is a fork that takes one input after the other and writes down which one it is at, so that a crash or
a hang costs one process and points at its input; the next worker goes on behind it.
"""

from __future__ import annotations

import dataclasses
import faulthandler
import itertools
import multiprocessing
import os
import random
import resource
import tempfile
import time
import traceback
import warnings
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from .kinds import Kind

_FORK = multiprocessing.get_context("fork")
_GB = 1 << 30
# Numbers a worker shares: the input it is at, when it began it, processor seconds then, and how many were
# tried, read and refused.
_AT, _SINCE, _CPU, _TRIED, _READ, _REFUSED = range(6)


@dataclasses.dataclass(frozen=True)
class Limits:
    """What an input may take: seconds of processor, seconds in all (on a busy machine), bytes."""

    cpu_s: float = 10.0
    wall_s: float = 600.0
    memory: int = 2 * _GB


@dataclasses.dataclass(frozen=True)
class Finding:
    """What one input brought to light: a crash, a hang, too much memory, or a traceback."""

    kind: str
    number: int
    what: str
    text: str


@dataclasses.dataclass
class Count:
    """What happened to the inputs of one kind."""

    tried: int = 0
    read: int = 0
    refused: int = 0
    seconds: float = 0.0


def content(kind: Kind, files: Sequence[bytes], seed: int, number: int) -> bytes:
    """Return input ``number`` of a kind: it follows from these and nothing else."""
    return kind.mutated(random.Random(f"{seed} {kind.name} {number}"), files)


def run(
    kinds: Sequence[Kind], seed: int, seconds: float, workers: int, limits: Limits | None = None
) -> tuple[dict[str, Count], list[Finding]]:
    """Try inputs of all kinds for ``seconds``, equally long each, ``workers`` kinds at a time."""
    counts = {kind.name: Count() for kind in kinds}
    findings: list[Finding] = []
    share = seconds * min(workers, len(kinds)) / len(kinds)
    waiting, running = list(kinds), []
    while waiting or running:
        while waiting and len(running) < workers:
            running.append(_Shift(waiting.pop(0), seed, share, limits or Limits()))
        time.sleep(0.05)
        for shift in list(running):
            findings += shift.look()
            if shift.over:
                counts[shift.kind.name] = shift.count
                running.remove(shift)
    return counts, findings


class _Shift:
    """The time one kind is given, on one worker after the other."""

    def __init__(self, kind: Kind, seed: int, seconds: float, limits: Limits) -> None:
        self.kind, self.seed, self.limits = kind, seed, limits
        self.files = kind.seeds()
        self.began, self.seconds = time.monotonic(), seconds
        self.count, self.over = Count(), False
        self._start(0)

    def _start(self, number: int) -> None:
        self.shared: Any = _FORK.Array("d", 6, lock=False)
        self.shared[_AT], self.shared[_SINCE] = number, time.monotonic()
        self.told, teller = _FORK.Pipe(duplex=False)
        end = self.began + self.seconds
        arguments = (self.kind, self.files, self.seed, number, end, self.limits, self.shared, teller)
        self.process = _FORK.Process(target=_work, args=arguments, daemon=True)
        self.process.start()
        teller.close()

    def look(self) -> list[Finding]:
        """Return what came to light since the last look; a worker that ended badly is followed by another."""
        found = [self._finding(*told) for told in self._tellings()]
        at = int(self.shared[_AT])
        hung = self._hangs()
        if hung:
            self.process.kill()
            self.process.join()
        elif self.process.is_alive():
            return found
        found += [self._finding(*told) for told in self._tellings()]
        code = self.process.exitcode
        if hung:
            found.append(self._finding(at, "hang", hung))
        elif code not in (0, _FULL):
            found.append(self._finding(at, "crash", f"ended by {code}"))
        self.count.tried += int(self.shared[_TRIED]) + (code not in (0, _FULL))
        self.count.read += int(self.shared[_READ])
        self.count.refused += int(self.shared[_REFUSED])
        self.count.seconds = time.monotonic() - self.began
        self.over = code == 0 or self.count.seconds >= self.seconds
        if not self.over:
            self._start(at + 1)
        return found

    def _hangs(self) -> str:
        if time.monotonic() - self.shared[_SINCE] > self.limits.wall_s:
            return f"over {self.limits.wall_s:g} s"
        spent = _processor_seconds(self.process.pid) - self.shared[_CPU] if self.shared[_CPU] else 0.0
        return f"over {self.limits.cpu_s:g} s of processor time" if spent > self.limits.cpu_s else ""

    def _tellings(self) -> list[tuple[int, str, str]]:
        told = []
        while self.told.poll():
            try:
                told.append(self.told.recv())
            except (EOFError, OSError):
                break
        return told

    def _finding(self, number: int, what: str, text: str) -> Finding:
        return Finding(self.kind.name, int(number), what, text)


#: How a worker ends that took too much memory: its peak stays, so a new one goes on.
_FULL = 77


def _work(
    kind: Kind,
    files: Sequence[bytes],
    seed: int,
    first: int,
    end: float,
    limits: Limits,
    shared: Any,
    teller: Connection,
) -> None:
    """Try one input after the other until ``end``; in a process of its own."""
    _fence(limits)
    with tempfile.TemporaryDirectory(prefix="fuzz") as folder:
        read = kind.reader(Path(folder))
        for number in itertools.count(first):
            if time.monotonic() >= end:
                return
            shared[_CPU], shared[_SINCE], shared[_AT] = time.process_time(), time.monotonic(), number
            try:
                data = content(kind, files, seed, number)
            except Exception as error:
                teller.send((number, "traceback", f"{error!r} in the making of this input"))
                continue
            what, text = outcome(kind, read, data)
            if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 > limits.memory:
                what, text = "memory", f"over {limits.memory / _GB:g} GB; {text}"
            shared[_TRIED] += 1
            shared[_READ] += what == "read"
            shared[_REFUSED] += what == "refused"
            if what not in ("read", "refused"):
                teller.send((number, what, text))
            if what == "memory":
                os._exit(_FULL)


def outcome(kind: Kind, read: Any, data: bytes) -> tuple[str, str]:
    """Let an input be read and say what happened: read, refused, memory or traceback, and the error."""
    try:
        read(data)
    except Exception as error:
        if any(_is_of_memory(e) for e in _chain(error)):
            return "memory", repr(error)[:300]
        if isinstance(error, kind.refusals):
            return "refused", str(error)
        frames = [f"{Path(f.filename).name}:{f.lineno}" for f in traceback.extract_tb(error.__traceback__)]
        return "traceback", f"{repr(error)[:300]} at {' '.join(frames[-4:])}"
    return "read", ""


def _chain(error: BaseException | None) -> list[BaseException]:
    found = []
    while error is not None and len(found) < 20:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found


def _is_of_memory(error: BaseException) -> bool:
    return isinstance(error, MemoryError) or "DefaultCPUAllocator" in str(error)


def _fence(limits: Limits) -> None:
    """Keep this process from eating the machine's memory, from core files and from the terminal."""
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    ceiling = size + 2 * limits.memory  # above the limit, so that what passes it is seen to
    resource.setrlimit(resource.RLIMIT_AS, (ceiling, ceiling))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    faulthandler.disable()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    warnings.simplefilter("ignore")


def _processor_seconds(pid: int | None) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
