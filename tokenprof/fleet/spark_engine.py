"""Spark as the engine of the same SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


class SparkEngine:
    """A Spark session that answers the queries of `tokenprof.store.queries`. Its time zone becomes UTC."""

    def __init__(self, spark: SparkSession) -> None:
        self._spark = spark
        spark.conf.set("spark.sql.session.timeZone", "UTC")

    def run(self, sql: str) -> None:
        """Run a statement."""
        self._spark.sql(sql)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Return the rows that a query finds."""
        return [tuple(row) for row in self._spark.sql(sql).collect()]

    def put(self, name: str, table: Any) -> None:
        """Make an Arrow table a view of this name."""
        self._spark.createDataFrame(table).createOrReplaceTempView(name)

    def view(self, name: str, sql: str) -> None:
        """Make a query a view of this name."""
        self._spark.sql(f"CREATE OR REPLACE TEMPORARY VIEW {name} AS {sql}")

    def keep(self, name: str, sql: str) -> None:
        """Make what a query finds a view of this name, worked out once."""
        self._spark.sql(sql).cache().createOrReplaceTempView(name)
