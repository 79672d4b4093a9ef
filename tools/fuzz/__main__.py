# SPDX-License-Identifier: Apache-2.0
"""``make fuzz SECONDS=60``: try mutated files and print what happened; exit code 1 on any finding."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: a fork must not meet its threads

from lrd_ext.version import __version__

from .harness import Count, Finding, content, outcome, run
from .kinds import KINDS, Kind

HEAD = """# Mutated files

Written by `make fuzz SECONDS={seconds:.0f} SEED={seed} WRITE=docs/results/fuzz.md`, lrd_ext {version}.
Every input follows from the seed, its kind and its number, and is read as the program would read it, tables
printed, by a worker process. Refused: one line of error, as promised. Hang: over 10 s of processor time.
Memory: over 2 GB resident, or an allocation that failed.

"""
_SERIOUS = ("crash", "hang", "memory", "traceback")


def table(counts: dict[str, Count], findings: list[Finding]) -> str:
    """Return what happened as a Markdown table, with a line for all kinds together."""
    lines = [
        "| kind | inputs | read | refused | crashes | hangs | memory | tracebacks | inputs/s |",
        "|---|" + "---:|" * 8,
    ]
    total = Count()
    for name, c in counts.items():
        for field in ("tried", "read", "refused", "seconds"):
            setattr(total, field, getattr(total, field) + getattr(c, field))
        lines.append(_row(name, c, [f for f in findings if f.kind == name]))
    return "\n".join([*lines, _row("all", total, findings)])


def _row(name: str, c: Count, found: list[Finding]) -> str:
    serious = [sum(f.what == what for f in found) for what in _SERIOUS]
    rate = c.tried / c.seconds if c.seconds else 0
    return (
        f"| {name} | " + " | ".join(f"{v:.0f}" for v in (c.tried, c.read, c.refused, *serious, rate)) + " |"
    )


def again(kind: Kind, number: int, seed: int) -> int:
    """Make one input again, say where it is, and let it be read in this process."""
    data = content(kind, kind.seeds(), seed, number)
    kept = Path(tempfile.gettempdir()) / f"fuzz-{kind.name}-{number}"
    kept.write_bytes(data)
    print(f"{kept}: {len(data)} bytes", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        print(": ".join(outcome(kind, kind.reader(Path(folder)), data)))
    return 0


def _alike(findings: list[Finding]) -> list[list[Finding]]:
    """Put findings of one kind, outcome and place together."""
    groups: dict[tuple[str, str, str], list[Finding]] = {}
    for f in findings:
        groups.setdefault((f.kind, f.what, f.text.rpartition(" at ")[2]), []).append(f)
    return list(groups.values())


def main() -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__)
    names = {kind.name: kind for kind in KINDS}
    parser.add_argument("--seconds", type=float, default=60.0, help="how long in all (default 60)")
    parser.add_argument("--seed", type=int, default=1, help="seed of all inputs (default 1)")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes (default: one a core)")
    parser.add_argument("--kinds", nargs="+", choices=names, default=list(names), help="only these")
    parser.add_argument("--write", type=Path, help="Markdown file to write the table to")
    parser.add_argument("--again", nargs=2, metavar=("KIND", "NUMBER"), help="read one input again")
    options = parser.parse_args()
    if options.again:
        return again(names[options.again[0]], int(options.again[1]), options.seed)
    counts, findings = run([names[n] for n in options.kinds], options.seed, options.seconds, options.workers)
    report = table(counts, findings)
    print(report)
    for alike in _alike(findings):
        f, more = alike[0], f" (and {len(alike) - 1} more)" if len(alike) > 1 else ""
        print(f"{f.what}: --seed {options.seed} --again {f.kind} {f.number}{more}: {ascii(f.text)[1:-1]}")
    if options.write:
        head = HEAD.format(seconds=options.seconds, seed=options.seed, version=__version__)
        options.write.write_text(f"{head}{report}\n")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
