"""ClickHouse runs the same SQL over the same files, and its totals are equal to the last byte."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from stores import LOGS, as_text, opened

from tokenprof.fleet.clickhouse import ClickHouseEngine, priced_engine
from tokenprof.store.ingest.ingest import ingest
from tokenprof.store.queries.dimensions import NAMES, Level, parse_dimensions
from tokenprof.store.queries.totals import totals_by
from tokenprof.store.queries.work import work_by

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ClickHouseEngine, Path]]:
    store = tmp_path_factory.mktemp("clickhouse") / "store"
    ingest([LOGS], store)
    engine = priced_engine(store)
    yield engine, store
    engine.close()


def test_every_total_is_that_of_the_embedded_engine(engine: tuple[ClickHouseEngine, Path]) -> None:
    clickhouse, store = engine
    duckdb = opened(store)
    names = [name.replace("KEY", "team") for name in NAMES]
    # Each name once, beside its neighbours.
    triples = [",".join(names[at : at + 3]) for at in range(0, len(names), 3)]
    for by in ("", *triples, "month,model,project", "tool,class", "kind,agent"):
        dimensions = parse_dimensions([by])
        assert as_text(totals_by(clickhouse, dimensions)) == as_text(duckdb.totals(dimensions)), by


def test_every_view_has_the_rows_of_the_embedded_engine(engine: tuple[ClickHouseEngine, Path]) -> None:
    clickhouse, store = engine
    duckdb = opened(store)
    for view, columns in (
        ("turns", "log_id, turn, billed_usd, is_unpriced"),
        ("blocks", "log_id, block, billed_tokens, billed_usd"),
        ("sessions", "log_id, turns, input_tokens, billed_usd, turns_without_bill"),
        ("lines", "log_id, turn, class, media, fee, units"),
    ):
        sql = f"SELECT {columns} FROM {view} ORDER BY {columns}"
        assert clickhouse.rows(sql) == duckdb.select(sql)[1], view


def test_the_work_of_every_group_is_that_of_the_embedded_engine(
    engine: tuple[ClickHouseEngine, Path],
) -> None:
    clickhouse, store = engine
    duckdb = opened(store).engine
    levels: dict[str, Level] = {"": "turn", "class": "class", "tool,model": "block"}
    for by, level in levels.items():
        dimensions = parse_dimensions([by])
        found, expected = (
            {(*map(str, each.key), each.provider, each.model): each.features for each in rows}
            for rows in (work_by(one, dimensions, level, "true") for one in (clickhouse, duckdb))
        )
        assert found.keys() == expected.keys()
        for group, features in expected.items():
            np.testing.assert_allclose(found[group], features, rtol=1e-12, err_msg=str(group))
