# SPDX-License-Identifier: Apache-2.0
"""The manifest of an output: what a finished run says of itself, checked whenever it is read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from .storage import INDEX, MANIFEST, STARTED, Storage, as_json

#: Version 1 had no checksum of the manifest itself.
FORMAT, VERSION, _READ = "lrd_ext.shards", 2, (1, 2)
#: Its field with the SHA-256 of all others.
_OWN = "manifest_sha256"
_FIELDS = {"recipe": dict, "sources": int, "samples": int, "index_sha256": str, "left_out": dict}


def write_manifest(storage: Storage, told: Mapping[str, Any]) -> dict[str, Any]:
    """Write the manifest of a finished output, and return it."""
    manifest = {"format": FORMAT, "version": VERSION, **told}
    manifest[_OWN] = _digest_of(manifest)
    storage.write(MANIFEST, as_json(manifest))
    return manifest


def _digest_of(manifest: Mapping[str, Any]) -> str:
    others = {name: value for name, value in manifest.items() if name != _OWN}
    return hashlib.sha256(json.dumps(others, sort_keys=True).encode()).hexdigest()


def is_synthesized(url: str) -> bool:
    """Whether a folder holds what ``lrd data synthesize`` wrote, finished or not, whole or not."""
    storage = Storage(url)
    return any(storage.exists(name) for name in (MANIFEST, STARTED, INDEX))


def parsed(data: bytes) -> dict[str, Any]:
    """Return the fields of a JSON object; none where it is broken or another value."""
    with suppress(ValueError, RecursionError):
        told = json.loads(data)
        if isinstance(told, dict):
            return told
    return {}


def read_manifest(url: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Read the manifest and the index of a finished output.

    Args:
        url: the folder that ``lrd data synthesize`` wrote.

    Returns: the manifest, and a dict for each source: ``source``, ``source_sha256``, ``files`` (name to bytes
        and sha256) and ``samples`` (key, identity, place, ISO, ratio and noise parameters of each).

    Raises:
        ValueError: there is none, it is not finished, or manifest or index is not what was written.
    """
    storage = Storage(url)
    return checked_manifest(storage), [json.loads(line) for line in storage.read(INDEX).splitlines()]


def checked_manifest(storage: Storage) -> dict[str, Any]:
    """Return the manifest of a finished output; refuse as :func:`read_manifest` does."""
    url = storage.url
    _check_there(storage)
    manifest = parsed(storage.read(MANIFEST))
    found, version = manifest.get("format"), manifest.get("version")
    if found is None or version is None:
        raise ValueError(f"{url}: its {MANIFEST} is broken: it tells no format and version")
    if found != FORMAT or version not in _READ:
        raise ValueError(f"{url}: must be {FORMAT} version 1 or {VERSION}, got {found} version {version}")
    if lacking := _lacking(manifest):
        raise ValueError(f"{url}: its {MANIFEST} is broken: it lacks {', '.join(lacking)}")
    if version != 1 and manifest[_OWN] != _digest_of(manifest):
        raise ValueError(f"{url}: its {MANIFEST} is not the one that was written")
    if storage.digest(INDEX) != manifest["index_sha256"]:
        raise ValueError(f"{url}: its {INDEX} is not the one that was written")
    return manifest


def _check_there(storage: Storage) -> None:
    if storage.exists(MANIFEST):
        return
    if storage.exists(STARTED):
        raise ValueError(f"{storage.url}: is not finished; lrd data synthesize --resume goes on with it")
    if storage.exists(INDEX):
        raise ValueError(
            f"{storage.url}: its {MANIFEST} is gone; make it anew with lrd data synthesize --overwrite"
        )
    raise ValueError(f"{storage.url}: holds no output of lrd data synthesize")


def _lacking(manifest: Mapping[str, Any]) -> list[str]:
    """Return the fields that are not there, or hold another kind of value."""
    fields: dict[str, type] = _FIELDS | ({} if manifest["version"] == 1 else {_OWN: str})
    recipe = manifest.get("recipe")
    if isinstance(recipe, dict) and recipe.get("format") == "tiles":
        fields["files"] = dict
    return [name for name, kind in fields.items() if not isinstance(manifest.get(name), kind)]
