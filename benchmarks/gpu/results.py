# SPDX-License-Identifier: Apache-2.0
"""Gather what a run left into <device>-<commit>.json and .md: ``results.py WORK COMMIT FOLDER...``."""

from __future__ import annotations

import json
import platform
import re
import sys
from pathlib import Path

import torch

import lrd_ext
from lrd_ext import ops

TOOLS = ("memcheck", "racecheck", "synccheck")
PARITY = ("physics", "generator", "torch", "compiled")


def gather(work, commit):
    """Return everything the run found, with the versions it was found with."""
    properties = torch.cuda.get_device_properties(0)
    said = {tool: (work / f"{tool}.txt").read_text().splitlines() for tool in TOOLS}
    return {
        "device": properties.name,
        "capability": f"sm_{properties.major}{properties.minor}",
        "commit": commit,
        "versions": {
            "lrd_ext": lrd_ext.__version__,
            "torch": torch.__version__,
            "cuda": torch.version.cuda,
            "python": platform.python_version(),
        },
        "kernels": ops.NATIVE.cuda_targets,
        "parity": {k: v for part in PARITY for k, v in (read(work / f"parity_{part}.json") or {}).items()},
        "sanitizers": {tool: lines[-1] if lines else "not run" for tool, lines in said.items()},
        "speed": read(work / "speed.json"),
        "ncu": {kernel: ncu(work / f"ncu_{kernel}.txt") for kernel in ("physics", "generator")},
    }


def read(path):
    """Return the JSON in path; None where its step wrote none."""
    return json.loads(path.read_text()) if path.exists() else None


def ncu(path):
    """Return Nsight Compute's table as lines, or its last words."""
    lines = path.read_text().splitlines() if path.exists() else ["not run"]
    table = [line.strip() for line in lines if re.search(r"\s{2,}\S+\s+[\d.,]+$", line)]
    return table or lines[-1:]


def markdown(found):
    """Return the report for people."""
    lines = [f"# {found['device']}, commit {found['commit']}", ""]
    lines += [
        ", ".join(f"{k} {v}" for k, v in found["versions"].items()) + f"; kernels for {found['kernels']}",
        "",
    ]
    lines += ["## GPU against CPU, bit for bit", ""]
    for group, counts in (found["parity"] or {"all": "not run"}).items():
        lines.append(f"- {group}: {counts}")
    lines += [f"- compute-sanitizer {tool}: {said}" for tool, said in found["sanitizers"].items()]
    counted = "Median of 40 calls by CUDA events (quartiles); each byte is counted once read, once written."
    lines += ["", "## Speed", "", counted, ""]
    lines += ["| noise | frames | dtype | method | ms | GB/s | Gpixel/s |", "|" + " --- |" * 7]
    lines += [row for case in found["speed"] or [] for row in rows(case)]
    for kernel, table in found["ncu"].items():
        lines += ["", f"## Nsight Compute, {kernel}", "", *(f"    {line}" for line in table)]
    return "\n".join([*lines, ""])


def rows(case):
    """Yield table rows of one case."""
    for name, r in case["methods"].items():
        head = f"| {case['model']} | {case['shape']} | {case['dtype']} | {name} "
        if "not_run" in r:
            yield f"{head}| not run: {r['not_run'].splitlines()[0]} | | |"
        else:
            low, high = r["quartiles_ms"]
            yield (
                f"{head}| {r['median_ms']:.3f} ({low:.3f} to {high:.3f}) | {r['GB_per_s']:.0f} "
                f"| {r['Gpixel_per_s']:.1f} |"
            )


def main():
    """Write both files into every folder."""
    work, commit = Path(sys.argv[1]), sys.argv[2]
    found = gather(work, commit)
    name = re.sub(r"[^a-z0-9]+", "_", found["device"].lower()).strip("_") + f"-{commit}"
    for folder in map(Path, sys.argv[3:]):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n")
        (folder / f"{name}.md").write_text(markdown(found))
        print(f"wrote {folder / name}.json and .md")
    print(markdown(found))


if __name__ == "__main__":
    main()
