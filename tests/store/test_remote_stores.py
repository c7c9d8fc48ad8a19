"""Stores at addresses: a file system in memory, and an S3 server on this machine (moto)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest
from stores import everything, opened, session_file

from tokenprof.commands.main import main
from tokenprof.facts.errors import InputError
from tokenprof.store.ingest.ingest import ingest
from tokenprof.store.writing import writer_lock as locks
from tokenprof.store.writing.manifest import Manifest, read_manifest, write_manifest
from tokenprof.store.writing.store_folder import RemoteFolder, store_folder
from tokenprof.store.writing.writer_lock import LOCK_FILE, StoreIsLockedError, writer_lock


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """An S3 server with a bucket; the address of the bucket."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "anybody")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "anything")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        fsspec.filesystem("s3", skip_instance_cache=True).mkdir("bucket")
        yield "s3://bucket"
    server.stop()


@pytest.fixture
def sessions(tmp_path: Path) -> Path:
    """Two sessions, of four responses each."""
    for number in range(2):
        session_file(tmp_path / "sessions" / f"project{number}", number)
    return tmp_path / "sessions"


@pytest.fixture(params=["memory", "s3"])
def address(request: pytest.FixtureRequest) -> str:
    """The address of a store that is not there yet."""
    name = request.node.name.replace("[", "-").replace("]", "")
    return (
        f"memory://{name}/store" if request.param == "memory" else f"{request.getfixturevalue('s3')}/{name}"
    )


def test_a_store_at_an_address_says_what_one_in_a_folder_says(
    address: str, sessions: Path, tmp_path: Path
) -> None:
    ingest([sessions], tmp_path / "store")
    assert ingest([sessions], address).read == {"new": 2}
    assert everything(address) == everything(tmp_path / "store")
    assert ingest([sessions], address).unchanged == 2
    file = sessions / "project1" / "session1.jsonl"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    assert ingest([sessions], address).read == {"cut_short": 1}
    ingest([sessions], tmp_path / "store")
    assert everything(address) == everything(tmp_path / "store")


def test_commands_take_an_address(address: str, sessions: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ingest", str(sessions), "--store", address]) == 0
    capsys.readouterr()
    assert main(["totals", "--store", address, "--by", "project", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["total"]["turns"] == 8
    assert main(["query", "SELECT count(*) AS n FROM turns", "--store", address, "--format", "csv"]) == 0
    assert capsys.readouterr().out.splitlines() == ["n", "8"]


def test_a_query_reads_the_store_and_nothing_else(address: str, sessions: Path, tmp_path: Path) -> None:
    ingest([sessions], address)
    (tmp_path / "secret.csv").write_text("a\n1\n", "utf-8")
    for place in (tmp_path / "secret.csv", f"{address}-other/secret.csv"):
        with pytest.raises(InputError, match="cannot be run"):
            opened(address).select(f"SELECT * FROM read_csv('{place}')")


def test_two_writers_do_not_meet(address: str, sessions: Path) -> None:
    with writer_lock(address), pytest.raises(StoreIsLockedError, match="is being written by process"):
        ingest([sessions], address)
    assert ingest([sessions], address).read == {"new": 2}, "the lock is let go"


def test_a_writer_that_died_does_not_lock_a_store_for_ever(
    address: str, sessions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = store_folder(address)
    folder.write(LOCK_FILE, b"process 1 on elsewhere since 2020-01-01T00:00:00+00:00")
    assert ingest([sessions], address).read == {"new": 2}
    folder.write(LOCK_FILE, locks._holder().encode())
    with pytest.raises(StoreIsLockedError):
        ingest([sessions], address)


def test_of_two_writers_who_both_think_they_are_alone_one_commits(address: str, sessions: Path) -> None:
    ingest([sessions], address)
    before = read_manifest(address)
    assert before is not None
    late = Manifest(before.generation, roots=("late",))
    with pytest.raises(StoreIsLockedError, match=r"to the store .* meanwhile"):
        write_manifest(address, late)
    assert read_manifest(address) == before


def test_a_commit_that_readers_could_not_see_yet_is_found_by_the_next_writer(
    address: str, sessions: Path
) -> None:
    ingest([sessions], address)
    folder = store_folder(address)
    assert isinstance(folder, RemoteFolder)
    whole = everything(address)
    manifest = read_manifest(address)
    assert manifest is not None
    for each in range(manifest.generation, 0, -1):
        if folder.read(f"commits/{each:08d}.json"):
            folder.remove("manifest.json")
            break
    assert ingest([sessions], address).unchanged == 2
    assert everything(address) == whole


def test_a_store_of_an_older_schema_is_set_aside_and_made_again(address: str, sessions: Path) -> None:
    ingest([sessions], address)
    whole = everything(address)
    folder = store_folder(address)
    manifest = json.loads(folder.read("manifest.json") or b"{}")
    folder.write("manifest.json", json.dumps({**manifest, "schema": 0}).encode())
    done = ingest([], address)
    assert done.read == {"new": 2}
    assert "made again with schema 1" in done.notes[0]
    assert everything(address) == whole
    assert folder.size("older/schema-0/manifest.json") is not None
    assert ingest([], address).unchanged == 2, "the commits of the older store do not stand in the way"
