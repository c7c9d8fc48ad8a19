"""What tests ask of stores."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from tokenprof.analysis.analysis import Analysis
from tokenprof.analysis.assumptions import Assumptions, price_book
from tokenprof.commands.console.totals_output import plain_usd
from tokenprof.commands.main import main
from tokenprof.facts.types import Run
from tokenprof.pricing.book import PriceBook
from tokenprof.reading.files import read
from tokenprof.store.ingest.known_logs import KnownLog, filled, logs_table
from tokenprof.store.ingest.log_rows import columns_of_log
from tokenprof.store.queries.dimensions import parse_dimensions
from tokenprof.store.queries.engine import DuckDbEngine
from tokenprof.store.queries.priced_files import priced_facts
from tokenprof.store.queries.priced_store import PricedStore, priced_store
from tokenprof.store.queries.totals import StoreTotals
from tokenprof.store.schema.arrow_tables import empty_table, table_of
from tokenprof.store.schema.columns import ALL_TABLES

LOGS = Path(__file__).parents[1] / "data" / "logs"


def five_sessions(folder: Path) -> Path:
    for number in range(5):
        session_file(folder / f"project{number % 2}", number)
    return folder


def session_file(folder: Path, number: int) -> Path:
    """Write a session of four responses whose ids nobody else has."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"session{number}.jsonl"
    text = (LOGS / "session_log" / "session_2.1.330.jsonl").read_text("utf-8")
    path.write_text(text.replace("msg_", f"msg_{number}_").replace("req_", f"req_{number}_"), "utf-8")
    return path


def opened(store: Path | str, *paths: Path) -> PricedStore:
    return priced_store(store, price_book(Assumptions()), paths=paths)


def priced_run(run: Run, book: PriceBook) -> PricedStore:
    """A run in memory, asked as a store is."""
    log = filled(KnownLog(1, "random"), run)
    columns = columns_of_log(run, log.name)
    engine = DuckDbEngine()
    for table in ALL_TABLES:
        rows = table_of(table.name, columns[table.name]) if table.name in columns else empty_table(table.name)
        engine.put(f"all_{table.name}", rows)
    engine.append("all_logs", logs_table([log]))
    return priced_facts(engine, book, None)


def totals(store: Path | str, by: str = "", where: str | None = None) -> StoreTotals:
    return opened(store).totals(parse_dimensions([by]), where)


def billed(store: Path | str) -> Decimal:
    return totals(store).whole.billed_usd


def reported(*paths: Path) -> Analysis:
    return Analysis(read(paths))


def everything(store: Path | str) -> dict[str, object]:
    """The totals of a store by everything that can be summed, as plain values."""
    priced = opened(store)
    found: dict[str, object] = {}
    for by in ("", "month,model,session,agent,status", "class", "tool,kind"):
        sums = priced.totals(parse_dimensions([by]))
        found[by] = [(row.key, row.turns, row.tokens, row.billed_usd) for row in [*sums.rows, sums.whole]]
    return found


def as_text(totals: StoreTotals) -> str:
    """Totals as text, by which engines are compared to the last byte."""
    rows = [*totals.rows, totals.whole]
    return repr([(row.key, row.turns, row.tokens, plain_usd(row.billed_usd)) for row in rows])


def exported(capsys: pytest.CaptureFixture[str], store: Path, *words: str) -> str:
    """What `tokenprof export` prints."""
    capsys.readouterr()
    assert main(["export", "--store", str(store), *words]) == 0
    return capsys.readouterr().out
