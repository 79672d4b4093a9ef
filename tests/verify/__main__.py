# SPDX-License-Identifier: Apache-2.0
"""``python tests/verify [--long] [--write FILE]``: run the statistical battery and print its table."""

from __future__ import annotations

import argparse
import functools
import sys
import time
from pathlib import Path

import battery
import faults
from provenance import commit

import lrd_ext
from lrd_ext import ops


def planted():
    """Markdown table of what each planted fault fails."""
    lines = ["| planted fault | tests that turn red | first of them |", "|---|---:|---|"]
    for fault in faults.FAULTS:
        failed = battery.failures(battery.run(fault(lrd_ext.fused_synth), battery.TINY))
        lines.append(
            f"| {fault.__doc__.rstrip('.')} | {len(failed)} | {failed[0] if failed else '**none**'} |"
        )
    return "\n".join(lines)


def main():
    """Run, print, perhaps write; exit code 1 where a test fails."""
    parser = argparse.ArgumentParser(description="Statistical battery of lrd_ext's noise")
    parser.add_argument("--long", action="store_true", help="1e8 Poisson draws and 1e7 words (minutes)")
    parser.add_argument("--executor", choices=("native", "reference"), default="native")
    parser.add_argument("--write", type=Path, help="markdown file to write")
    arguments = parser.parse_args()
    native = arguments.executor == "native"
    if native and ops.NATIVE is None:
        sys.exit(f"verify: no native executor: {ops.WHY_NOT_NATIVE}; use --executor reference")
    synth = functools.partial(lrd_ext.fused_synth, backend="cpu") if native else lrd_ext.reference_synth
    start = time.monotonic()
    results = battery.run(synth, battery.LONG if arguments.long else battery.SHORT)
    failed = battery.failures(results)
    form = "long" if arguments.long else "short"
    tested = sum(r.p is not None for r in results)
    text = "\n".join(
        [
            f"# Statistical battery, {form} form, {arguments.executor} executor",
            "",
            f"Commit {commit()}, stream version {lrd_ext.STREAM_VERSION}.",
            f"{len(results)} tests, {len(failed)} failed. P values are held to {battery.FAMILY:g} /",
            f"{tested} (Bonferroni). Seeds are fixed: the same code gives the same table on any machine.",
            "",
            battery.table(results),
            "",
            "## Planted faults, short form",
            "",
            planted(),
            "",
        ]
    )
    print(text)
    print(f"{time.monotonic() - start:.0f} s", file=sys.stderr)
    if arguments.write:
        arguments.write.parent.mkdir(parents=True, exist_ok=True)
        arguments.write.write_text(text)
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
