# SPDX-License-Identifier: Apache-2.0
"""Pairs made ahead for TensorFlow: a tf.data.Dataset of what lrd data synthesize wrote, with NumPy alone.

    lrd data synthesize shots/ -o pairs --camera sony_a7s2 --iso 800:6400 --ratio 100:300 --size 256
    python examples/tensorflow_pairs.py pairs

Neither torch nor lrd_ext is needed where the pairs are read. Folders of --format npz and webdataset are known
by what lies in them. Pictures come as (h, w, 4), channels last, as TensorFlow's convolutions take them.
"""

from __future__ import annotations

import argparse
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

Pair = dict[str, np.ndarray]


def names_of(folder: str | Path) -> list[str]:
    """Return the files that hold pairs, in the order they were made; what the index names is whole."""
    with open(Path(folder) / "index.jsonl", encoding="utf-8") as lines:
        return [name for line in lines for name in json.loads(line).get("files", ())]


def pairs(folder: str | Path) -> Iterator[Pair]:
    """Yield noisy and clean, (h, w, 4) float32, and iso and ratio, float32, of every pair."""
    for name in names_of(folder):
        path = Path(folder) / name
        yield from _of_tar(path) if path.suffix == ".tar" else _of_npz(path)


def _of_npz(path: Path) -> Iterator[Pair]:
    with np.load(path) as held:
        yield _pair(held["noisy"], held["clean"], held["iso"], held["ratio"])


def _of_tar(path: Path) -> Iterator[Pair]:
    """Yield the pairs of a tar file: KEY.noisy.npy, KEY.clean.npy and KEY.json of each stand together."""
    with tarfile.open(path) as tar:
        parts: dict[str, Any] = {}
        key = None
        for member in tar:
            now, _, kind = member.name.partition(".")
            if now != key:
                key, parts = now, {}
            data = tar.extractfile(member).read()  # type: ignore[union-attr]
            parts[kind] = json.loads(data) if kind == "json" else np.load(io.BytesIO(data))
            if len(parts) == 3:
                drawn = parts["json"]["params"]
                yield _pair(parts["noisy.npy"], parts["clean.npy"], drawn["iso"][0], drawn["ratio"][0])


def _pair(noisy: np.ndarray, clean: np.ndarray, iso: Any, ratio: Any) -> Pair:
    return {
        "noisy": noisy.transpose(1, 2, 0), "clean": clean.transpose(1, 2, 0),
        "iso": np.float32(iso), "ratio": np.float32(ratio),
    }  # fmt: skip


def dataset(folder: str | Path, batch: int) -> Any:
    """Return a tf.data.Dataset of shuffled batches of (noisy, clean)."""
    import tensorflow as tf

    picture = tf.TensorSpec((None, None, 4), tf.float32)
    number = tf.TensorSpec((), tf.float32)
    signature = {"noisy": picture, "clean": picture, "iso": number, "ratio": number}
    read = tf.data.Dataset.from_generator(lambda: pairs(folder), output_signature=signature)
    read = read.map(lambda pair: (pair["noisy"], pair["clean"]))
    return read.shuffle(256).batch(batch).prefetch(tf.data.AUTOTUNE)


def main(folder: str, steps: int) -> float:
    """Fit one convolution, to show that it runs; return the last loss."""
    import tensorflow as tf

    net = tf.keras.Sequential([tf.keras.layers.Conv2D(4, 3, padding="same")])
    net.compile("adam", "mae")
    told = net.fit(dataset(folder, 4).repeat(), steps_per_epoch=steps, verbose=2)
    return float(told.history["loss"][-1])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", help="what lrd data synthesize wrote")
    parser.add_argument("--steps", type=int, default=100)
    given = parser.parse_args()
    main(given.folder, given.steps)
