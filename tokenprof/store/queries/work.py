"""What turns, classes and blocks of a store asked of the hardware, added up by the engine.

A cost to compute is linear in a few units of work (docs/hardware.md, 2.2 and 2.3), so work is summed here,
over any number of turns, and a sum is priced once. A slice of u tokens in a turn with c cached, n new and o
output tokens asks for

    cached tokens that are read    u · n pairs, and u tokens loaded once per chunk of new tokens
    new tokens, beginning at s     u tokens, and u · (s - c) + u² / 2 pairs with the new tokens before them
    output                         u tokens, which read u · (c + n + o / 2) tokens of context

Of a slice that is the same in several turns, n, c and the context are sums over those turns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np

from tokenprof.attribute.classes import PROMPT_ORDER
from tokenprof.data_classes.frozen import frozen
from tokenprof.hw_model.equations.features import CHUNK_TOKENS, Feature
from tokenprof.pricing.usage import OUTPUT_CLASSES
from tokenprof.store.queries.dimensions import Dimension, Level
from tokenprof.store.queries.engine import SqlEngine
from tokenprof.store.queries.views import segments_sql

READ: Final = PROMPT_ORDER[0]
COMPUTED: Final = PROMPT_ORDER[1:]
WRITTEN: Final = tuple(cls.value for cls in OUTPUT_CLASSES)

_WORK_FACTS: Final = f"""
SELECT log_id, turn, path, step, provider AS api, model AS served,
  cache_read_tokens AS cached, input_tokens - cache_read_tokens AS fresh,
  output_tokens + reasoning_tokens AS written,
  greatest(1.0, ceil((input_tokens - cache_read_tokens) / {float(CHUNK_TOKENS)})) AS chunks,
  input_tokens + (output_tokens + reasoning_tokens) / 2.0 AS context_read
FROM turn_facts WHERE is_measured
"""

_SUMMED: Final = ("fresh", "chunks", "cached", "context_read")

_STEP_SUMS: Final = "SELECT log_id, path, step, " + ", ".join(
    f"CAST({name} AS DOUBLE) AS own_{name}, "
    f"sum(CAST({name} AS DOUBLE)) OVER (PARTITION BY log_id, path ORDER BY step) AS upto_{name}"
    for name in _SUMMED
)
"""Sums along each chain of prompts, so that a sum over any run of its steps is one difference."""


@frozen
class WorkSum:
    """The work of a group on one model; `features` has a place for each `Feature`.

    `is_partial` says that some of it is not known: rows of a store that was written before places were.
    """

    key: tuple[Any, ...]
    provider: str
    model: str
    features: np.ndarray
    is_partial: bool


def work_by(engine: SqlEngine, by: Sequence[Dimension], level: Level, where: str) -> Iterator[WorkSum]:
    """Yield the work of each group and model; the groups are those of `totals_by`.

    `where` is a condition on turns. The priced views must have been made.
    """
    engine.view("work_facts", _WORK_FACTS)
    source = _block_slices(engine, by, where) if level == "block" else _turn_slices(by, level, where)
    names = [f"key_{place}" for place in range(len(by))]
    listed = "".join(f"{name}, " for name in names)
    for row in engine.rows(
        f"SELECT {listed} api, served, {_sums()}, max(CASE WHEN place IS NULL THEN 1 ELSE 0 END) "
        f"FROM ({source}) s GROUP BY {listed} api, served"
    ):
        key, (provider, model, *values, lacks) = row[: len(by)], row[len(by) :]
        features = np.zeros(len(Feature))
        features[: len(values)] = [float(value or 0.0) for value in values]
        yield WorkSum(key, provider, model, features, bool(lacks))


def _sums() -> str:
    """Return the sums of the features of slices, in the order of `Feature`; what is only held has none."""
    units, place = "CAST(units AS DOUBLE)", "CAST(coalesce(place, 0) AS DOUBLE)"
    parts = {
        Feature.READ_PAIRS: ("read", f"{units} * fresh"),
        Feature.READ_TOKENS: ("read", f"{units} * chunks"),
        Feature.PREFILL_TOKENS: ("computed", f"{units} * steps"),
        Feature.PREFILL_PAIRS: ("computed", f"{units} * (({place} + {units} / 2.0) * steps - cached)"),
        Feature.DECODE_TOKENS: ("written", f"{units} * steps"),
        Feature.DECODE_CONTEXT: ("written", f"{units} * context_read"),
    }
    return ", ".join(
        f"sum(CASE WHEN part = '{part}' THEN {value} ELSE 0.0 END)" for part, value in parts.values()
    )


def _turn_slices(by: Sequence[Dimension], level: Level, where: str) -> str:
    """Return the slices of whole turns, or of their classes, each of one step."""
    slices = _class_slices() if level == "class" else _whole_slices()
    keys = "".join(f"{each.sql} AS key_{place}, " for place, each in enumerate(by))
    facts = (
        f"SELECT log_id AS f_log, turn AS f_turn, api, served, {', '.join(_SUMMED)}, written FROM work_facts"
    )
    return "\nUNION ALL\n".join(
        f"SELECT {keys} api, served, '{part}' AS part, {units} AS units, {place} AS place, 1.0 AS steps, "
        f"{', '.join(_SUMMED)} "
        f"FROM (SELECT *, '{cls}' AS class FROM priced_turns WHERE {where}) t "
        f"JOIN ({facts}) f ON f.f_log = t.log_id AND f.f_turn = t.turn WHERE {units} > 0"
        for part, cls, units, place in slices
    )


def _whole_slices() -> Iterator[tuple[str, str, str, str]]:
    yield "read", "", "cached", "0"
    yield "computed", "", "fresh", "cached"
    yield "written", "", "written", "0"


def _class_slices() -> Iterator[tuple[str, str, str, str]]:
    yield "read", READ, f"{READ}_tokens", "0"
    before = f"{READ}_tokens"
    for cls in COMPUTED:
        yield "computed", cls, f"{cls}_tokens", before
        before = f"{before} + {cls}_tokens"
    for cls in WRITTEN:
        yield "written", cls, f"{cls}_tokens", "0"


def _block_slices(engine: SqlEngine, by: Sequence[Dimension], where: str) -> str:
    """Return the slices of blocks: a row a ledger row and a run of steps whose turns have equal keys."""
    engine.keep("step_sums", f"{_STEP_SUMS} FROM work_facts")
    names = {each: f"key_{place}" for place, each in enumerate(by)}
    own = [f"{each.sql} AS {name}" for each, name in names.items() if each.level == "turn"]
    segments = segments_sql(
        "".join(f"{each},\n" for each in (*own, "provider AS api", "model AS served")), where
    )
    of_turns = "".join(f"s.{name} AS {name}, " for each, name in names.items() if each.level == "turn")
    of_blocks = "".join(f"{each.sql} AS {name}, " for each, name in names.items() if each.level == "block")
    of_class = "".join(f"l.class AS {name}, " for each, name in names.items() if each.level == "class")
    parts = f"CASE WHEN l.class = '{READ}' THEN 'read' WHEN l.class IN ({_listed(WRITTEN)}) THEN 'written' "
    runs = f"""
SELECT {of_turns} {of_class} s.api AS api, s.served AS served, {parts} ELSE 'computed' END AS part,
  l.log_id AS of_log, l.path AS of_path, l.block AS of_block, l.units AS units,
  CASE WHEN l.class IN ({_listed(COMPUTED)}) THEN l.start_tokens ELSE 0 END AS place,
  greatest(l.first_step, s.first_step) AS begins, least(l.after_step, s.after_step) - 1 AS ends
FROM ledger_facts l JOIN ({segments}) s
  ON s.log_id = l.log_id AND s.path = l.path
  AND l.first_step < s.after_step AND l.after_step > s.first_step
WHERE l.class <> 'fee'"""
    sums = ", ".join(f"z.upto_{name} - a.upto_{name} + a.own_{name} AS {name}" for name in _SUMMED)
    keys = "".join(f"r.{name} AS {name}, " for each, name in names.items() if each.level != "block")
    return f"""
SELECT {keys} {of_blocks} r.api AS api, r.served AS served, r.part AS part, r.units AS units,
  r.place AS place, r.ends - r.begins + 1.0 AS steps, {sums}
FROM ({runs}) r
JOIN step_sums a ON a.log_id = r.of_log AND a.path = r.of_path AND a.step = r.begins
JOIN step_sums z ON z.log_id = r.of_log AND z.path = r.of_path AND z.step = r.ends
JOIN block_facts b ON b.log_id = r.of_log AND b.block = r.of_block"""


def _listed(classes: Sequence[str]) -> str:
    return ", ".join(f"'{cls}'" for cls in classes)
