# SPDX-License-Identifier: Apache-2.0
"""Turn pytest-benchmark's JSON of test_loader.py into a markdown table.

``pytest benchmarks/test_loader.py --benchmark-only --benchmark-json run.json``, then
``python benchmarks/loader_report.py run.json --write benchmarks/results/loader.md``
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from report import describe_machine

NAMES = {
    "numpy": "crop and noise in NumPy and SciPy, as ELD",
    "torch": "crop in NumPy, noise in torch, as LED",
    "lrd_ext": "RawTiles, LowLightNoise.collate",
}


def markdown(run):
    """The whole report as text."""
    by_test = {}
    for entry in run["benchmarks"]:
        by_test.setdefault(entry["name"].split("[")[0], []).append(entry["extra_info"])
    loaders = sorted(by_test["test_loader"], key=lambda e: -e["cpu_ms_per_patch"])
    lines = ["# Pairs for training: the loader and its peers", "", *describe_machine(run), ""]
    lines += [
        f"Frames of 12 MP, patches of {loaders[0]['patch']}, batch 4, 2 workers of one thread each. CPU time",
        "is that of the main process and the workers together; patches a second depend on what else runs.",
        "",
        "| loader | CPU ms a patch | patches/s | times lrd_ext's CPU time |",
        "|---|---:|---:|---:|",
    ]
    for e in loaders:
        times = f"{e['times_lrd_ext']:.1f}" if "times_lrd_ext" in e else ""
        cost = f"{e['cpu_ms_per_patch']:.1f} | {e['patches_per_s']:.1f}"
        lines.append(f"| {NAMES[e['contender']]} | {cost} | {times} |")
    lines += ["", "Where the time goes, in one process, memory in use already:", ""]
    lines += ["| step | CPU ms a patch |", "|---|---:|"]
    (steps,) = (e["steps"] for e in by_test["test_where_the_time_goes"])
    lines += [f"| {name} | {ms:.2f} |" for name, ms in steps.items()]
    own = next(e["cpu_ms_per_patch"] for e in loaders if e["contender"] == "lrd_ext")
    step, noise = by_test["test_training_step"][0]["cpu_ms"], steps["noise alone"]
    lines += [
        "",
        f"A training step of SID's U-Net at batch 1 takes {step:.0f} ms on one thread: the noise is "
        f"{100 * noise / (noise + step):.2f} % of both,",
        f"all of the loader {100 * own / (own + step):.2f} %.",
    ]
    return "\n".join([*lines, ""])


def main():
    """Print the report, and write it where told."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="JSON of pytest-benchmark")
    parser.add_argument("--write", type=Path, help="markdown file to write as well")
    arguments = parser.parse_args()
    text = markdown(json.loads(arguments.run.read_text()))
    print(text)
    if arguments.write:
        arguments.write.write_text(text)


if __name__ == "__main__":
    main()
