# SPDX-License-Identifier: Apache-2.0
"""The manifest checks itself: what is changed, missing or gone is named."""

from __future__ import annotations

import json

import pytest

from lrd_ext import cli
from lrd_ext.bulk import read_manifest, synthesize, verify_shards


@pytest.fixture(scope="module")
def whole(tmp_path_factory, sources, camera):
    """A finished output of tiles and the text of its manifest."""
    from lrd_ext.bulk import Recipe

    out = tmp_path_factory.mktemp("out")
    synthesize(sources[:2], str(out), Recipe((camera,), 800.0, 10.0, size=16, format="tiles"))
    return out, (out / "manifest.json").read_text()


@pytest.fixture
def changed(whole):
    """Write the manifest with changes, None for a field to go; afterwards it is as it was."""
    out, text = whole

    def change(**fields):
        told = json.loads(text) | fields
        kept = {name: value for name, value in told.items() if value is not None}
        (out / "manifest.json").write_text(json.dumps(kept))
        return out

    yield change
    (out / "manifest.json").write_text(text)


def test_a_manifest_as_it_was_written_is_taken(changed):
    assert verify_shards(str(changed())) == []


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"samples": 99}, "is not the one that was written"),
        ({"recipe": {"seed": 8}}, "is not the one that was written"),
        ({"left_out": {"a.dng": "gone"}}, "is not the one that was written"),
        ({"files": {}}, "is not the one that was written"),
        ({"files": None}, "it lacks files"),
        ({"files": 3}, "it lacks files"),
        ({"sources": None, "recipe": None}, "it lacks recipe, sources"),
        ({"manifest_sha256": None}, "it lacks manifest_sha256"),
        ({"format": None}, "it tells no format and version"),
        ({"version": 3}, r"must be lrd_ext\.shards version 1 or 2, got lrd_ext\.shards version 3"),
    ],
)
def test_a_change_of_any_field_is_found(changed, fields, said):
    with pytest.raises(ValueError, match=said):
        verify_shards(str(changed(**fields)))


@pytest.mark.parametrize("text", ["", '{"format": "lrd', "[]", "[" * 100_000])
def test_a_broken_manifest_is_said_to_be(changed, text):
    out = changed()
    (out / "manifest.json").write_text(text)
    with pytest.raises(ValueError, match=r"manifest\.json is broken"):
        read_manifest(str(out))


def test_one_of_version_1_is_verified_without_a_checksum_of_its_own(changed):
    assert verify_shards(str(changed(version=1, manifest_sha256=None))) == []
    with pytest.raises(ValueError, match="it lacks files"):
        verify_shards(str(changed(version=1, manifest_sha256=None, files=None)))


def test_one_that_is_gone_is_missed(changed, capsys):
    out = changed()
    (out / "manifest.json").unlink()
    assert cli.main(["data", "verify", str(out)]) == 2
    said = capsys.readouterr().err
    assert "its manifest.json is gone; make it anew with lrd data synthesize --overwrite" in said
