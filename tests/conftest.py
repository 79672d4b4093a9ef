# SPDX-License-Identifier: Apache-2.0
"""What tests share: the executors of the noise model, and one way to skip what needs the compiled one."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest

import lrd_ext
from lrd_ext import ops

#: Instruction-set builds this processor runs; one stand-in where nothing is compiled (its tests are skipped).
ISA_NAMES = ops.NATIVE.isa_names() if ops.NATIVE is not None else ["baseline"]

EXECUTORS = {
    "reference": lrd_ext.reference_synth,
    "native": functools.partial(lrd_ext.fused_synth, backend="cpu"),
}


#: Rooms and modules that `make test-fast` leaves out: whole calibrations, programs in processes of their own,
#: compiling and disassembling, fuzzing, statistics of large draws. Single tests elsewhere are marked slow.
SLOW = (
    *(
        "app/",
        "bulk/on_ray/",
        "calibration/",
        "cli/",
        "csrc/",
        "cuda/",
        "evaluation/",
        "noise_sources/",
        "verify/",
    ),
    *("inspection/test_pair.py", "profiles/test_docs.py", "profiles/test_fuzz.py", "test_benchmarks.py"),
    *(
        "test_builds.py",
        "test_memory.py",
        "test_native.py",
        "test_packaging.py",
        "test_parity.py",
        "test_properties.py",
        "test_targets.py",
    ),
    *("augment/adapters/", "augment/test_loader_matrix.py", "augment/test_training_loop_page.py"),
    *(
        "generator/test_fused.py",
        "generator/test_image_domain.py",
        "generator/test_pairs.py",
        "generator/test_statistics.py",
        "generator/test_train_command.py",
        "training/",
    ),
    *(
        "test_ops.py::test_compiled_by_inductor",
        "test_ops.py::test_200_batches",
        "test_batches.py::test_workers",
    ),
    *("denoise/test_train_denoiser.py", "denoise/test_denoiser_checkpoints.py"),
    "denoise/test_nets.py::test_two_tilings",
    "datasets/test_published.py::test_a_loader_with_workers",
    *("generator/test_lite.py::test_gradients", "test_fuzz_tool.py::test_each_way_to_fail"),
)

#: What needs the source tree around tests/: its pages, tools, examples, native sources. Elsewhere, as beside
#: a wheel in an empty environment, it is left out.
OF_THE_SOURCE_TREE = (
    *("csrc/", "cuda/", "docs/", "examples/"),
    "augment/test_loader_matrix.py",
    *("augment/test_readme_loop.py", "augment/test_training_loop_page.py", "datasets/test_docs_evaluate.py"),
    *("profiles/test_docs.py", "profiles/test_made_library.py", "profiles/test_schema.py"),
    "profiles/test_library.py::test_profile_is_named_sourced",
    "report/test_pages.py",
    *("test_benchmarks.py", "test_fuzz_tool.py", "test_native.py", "test_packaging.py"),
    "test_imports.py::test_rooms_keep",
    "denoise/test_train_denoiser.py::test_the_loop_of_the_docs",
)
ROOT = Path(__file__).parents[1]
HAS_SOURCE_TREE = all((ROOT / name).exists() for name in ("pyproject.toml", "csrc", "docs", "tools"))


def pytest_report_header():
    if not HAS_SOURCE_TREE:
        return "source tree: not around tests/, so what reads it is left out"
    return None


def pytest_ignore_collect(collection_path):
    """Leave whole files out where they could not even be imported."""
    place = collection_path.relative_to(Path(__file__).parent).as_posix()
    files = tuple(name for name in OF_THE_SOURCE_TREE if "::" not in name)
    return True if not HAS_SOURCE_TREE and f"{place}/".startswith(files) else None


def pytest_configure(config):
    config.addinivalue_line("markers", "native: needs the compiled module lrd_ext._C")
    config.addinivalue_line("markers", "slow: takes seconds; make test-fast leaves it out")


def pytest_collection_modifyitems(items):
    for item in items:
        place = f"{item.path.relative_to(Path(__file__).parent).as_posix()}::{item.name}"
        if place.startswith(SLOW):
            item.add_marker("slow")
        if not HAS_SOURCE_TREE and place.startswith(OF_THE_SOURCE_TREE):
            item.add_marker(pytest.mark.skip(reason="reads the source tree"))
    if ops.NATIVE is not None:
        return
    for item in items:
        if item.get_closest_marker("native"):
            item.add_marker(pytest.mark.skip(reason=f"native: {ops.WHY_NOT_NATIVE}"))


@pytest.fixture(params=["reference", pytest.param("native", marks=pytest.mark.native)])
def synth(request):
    """reference_synth, then fused_synth on the compiled CPU executor."""
    return EXECUTORS[request.param]


@pytest.fixture(params=ISA_NAMES)
def isa(request):
    """Name of each instruction-set build this processor runs."""
    return request.param


@pytest.fixture
def native():
    """The compiled module."""
    return ops.NATIVE
