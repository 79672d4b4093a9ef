# SPDX-License-Identifier: Apache-2.0
"""tools/fuzz: whatever an input does to its process is found, named and survived."""

from __future__ import annotations

import os
import random
import resource
import signal
import sys

import pytest

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")

ORDERS = (b"read", b"refused", b"crash", b"hang", b"sleep", b"resident", b"asked", b"hidden", b"key", b"read")


def reader(folder):
    def read(data):
        if data == b"crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        while data == b"hang":
            pass
        if data == b"sleep":
            signal.pause()
        if data == b"resident":
            b"\1" * (1 << 30)
        if data == b"asked":
            bytearray(1 << 45)
        if data == b"hidden":
            try:
                bytearray(1 << 45)
            except MemoryError as error:
                raise ValueError("not said") from error
        if data == b"key":
            raise KeyError("x")
        if data == b"refused":
            raise ValueError("refused")

    return read


def held_now():
    """Memory this process holds, bytes; a fork holds less, what it shares of files is not counted there."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


@pytest.fixture
def harness():
    pytest.importorskip("tifffile")
    from fuzz import harness

    return harness


def test_each_way_to_fail_is_counted_once_and_survived(harness, monkeypatch):
    from fuzz.kinds import Kind

    kind = Kind("orders", lambda: [b""], (), reader)
    monkeypatch.setattr(harness, "content", lambda kind, files, seed, n: ORDERS[min(n, len(ORDERS) - 1)])
    limits = harness.Limits(cpu_s=2.0, wall_s=6.0, memory=held_now() + (300 << 20))
    counts, findings = harness.run([kind], 1, 24.0, 1, limits)
    found = {(f.number, f.what) for f in findings}
    assert found == {
        (2, "crash"), (3, "hang"), (4, "hang"), (5, "memory"), (6, "memory"), (7, "memory"), (8, "traceback"),
    }  # fmt: skip
    count = counts["orders"]
    assert count.tried == count.read + count.refused + len(findings)
    assert count.refused == 1
    assert count.read > 2
    assert "KeyError('x') at" in next(f.text for f in findings if f.what == "traceback")


@pytest.mark.parametrize(
    "name", ["raw", "recipe", "tif", "npy", "png", "frames.csv", "profile", "eld", "generator", "denoiser"]
)
def test_inputs_follow_from_seed_and_number_and_their_seeds_are_read(harness, tmp_path, name):
    from fuzz.kinds import KINDS

    [kind] = [k for k in KINDS if k.name == name]
    files = kind.seeds()
    made = [harness.content(kind, files, 1, n) for n in range(50)]
    assert made == [harness.content(kind, kind.seeds(), 1, n) for n in range(50)]
    assert made != [harness.content(kind, files, 2, n) for n in range(50)]
    assert sum(data in files for data in made) <= 5
    read = kind.reader(tmp_path)
    assert [harness.outcome(kind, read, data) for data in files] == [("read", "")] * len(files)


def test_deep_lists_and_odd_texts_are_written_as_json():
    from fuzz.mutations import Nested, json_text, odd_value

    assert json_text({"a": Nested(3)}) == b'{"a": [[[]]]}'
    rng = random.Random(1)
    assert all(isinstance(json_text([odd_value(rng)]), bytes) for _ in range(500))
