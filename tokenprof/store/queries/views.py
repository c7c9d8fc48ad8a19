"""The views that questions are asked of, in SQL that DuckDB, Spark and ClickHouse run.

`turn_facts`, `fee_facts`, `block_facts`, `call_facts` and `ledger_facts` are the rows of the files; `logs`
and `repeats` the state. What is made here: `live` logs, `priced_turns` with the number of their price,
`lines` (one for each turn, class and kind of media or fee), and `turns`, `blocks` and `sessions` with their
bill.

ClickHouse names a column of `t.*` differently if more than one joined table has it too; so the sides of such
a join have names of their own.
"""

from __future__ import annotations

from typing import Final

from tokenprof.pricing.usage import CLASSES, TokenClass
from tokenprof.store.queries.engine import SqlEngine
from tokenprof.store.queries.rates import UNITS_TYPE, UNPRICED

AMOUNT: Final = f"CAST(units AS {UNITS_TYPE}) * rate_usd"

_PRICED_TURNS: Final = f"""
SELECT w.*, substring(CAST(w.day AS VARCHAR(10)), 1, 7) AS month, coalesce(p.price, {UNPRICED}) AS price
FROM billed_ways w LEFT JOIN price_bands p
  ON p.sold_by = w.sold_by AND p.model = w.model AND p.minute = w.minute AND p.only_turn = w.only_turn
  AND p.day = w.day AND p.service_tier = w.service_tier AND p.speed = w.speed
  AND p.inference_geo = w.inference_geo AND p.batch = w.batch
  AND w.input_tokens > p.above_tokens AND w.input_tokens <= p.upto_tokens
  AND (NOT p.per_request OR w.has_request_fee)
WHERE NOT EXISTS (SELECT 1 FROM repeats r WHERE r.log_id = w.log_id AND r.turn = w.turn)
"""

_AUDIO_IS_CLEAR: Final = "audio_input_tokens > 0 AND input_tokens = uncached_input_tokens"
_HEARD_OR_SEEN: Final = "audio_output_tokens + image_output_tokens"
_OUTPUT_IS_CLEAR: Final = (
    f"{_HEARD_OR_SEEN} > 0 AND {_HEARD_OR_SEEN} <= output_tokens "
    "AND NOT (audio_output_tokens > 0 AND reasoning_tokens > 0)"
)


def _line(cls: str, media: str, units: str, when: str) -> str:
    return (
        f"SELECT t.*, '{cls}' AS class, '{media}' AS media, '' AS fee, {units} AS units "
        f"FROM priced_turns t WHERE {units} > 0 AND ({when})"
    )


def lines_sql() -> str:
    """Return the query of all lines: what each turn is billed for, a row a rate."""
    fresh, output = TokenClass.UNCACHED_INPUT.value, TokenClass.OUTPUT.value
    parts = [
        _line(cls.value, "text", f"{cls.value}_tokens", "true")
        for cls in CLASSES
        if cls not in (TokenClass.FEE, TokenClass.UNCACHED_INPUT, TokenClass.OUTPUT)
    ]
    parts += [
        _line(fresh, "text", f"{fresh}_tokens", "audio_input_tokens = 0"),
        _line(fresh, "text", f"{fresh}_tokens - audio_input_tokens", _AUDIO_IS_CLEAR),
        _line(fresh, "audio", "audio_input_tokens", _AUDIO_IS_CLEAR),
        _line(fresh, "unclear", f"{fresh}_tokens", f"audio_input_tokens > 0 AND NOT ({_AUDIO_IS_CLEAR})"),
        _line(output, "text", f"{output}_tokens", f"{_HEARD_OR_SEEN} = 0"),
        _line(output, "text", f"{output}_tokens - ({_HEARD_OR_SEEN})", _OUTPUT_IS_CLEAR),
        _line(output, "audio", "audio_output_tokens", _OUTPUT_IS_CLEAR),
        _line(output, "image", "image_output_tokens", _OUTPUT_IS_CLEAR),
        _line(output, "unclear", f"{output}_tokens", f"{_HEARD_OR_SEEN} > 0 AND NOT ({_OUTPUT_IS_CLEAR})"),
        "SELECT t.*, 'fee' AS class, 'text' AS media, f.fee AS fee, f.pieces AS units "
        "FROM priced_turns t JOIN fee_facts f ON f.log_id = t.log_id AND f.turn = t.turn",
    ]
    return "\nUNION ALL\n".join(parts)


_UNPRICED_TURNS: Final = """
SELECT DISTINCT l.log_id, l.turn FROM lines l LEFT JOIN rates r
  ON r.price = l.price AND r.class = l.class AND r.media = l.media AND r.fee = l.fee
WHERE r.rate_usd IS NULL
"""


def make_priced_views(engine: SqlEngine) -> None:
    """Make `priced_turns`, `lines` and `unpriced_turns`; the tables of prices must be there."""
    engine.keep("priced_turns", _PRICED_TURNS)
    engine.view("lines", lines_sql())
    engine.keep("unpriced_turns", _UNPRICED_TURNS)


_TURN_BILLS: Final = f"""
SELECT l.log_id, l.turn, sum({AMOUNT}) AS known_usd FROM lines l JOIN rates r
  ON r.price = l.price AND r.class = l.class AND r.media = l.media AND r.fee = l.fee
GROUP BY l.log_id, l.turn
"""

_TURNS: Final = """
SELECT t.*, u.no_price IS NOT NULL AS is_unpriced,
  CASE WHEN t.is_measured AND u.no_price IS NULL THEN coalesce(b.known_usd, 0) END AS billed_usd
FROM priced_turns t
LEFT JOIN (SELECT log_id AS b_log, turn AS b_turn, known_usd FROM turn_bills) b
  ON b.b_log = t.log_id AND b.b_turn = t.turn
LEFT JOIN (SELECT log_id AS u_log, turn AS no_price FROM unpriced_turns) u
  ON u.u_log = t.log_id AND u.no_price = t.turn
"""

_SESSIONS: Final = """
SELECT log_id, session, project, min(started_at) AS first_at, max(started_at) AS last_at, count(*) AS turns,
  sum(input_tokens) AS input_tokens, sum(output_tokens + reasoning_tokens) AS output_tokens,
  sum(billed_usd) AS billed_usd, sum(CASE WHEN billed_usd IS NULL THEN 1 ELSE 0 END) AS turns_without_bill
FROM turns GROUP BY log_id, session, project
"""


def segments_sql(dimensions: str, where: str) -> str:
    """Return runs of consecutive steps of a chain with one price and equal dimensions.

    `dimensions` are expressions with names, each followed by a comma; `where` selects turns.
    """
    return f"""
SELECT log_id, path, price, {_names(dimensions)} min(step) AS first_step, max(step) + 1 AS after_step
FROM (SELECT *, step - row_number() OVER (
        PARTITION BY log_id, path, price{"".join(f", {name}" for name in _listed(dimensions))} ORDER BY step
      ) AS island
      FROM (SELECT log_id, path, step, price, {dimensions} 1 AS one FROM priced_turns
            WHERE is_measured AND ({where})) s) i
GROUP BY log_id, path, price{"".join(f", {name}" for name in _listed(dimensions))}, island
"""


def _listed(dimensions: str) -> list[str]:
    return [part.rpartition(" AS ")[2].strip() for part in dimensions.split(",\n") if part.strip()]


def _names(dimensions: str) -> str:
    return "".join(f"{name}, " for name in _listed(dimensions))


def ledger_lines_sql(dimensions: str = "", where: str = "true") -> str:
    """Return what blocks were billed for, in runs of turns: a row a ledger row and segment."""
    listed = "".join(f"s.{name} AS {name}, " for name in _listed(dimensions))
    return f"""
SELECT {listed} s.log_id AS log_id, s.price AS price, l.block AS block, l.class AS class, l.media AS media,
  l.fee AS fee, l.units * (least(l.after_step, s.after_step) - greatest(l.first_step, s.first_step)) AS units
FROM ledger_facts l JOIN ({segments_sql(dimensions, where)}) s
  ON s.log_id = l.log_id AND s.path = l.path
  AND l.first_step < s.after_step AND l.after_step > s.first_step
"""


_BLOCK_BILLS: Final = f"""
SELECT l.log_id, l.block, sum(CASE WHEN l.class = 'fee' THEN 0 ELSE units END) AS billed_tokens,
  sum({AMOUNT}) AS known_usd, sum(CASE WHEN r.rate_usd IS NULL THEN 1 ELSE 0 END) AS unpriced
FROM ({ledger_lines_sql()}) l LEFT JOIN rates r
  ON r.price = l.price AND r.class = l.class AND r.media = l.media AND r.fee = l.fee
GROUP BY l.log_id, l.block
"""

_BLOCKS: Final = """
SELECT b.*, coalesce(s.billed_tokens, 0) AS billed_tokens,
  CASE WHEN coalesce(s.unpriced, 0) = 0 THEN coalesce(s.known_usd, 0) END AS billed_usd
FROM block_facts b LEFT JOIN block_bills s ON s.log_id = b.log_id AND s.block = b.block
"""


def make_plain_views(engine: SqlEngine) -> None:
    """Make `turns`, `blocks`, `calls`, `ledger`, `fees` and `sessions`, what `query` offers."""
    for name, sql in (
        ("turn_bills", _TURN_BILLS),
        ("turns", _TURNS),
        ("sessions", _SESSIONS),
        ("block_bills", _BLOCK_BILLS),
        ("blocks", _BLOCKS),
        ("calls", "SELECT * FROM call_facts"),
        ("ledger", "SELECT * FROM ledger_facts"),
        ("fees", "SELECT * FROM fee_facts"),
    ):
        engine.view(name, sql)
