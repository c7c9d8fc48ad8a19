"""Every field of a turn survives the way through a line of run.jsonl, whatever fields there are."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import MISSING, fields, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import orjson
from hypothesis import given
from hypothesis import strategies as st

from tokenprof.facts.types import AnswerFacts, Block, Breakpoint, CallerFacts, Turn, facts_of
from tokenprof.pricing.selectors import Selectors
from tokenprof.pricing.usage import Usage
from tokenprof.reading.recordings import read_lines
from tokenprof.record import names
from tokenprof.record.background.appended_file import AppendedFile
from tokenprof.record.block_facts import Shaper
from tokenprof.record.otlp import line_head, span_line
from tokenprof.record.turn_codec import FLAGS, TurnEncoder

RUN = {"run": "tag"}
START = datetime(2026, 11, 2, 9, tzinfo=UTC)
SECONDS = st.integers(1, 10**6).map(lambda us: us / 10**6)
SHAPER = Shaper(b"key")
BLOCK = SHAPER.block("tool", "search", {"name": "search"}, text="search", children=[("part", "a")])
ANSWER = SHAPER.block("output", "text", {"said": "so"}, text="so", role="assistant", link="t1", uses=("s",))

TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=5)
COUNT = st.integers(0, 10**6)
BY_TYPE: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXT,
    int: COUNT,
    bool: st.booleans(),
    float: st.integers(1, 10**6).map(lambda us: us / 10**6),
    Decimal: st.decimals(0, 10**6, places=6),
    datetime: COUNT.map(lambda us: START + timedelta(microseconds=us)),
    Mapping[str, str]: st.dictionaries(TEXT, TEXT, max_size=2),
    Block: st.sampled_from([BLOCK, ANSWER]),
    Breakpoint: st.builds(Breakpoint, COUNT, st.sampled_from(["5m", "1h", "30m", "12h"])),
    Selectors: st.builds(Selectors, *[st.none() | TEXT] * 3, st.booleans()),
    Usage: st.builds(
        Usage,
        uncached_input_tokens=COUNT,
        cache_write_1h_tokens=COUNT,
        reasoning_tokens=COUNT,
        fees=st.sampled_from([(), (("web_search", 2),)]),
    ),
}


def values_of(hint: Any) -> st.SearchStrategy[Any]:
    """All kinds of values that a field of this type may have. A field of a new type needs a line above."""
    if hint in BY_TYPE:
        return BY_TYPE[hint]
    if get_origin(hint) is Literal:
        return st.sampled_from(get_args(hint))
    if get_origin(hint) is tuple:
        return st.lists(values_of(get_args(hint)[0]), max_size=3).map(tuple)
    (other,) = (option for option in get_args(hint) if option is not type(None))
    return st.none() | values_of(other)


TURNS = st.builds(Turn, **{name: values_of(hint) for name, hint in get_type_hints(Turn).items()})


def written_and_read(turns: list[Turn]) -> tuple[Turn, ...]:
    """Put each turn through the codec, the writer and the reader."""
    encoder = TurnEncoder(RUN)
    resource = {names.RUN_ID: "", **{names.TAG_PREFIX + k: v for k, v in RUN.items()}}
    head = line_head(resource, (names.SCOPE, "0"))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.jsonl"
        file = AppendedFile(path)
        for number, turn in enumerate(turns):
            us = (turn.started_at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
            lasts_us = 0 if turn.duration_s is None else round(turn.duration_s * 10**6)
            base_span = None if turn.base is None else f"{turn.base:016x}"
            file.append(
                span_line(
                    head,
                    name="chat",
                    trace_id="0" * 32,
                    span_id=f"{number:016x}",
                    parent_span_id="",
                    started_ns=us * 1000,
                    ended_ns=(us + lasts_us) * 1000 if turn.duration_s is not None else 0,
                    attributes={names.RECORD: "turn", **encoder.attributes(turn, base_span)},
                )
            )
        file.close()
        lines = [orjson.loads(line) for line in path.read_bytes().splitlines()]
        return read_lines(lines, path).turns


@given(TURNS, TURNS, st.integers(1, 3))
def test_every_field_of_a_turn_comes_back(first: Turn, second: Turn, kept: int) -> None:
    common = {"started_at": START, "base": None, "kept": 0, "added": (BLOCK, ANSWER, BLOCK)}
    first = replace(first, **{**common, "tags": {**RUN, **first.tags}})  # type: ignore[arg-type]
    second = replace(second, base=0, kept=kept, tags={**RUN, **second.tags})
    assert written_and_read([first, second]) == (first, second)


def test_a_turn_of_nothing_but_what_it_must_have_comes_back() -> None:
    made = {
        "id": "m1",
        "context": "c1",
        "provider": "anthropic",
        "requested_model": "claude",
        "model": "claude",
        "status": "ok",
        "usage": None,
        "started_at": START,
        "added": (),
    }
    assert set(made) == {
        f.name for f in fields(Turn) if f.default is MISSING and f.default_factory is MISSING
    }
    turn = Turn(**made)  # type: ignore[arg-type]
    assert written_and_read([turn]) == (replace(turn, tags=RUN),)
    assert set(TurnEncoder().attributes(turn, "base")) == {
        names.RESPONSE_ID,
        names.CONTEXT,
        names.PROVIDER,
        names.REQUEST_MODEL,
        names.RESPONSE_MODEL,
        names.STATUS,
        names.BASE_SPAN,
        names.KEPT,
        names.ADDED,
        names.OUTPUT,
    } | {names.SETTINGS}


def test_every_flag_is_a_field_that_is_false_unless_set() -> None:
    assert {f.name for f in fields(Turn) if f.type == "bool"} == set(FLAGS)


def test_a_tag_of_the_run_is_written_once_and_a_calls_own_beside_it() -> None:
    turn = Turn(
        id="m1",
        context="c1",
        provider="p",
        requested_model="m",
        model="m",
        status="ok",
        usage=None,
        started_at=START,
        added=(),
        tags={"run": "tag", "step": "plan"},
    )
    tags = [key for key in TurnEncoder(RUN).attributes(turn, None) if key.startswith(names.TAG_PREFIX)]
    assert tags == ["tokenprof.tag.step"]


def test_the_facts_of_a_call_are_carried_over_field_by_field() -> None:
    turn = Turn(
        id="m1",
        context="c1",
        provider="p",
        requested_model="asked",
        model="served",
        status="partial",
        usage=None,
        started_at=START,
        added=(),
        attempts=3,
        output_incomplete=True,
    )
    answer, caller = facts_of(AnswerFacts, turn), facts_of(CallerFacts, turn)
    assert (answer["model"], answer["output_incomplete"], caller["attempts"]) == ("served", True, 3)
    assert Turn(**answer, **caller, id="m1", context="c1", added=()) == turn
