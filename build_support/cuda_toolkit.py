# SPDX-License-Identifier: Apache-2.0
"""The CUDA toolkit at build time: where it is, what it can compile for, and the device object.

Used by setup.py and by tools/cuda_check.py; needs no torch, except to be asked which GPUs are there.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

#: Where the kernels lie.
KERNELS = Path(__file__).resolve().parents[1] / "csrc" / "cuda"
OLDEST = (12, 4)
#: No contraction and no relaxed maths: the bits of the CPU executor. 1675 warns of pragmas meant for GCC.
FLAGS = [
    "-std=c++17",
    "-O3",
    "--fmad=false",
    "--ftz=false",
    "--prec-div=true",
    "--prec-sqrt=true",
    "-diag-suppress=1675",
]
HOST_FLAGS = ["-fPIC", "-fvisibility=hidden", "-ffp-contract=off"]
DEFAULT_TARGETS = ["sm_80", "sm_90", "compute_90"]


class Toolkit:
    """An nvcc that runs, and what it says of itself."""

    def __init__(self, nvcc: str) -> None:
        self.nvcc = nvcc
        self.version = self._version()
        self.architectures = [int(n) for n in re.findall(r"compute_(\d+)\b", self._ask("--list-gpu-arch"))]

    def _ask(self, *arguments: str) -> str:
        done = subprocess.run([self.nvcc, *arguments], capture_output=True, text=True, check=True)
        return done.stdout + done.stderr

    def _version(self) -> tuple[int, ...]:
        found = re.search(r"release (\d+)\.(\d+)", self._ask("--version"))
        return tuple(int(n) for n in found.groups()) if found else (0, 0)

    def library_folders(self) -> list[str]:
        """Return where its libraries are, in its own words: nvcc on the PATH may be a wrapper or a link."""
        with tempfile.TemporaryDirectory() as folder:
            empty = Path(folder) / "empty.cu"
            empty.write_text("")
            said = self._ask("--dryrun", str(empty))
        lines = re.findall(r"^#\$ LIBRARIES=(.*)$", said, re.MULTILINE)
        folders = [word[2:] for line in lines for word in shlex.split(line) if word.startswith("-L")]
        return [os.path.normpath(f) for f in folders if not f.rstrip("/").endswith("stubs")]

    def compile_object(self, target: Path, targets: list[str], *extra: str) -> None:
        """Compile csrc/cuda/fused_synth.cu for targets into one object; nvcc's complaints go to stderr."""
        command = [self.nvcc, *FLAGS, *gencode(targets), f"-DLRD_CUDA_TARGETS={'+'.join(targets)}"]
        command += ["-Xcompiler", ",".join(HOST_FLAGS), *extra]
        target.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([*command, "-c", str(KERNELS / "fused_synth.cu"), "-o", str(target)], check=True)


def find_toolkit() -> tuple[Toolkit | None, str]:
    """Return the toolkit, or None and why not, as a key of WHY_NOT_CUDA in lrd_ext/ops.py."""
    homes = [os.environ[name] for name in ("CUDA_HOME", "CUDA_PATH") if os.environ.get(name)]
    places = [os.path.join(home, "bin") for home in [*homes, "/usr/local/cuda"]]
    found = shutil.which("nvcc") or shutil.which("nvcc", path=os.pathsep.join(places))
    if homes:
        found = shutil.which("nvcc", path=os.path.join(homes[0], "bin")) or found
    if not found:
        return None, "no_toolkit"
    try:
        toolkit = Toolkit(found)
    except (OSError, subprocess.CalledProcessError):
        return None, "nvcc_fails"
    return (toolkit, "") if toolkit.version >= OLDEST else (None, "toolkit_too_old")


def gencode(targets: list[str]) -> list[str]:
    """Return nvcc's options for targets such as sm_90 (machine code) and compute_90 (PTX)."""
    return [
        f"--generate-code=arch=compute_{number},code={kind}_{number}"
        for kind, number in (target.split("_") for target in targets)
    ]


def choose_targets(toolkit: Toolkit) -> list[str]:
    """Return what to compile for: the visible GPUs, else TORCH_CUDA_ARCH_LIST, else DEFAULT_TARGETS."""
    wanted = visible_targets(toolkit) or listed_targets(os.environ.get("TORCH_CUDA_ARCH_LIST", ""))
    wanted = wanted or DEFAULT_TARGETS
    return [t for t in dict.fromkeys(wanted) if int(re.sub(r"\D", "", t)) in toolkit.architectures]


def visible_targets(toolkit: Toolkit) -> list[str]:
    """Return machine code for each visible GPU; PTX where it is newer than the toolkit."""
    try:
        import torch

        pairs = [torch.cuda.get_device_capability(i) for i in range(torch.cuda.device_count())]
    except (ImportError, RuntimeError, AssertionError):
        return []
    targets = []
    for number in (10 * major + minor for major, minor in pairs):
        older = [a for a in toolkit.architectures if a <= number]
        if older:
            targets.append(f"sm_{number}" if number in older else f"compute_{max(older)}")
    return targets


def listed_targets(names: str) -> list[str]:
    """Read torch's list, as "8.0;9.0+PTX"; suffixes such as the a of 9.0a are dropped, names are ignored."""
    targets = []
    for name in re.split(r"[;, ]+", names):
        parts = re.fullmatch(r"(\d+)\.(\d)[a-z]?(\+PTX)?", name)
        if parts:
            number = parts[1] + parts[2]
            targets += [f"sm_{number}"] + ([f"compute_{number}"] if parts[3] else [])
    return targets
