# SPDX-License-Identifier: Apache-2.0
"""`lrd explore` refuses in words, before it serves; tests/app has the page itself."""

from __future__ import annotations

import socket
import sys

import pytest

from lrd_ext import load_profile


def test_without_the_extra_one_line_says_what_to_install(lrd, monkeypatch):
    monkeypatch.setitem(sys.modules, "starlette", None)
    assert lrd("explore") == (2, "", "lrd explore: error: needs the extra app: pip install 'lrd_ext[app]'\n")


def test_a_port_that_is_taken_is_told(lrd):
    pytest.importorskip("uvicorn", reason="needs the extra app")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, out, err = lrd("explore", "--port", port)
    assert (code, out) == (2, "")
    assert err == f"lrd explore: error: --port {port} cannot be had: Address already in use; say another\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.dng"], "none.dng: no such file"),
        (["--port", "70000"], "--port must be 0 to 65535, got 70000"),
        (["--camera", "none.json"], "there is no such file"),
        (["--generator", "none.safetensors"], "path must be a file, got none.safetensors"),
    ],
)
def test_what_cannot_be_shown_is_refused(lrd, tmp_path, monkeypatch, arguments, message):
    pytest.importorskip("starlette", reason="needs the extra app")
    monkeypatch.chdir(tmp_path)
    code, out, err = lrd("explore", *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


def test_synth_with_a_read_model_of_choice(lrd, rose_dng, tmp_path):
    call = ("synth", rose_dng, "--camera", "sony_a7s2", "--iso", 3200, "--ratio", 20, "-o")
    code, out, _ = lrd(*call, tmp_path / "gaussian.dng", "--read", "gaussian")
    assert code == 0
    assert "gaussian read" in out
    assert load_profile("sony_a7s2").read == "tukey_lambda"
    code, _, err = lrd(*call, tmp_path / "o.dng", "--read", "poisson")
    assert (code, err) == (
        2,
        "lrd synth: error: read must be one of none, gaussian, tukey_lambda, empirical, got 'poisson'\n",
    )
    code, _, err = lrd(*call, tmp_path / "o.dng", "--read", "none", "--generator", "simulated_sensor")
    assert code == 2
    assert "--generator makes another" in err
    assert not (tmp_path / "o.dng").exists()


def test_generators_that_ship_are_taken_by_name(lrd, tmp_path):
    from rose_picture import rose

    from lrd_ext import raw

    source = tmp_path / "rose.dng"
    raw.write_dng(source, rose("RGGB"))
    call = ("--camera", "sony_a7s2", "--iso", 3200, "--ratio", 20, "--generator", "simulated_sensor")
    code, _, err = lrd("synth", source, "-o", tmp_path / "o.dng", *call)
    assert (code, err) == (0, "")
    assert (tmp_path / "o.dng").exists()
