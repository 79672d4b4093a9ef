# SPDX-License-Identifier: Apache-2.0
"""Build lrd_ext: the package, and its native module wherever there is a C++ compiler.

LRD_EXT_NATIVE=0 installs pure Python (the reference executor runs), LRD_EXT_NATIVE=1 makes a missing
compiler an error. Everything else about the package is in pyproject.toml.
"""

import os
import shutil
import sys
from pathlib import Path

from setuptools import setup

ROOT = Path(__file__).parent
SOURCES = [
    "csrc/module.cpp",
    "csrc/ops.cpp",
    "csrc/cpu/isa.cpp",
    "csrc/cpu/tiles_baseline.cpp",
    "csrc/cpu/tiles_avx2.cpp",
    "csrc/cpu/tiles_avx512.cpp",
]
# No contraction and no relaxed maths: the same bits on every instruction set. The -fno- flags change no
# value, they only let loops with square roots and comparisons vectorise.
FLAGS = [
    "-std=c++17",
    "-O3",
    "-ffp-contract=off",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-fvisibility=hidden",
]
TARGET_TORCH = "0x020a000000000000"  # LibTorch stable ABI of torch 2.10


def wants_native() -> bool:
    """Tell whether the native module is to be built, explaining a no."""
    wish = os.environ.get("LRD_EXT_NATIVE", "")
    if wish not in ("", "0", "1"):
        sys.exit(f"lrd_ext: LRD_EXT_NATIVE must be 0, 1 or unset, got {wish!r}")
    if wish == "0":
        print("lrd_ext: LRD_EXT_NATIVE=0: installing pure Python, the reference executor will run")
        return False
    compiler = os.environ.get("CXX", "c++").split()[0]
    if shutil.which(compiler) or shutil.which("g++") or shutil.which("clang++"):
        return True
    message = f"lrd_ext: no C++ compiler found (looked for {compiler}, g++, clang++)"
    if wish == "1":
        sys.exit(f"{message}, but LRD_EXT_NATIVE=1 asks for the native module")
    print(f"{message}: installing pure Python, the reference executor will run")
    return False


def native_extension() -> dict:
    """Keyword arguments of setup() that build lrd_ext._C with torch.utils.cpp_extension."""
    from torch.utils.cpp_extension import BuildExtension, CppExtension

    extension = CppExtension(
        "lrd_ext._C",
        SOURCES,
        depends=[str(p.relative_to(ROOT)) for p in sorted(ROOT.glob("csrc/**/*.h"))],
        extra_compile_args={"cxx": [*FLAGS, f"-DTORCH_TARGET_VERSION={TARGET_TORCH}"]},
    )
    return {
        "ext_modules": [extension],
        "cmdclass": {"build_ext": BuildExtension.with_options(use_ninja=shutil.which("ninja") is not None)},
    }


setup(**(native_extension() if wants_native() else {}))
