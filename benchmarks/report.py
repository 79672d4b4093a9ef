# SPDX-License-Identifier: Apache-2.0
"""Turn pytest-benchmark's JSON into a markdown table and a plot.

``pytest benchmarks --benchmark-only --benchmark-json run.json``, then
``python benchmarks/report.py run.json``
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

COLUMNS = "| workload | threads | contender | median ms | IQR ms | rounds | ns/pixel | lrd_ext is faster by |"
RULE = "|---|---:|---|---:|---:|---:|---:|---:|"


def rows_of(run):
    """The benchmarks as dicts of what the table shows, slowest first within a workload."""
    rows = [e["extra_info"] | {"stats": e["stats"]} for e in run["benchmarks"] if "model" in e["extra_info"]]
    return sorted(rows, key=lambda r: (r["model"], r["pixels"], r["threads"], -r["stats"]["median"]))


def ratio_to_fused(row, rows):
    """How many times longer than lrd_ext this contender took on the same work in the same run."""
    for other in rows:
        same = all(other[key] == row[key] for key in ("model", "workload", "threads"))
        if same and other["contender"] == "lrd_ext" and row is not other:
            return f"{row['stats']['median'] / other['stats']['median']:.1f}"
    return ""


def describe_machine(run):
    """What ran where, without the machine's name."""
    machine, commit = run["machine_info"], run.get("commit_info") or {}
    cpu = machine.get("cpu", {})
    versions = ", ".join(f"{name} {version}" for name, version in machine.get("versions", {}).items())
    native = machine.get("native", {})
    dirty = " with local changes" if commit.get("dirty") else ""
    kind = f" (family {cpu['family']}, model {cpu['model']})" if {"family", "model"} <= cpu.keys() else ""
    return [
        f"Commit {str(commit.get('id', 'unknown'))[:12]}{dirty}, {run['datetime'][:10]}.",
        f"{cpu.get('brand_raw', 'Unknown processor')}{kind}, {cpu.get('count', '?')} logical processors;",
        f"{versions};",
        f"native build {native.get('isa', 'none')}.",
    ]


def describe(run):
    """What ran where, and how fast memory was."""
    bandwidth = {r["threads"]: r["copy_gb_per_s"] for r in rows_of(run)}
    copies = ", ".join(f"{gb:.1f} GB/s on {n}" for n, gb in sorted(bandwidth.items()))
    return [*describe_machine(run), f"Copy bandwidth in the same run, threads: {copies}."]


def markdown(run):
    """The whole report as text."""
    rows = rows_of(run)
    lines = ["# fused_synth and its peers", "", *describe(run)]
    for model in dict.fromkeys(row["model"] for row in rows):
        lines += ["", f"## {model}", "", COLUMNS, RULE]
        for row in rows:
            if row["model"] != model:
                continue
            s = row["stats"]
            times = (
                f"{s['median'] * 1e3:.1f} | {s['iqr'] * 1e3:.1f} | {s['rounds']} | {row['ns_per_pixel']:.1f}"
            )
            what = f"{row['workload']} | {row['threads']} | {row['contender']}"
            lines.append(f"| {what} | {times} | {ratio_to_fused(row, rows)} |")
    return "\n".join([*lines, ""])


def plot(run, path):
    """Bars of ns per pixel, one panel for each model."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    rows = rows_of(run)
    models = list(dict.fromkeys(row["model"] for row in rows))
    figure, axes = plt.subplots(
        1, len(models), squeeze=False, figsize=(6 * len(models), 0.3 * len(rows) + 1.5)
    )
    for axis, model in zip(axes[0], models, strict=True):
        chosen = [row for row in rows if row["model"] == model]
        names = [f"{r['workload']}, {r['threads']} thr., {r['contender']}" for r in chosen]
        colours = ["tab:blue" if r["contender"].startswith("lrd_ext") else "silver" for r in chosen]
        bars = axis.barh(names, [r["ns_per_pixel"] for r in chosen], color=colours)
        axis.bar_label(bars, fmt="%.1f", padding=2, fontsize=7)
        axis.set(xlabel="ns per raw pixel (less is better)", title=model)
        axis.margins(x=0.12)
        axis.invert_yaxis()
        axis.tick_params(axis="y", labelsize=7)
    figure.tight_layout()
    figure.savefig(path, dpi=120)


def main():
    """Write report.md and report.png next to each other."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="JSON of pytest-benchmark")
    parser.add_argument("-o", "--output", type=Path, default=Path("."), help="folder for the report")
    parser.add_argument("--name", default="fused_synth", help="file name without suffix")
    arguments = parser.parse_args()
    run = json.loads(arguments.run.read_text())
    if not run["benchmarks"]:
        sys.exit(f"report: {arguments.run.name} holds no benchmarks; run without --benchmark-disable")
    arguments.output.mkdir(parents=True, exist_ok=True)
    text = markdown(run)
    (arguments.output / f"{arguments.name}.md").write_text(text)
    plot(run, arguments.output / f"{arguments.name}.png")
    print(text)


if __name__ == "__main__":
    main()
