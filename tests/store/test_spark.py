"""Spark in local mode: the same files, and totals that are equal to the last byte."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from stores import as_text, opened

from tokenprof.store.ingest.ingest import ingest
from tokenprof.store.queries.dimensions import parse_dimensions

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),
]


@pytest.fixture(scope="module")
def spark(s3: str) -> Iterator[Any]:
    """A Spark session on this machine; a machine without Java skips, unless CI says that it must be there.

    Its workers have the environment of its beginning, so the S3 server is there first.
    """
    if shutil.which("java") is None:
        if "java" in os.environ.get("TOKENPROF_TESTS_NEED", "").split():
            pytest.fail("This machine must have Java: .ci/run installs it.")
        pytest.skip("Spark needs Java, which is not installed.")
    from pyspark.sql import SparkSession

    # Without it, workers run whatever `python3` is on the path.
    os.environ["PYSPARK_PYTHON"] = sys.executable
    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "1")
        .config("spark.driver.memory", "1g")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        # Small tables: what is compiled once costs more than it saves.
        .config("spark.driver.extraJavaOptions", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
        .config("spark.sql.codegen.wholeStage", "false")
        .config("spark.sql.codegen.factoryMode", "NO_CODEGEN")
        .config("spark.sql.adaptive.enabled", "false")
        .getOrCreate()
    )
    yield session
    session.stop()


def test_spark_makes_the_same_store_and_the_same_totals(spark: Any, sessions: Path, tmp_path: Path) -> None:
    from tokenprof.fleet.spark import ingest as spark_ingest
    from tokenprof.fleet.spark import priced_engine
    from tokenprof.store.queries.totals import totals_by

    shutil.copy(sessions / "project1" / "session1.jsonl", sessions / "project0" / "a-copy.jsonl")
    embedded, made = tmp_path / "embedded", tmp_path / "made"
    ingest([sessions], embedded)
    done = spark_ingest(spark, [str(sessions)], str(made), task_bytes=150_000)
    assert (done.logs, done.turns, done.repeated, done.unreadable) == (6, 24, 4, ())
    engine, duckdb = priced_engine(spark, str(made)), opened(embedded)
    for by in ("month,model,project", "tool,class"):
        dimensions = parse_dimensions([by])
        expected = as_text(duckdb.totals(dimensions))
        assert as_text(opened(made).totals(dimensions)) == expected, "DuckDB reads what Spark wrote"
        assert as_text(totals_by(engine, dimensions)) == expected


def test_logs_and_a_store_on_s3_need_no_library_of_hadoop(spark: Any, s3: str, sessions: Path) -> None:
    from tokenprof.fleet.spark import ingest as spark_ingest
    from tokenprof.fleet.spark import totals

    fsspec.filesystem("s3").put(str(sessions), f"{s3}/logs", recursive=True)
    done = spark_ingest(spark, [f"{s3}/logs"], f"{s3}/lake", task_bytes=150_000)
    assert (done.logs, done.turns, done.repeated, done.unreadable) == (5, 20, 0, ())
    found = totals(spark, f"{s3}/lake", by="project")
    assert {group.key: group.turns for group in found.rows} == {("project0",): 12, ("project1",): 8}
    expected = opened(f"{s3}/lake").totals(parse_dimensions(["project"]))
    assert as_text(expected) == as_text(found), "DuckDB reads what Spark wrote"
    with pytest.raises(Exception, match="s3://nobodys does not exist"):
        spark_ingest(spark, [f"{s3}/logs/project1"], "s3://nobodys/lake")
    assert not fsspec.filesystem("s3").exists("nobodys")


def test_logs_at_an_address_are_read_from_copies(sessions: Path) -> None:
    from tokenprof.fleet import file_systems
    from tokenprof.fleet.spark import read_remote
    from tokenprof.store.ingest.read_log import ReadOptions

    fs, _ = file_systems.file_system("memory://logs")
    for file in sessions.rglob("*.jsonl"):
        fs.pipe_file(f"/logs/{file.relative_to(sessions).as_posix()}", file.read_bytes())
    found = list(file_systems.remote_logs("memory://logs", [".jsonl"]))
    assert len(found) == 5
    read = [one for log in found for one in read_remote(log, ReadOptions(1))]
    assert sum(one.log.turns for one in read) == 20
    assert {one.log.source for one in read} == {log.files[0] for log in found}
    assert {one.log.project for one in read} == {"project0", "project1"}
