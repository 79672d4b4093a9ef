# SPDX-License-Identifier: Apache-2.0
"""How the benchmarks run: sizes, threads, the copy they are compared with, results without local paths.

``pytest benchmarks --benchmark-only`` measures the INSTALLED package: the console script leaves the current
folder out of sys.path. ``python -m pytest`` puts it in, and a clone holds an uncompiled source tree.
"""

from __future__ import annotations

import importlib.util
import time
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]


def check_installation():
    """Stop with a clear message where lrd_ext is missing, or is the uncompiled source tree."""
    if importlib.util.find_spec("lrd_ext") is None:
        raise pytest.UsageError("benchmarks: lrd_ext is not installed; run: pip install .")
    import lrd_ext
    from lrd_ext import ops

    source_tree = Path(lrd_ext.__file__).resolve().parent == ROOT / "lrd_ext"
    if ops.NATIVE is None and source_tree:
        raise pytest.UsageError(
            "benchmarks: the source tree was imported, which holds no compiled module. Run `pip install .`, "
            "then `pytest benchmarks`, not `python -m pytest benchmarks`; or `pip install -e .`"
        )


def pytest_addoption(parser):
    """Add --sizes."""
    parser.addoption(
        "--sizes",
        choices=("quick", "default", "full"),
        default="default",
        help="quick: one patch; default: slow peers on small sizes only; full: everything everywhere",
    )


def pytest_configure(config):
    """Check what will be measured before anything is."""
    check_installation()


@pytest.fixture(params=(1, 2), ids=lambda n: f"{n} thread{'s' * (n > 1)}")
def threads(request):
    """Run a benchmark on this many threads of torch's pool."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def medians():
    """Median seconds of what has run so far, by (contender, workload, threads): for ratios within one run."""
    return {}


@pytest.fixture(scope="session")
def bandwidth():
    """Bytes read and written per second by torch's copy of 64 MiB, best of 7, on a number of threads."""
    source = torch.ones(2**24)
    target = torch.empty_like(source)
    known = {}

    def measure(count):
        if count not in known:
            known[count] = 2 * source.nbytes / min(_seconds(lambda: target.copy_(source)) for _ in range(7))
        return known[count]

    return measure


def _seconds(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def pytest_benchmark_update_machine_info(config, machine_info):
    """Say what ran; leave out the host's name, which tells nobody anything."""
    import numpy
    import scipy

    import lrd_ext
    from lrd_ext import ops

    machine_info.pop("node", None)
    machine_info["versions"] = {
        "lrd_ext": lrd_ext.__version__,
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        "scipy": scipy.__version__,
    }
    if ops.NATIVE is not None:
        machine_info["native"] = {"isa": ops.NATIVE.isa(), "compiler": ops.NATIVE.compiler}


def pytest_benchmark_update_json(config, benchmarks, output_json):
    """Drop what could hold a local path: the benchmarked partial's repr and the command line."""
    for entry in output_json["benchmarks"]:
        entry["param"] = None
        params = entry.get("params") or {}
        entry["params"] = {name: str(getattr(value, "name", value)) for name, value in params.items()}
