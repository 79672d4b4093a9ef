# SPDX-License-Identifier: Apache-2.0
"""The page is for this machine's browser alone, and hands out nothing but what the user named."""

from __future__ import annotations

import json
import socket
import urllib.parse

import pytest

VIEW = {
    "picture": 0, "x": 0.5, "y": 0.5, "width": 64, "height": 64, "ev": 0,
    "camera": "sony_a7s2", "iso": 3200, "ratio": 20, "noise": "profile", "seed": 0,
}  # fmt: skip


def query(**changes):
    return urllib.parse.urlencode(VIEW | changes)


def test_only_the_loopback_address_answers(served):
    host, port = served
    assert host == "127.0.0.1"
    socket.create_connection(served, timeout=5).close()
    with pytest.raises(ConnectionRefusedError):  # a server on all addresses answers here too
        socket.create_connection(("127.0.0.2", port), timeout=5)


@pytest.mark.parametrize(
    "name", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "0.0.0.0"]
)
def test_foreign_host_names_get_nothing(ask, name):
    for path in ("/", "/choices", f"/noisy.bmp?{query()}"):
        status, _, content = ask(path, Host=f"{name}:80")
        assert (status, content) == (400, b"Invalid host header")


def test_own_host_names_are_answered(ask):
    for name in ("127.0.0.1", "localhost", "localhost:9000"):  # another port: an SSH tunnel
        assert ask("/choices", Host=name)[0] == 200


@pytest.mark.parametrize(
    "path",
    [
        "/../server.py",
        "/../../../pyproject.toml",
        "/..%2fserver.py",
        "/%2e%2e/server.py",
        "/%2e%2e%2f%2e%2e%2fcli.py",
        "//etc/passwd",
        "/%2fetc%2fpasswd",
        "/..%5cserver.py",
        "/page.js/../../server.py",
        "/canon550d_ml_colorchart.dng",
    ],
)
def test_no_path_leads_out_of_the_page(ask, path):
    assert ask(path)[0] == 404


def test_other_methods_are_refused(ask):
    for method in ("POST", "PUT", "DELETE"):
        assert ask("/choices", method)[0] == 405
        assert ask("/", method)[0] == 405


def test_headers_keep_other_sites_out(ask):
    for path in ("/", "/page.js", f"/clean.bmp?{query()}", "/choices"):
        status, headers, _ = ask(path)
        headers = {name.lower(): value for name, value in headers.items()}
        assert status == 200
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "access-control-allow-origin" not in headers
        assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"iso": "nan"}, "iso must be 1 to 1e+07, got nan"),
        ({"iso": "many"}, "iso must be a number, got 'many'"),
        ({"width": 1.5}, "width must be a whole number, got '1.5'"),
        ({"width": 8}, "width must be 16 to 16384, got 8"),
        ({"width": 4000, "height": 4000}, "width x height must be at most 4000000, got 16000000"),
        ({"ratio": 0}, "ratio must be 0.01 to 100000, got 0"),
        ({"picture": 99}, "picture must be 0 to 2, got 99"),
        ({"picture": -1}, "picture must be 0 to inf, got -1"),
        ({"camera": "x\x1b[2J"}, r"camera must be one on offer, got 'x\x1b[2J'"),
    ],
)
def test_wrong_values_are_refused_in_words(ask, changes, message):
    status, _, content = ask(f"/noisy.bmp?{query(**changes)}")
    assert (status, content.decode()) == (400, message)


def test_missing_values_are_named(ask):
    assert ask("/noisy.bmp")[2] == b"picture must be given"
    assert ask("/picture")[0] == 400


def test_a_file_that_is_no_raw_says_so(ask):
    status, _, content = ask("/picture?picture=2")
    assert status == 400
    assert b"broken.dng: a text file is not supported" in content


def test_the_list_of_choices_names_files_without_their_folders(ask):
    choices = json.loads(ask("/choices")[2])
    assert choices["pictures"] == ["canon550d_ml_colorchart.dng", "it's a rose.dng", "broken.dng"]
    assert choices["cameras"]["sony_a7s2"]["iso"] == [50, 25600]
