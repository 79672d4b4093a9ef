# SPDX-License-Identifier: Apache-2.0
"""Instructions per raw pixel of the CPU executor, counted by callgrind: load on the machine does not matter.

``python benchmarks/instructions/count.py`` builds driver.cpp with the flags of setup.py and prints a markdown
table. Two runs that differ in the number of frames only cancel what starting up costs.
AVX-512 is not counted: valgrind does not run it.
"""

from __future__ import annotations

import argparse
import ast
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PIXELS = 256 * 512
ISAS = ("baseline", "avx2")


def flags():
    """The FLAGS of setup.py, read from its source: running it would start a build."""
    found = re.search(r"^FLAGS = (\[.*?\])", (ROOT / "setup.py").read_text(), re.MULTILINE | re.DOTALL)
    return ast.literal_eval(found[1])


def build(folder):
    """Compile the driver with the executor's sources; return its path."""
    driver = folder / "driver"
    sources = [Path(__file__).with_name("driver.cpp"), *sorted((ROOT / "csrc" / "cpu").glob("*.cpp"))]
    compiler = os.environ.get("CXX", "c++").split()
    subprocess.run(
        [*compiler, *flags(), f"-I{ROOT / 'csrc'}", *map(str, sources), "-o", str(driver)], check=True
    )
    return driver


def instructions(driver, isa, case, frames):
    """Instructions of one run of the driver."""
    output = driver.parent / "callgrind.out"
    command = [
        "valgrind",
        "--tool=callgrind",
        f"--callgrind-out-file={output}",
        str(driver),
        isa,
        case,
        str(frames),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode or not found:
        sys.exit(f"count: valgrind failed on {isa} {case}:\n{done.stderr[-2000:]}")
    return int(found[1])


def heading():
    """Title, commit and compiler."""
    git = ["git", "-C", str(ROOT), "rev-parse", "--short=12", "HEAD"]
    commit = subprocess.run(git, capture_output=True, text=True).stdout.strip() or "unknown"
    compiler = subprocess.run(
        [*os.environ.get("CXX", "c++").split(), "--version"], capture_output=True, text=True, check=True
    )
    return f"# Instructions per raw pixel\n\nCommit {commit}, {compiler.stdout.splitlines()[0]}."


def main():
    """Print instructions per pixel for each case and build."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", type=Path, help="markdown file to write as well")
    arguments = parser.parse_args()
    for tool in ("valgrind", os.environ.get("CXX", "c++").split()[0]):
        if shutil.which(tool) is None:
            sys.exit(
                f"count: {tool} is not installed, so no instructions can be counted: apt install valgrind g++"
            )
    lines = [f"| case | {' | '.join(ISAS)} |", f"|---|{'---:|' * len(ISAS)}"]
    with tempfile.TemporaryDirectory() as folder:
        driver = build(Path(folder))
        listed = subprocess.run([str(driver), "list"], capture_output=True, text=True, check=True)
        for case in listed.stdout.split():
            counts = [instructions(driver, i, case, 2) - instructions(driver, i, case, 1) for i in ISAS]
            lines.append(f"| {case} | {' | '.join(f'{count / PIXELS:.1f}' for count in counts)} |")
            print(lines[-1], file=sys.stderr)
    text = f"{heading()}\n\nA 512x256 mosaic, one thread.\n\n" + "\n".join(lines) + "\n"
    print(text)
    if arguments.write:
        arguments.write.write_text(text)


if __name__ == "__main__":
    main()
