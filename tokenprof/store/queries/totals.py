"""Totals of a store by any dimensions: tokens and exact money, and what they lack.

A turn whose price is not known as a whole has no bill, as in a report; its tokens count. By class or by block
the parts that have a price are counted. Money is summed as DECIMAL, from counts that were grouped by their
price first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from tokenprof.data_classes.frozen import frozen
from tokenprof.hw_model.estimate import Estimate
from tokenprof.store.queries.dimensions import Dimension, Level
from tokenprof.store.queries.engine import SqlEngine
from tokenprof.store.queries.views import AMOUNT, ledger_lines_sql

Key = tuple[str | None, ...]

WHOLE: Final[Key] = ()


@dataclass(slots=True)
class GroupTotal:
    """What one group was billed. `billed_usd` is what is known; `is_lower_bound` says that more was billed.

    By block, `turns` is None: a turn is billed for many blocks. `hardware_usd` is what the group cost to
    compute, if that was asked for and is known (`compute.StoreCompute`).
    """

    key: Key
    turns: int | None = 0
    input_tokens: int = 0
    cache_read_tokens: int = 0
    output_tokens: int = 0
    tokens: int = 0
    billed_usd: Decimal = Decimal(0)
    unpriced_turns: int = 0
    unmeasured_turns: int = 0
    incomplete_output_turns: int = 0
    has_unpriced_tokens: bool = False
    hardware_usd: Estimate | None = None

    @property
    def is_lower_bound(self) -> bool:
        """Whether the bill may be larger than shown."""
        return bool(
            self.unpriced_turns
            or self.unmeasured_turns
            or self.incomplete_output_turns
            or self.has_unpriced_tokens
        )


@frozen
class FromStore:
    """Where figures come from: `logs` did not change since they were ingested, the others were read."""

    store: str
    logs: int
    read: int


@dataclass(slots=True)
class StoreTotals:
    """The groups, the most expensive first, the whole, and what is not in any group.

    `missing_calls` were made but not recorded; `unreadable_logs` could not be read; `warnings` counts what
    the readers warned of. `unpriced` are the reasons why there is no price. `has_compute` says that the
    cost to compute was asked for. `from_store` says which part of totals of files a store has answered.
    """

    level: Level
    dimensions: tuple[str, ...]
    rows: list[GroupTotal]
    whole: GroupTotal
    missing_calls: int = 0
    unreadable_logs: int = 0
    warnings: int = 0
    repeated_responses: int = 0
    unpriced: dict[str, int] = field(default_factory=dict)
    has_compute: bool = False
    from_store: FromStore | None = None

    @property
    def is_lower_bound(self) -> bool:
        """Whether more may have been billed than the whole shows."""
        return self.whole.is_lower_bound or bool(self.missing_calls or self.unreadable_logs or self.warnings)


def level_of(dimensions: Sequence[Dimension]) -> Level:
    """Return what must be summed: turns, their classes, or their blocks."""
    levels = {dimension.level for dimension in dimensions}
    return "block" if "block" in levels else "class" if "class" in levels else "turn"


def totals_by(engine: SqlEngine, dimensions: Sequence[Dimension], where: str | None = None) -> StoreTotals:
    """Return the totals by some dimensions (none: only the whole).

    `where` is a condition on turns, in SQL, such as `model = 'gpt-5' AND day >= '2026-06-01'`. The priced
    views must have been made.
    """
    condition = where or "true"
    level = level_of(dimensions)
    rows = _rows(engine, dimensions, level, condition)
    whole = next(iter(_turn_rows(engine, (), condition)), GroupTotal(WHOLE))
    found = StoreTotals(level, tuple(each.name for each in dimensions), rows, whole)
    found.rows.sort(key=lambda row: (-row.billed_usd, [each or "" for each in row.key]))
    _take_in_logs(engine, found, condition)
    return found


def _rows(engine: SqlEngine, by: Sequence[Dimension], level: Level, where: str) -> list[GroupTotal]:
    if level == "turn":
        return list(_turn_rows(engine, by, where)) if by else []
    return list(_line_rows(engine, by, where, of_blocks=level == "block"))


def _turn_rows(engine: SqlEngine, by: Sequence[Dimension], where: str) -> Iterator[GroupTotal]:
    names = _names(by)
    counts = f"""
SELECT {_select(by)} count(*) AS turns, sum(input_tokens), sum(cache_read_tokens),
  sum(output_tokens + reasoning_tokens),
  sum(CASE WHEN is_measured THEN 0 ELSE 1 END), sum(CASE WHEN output_incomplete THEN 1 ELSE 0 END),
  sum(CASE WHEN u.turn IS NULL THEN 0 ELSE 1 END)
FROM (SELECT * FROM priced_turns WHERE {where}) t
LEFT JOIN (SELECT log_id AS of_log, turn AS turn FROM unpriced_turns) u
  ON u.of_log = t.log_id AND u.turn = t.turn
{_group(names, len(by))}"""
    money = _money(
        by,
        names,
        f"""SELECT l.*, {_select(by)} 1 AS one FROM lines l WHERE ({where})
        AND NOT EXISTS (SELECT 1 FROM unpriced_turns u WHERE u.log_id = l.log_id AND u.turn = l.turn)""",
    )
    billed = {tuple(key): usd for *key, usd, _, _ in engine.rows(money)}
    for row in engine.rows(counts):
        key = key_of(row[: len(by)])
        # A sum over no turns is null.
        turns, input_, read, output, unmeasured, incomplete, unpriced = (int(n or 0) for n in row[len(by) :])
        if turns:
            usd = billed.get(tuple(row[: len(by)])) or Decimal(0)
            yield GroupTotal(
                key, turns, input_, read, output, input_ + output, usd, unpriced, unmeasured, incomplete
            )


def _line_rows(
    engine: SqlEngine, by: Sequence[Dimension], where: str, *, of_blocks: bool
) -> Iterator[GroupTotal]:
    names = _names(by)
    if of_blocks:
        turn_dimensions = "".join(
            f"{each.sql} AS {name},\n" for each, name in zip(by, names, strict=True) if each.level == "turn"
        )
        others = "".join(
            f"{each.sql} AS {name}, " for each, name in zip(by, names, strict=True) if each.level == "block"
        ) + "".join(
            f"l.class AS {name}, " for each, name in zip(by, names, strict=True) if each.level == "class"
        )
        source = f"""SELECT l.*, {others} 1 AS one FROM ({ledger_lines_sql(turn_dimensions, where)}) l
        JOIN block_facts b ON b.log_id = l.log_id AND b.block = l.block"""
    else:
        source = f"SELECT l.*, {_select(by)} 1 AS one FROM lines l WHERE ({where})"
    for row in engine.rows(_money(by, names, source)):
        usd, unpriced, tokens = row[len(by) :]
        yield GroupTotal(
            key_of(row[: len(by)]),
            turns=None,
            tokens=int(tokens or 0),
            billed_usd=usd or Decimal(0),
            has_unpriced_tokens=bool(unpriced),
        )


def _money(by: Sequence[Dimension], names: Sequence[str], lines: str) -> str:
    """Return the query of money, unpriced rows and tokens by group; counts are summed before pricing."""
    listed = "".join(f"{name}, " for name in names)
    grouped = f"""SELECT {listed} price, class, media, fee, sum(units) AS units FROM ({lines}) n
    GROUP BY {listed} price, class, media, fee"""
    return f"""
SELECT {listed} sum({AMOUNT}) AS usd, sum(CASE WHEN r.rate_usd IS NULL THEN 1 ELSE 0 END) AS unpriced,
  sum(CASE WHEN g.class = 'fee' THEN 0 ELSE units END) AS tokens
FROM ({grouped}) g LEFT JOIN rates r
  ON r.price = g.price AND r.class = g.class AND r.media = g.media AND r.fee = g.fee
{_group(names, len(by))}"""


def _take_in_logs(engine: SqlEngine, found: StoreTotals, where: str) -> None:
    """Add what is known of whole logs; with a condition, of those that hold a turn that meets it."""
    those = "" if where == "true" else f" WHERE log_id IN (SELECT log_id FROM priced_turns WHERE {where})"
    ((missing, warnings),) = engine.rows(
        f"SELECT coalesce(sum(missing_calls), 0), coalesce(sum(cardinality(warnings)), 0) FROM noticed{those}"
    )
    ((unreadable,),) = engine.rows("SELECT count(*) FROM logs WHERE state = 'unreadable'")
    ((repeated,),) = engine.rows("SELECT count(*) FROM repeats WHERE log_id IN (SELECT log_id FROM live)")
    found.missing_calls, found.warnings = int(missing), int(warnings)
    found.unreadable_logs, found.repeated_responses = int(unreadable), int(repeated)


def _names(by: Sequence[Dimension]) -> list[str]:
    return [f"key_{place}" for place in range(len(by))]


def _select(by: Sequence[Dimension]) -> str:
    return "".join(f"{each.sql} AS {name}, " for each, name in zip(by, _names(by), strict=True))


def _group(names: Sequence[str], count: int) -> str:
    return f"GROUP BY {', '.join(names)}" if count else ""


def key_of(values: Sequence[Any]) -> Key:
    """Return the key of a group from what an engine found; an empty text is what is not known."""
    return tuple(_text(each) for each in values)


def _text(value: Any) -> str | None:
    return None if value is None or value == "" else str(value)
