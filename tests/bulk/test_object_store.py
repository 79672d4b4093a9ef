# SPDX-License-Identifier: Apache-2.0
"""Output on an object store: moto's S3 server, written and read through fsspec."""

from __future__ import annotations

import pytest
from shard_files import contents

from lrd_ext.bulk import Storage, read_manifest, synthesize, verify_shards

pytest.importorskip("s3fs")
moto_server = pytest.importorskip("moto.server")


@pytest.fixture
def bucket(monkeypatch):
    """The address of an empty bucket."""
    server = moto_server.ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("FSSPEC_S3_ENDPOINT_URL", f"http://{host}:{port}")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    import fsspec
    import s3fs

    fsspec.config.set_conf_env(fsspec.config.conf)
    s3fs.S3FileSystem.clear_instance_cache()
    s3fs.S3FileSystem().mkdir("pairs")
    yield "s3://pairs"
    s3fs.S3FileSystem().rm("pairs", recursive=True)  # what moto holds outlives its server
    server.stop()
    s3fs.S3FileSystem.clear_instance_cache()
    fsspec.config.conf.pop("s3", None)


def test_a_bucket_holds_the_bytes_of_a_folder(tmp_path, sources, recipe, bucket):
    made = []

    def stop(source):
        made.append(source)
        if len(made) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        synthesize(sources, f"{bucket}/run", recipe(format="webdataset"), progress=stop)
    synthesize(sources, f"{bucket}/run", recipe(format="webdataset"), resume=True)
    synthesize(sources, str(tmp_path), recipe(format="webdataset"))
    store = Storage(f"{bucket}/run")
    assert {name: store.read(name) for name in store.names("")} == contents(tmp_path)
    assert verify_shards(f"{bucket}/run") == []
    assert read_manifest(f"{bucket}/run")[0]["samples"] == 120


def test_a_bucket_keeps_nothing_of_the_earlier_run(tmp_path, sources, recipe, bucket):
    synthesize(sources, f"{bucket}/run", recipe(format="tiles"))
    store = Storage(f"{bucket}/run")
    store.write("notes.txt", b"mine")
    synthesize(sources[:2], f"{bucket}/run", recipe(format="webdataset"), overwrite=True)
    synthesize(sources[:2], str(tmp_path), recipe(format="webdataset"))
    held = [path.split("/run/")[1] for path in store.files.find(store.root)]
    assert {name: store.read(name) for name in held} == contents(tmp_path) | {"notes.txt": b"mine"}


def test_an_unknown_protocol_is_named(sources, recipe):
    with pytest.raises(ValueError, match=r"ftpx://a: cannot be written to"):
        synthesize(sources, "ftpx://a", recipe())
