# SPDX-License-Identifier: Apache-2.0
"""Gather what a run has left so far into <device>-<commit>.json and .md.

``results.py WORK COMMIT FOLDER...``, or first ``results.py --device WORK``, which asks the device for what it
is; nothing else here needs one.
"""

from __future__ import annotations

import json
import platform
import re
import sys
from pathlib import Path

TOOLS = ("memcheck", "racecheck", "synccheck")
PARITY = ("physics", "generator", "torch", "first", "compiled")
SPEED = ("fused", "eager", "compiled")
NCU = ("smooth", "random", "flat 5 e", "16,16")


def ask_device(work):
    """Write what the device and the package built for it are."""
    import torch

    import lrd_ext
    from lrd_ext import ops

    properties = torch.cuda.get_device_properties(0)
    versions = {"lrd_ext": lrd_ext.__version__, "torch": torch.__version__, "cuda": torch.version.cuda}
    found = {"device": properties.name, "capability": f"sm_{properties.major}{properties.minor}"}
    found |= {"versions": versions | {"python": platform.python_version()}}
    found |= {"kernels": ops.NATIVE.cuda_targets}
    (work / "device.json").write_text(json.dumps(found))


def gather(work, commit):
    """Return everything the run has found so far, with the versions it was found with."""
    parts = [read(work / f"speed_{part}.json") or {} for part in SPEED]
    return (read(work / "device.json") or {"device": "unknown"}) | {
        "commit": commit,
        "parity": {k: v for part in PARITY for k, v in (read(work / f"parity_{part}.json") or {}).items()},
        "sanitizers": {tool: last_line(work / f"{tool}.txt") for tool in TOOLS},
        "host_us_per_call": parts[0].get("host_us_per_call"),
        "clocks": parts[0].get("clocks"),
        "speed": [case for part in parts for case in part.get("cases", [])],
        "ncu": {scene: ncu(work / f"ncu_{scene}.txt") for scene in NCU},
    }


def read(path):
    """Return the JSON in path; None where its step wrote none, or was ended while it wrote."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None


def last_line(path):
    """Return a tool's last word."""
    lines = path.read_text().splitlines() if path.exists() else []
    return lines[-1] if lines else "not run"


def ncu(path):
    """Return Nsight Compute's table as lines, or its last words."""
    lines = path.read_text().splitlines() if path.exists() else ["not run"]
    table = [line.strip() for line in lines if re.search(r"\s{2,}\S+\s+[\d.,]+$", line)]
    return table or lines[-1:]


def markdown(found):
    """Return the report for people."""
    lines = [f"# {found['device']}, commit {found['commit']}", ""]
    versions = ", ".join(f"{k} {v}" for k, v in found.get("versions", {}).items())
    lines += [f"{versions}; kernels for {found.get('kernels')}; clocks: {found['clocks'] or 'not known'}", ""]
    lines += ["## GPU against CPU, bit for bit", ""]
    for group, counts in (found["parity"] or {"all": "not run"}).items():
        lines.append(f"- {group}: {counts}")
    lines += [f"- compute-sanitizer {tool}: {said}" for tool, said in found["sanitizers"].items()]
    lines += ["", "## The host's share of a call, on 16 pixels", ""]
    for name, us in (found["host_us_per_call"] or {}).items():
        lines.append(f"- {name}: {us:.1f} us")
    counted = "Median of 40 calls by CUDA events (quartiles); each byte is counted once read, once written."
    lines += ["", "## Speed", "", counted, ""]
    lines += ["| noise | frames | dtype | scene | method | ms | GB/s | Gpixel/s |", "|" + " --- |" * 8]
    lines += [row for case in found["speed"] for row in rows(case)]
    for scene, table in found["ncu"].items():
        lines += ["", f"## Nsight Compute, {scene}", "", *(f"    {line}" for line in table)]
    return "\n".join([*lines, ""])


def rows(case):
    """Yield table rows of one case."""
    for name, r in case["methods"].items():
        head = f"| {case['model']} | {case['shape']} | {case['dtype']} | {case['scene']} | {name} "
        if "not_run" in r:
            yield f"{head}| not run: {r['not_run'].splitlines()[0]} | | |"
        else:
            low, high = r["quartiles_ms"]
            yield (
                f"{head}| {r['median_ms']:.3f} ({low:.3f} to {high:.3f}) | {r['GB_per_s']:.0f} "
                f"| {r['Gpixel_per_s']:.1f} |"
            )


def main():
    """Write both files into every folder, or ask the device."""
    if sys.argv[1] == "--device":
        return ask_device(Path(sys.argv[2]))
    work, commit = Path(sys.argv[1]), sys.argv[2]
    found = gather(work, commit)
    name = re.sub(r"[^a-z0-9]+", "_", found["device"].lower()).strip("_") + f"-{commit}"
    for folder in map(Path, sys.argv[3:]):
        folder.mkdir(parents=True, exist_ok=True)
        for suffix, text in (("json", json.dumps(found, indent=1) + "\n"), ("md", markdown(found))):
            part = folder / f"{name}.{suffix}.part"
            part.write_text(text)
            part.replace(folder / f"{name}.{suffix}")  # whole, should the run be ended here


if __name__ == "__main__":
    main()
