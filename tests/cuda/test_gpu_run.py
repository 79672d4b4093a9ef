# SPDX-License-Identifier: Apache-2.0
"""benchmarks/gpu/run.sh rehearsed without a GPU: its steps are stubs, its own logic and results.py are real.

``python tests/cuda/test_gpu_run.py`` goes through it in real time, each step taking what it is expected to on
an H100 with 16 cores, ``... hang`` with every step after the build hanging: both must end within 9 minutes.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

GPU = Path(__file__).parents[2] / "benchmarks" / "gpu"
TOOLS = {"bash", "timeout", "tar", "mktemp", "tail", "grep", "git", "basename", "dirname", "rm", "mkdir"}
TOOLS |= {"mv", "tee", "sleep", "cat", "cp", "ls", "python3", "env"}

pytestmark = pytest.mark.skipif(
    not GPU.is_dir() or any(shutil.which(tool) is None for tool in ("bash", "timeout", "tar")),
    reason="no benchmarks next to these tests, or no bash, timeout or tar",
)

CASE = {"model": "m", "shape": "s", "dtype": "float32", "scene": "smooth"}
CASE |= {
    "methods": {"fused op": {"median_ms": 1.0, "quartiles_ms": [0.9, 1.1], "GB_per_s": 5, "Gpixel_per_s": 6}}
}

#: Seconds each step is expected to take; build and Nsight Compute are guesses on the careful side.
EXPECTED = {"build": 150, "physics": 25, "generator": 30, "torch": 15, "first": 10, "fused": 50, "ncu": 20}
EXPECTED |= {"eager": 30, "compute-sanitizer": 55, "compiled": 50}

PYTHON = """#!/usr/bin/env bash
# The interpreter, the GPU and what is built for it.
did() {{ echo "$1" >> "$LOG"; cp "$TREE"/benchmarks/results/*.json "$LOG.before $1" 2> /dev/null
  sleep "$(cat "$LOG.seconds/$1" 2> /dev/null || echo 0)"; }}
case "$*" in
  -c*) exit "${{NO_GPU:-0}}" ;;
  *"-m pip"*) did build; exit "${{NO_BUILD:-0}}" ;;
  *setup.py*) exit "${{NO_BUILD:-0}}" ;;
  *results.py\\ --device*) echo '{{"device": "Stub GPU", "kernels": "sm_90"}}' > "$3/device.json" ;;
  *results.py*) exec {python} "$@" ;;
  *--one*) echo "    Registers   register/thread   80" ;;
  *short.json*) ;; # under compute-sanitizer
  *parity.py*) name=${{2##*parity_}}; did "${{name%.json}}"; printf '{{"%s": {{"red": []}}}}' "$3" > "$2" ;;
  *speed.py*) did "$3"; cat "$LOG.case" > "$2" ;;
esac
"""


@pytest.fixture
def tree(tmp_path):
    return make_tree(tmp_path)


def make_tree(folder):
    """A folder with run.sh and results.py, stubs for the rest, and PATH with nothing else on it."""
    (folder / "tree" / "benchmarks" / "gpu").mkdir(parents=True)
    (folder / "tree" / "tests" / "generator").mkdir(parents=True)
    for name in ("run.sh", "results.py"):
        shutil.copy(GPU / name, folder / "tree" / "benchmarks" / "gpu" / name)
    (folder / "log.case").write_text(json.dumps({"cases": [CASE], "host_us_per_call": {"ints": 12.5}}))
    (folder / "log.seconds").mkdir()
    (folder / "bin").mkdir()
    for tool in TOOLS:
        if shutil.which(tool):
            (folder / "bin" / tool).symlink_to(shutil.which(tool))
    put(folder / "bin" / "python", PYTHON.format(python=sys.executable))
    return folder


def put(path, text):
    path.write_text(text)
    path.chmod(0o755)


def add_tools(tree):
    """Put ncu and compute-sanitizer on PATH: what stands behind their options is run."""
    did = 'echo "${0##*/}" >> "$LOG"; sleep "$(cat "$LOG.seconds/${0##*/}" 2> /dev/null || echo 0)"\n'
    for tool in ("ncu", "compute-sanitizer"):
        put(tree / "bin" / tool, f'#!/usr/bin/env bash\n{did}echo "    Registers   register/thread   80"\n')


def run(tree, timeout=120, **environment):
    environment = {name: str(value) for name, value in environment.items()}
    environment |= {"PATH": str(tree / "bin"), "PYTHON": str(tree / "bin" / "python"), "COMMIT": "abc"}
    environment |= {"LOG": str(tree / "log"), "TREE": str(tree / "tree"), "TMPDIR": str(tree)}
    command = [str(tree / "bin" / "bash"), str(tree / "tree" / "benchmarks" / "gpu" / "run.sh")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=timeout)
    results = list((tree / "tree").glob("benchmarks/results/*.json"))
    return done, json.loads(results[0].read_text()) if results else None


STEPS = [
    "build",
    "physics",
    "generator",
    "torch",
    "first",
    "fused",
    *["ncu"] * 4,
    "eager",
    "compute-sanitizer",
]
STEPS += ["compiled", "compiled", "compute-sanitizer", "compute-sanitizer"]  # speed, then parity


def test_what_is_worth_most_comes_first_and_is_written_as_soon_as_known(tree):
    add_tools(tree)
    done, found = run(tree)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tree / "log").read_text().split() == STEPS
    assert found["device"] == "Stub GPU"
    assert set(found["parity"]) == {"shapes", "generators", "in torch", "first in a graph", "compiled"}
    assert len(found["speed"]) == 3
    assert found["host_us_per_call"] == {"ints": 12.5}
    assert set(found["sanitizers"].values()) == {"clean"}
    assert all("Registers" in table[0] for table in found["ncu"].values())
    before = {step: json.loads((tree / f"log.before {step}").read_text()) for step in ("generator", "eager")}
    assert set(before["generator"]["parity"]) == {"shapes"}
    assert len(before["eager"]["speed"]) == 1
    report = (tree / "tree" / "benchmarks" / "results" / "stub_gpu-abc.md").read_text()
    assert "| m | s | float32 | smooth | fused op | 1.000 (0.900 to 1.100) | 5 | 6.0 |" in report
    assert "- ints: 12.5 us" in report


def test_missing_tools_are_named_and_left_out(tree):
    done, found = run(tree, OUT=tree / "out")
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(found["sanitizers"].values()) == {"not run: compute-sanitizer is not installed"}
    assert set(map(tuple, found["ncu"].values())) == {("not run: ncu is not installed",)}
    assert json.loads((tree / "out" / "stub_gpu-abc.json").read_text()) == found
    assert "unbound" not in done.stderr + done.stdout


def test_a_run_whose_steps_hang_ends_and_keeps_what_was_known(tree):
    add_tools(tree)
    for step in ("generator", "torch", "fused", "ncu", "eager", "compiled", "compute-sanitizer"):
        (tree / "log.seconds" / step).write_text("100000")
    done, found = run(tree, LIMIT_S=8)
    assert done.returncode == 1
    assert "no time left for: speed, eager" in done.stdout
    assert set(found["parity"]) == {"shapes"}
    assert not list(tree.glob("tmp.*"))


@pytest.mark.parametrize(
    ("environment", "status", "said"),
    [({"NO_GPU": 1}, 3, "Nothing was run and nothing was written"), ({"NO_BUILD": 1}, 1, "the build failed")],
)
def test_nothing_is_written_without_a_gpu_or_a_build(tree, environment, status, said):
    (tree / "tree" / "pyproject.toml").touch()
    done, found = run(tree, **environment)
    assert done.returncode == status, done.stdout + done.stderr
    assert said in done.stdout
    assert found is None


def rehearse(seconds):
    """Go through the whole run in real time and say what was done when."""
    with tempfile.TemporaryDirectory() as folder:
        tree = make_tree(Path(folder))
        add_tools(tree)
        for step, duration in seconds.items():
            (tree / "log.seconds" / step).write_text(str(duration))
        begin = time.monotonic()
        done, found = run(tree, timeout=600)
        print(done.stdout)
        print(
            f"ended after {time.monotonic() - begin:.0f} s with status {done.returncode}; known at the end:"
        )
        print("parity", *found["parity"], "| speed", len(found["speed"]), "| sanitizers", found["sanitizers"])


if __name__ == "__main__":
    hang = sys.argv[1:] == ["hang"]
    rehearse({step: 100000 if hang and step != "build" else seconds for step, seconds in EXPECTED.items()})
