# SPDX-License-Identifier: Apache-2.0
"""Memory of a DataLoader and its workers over many small batches: it stays where it was after the first few.

    python tools/loader_memory.py --batches 20000

prints the memory of the process and its workers as they go: what they wrote, and shared memory, what several
share counted once. The exit code is 1 if the last figure is above the first by more than 1 %.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import tempfile
from pathlib import Path

from loader_matrix import data_and_noise, make_store
from torch.utils.data import DataLoader

from lrd_ext.datasets import IdentitySampler


def memory_mb() -> float:
    """Return the proportional set size of this process and its children, MB, without mapped files."""
    processes = ["self", *(str(child.pid) for child in multiprocessing.active_children())]
    lines = [line for p in processes for line in Path(f"/proc/{p}/smaps_rollup").read_text().splitlines()]
    return sum(int(line.split()[1]) for line in lines if line.startswith(("Pss_Anon:", "Pss_Shmem:"))) / 1024


def main() -> int:
    """Run the loader."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--batches", type=int, default=20000)
    parser.add_argument("--batch", type=int, default=4)
    options = parser.parse_args()
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        # Ten epochs, so that their ends are among what must not grow.
        data, noise = data_and_noise(make_store(Path(folder)), samples=options.batches * options.batch // 10)
        loader = DataLoader(
            data,
            options.batch,
            sampler=IdentitySampler(len(data)),
            num_workers=2,
            collate_fn=noise.collate,
            persistent_workers=True,
        )
        for epoch in range(10):
            for _ in loader:
                pass
            figures.append(memory_mb())
            print(f"after {(epoch + 1) * len(loader)} batches: {figures[-1]:.1f} MB", flush=True)
    return int(figures[-1] > 1.01 * figures[0])


if __name__ == "__main__":
    sys.exit(main())
