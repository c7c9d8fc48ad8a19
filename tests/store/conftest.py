"""Folders of small logs, made from those of real tools, and stores of them."""

from __future__ import annotations

import shutil
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from stores import LOGS, five_sessions

from tokenprof.analysis.assumptions import Assumptions, price_book
from tokenprof.pricing.book import PriceBook
from tokenprof.store.ingest.ingest import ingest


@pytest.fixture(scope="session")
def book() -> PriceBook:
    return price_book(Assumptions())


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """Logs of many formats, of which some hold the same responses."""
    folder = tmp_path / "logs"
    shutil.copytree(LOGS, folder)
    return folder


@pytest.fixture
def sessions(tmp_path: Path) -> Path:
    """Five Claude Code sessions whose responses are all different, in two projects."""
    return five_sessions(tmp_path / "sessions")


@pytest.fixture
def store(logs: Path, tmp_path: Path) -> Path:
    """A store of logs of many formats."""
    ingest([logs], tmp_path / "store")
    return tmp_path / "store"


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """An S3 server with a bucket; the address of the bucket."""
    import fsspec
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    # The buckets of an earlier server of this process live on.
    urllib.request.urlopen(f"http://{host}:{port}/moto-api/reset", data=b"").close()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "anybody")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "anything")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        # One that was opened before calls the earlier server.
        fsspec.get_filesystem_class("s3").clear_instance_cache()
        fsspec.filesystem("s3").mkdir("bucket")
        yield "s3://bucket"
    server.stop()
