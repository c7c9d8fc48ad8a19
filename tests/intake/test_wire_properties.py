"""What holds on every wire: counts of a stream are cumulative, unknown keys are named, no answer is lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wire_exchanges import WIRE_SAMPLES, Json, Sent, WireSample, as_bytes, recorded

from tokenprof.facts.types import Run
from tokenprof.pricing.usage_dialects import may_be_billed
from tokenprof.record.wires import WIRES, wire_of

STREAMING = sorted(name for name, sample in WIRE_SAMPLES.items() if sample.streamed is not None)

quick = settings(max_examples=25)


def whole(sample: WireSample, usage: Any) -> Sent:
    return Sent(sample.path, sample.request, sample.answer(usage))


UNCOUNTED = [wire_of("POST", "/v1/messages/batches"), wire_of("POST", "/v1beta/models/m:embedContent")]
"""APIs whose answers have no counts."""


def test_every_wire_has_a_sample() -> None:
    for wire in WIRES:
        assert wire in UNCOUNTED or any(wire.path.search(s.path) for s in WIRE_SAMPLES.values()), wire


def cumulative(usage: Json, data: st.DataObject, chunks: int) -> list[Json]:
    """Return a usage as the chunks of a stream may report it.

    Each field grows to its count, in its own time; before that a chunk may leave it out, and before and after
    it may be null or 0.
    """
    parts: list[Json] = [{} for _ in range(chunks)]
    for key, value in usage.items():
        if isinstance(value, dict):
            for part, inner in zip(parts, cumulative(value, data, chunks), strict=True):
                if inner:
                    part[key] = inner
            continue
        final = data.draw(st.integers(0, chunks - 1))
        growing = sorted(data.draw(st.lists(st.integers(0, value), min_size=final, max_size=final)))
        for number, part in enumerate(parts):
            if number < final:
                options: list[Any] = [growing[number], 0, None, "left out"]
            elif number == final:
                options = [value]
            else:
                options = [value, 0, None, "left out"]
            count = data.draw(st.sampled_from(options))
            if count != "left out":
                part[key] = count
    return parts


@pytest.mark.parametrize("name", STREAMING)
@quick
@given(data=st.data(), chunks=st.integers(1, 4))
def test_any_cumulative_split_of_a_usage_over_chunks_gives_the_usage(
    name: str, data: st.DataObject, chunks: int, tmp_path: Path
) -> None:
    sample = WIRE_SAMPLES[name]
    assert sample.streamed is not None
    body = sample.streamed(cumulative(sample.usage, data, chunks))
    sent = Sent(sample.stream_path or sample.path, sample.request, body, sample.stream_type)
    (streamed,) = recorded(tmp_path, sent).turns
    (plain,) = recorded(tmp_path, whole(sample, sample.usage)).turns
    assert (streamed.usage, streamed.notes, streamed.status) == (plain.usage, (), "ok")
    assert plain.usage is not None
    assert plain.usage.input_tokens > 0


WORDS = st.sampled_from(["cache", "token", "tokens", "reasoning", "cached"])
PART = st.text("abcdefghijklmnop", min_size=3, max_size=8).filter(lambda part: may_be_billed(f"token_{part}"))


@pytest.mark.parametrize("name", sorted(WIRE_SAMPLES))
@quick
@given(
    word=WORDS,
    before=PART,
    after=PART,
    count=st.integers(1, 10**6),
    written=st.sampled_from([int, float, str]),
)
def test_any_unknown_key_of_tokens_is_named_and_kept_as_it_was(
    name: str, word: str, before: str, after: str, count: int, written: type, tmp_path: Path
) -> None:
    key = f"zq{before}_{word}_{after}"
    sample = WIRE_SAMPLES[name]
    run = recorded(tmp_path, whole(sample, {**sample.usage, key: written(count)}))
    (turn,) = run.turns
    (plain,) = recorded(tmp_path, whole(sample, sample.usage)).turns
    assert turn.usage == plain.usage
    assert any(f"'{key}'" in warning for warning in run.warnings)
    assert json.loads(turn.raw_usage or "")[key] == written(count)


def broken(body: bytes, data: st.DataObject) -> bytes:
    """Return an answer as a broken connection, a bad disk or a relay leaves it."""
    at = data.draw(st.integers(0, len(body) - 1))
    return data.draw(
        st.sampled_from(
            [
                body[: at + 1],
                body[at:],
                body[:at] + b"\0" * 7 + body[at:],
                body[:at] + body[at + 1 :],
                b"<html>502</html>",
                b"[]",
                b"7",
                b'{"detail": "?"}',
                b"data: {}\n\n",
            ]
        )
    )


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("name", sorted(WIRE_SAMPLES))
@quick
@given(data=st.data())
def test_any_damaged_answer_leaves_a_turn(
    name: str, streams: bool, data: st.DataObject, tmp_path: Path
) -> None:
    sample = WIRE_SAMPLES[name]
    if streams and sample.streamed is None:
        streams = False
    path = sample.stream_path or sample.path if streams else sample.path
    answer = sample.streamed([sample.usage]) if streams and sample.streamed else sample.answer(sample.usage)
    sent = Sent(
        path,
        sample.request,
        broken(as_bytes(answer), data),
        sample.stream_type if streams else "application/json",
    )
    run = recorded(tmp_path, sent)
    (turn,) = run.turns
    key = b'"usageMetadata"' if "gemini" in name else b'"usage"'
    assert turn.usage is not None or turn.notes or key not in sent.answer
    assert "no bill" not in " ".join(run.warnings)


@pytest.mark.parametrize("name", sorted(WIRE_SAMPLES))
@pytest.mark.parametrize(
    ("usage", "kept"),
    [
        (7, 7),
        ("none", "(4 characters)"),
        ([], []),
        ([{}], [{}]),
        (True, True),
        ({"a": {"b": "c"}}, {"a": {"b": "(1 character)"}}),
        ({"what I said": 3, "n": "12"}, {"(11 characters)": 3, "n": "12"}),
        ({"tokens": {}}, {"tokens": {}}),
    ],
)
def test_a_usage_of_another_kind_leaves_an_unmeasured_turn_with_the_reason(
    name: str, usage: Any, kept: Any, tmp_path: Path
) -> None:
    (turn,) = recorded(tmp_path, whole(WIRE_SAMPLES[name], usage)).turns
    assert turn.usage is None
    assert turn.notes
    assert json.loads(turn.raw_usage or "") == kept


@pytest.mark.parametrize("name", sorted(WIRE_SAMPLES))
@pytest.mark.parametrize("request_body", [b"cut {", b"[]", b"", b"7", b'"text"', b'{"messages": 5}'])
def test_a_request_that_cannot_be_read_costs_its_prompt_and_not_its_bill(
    name: str, request_body: bytes, tmp_path: Path
) -> None:
    sample = WIRE_SAMPLES[name]
    (plain,) = recorded(tmp_path, whole(sample, sample.usage)).turns
    (turn,) = recorded(tmp_path, Sent(sample.path, request_body, sample.answer(sample.usage))).turns
    assert turn.usage == plain.usage


def test_an_adapter_that_fails_leaves_an_unmeasured_turn(tmp_path: Path) -> None:
    from dataclasses import replace

    from tokenprof.reading.files import read
    from tokenprof.record.recorder import Recorder

    def fails(*_: object) -> None:
        raise ZeroDivisionError

    sample = WIRE_SAMPLES["chat"]
    recorder = Recorder(tmp_path / "run.jsonl")
    recorder.submit(replace(whole(sample, sample.usage).exchange(0), interpret=fails))
    recorder.close()
    run: Run = read(tmp_path / "run.jsonl")
    assert [(turn.usage, turn.model) for turn in run.turns] == [(None, "gpt-5.4")]
    assert "failed to read it (ZeroDivisionError)" in run.turns[0].notes[0]
