# SPDX-License-Identifier: Apache-2.0
"""The benchmarks stay runnable, and the report says what the run's JSON says. Nothing is timed here."""

from __future__ import annotations

import importlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"

pytestmark = pytest.mark.skipif(not BENCHMARKS.is_dir(), reason="no benchmarks next to these tests")


def run(*command):
    return subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, cwd=BENCHMARKS.parent, timeout=300
    )


@pytest.mark.native
def test_each_quick_benchmark_gives_the_right_noise():
    # --benchmark-disable calls each contender once, after the check of its mean and variance.
    done = run(
        "-m", "pytest", str(BENCHMARKS), "-q", "--benchmark-disable", "--sizes=quick", "-k", "not compile"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


@pytest.mark.skipif(shutil.which("c++") is None, reason="no C++ compiler")
def test_instruction_driver_fits_the_executor():
    driver = BENCHMARKS / "instructions" / "driver.cpp"
    command = ["c++", "-std=c++17", "-fsyntax-only", f"-I{BENCHMARKS.parent / 'csrc'}", str(driver)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


@pytest.mark.native
def test_contenders_run_in_alternation_and_a_row_fits_a_page(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    alternating = importlib.import_module("alternating")
    order = []
    times = alternating.alternated({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, 0.0)
    assert len(times["a"]) == len(times["b"]) == alternating.ROUNDS
    repeats = (len(order) - 4) // (2 * alternating.ROUNDS)  # after one call each to warm, one to count
    assert order[4:] == (["a"] * repeats + ["b"] * repeats) * alternating.ROUNDS
    monkeypatch.setattr(alternating, "SECONDS", 0.0)
    for scene in alternating.scenes():
        case = alternating.Case(scene, (1, 4, 32, 32), peers=("NumPy + SciPy", "torch eager"))
        row = alternating.row(case)
        assert len(row) <= 120
        assert row.startswith(f"| {scene.name} | 1 x 4x32x32 | float32 | ")
        assert row.endswith(" |  |")  # torch.compile did not run
    for name in ("NumPy + SciPy", "torch eager"):
        alternating.check(name, alternating.PEERS[name])
    with pytest.raises(ValueError, match="half draws other noise"):
        alternating.check("half", lambda clean, model: alternating.peers.fused_synth(clean / 2, model))


@pytest.mark.native
def test_every_call_that_is_timed_runs_and_has_its_aim(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    calls = importlib.import_module("calls")
    ready = calls.calls()
    for call in ready.values():
        call()
    assert ready.keys() >= calls.AIMS.keys()
    assert calls.table({"sample(1)": [3e-6, 1e-6, 2e-6]})[2:] == ["| sample(1) | 2.0 | 1.0 | 150 |"]
    assert "times the time per pixel of 4x64x64" in calls.small_frames(0.0)


def entry(contender, median):
    info = {"model": "ELD", "contender": contender, "workload": "1 patch", "threads": 1, "pixels": 1000}
    info |= {"ns_per_pixel": median * 1e6, "copy_gb_per_s": 10.0}
    return {"extra_info": info, "stats": {"median": median, "iqr": median / 10, "rounds": 3}}


def test_report_gives_ratios_of_the_same_run(tmp_path):
    given = {
        "machine_info": {
            "cpu": {"brand_raw": "Some CPU", "family": 6, "model": 106, "count": 2},
            "versions": {"torch": "2.10"},
        },
        "commit_info": {"id": "0123456789abcdef", "dirty": False},
        "datetime": "2026-11-23T00:00:00",
        "benchmarks": [entry("lrd_ext", 0.002), entry("numpy", 0.03)],
    }
    (tmp_path / "run.json").write_text(json.dumps(given))
    done = run(str(BENCHMARKS / "report.py"), str(tmp_path / "run.json"), "-o", str(tmp_path))
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "fused_synth.md").read_text()
    assert "Commit 0123456789ab, 2026-11-23." in text
    assert "Some CPU (family 6, model 106), 2 logical" in text
    assert "| 1 patch | 1 | numpy | 30.0 | 3.0 | 3 | 30000.0 | 15.0 |" in text
    assert (tmp_path / "fused_synth.png").stat().st_size > 1000


def test_report_of_nothing_is_an_error(tmp_path):
    (tmp_path / "run.json").write_text(json.dumps({"benchmarks": []}))
    done = run(str(BENCHMARKS / "report.py"), str(tmp_path / "run.json"), "-o", str(tmp_path))
    assert done.returncode == 1
    assert "holds no benchmarks" in done.stderr


def test_loader_report_gives_ratios_of_the_same_run(tmp_path):
    loader = {"contender": "lrd_ext", "cpu_ms_per_patch": 8.0, "patches_per_s": 50.0, "patch": "4x512x512"}
    peer = loader | {"contender": "numpy", "cpu_ms_per_patch": 120.0, "times_lrd_ext": 15.0}
    given = {
        "machine_info": {"cpu": {"brand_raw": "Some CPU", "count": 2}, "versions": {"torch": "2.10"}},
        "commit_info": {"id": "0123456789abcdef", "dirty": False},
        "datetime": "2026-11-23T00:00:00",
        "benchmarks": [
            {"name": "test_loader[lrd_ext]", "extra_info": loader},
            {"name": "test_loader[numpy]", "extra_info": peer},
            {"name": "test_where_the_time_goes", "extra_info": {"steps": {"noise alone": 4.0}}},
            {"name": "test_training_step", "extra_info": {"cpu_ms": 396.0}},
        ],
    }
    (tmp_path / "run.json").write_text(json.dumps(given))
    written = tmp_path / "loader.md"
    done = run(str(BENCHMARKS / "loader_report.py"), str(tmp_path / "run.json"), "--write", str(written))
    assert done.returncode == 0, done.stderr
    assert "| 120.0 | 50.0 | 15.0 |" in written.read_text()
    assert "the noise is 1.00 % of both" in written.read_text()
