# SPDX-License-Identifier: Apache-2.0
"""Build lrd_ext: the package, and its compiled module wherever there is a C++ compiler.

LRD_EXT_NATIVE=0 installs pure Python (the reference executor runs), LRD_EXT_NATIVE=1 makes a missing
compiler an error. The CUDA kernels are built where there is an nvcc and torch is a CUDA build; LRD_EXT_CUDA=1
builds them for any torch and makes a missing nvcc an error, LRD_EXT_CUDA=0 leaves them out.
Everything else about the package is in pyproject.toml.
"""

import os
import shutil
import sys
from pathlib import Path

from setuptools import setup

ROOT = Path(__file__).parent
sys.path.insert(0, str(ROOT / "build_support"))
from cuda_toolkit import Toolkit, choose_targets, find_toolkit  # noqa: E402
from source_hash import source_hash  # noqa: E402

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
    """Tell whether the compiled module is to be built; print the reason where it is not."""
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
        sys.exit(f"{message}, but LRD_EXT_NATIVE=1 asks for the compiled module")
    print(f"{message}: installing pure Python, the reference executor will run")
    return False


def cuda_toolkit() -> tuple[Toolkit | None, str]:
    """Return the toolkit to build the kernels with, or None and why not, a key of WHY_NOT_CUDA (ops.py)."""
    import torch

    wish = os.environ.get("LRD_EXT_CUDA", "")
    if wish not in ("", "0", "1"):
        sys.exit(f"lrd_ext: LRD_EXT_CUDA must be 0, 1 or unset, got {wish!r}")
    if wish == "0":
        return None, "switched_off"
    if wish == "" and torch.version.cuda is None:
        return None, "cpu_torch"
    toolkit, why_not = find_toolkit()
    if toolkit is not None and not choose_targets(toolkit):
        toolkit, why_not = None, "no_common_target"
    if toolkit is None and wish == "1":
        sys.exit(f"lrd_ext: LRD_EXT_CUDA=1 asks for the CUDA kernels, but: {why_not.replace('_', ' ')}")
    return toolkit, why_not


def cuda_arguments(toolkit: Toolkit | None, why_not: str) -> dict:
    """Keyword arguments of the extension: the device object and the static runtime, or the reason without."""
    if toolkit is None:
        return {"define_macros": [("LRD_CUDA_WHY_NOT", why_not)]}
    # Not CUDAExtension, which refuses a CPU build of torch. The runtime's symbols stay inside the module, or
    # the loader would bind them to the libcudart that torch has loaded, perhaps of another version.
    return {
        "define_macros": [("LRD_WITH_CUDA", "1")],
        "library_dirs": toolkit.library_folders(),
        "libraries": ["cudart_static", "rt", "dl", "pthread"],
        "extra_link_args": ["-Wl,--exclude-libs,ALL"],
    }


def hash_definition(folder: Path) -> str:
    """Write the C++ file that defines the hash of the sources; untouched where it is the same, for ninja."""
    path, content = (
        folder / "source_hash.cpp",
        f'extern const char lrd_source_hash[] = "{source_hash(ROOT)}";\n',
    )
    if not path.exists() or path.read_text() != content:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return os.path.relpath(path)


def build_command(toolkit: Toolkit | None) -> type:
    """Return torch's build_ext, which first makes the device object where there is a toolkit."""
    from torch.utils.cpp_extension import BuildExtension

    class BuildWithDeviceObject(BuildExtension):
        def build_extensions(self) -> None:
            self.force = True  # ninja knows what is up to date, by flags too; setuptools knows files only
            self.extensions[0].sources.append(hash_definition(Path(self.build_temp)))
            if toolkit is not None:
                device_object = Path(self.build_temp).absolute() / "fused_synth_cuda.o"
                targets = choose_targets(toolkit)
                print(f"lrd_ext: CUDA kernels for {', '.join(targets)} with {toolkit.nvcc}")
                toolkit.compile_object(device_object, targets)
                self.extensions[0].extra_objects = [str(device_object)]
            super().build_extensions()

    return BuildWithDeviceObject.with_options(use_ninja=shutil.which("ninja") is not None)


def native_extension() -> dict:
    """Keyword arguments of setup() that build lrd_ext._C with torch.utils.cpp_extension."""
    from torch.utils.cpp_extension import CppExtension

    toolkit, why_not = cuda_toolkit()
    cuda = cuda_arguments(toolkit, why_not)
    extension = CppExtension(
        "lrd_ext._C",
        SOURCES,
        depends=[str(p.relative_to(ROOT)) for p in sorted(ROOT.glob("csrc/**/*.*h"))]
        + ["csrc/cuda/fused_synth.cu", "build_support/cuda_toolkit.py"],
        extra_compile_args={"cxx": [*FLAGS, f"-DTORCH_TARGET_VERSION={TARGET_TORCH}"]},
        **cuda,
    )
    return {"ext_modules": [extension], "cmdclass": {"build_ext": build_command(toolkit)}}


setup(**(native_extension() if wants_native() else {}))
