# SPDX-License-Identifier: Apache-2.0
"""`lrd explore` as a user starts it, with a raw that lies on its side and one that is none."""

from __future__ import annotations

import http.client
import signal
import subprocess
import sys

import pytest
from rose_raw import ROOT, rose

from lrd_ext import raw


@pytest.fixture(scope="session")
def rose_dng(tmp_path_factory):
    path = tmp_path_factory.mktemp("raws") / "it's a rose.dng"
    raw.write_dng(path, rose(6))
    return path


@pytest.fixture(scope="session")
def served(rose_dng):
    """Host and port of the running page; in the end it is interrupted, and must end well."""
    pytest.importorskip("starlette", reason="needs the extra app")
    pytest.importorskip("uvicorn", reason="needs the extra app")
    broken = rose_dng.with_name("broken.dng")
    broken.write_text("no raw file")
    chart = ROOT / "tests/data/canon550d_ml_colorchart.dng"
    command = [
        sys.executable,
        "lrd_main.py",
        "explore",
        str(chart),
        str(rose_dng),
        str(broken),
        "--port",
        "0",
    ]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            address = process.stdout.readline().split()[0]
            host, port = address.removeprefix("http://").strip("/").split(":")
            yield host, int(port)
        finally:
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=30)
        assert (process.returncode, said) == (0, "")


@pytest.fixture
def ask(served):
    """Send one request, its path as it stands; give status, headers and content."""

    def send(path: str, method: str = "GET", **headers: str):
        connection = http.client.HTTPConnection(*served, timeout=60)
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()

    return send
