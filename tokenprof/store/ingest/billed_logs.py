"""Logs read for totals, many at a time, as columns: what a process that reads for totals returns.

Columns are a tenth of the size of turns, and one table is made of many small logs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.errors import InputError
from tokenprof.reading.files import run_of
from tokenprof.reading.formats import reader_named
from tokenprof.reading.garbage import no_search_for_cycles
from tokenprof.reading.merge import merge, notes_of
from tokenprof.reading.usage_only import usage_of
from tokenprof.store.ingest.known_logs import KnownLog, filled
from tokenprof.store.ingest.turn_columns import fee_columns, turn_columns
from tokenprof.store.schema.columns import Columns

BILL_TABLES: Final = ("turns", "fees")
"""The tables whose rows are read without blocks."""

NumberedFile = tuple[Path, str, int]
"""A file, the name of its format, and the number that its log gets."""


@frozen
class BilledLogs:
    """Some logs, and the columns of their rows by table, for all of them together."""

    logs: Sequence[KnownLog]
    tables: Mapping[str, Columns]


def read_billed_logs(files: Sequence[NumberedFile], *, with_blocks: bool = False) -> BilledLogs:
    """Read some files: their bills, and with blocks, what the bills are for.

    What makes a file unreadable is in the `error` of its log.
    """
    logs: list[KnownLog] = []
    tables: dict[str, dict[str, list[object]]] = {}
    with no_search_for_cycles():
        for file, form, number in files:
            log = KnownLog(number, str(file), form)
            try:
                log, rows = _with_blocks(log) if with_blocks else _bill(log)
            except InputError as error:
                log, rows = replace(log, state="unreadable", error=str(error)), {}
            logs.append(log)
            for table, columns in rows.items():
                whole = tables.setdefault(table, {})
                for name, values in columns.items():
                    whole.setdefault(name, []).extend(values)
    return BilledLogs(logs, tables)


def _bill(log: KnownLog) -> tuple[KnownLog, Mapping[str, Columns]]:
    run = usage_of(Path(log.source), reader_named(log.format))
    log = filled(log, run)
    log = replace(log, warnings=(*log.warnings, *notes_of(run)))
    return log, {"turns": turn_columns(run, log.name), "fees": fee_columns(run, log.name)}


def _with_blocks(log: KnownLog) -> tuple[KnownLog, Mapping[str, Columns]]:
    # Bills alone are read without what attributes them.
    from tokenprof.store.ingest.log_rows import columns_of_log

    run = merge([run_of(Path(log.source), reader_named(log.format))])
    log = filled(log, run)
    return log, columns_of_log(run, log.name)
