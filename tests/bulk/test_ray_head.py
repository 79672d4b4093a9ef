# SPDX-License-Identifier: Apache-2.0
"""The head of a cluster, looked after while nothing gets done; tools/ray_kills.py kills real ones."""

from __future__ import annotations

import socket

import pytest

from lrd_ext.bulk import ray_actors


@pytest.fixture
def head(monkeypatch):
    """A head that listens, and the time as the test sets it."""
    now = [100.0]
    monkeypatch.setattr(ray_actors.time, "monotonic", lambda: now[0])
    listening = socket.create_server(("127.0.0.1", 0))
    yield listening, f"127.0.0.1:{listening.getsockname()[1]}", now
    listening.close()


def test_a_head_that_is_gone_ends_the_run_after_a_while(head):
    listening, address, now = head
    seen = ray_actors._Head(address)
    seen.look()
    listening.close()
    now[0] += 1000  # all the time something got done, and nobody looked
    seen.look()
    now[0] += 20  # it may come back
    seen.look()
    now[0] += 1
    with pytest.raises(ConnectionError, match=rf"{address}, is gone; what is finished stays, and --resume"):
        seen.look()


def test_one_that_was_never_reached_from_here_is_not_missed(head):
    listening, address, now = head
    listening.close()
    seen = ray_actors._Head(address)
    now[0] += 1000
    seen.look()
