# SPDX-License-Identifier: Apache-2.0
"""Instructions per raw pixel of the CPU executor, counted by callgrind: load on the machine does not matter.

``python benchmarks/instructions/count.py`` builds driver.cpp with the flags of setup.py and prints a markdown
table. Two runs that differ in the number of frames only cancel what starting up costs. A second
table says what the instructions of one case are for: all is inlined, so the debug information's stacks tell.
Valgrind does not run AVX-512: a few cases of it are counted by single steps (stepper.cpp), which is slow.
"""

from __future__ import annotations

import argparse
import ast
import collections
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
DIVIDED = "eld"  # the case of the second table
STEPPED = ("rounded-smooth", "rounded-5e", "rounded-random")  # the cases of the third
STEPPED_PIXELS = 64 * 512  # the driver's upper tiles

#: What an instruction is for, by the innermost of these functions that it was inlined from.
STAGES = {
    "at": "random words (Philox)",
    "RowsOfWords": "random words (Philox)",
    "poisson_walk": "Poisson: walk",
    "poisson_walk_of_lanes": "Poisson: walk",
    "poisson_methods_of_lanes": "Poisson: choice of method, roots",
    "normal_quantiles": "normal quantiles (Poisson, rows, columns)",
    "poisson_asymptotic": "Poisson: asymptotic expansion",
    "poisson_exact": "Poisson: exact sums",
    "poisson_quantiles": "Poisson: choice of method, roots",
    "shot_noise": "Poisson: means, gain",
    "read_deviates": "read-noise quantile",
    "tukey_lambda_octaves": "Tukey-lambda table",
    "row_noise": "row and column noise",
    "column_noise": "row and column noise",
    "load_sites": "load",
    "store_sites": "store",
    "synthesize": "sum, quantization, clipping, scale",
    "read_noise": "sum, quantization, clipping, scale",
}


def flags():
    """The FLAGS of setup.py, read from its source: running it would start a build."""
    found = re.search(r"^FLAGS = (\[.*?\])", (ROOT / "setup.py").read_text(), re.MULTILINE | re.DOTALL)
    return ast.literal_eval(found[1])


def build(folder):
    """Compile the driver with the executor's sources; return its path."""
    driver = folder / "driver"
    sources = [Path(__file__).with_name("driver.cpp"), *sorted((ROOT / "csrc" / "cpu").glob("*.cpp"))]
    compiler = os.environ.get("CXX", "c++").split()
    options = [*flags(), "-g", "-no-pie", f"-I{ROOT / 'csrc'}"]
    subprocess.run([*compiler, *options, *map(str, sources), "-o", str(driver)], check=True)
    return driver


def callgrind(driver, isa, case, frames, *options):
    """Run the driver under callgrind; return what valgrind said and callgrind's file."""
    output = driver.parent / "callgrind.out"
    command = ["valgrind", "--tool=callgrind", *options, f"--callgrind-out-file={output}"]
    done = subprocess.run([*command, str(driver), isa, case, str(frames)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"count: valgrind failed on {isa} {case}:\n{done.stderr[-2000:]}")
    return done.stderr, output


def instructions(driver, isa, case, frames):
    """Instructions of one run of the driver."""
    said, _ = callgrind(driver, isa, case, frames)
    return int(re.search(r"Collected : (\d+)", said)[1])


def instructions_by_address(driver, isa, case):
    """Instructions executed at each address in one run, from callgrind's compressed positions."""
    _, output = callgrind(driver, isa, case, 1, "--dump-instr=yes")
    counts, address, called = collections.Counter(), 0, False
    for line in output.read_text().splitlines():
        position = re.match(r"(0x[0-9a-f]+|[+-]\d+|\*) ", line)
        if line.startswith("calls="):
            called = True  # the next line is what the callee cost
        elif position:
            step = position[1]
            if step != "*":
                address = int(step, 16) if step.startswith("0x") else address + int(step)
            counts[address] += 0 if called else int(line.split()[-1])
            called = False
    return counts


def inline_stacks(driver, addresses):
    """The names of the functions each address was inlined from, innermost first."""
    command = ["addr2line", "-a", "-i", "-f", "-C", "-e", str(driver)]
    asked = "\n".join(f"{a:#x}" for a in addresses)
    listed = subprocess.run(command, input=asked, capture_output=True, text=True, check=True)
    stacks, lines = {}, iter(listed.stdout.splitlines())
    for line in lines:
        if re.fullmatch(r"0x[0-9a-f]+", line):
            stack = stacks.setdefault(int(line, 16), [])
        else:  # lrd::avx2::(anonymous namespace)::load_sites<float, 1>(float const*) is load_sites
            name = re.match(r"[^<(]*", line.replace("(anonymous namespace)::", ""))[0]
            stack.append(re.split(r"::|\s", name)[-1])
            next(lines)  # file and line
    return stacks


def stages(driver, isa, case):
    """Markdown rows of what the instructions of a case are for, per raw pixel, most first."""
    counts = instructions_by_address(driver, isa, case)
    stacks = inline_stacks(driver, [a for a in counts if a < 2**32])  # the driver's own, not its libraries'
    total = collections.Counter()
    for address, stack in stacks.items():
        if "synthesize_with" in stack or any(name in STAGES for name in stack):
            stage = next((STAGES[name] for name in stack if name in STAGES), "loops over tiles, the rest")
            total[stage] += counts[address]
    return [f"| {stage} | {count / PIXELS:.1f} |" for stage, count in total.most_common()]


def stepped(driver, case):
    """Markdown row of a case on AVX-512: instructions of the executor's first call, by single steps."""
    stepper = driver.with_name("stepper")
    if not stepper.exists():
        compiler = os.environ.get("CXX", "c++").split()
        source = Path(__file__).with_name("stepper.cpp")
        subprocess.run([*compiler, "-O2", str(source), "-o", str(stepper)], check=True)
    names = subprocess.run(["nm", "-C", str(driver)], capture_output=True, text=True, check=True).stdout
    entry = re.search(r"^(\w+) \w lrd::avx512::.*\bsynthesize_tiles\(", names, re.MULTILINE)
    command = [str(stepper), entry[1], str(driver), "avx512", case, "0"]
    steps = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return f"| {case} | {steps / STEPPED_PIXELS:.1f} |"


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
    for tool in ("valgrind", "addr2line", os.environ.get("CXX", "c++").split()[0]):
        if shutil.which(tool) is None:
            sys.exit(
                f"count: {tool} is missing, so nothing can be counted: apt install valgrind binutils g++"
            )
    lines = [f"| case | {' | '.join(ISAS)} |", f"|---|{'---:|' * len(ISAS)}"]
    with tempfile.TemporaryDirectory() as folder:
        driver = build(Path(folder))
        listed = subprocess.run([str(driver), "list"], capture_output=True, text=True, check=True)
        for case in listed.stdout.split():
            counts = [instructions(driver, i, case, 2) - instructions(driver, i, case, 1) for i in ISAS]
            lines.append(f"| {case} | {' | '.join(f'{count / PIXELS:.1f}' for count in counts)} |")
            print(lines[-1], file=sys.stderr)
        lines += [
            "",
            f"What the instructions of {DIVIDED} are for on avx2:",
            "",
            "| stage | avx2 |",
            "|---|---:|",
        ]
        lines += stages(driver, "avx2", DIVIDED)
        if "avx512f" in Path("/proc/cpuinfo").read_text():
            lines += ["", "The upper 64 rows by single steps:", "", "| case | avx512 |", "|---|---:|"]
            lines += [stepped(driver, case) for case in STEPPED]
    text = f"{heading()}\n\nA 512x256 mosaic, one thread.\n\n" + "\n".join(lines) + "\n"
    print(text)
    if arguments.write:
        arguments.write.write_text(text)


if __name__ == "__main__":
    main()
