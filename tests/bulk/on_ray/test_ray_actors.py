# SPDX-License-Identifier: Apache-2.0
"""Work shared out over two nodes: the bytes of one process, whoever dies on the way."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from deadly import Deadly
from shard_files import contents

from lrd_ext import cli
from lrd_ext.bulk import find_sources, read_manifest, synthesize

ray = pytest.importorskip("ray")


@pytest.fixture(scope="module")
def cluster():
    """The address of two nodes with two processors each, whatever the machine has."""
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        # Ray's own, 15, lets other work of the machine go first; nothing for it is left on a busy one.
        patch.setenv("RAY_worker_niceness", "0")
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)  # for Deadly
        node = {"num_cpus": 2, "object_store_memory": 100 << 20}
        nodes = Cluster(initialize_head=True, head_node_args=node)
        try:
            nodes.add_node(**node)
            nodes.wait_for_nodes()
            yield nodes.address
        finally:
            ray.shutdown()
            nodes.shutdown()


@pytest.fixture(scope="module")
def alone(tmp_path_factory, sources, camera):
    """Bytes of the output of one process."""
    folder = tmp_path_factory.mktemp("alone")

    def make(recipe):
        if not (folder / recipe.format).exists():
            synthesize(sources, str(folder / recipe.format), recipe)
        return contents(folder / recipe.format)

    return make


def actors_at_work():
    """Process numbers of actors that make shards, as the system names them."""
    lines = [p / "cmdline" for p in Path("/proc").iterdir() if p.name.isdigit()]
    return [int(p.parent.name) for p in lines if _read(p).startswith(b"ray::_Actor")]


def _read(path):
    try:
        return path.read_bytes()
    except OSError:  # it has ended
        return b""


@pytest.mark.parametrize(("actors", "name"), [(1, "npz"), (2, "webdataset"), (4, "parquet"), (5, "tiles")])
def test_any_number_of_actors_writes_the_bytes_of_one_process(
    tmp_path, sources, recipe, cluster, alone, actors, name
):
    """Five: one more than there are processors waits for ever, and nothing waits for it."""
    done = synthesize(sources, str(tmp_path), recipe(format=name), ray=cluster, actors=actors)
    assert done.left_out == {}
    assert contents(tmp_path) == alone(recipe(format=name))


def test_actors_write_over_an_earlier_run(tmp_path, sources, recipe, cluster, alone):
    synthesize(sources, str(tmp_path), recipe(format="tiles"))
    synthesize(sources, str(tmp_path), recipe(), ray=cluster, actors=2, overwrite=True)
    assert contents(tmp_path) == alone(recipe())


def test_a_killed_actor_loses_and_repeats_nothing(tmp_path, sources, recipe, cluster, alone):
    killed, seen = [], []

    def kill(source):
        seen.append(source.number)
        if not killed:
            killed.append(actors_at_work()[0])
            os.kill(killed[0], signal.SIGKILL)

    done = synthesize(sources, str(tmp_path), recipe(), ray=cluster, actors=2, progress=kill)
    assert done.left_out == {}
    assert len(killed) == 1
    assert sorted(seen) == [0, 1, 2, 3, 4]
    assert contents(tmp_path) == alone(recipe())


def test_names_are_those_of_the_folder_the_program_is_in(tmp_path, raws, cluster, monkeypatch):
    monkeypatch.chdir(raws)
    command = ["data", "synthesize", "scene0.dng", "--camera", "sony_a7s2", "--iso", "800", "-o"]
    assert cli.main([*command, str(tmp_path / "alone")]) == 0
    assert cli.main([*command, "../here", "--ray", cluster, "--actors", "1"]) == 0
    assert contents(raws.parent / "here") == contents(tmp_path / "alone")


def test_a_picture_that_kills_its_actors_is_left_out(tmp_path, sources, recipe, cluster):
    given = [Deadly(0, "deadly.dng"), *sources[1:]]
    done = synthesize(given, str(tmp_path), recipe(), ray=cluster, actors=1, overwrite=True)
    assert done.left_out == {"deadly.dng": "3 processes died over it"}
    assert read_manifest(str(tmp_path))[0]["sources"] == 4


def test_a_disk_that_is_full_for_an_actor_ends_the_run(tmp_path, sources, recipe, cluster, alone):
    taken = tmp_path / "000001-scene1-0000-0000.npz"
    taken.mkdir()  # no file can take this name
    with pytest.raises(OSError, match=r"[Dd]irectory"):
        synthesize(sources, str(tmp_path), recipe(), ray=cluster, actors=2)
    taken.rmdir()
    synthesize(sources, str(tmp_path), recipe(), ray=cluster, actors=1, resume=True)
    assert contents(tmp_path) == alone(recipe())


def test_what_a_cluster_cannot_make_is_said_before_an_earlier_run_goes(tmp_path, sources, recipe, cluster):
    synthesize(sources[:1], str(tmp_path), recipe())
    before = contents(tmp_path)
    with pytest.raises(ValueError, match="the cluster has no GPU"):
        synthesize(sources, str(tmp_path), recipe(), ray=cluster, device="cuda", overwrite=True)
    with pytest.raises(ValueError, match=r"no source could be read; the first: gone\.dng"):
        synthesize(find_sources(["gone.dng"]), str(tmp_path), recipe(), ray=cluster, overwrite=True)
    assert contents(tmp_path) == before


def test_a_cluster_that_does_not_answer_is_named_before_anything_is_written(tmp_path, raws, capsys):
    command = ["data", "synthesize", str(raws), "-o", str(tmp_path / "out"), "--camera", "sony_a7s2"]
    assert cli.main([*command, "--iso", "800", "--ray", "127.0.0.1:1"]) == 2
    assert "ray: no cluster answers at 127.0.0.1:1" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
