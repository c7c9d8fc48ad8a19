"""Stores at addresses: a file system in memory, and an S3 server on this machine (moto)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import fsspec
import pytest
from stores import everything, opened, session_file

from tokenprof.commands.main import main
from tokenprof.facts.errors import InputError
from tokenprof.store.ingest.ingest import ingest
from tokenprof.store.queries.committed_files import _CommittedFile
from tokenprof.store.queries.dimensions import parse_dimensions
from tokenprof.store.writing import writer_lock as locks
from tokenprof.store.writing.manifest import Manifest, read_manifest, write_manifest
from tokenprof.store.writing.remote_folder import RemoteFolder
from tokenprof.store.writing.store_folder import store_folder
from tokenprof.store.writing.writer_lock import LOCK_FILE, StoreIsLockedError, writer_lock


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
    assert folder.read("older/schema-0/manifest.json") is not None
    assert ingest([], address).unchanged == 2, "the commits of the older store do not stand in the way"


def test_a_bucket_is_its_owners_to_make(s3: str, sessions: Path) -> None:
    with pytest.raises(InputError, match="s3://nobodys does not exist; make it, or name another --store"):
        ingest([sessions], "s3://nobodys/store")
    assert not fsspec.filesystem("s3").exists("nobodys")


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:9", "Could not connect to the endpoint URL"),
        ("AWS_SECRET_ACCESS_KEY", "", "NoCredentialsError: Unable to locate credentials"),
        ("AWS_PROFILE", "nobody", r"The config profile \(nobody\) could not be found"),
    ],
)
def test_what_an_object_store_refuses_is_a_sentence(
    s3: str, sessions: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, said: str
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv(variable, value)
    if not value:
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv(variable)
    # Else the session of an earlier test would be used, with its settings.
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    try:
        for ask in (lambda: opened(f"{s3}/store"), lambda: ingest([sessions], f"{s3}/store")):
            with pytest.raises(
                InputError, match=rf"s3://bucket/store/\S+ cannot be used \(.*{said}.*Check the"
            ):
                ask()
    finally:
        fsspec.get_filesystem_class("s3").clear_instance_cache()


@pytest.mark.parametrize("address", ["s3://", "s3:/bucket/store", "foo://bucket/store"])
def test_an_address_that_names_no_place_is_refused(address: str, sessions: Path) -> None:
    with pytest.raises(
        InputError, match=r"names no place; write it as s3://BUCKET/FOLDER|Protocol not known"
    ):
        ingest([sessions], address)


def test_a_file_address_names_a_folder_of_this_machine(
    sessions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    address = f"file://{tmp_path}/store"
    assert main(["ingest", str(sessions), "--store", address]) == 0
    capsys.readouterr()
    assert main(["query", "SELECT count(*) AS n FROM turns", "--store", address, "--format", "csv"]) == 0
    assert capsys.readouterr().out.splitlines() == ["n", "8"]
    assert everything(tmp_path / "store") == everything(address)


def test_an_engine_asks_for_no_sizes_and_fetches_each_file_once(
    s3: str, sessions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"{s3}/asked"
    ingest([sessions], address)
    fetched: Counter[str] = Counter()
    folder, fetch = store_folder(address), _CommittedFile._fetch_range
    assert isinstance(folder, RemoteFolder)

    def counted(self: _CommittedFile, start: int, end: int) -> bytes:
        fetched[self.path.removeprefix(address).split("/")[1]] += 1
        return fetch(self, start, end)

    monkeypatch.setattr(_CommittedFile, "_fetch_range", counted)
    monkeypatch.setattr(folder.system, "info", lambda *_, **__: pytest.fail("the manifest says the sizes"))
    store = opened(address)
    assert store.totals(parse_dimensions(["tool,class"])).whole.turns == 8
    assert store.totals(parse_dimensions(["model"])).whole.turns == 8
    # Two projects; of the state, the logs and the repeats.
    assert fetched == dict.fromkeys(("turns", "blocks", "calls", "ledger", "state"), 2)


def test_the_lock_of_a_process_that_has_ended_is_taken_over_at_once(address: str, sessions: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    store_folder(address).write(
        LOCK_FILE, locks._holder().replace(f"process {os.getpid()}", f"process {ended.pid}").encode()
    )
    assert ingest([sessions], address).read == {"new": 2}


def test_a_lock_that_another_writer_took_over_is_neither_renewed_nor_removed(address: str) -> None:
    folder = store_folder(address)
    with writer_lock(address) as renew:
        first = folder.read(LOCK_FILE)
        renew()
        assert folder.read(LOCK_FILE) != first, "it says a later time"
        folder.write(LOCK_FILE, b"process 1 on elsewhere since 2020-01-01T00:00:00+00:00")
        renew()
        assert b"elsewhere" in (folder.read(LOCK_FILE) or b"")
    assert b"elsewhere" in (folder.read(LOCK_FILE) or b"")


def test_a_file_that_is_gone_is_said_and_read_again(address: str, sessions: Path) -> None:
    ingest([sessions], address)
    whole = everything(address)
    folder = store_folder(address)
    folder.remove(next(iter(folder.files("turns"))))
    with pytest.raises(InputError, match=r"cannot be read .* `tokenprof ingest` reads again"):
        opened(address)
    assert "were missing or damaged" in ingest([sessions], address).notes[0]
    assert everything(address) == whole
