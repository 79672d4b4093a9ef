# SPDX-License-Identifier: Apache-2.0
"""Where shards go: a local folder, or an object store that fsspec knows, such as s3://bucket/folder."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, cast

import fsspec
from fsspec.implementations.local import LocalFileSystem

from lrd_ext.datasets.prepare import alone
from lrd_ext.outputs import remove_abandoned, replacing
from lrd_ext.plain_text import cause

#: Says that a run is finished, what it was made by, and the checksum of the index.
MANIFEST = "manifest.json"
#: One line for each source: its files, their checksums, and every sample in them.
INDEX = "index.jsonl"
#: What an unfinished run is made by, and the lines of its index, a file for each source that is done.
STARTED, LINES = "unfinished.json", "unfinished"
_LINE = re.compile(r"\d{6,}\.json")


class Hashed:
    """A file that is only written to, and the SHA-256 and number of bytes of what went in."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._digest, self.size, self.closed = file, hashlib.sha256(), 0, False

    def write(self, data: Any) -> int:
        """Write bytes and return how many."""
        view = memoryview(data)
        self._digest.update(view)
        self._file.write(view)
        self.size += view.nbytes
        return view.nbytes

    def tell(self) -> int:
        """Return how many bytes went in."""
        return self.size

    def flush(self) -> None:
        """Do nothing: the file is synchronised when it is whole."""

    def close(self) -> None:
        """Do nothing: the file gets its name when the block that opened it ends."""

    def told(self) -> dict[str, Any]:
        """Return the number of bytes and their SHA-256, ready for JSON."""
        return {"bytes": self.size, "sha256": self._digest.hexdigest()}


class Storage:
    """A folder, local or of an object store.

    Args:
        url: a path, or what fsspec takes, such as "s3://bucket/folder".

    Raises:
        ValueError: no installed package knows the protocol.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        try:
            self.files, self.root = fsspec.core.url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise ValueError(f"{url}: cannot be written to ({cause(error)})") from error
        self.local = isinstance(self.files, LocalFileSystem)

    def path(self, name: str) -> str:
        """Return where a file lies, as the file system names it."""
        return f"{self.root.rstrip('/')}/{name}"

    def exists(self, name: str) -> bool:
        """Whether there is such a file."""
        return bool(self.files.exists(self.path(name)))

    def names(self, folder: str) -> list[str]:
        """Return the names of the whole files in a folder, sorted."""
        self.files.invalidate_cache()
        if not self.files.exists(self.path(folder)):
            return []
        found = (path.rsplit("/", 1)[-1] for path in self.files.ls(self.path(folder), detail=False))
        return sorted(name for name in found if name and not name.startswith("."))

    def read(self, name: str) -> bytes:
        """Return what a file holds."""
        return cast(bytes, self.files.cat_file(self.path(name)))

    @contextmanager
    def writing(self, name: str) -> Iterator[Hashed]:
        """Open a file that is whole under its name when the block ends well, and else not there."""
        if self.local:
            with replacing(self.path(name)) as file:
                yield Hashed(file)
            return
        with tempfile.NamedTemporaryFile() as local:
            yield Hashed(cast(BinaryIO, local))
            local.flush()
            self.files.put_file(local.name, self.path(name))  # appears when it is complete

    def write(self, name: str, data: bytes) -> None:
        """Write a whole file."""
        with self.writing(name) as file:
            file.write(data)

    def remove_file(self, name: str) -> None:
        """Remove a file if it is there; no character of its name stands for others."""
        with suppress(FileNotFoundError):
            self.files.rm_file(self.path(name))

    def lines(self) -> list[str]:
        """Return the names of the lines of an unfinished index, by the number of their source."""
        return [f"{LINES}/{name}" for name in self.names(LINES) if _LINE.fullmatch(name)]

    def remove_lines(self) -> None:
        """Remove the lines of an unfinished index; what is no line stays in their folder."""
        if lines := self.lines():
            self.files.rm([self.path(name) for name in lines])
        if self.local:
            remove_abandoned(self.path(LINES))
            with suppress(OSError):  # not there, or not empty
                os.rmdir(self.path(LINES))

    def remove_abandoned(self) -> None:
        """Remove what killed processes of this machine were writing; an object store shows nothing of it."""
        if self.local:
            remove_abandoned(self.root)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other processes of this machine out for a while; a folder made for it stays if it is used.

        Raises:
            ValueError: another process is in.
        """
        if not self.local or os.name != "posix":
            yield
            return
        made = [folder for folder in (Path(self.root), *Path(self.root).parents) if not folder.exists()]
        os.makedirs(self.root, exist_ok=True)
        folder = os.open(self.root, os.O_RDONLY)
        try:
            if not alone(folder):
                raise ValueError(
                    f"{self.url}: another process is writing this output; wait for it, or stop it"
                )
            yield
        finally:
            os.close(folder)
            with suppress(OSError):  # one is not empty, and those above neither
                for empty in made:
                    empty.rmdir()

    def digest(self, name: str) -> str:
        """Return the SHA-256 of a file, "" where it is gone."""
        digest = hashlib.sha256()
        try:
            with self.files.open(self.path(name), "rb") as file:
                while block := file.read(1 << 22):
                    digest.update(block)
        except FileNotFoundError:
            return ""
        return digest.hexdigest()


def line_of(number: int) -> str:
    """Return the name of the line of a source in the index of an unfinished run."""
    return f"{LINES}/{number:06d}.json"


def number_of(line: str) -> int:
    """Return the number of the source of a line; the reverse of :func:`line_of`."""
    return int(Path(line).stem)


def as_json(value: Any) -> bytes:
    """Return the bytes of a JSON file."""
    return (json.dumps(value, indent=1) + "\n").encode()
