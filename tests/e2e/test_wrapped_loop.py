"""A twenty-turn loop through the wrapper: the record is the bill, however the client is called."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anthropic
import jsonschema
import orjson
import pytest
from recordings import HIDDEN, bill_by_hand, connect, drive, ledger_of, prompt_tokens, record
from waiting import WATCHDOG_S, wait_for_the_recorder

import tokenprof
from tokenprof.analysis.analysis import Analysis
from tokenprof.costing.cache_prediction import predict_cache
from tokenprof.reading.files import read
from tokenprof.record.session import active_recorder
from tokenprof.report.check import check
from tokenprof.report.report_json import json_report, schema_path
from tokenprof.testing import LoopbackProvider, Reply
from tokenprof.testing.billing import toktok_count
from tokenprof.testing.loop import MODES, TURNS, Workload, workload

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory) -> tuple[LoopbackProvider, Path]:
    path = tmp_path_factory.mktemp("loop") / "run.jsonl"
    server, _ = record(path)
    return server, path


def test_every_turn_is_the_wire_s_usage_class_by_class(loop: tuple[LoopbackProvider, Path]) -> None:
    server, path = loop
    ledger = ledger_of(path)
    assert len(ledger.run.turns) == len(server.billed) == TURNS
    for turn, call in zip(ledger.run.turns, server.billed, strict=True):
        assert call.usage is not None
        assert turn.usage is not None
        assert turn.id == call.response_id
        assert turn.usage.uncached_input_tokens == call.usage["input_tokens"]
        assert turn.usage.cache_read_tokens == call.usage["cache_read_input_tokens"]
        writes = call.usage["cache_creation"]
        assert turn.usage.cache_write_5m_tokens == writes["ephemeral_5m_input_tokens"]
        assert turn.usage.cache_write_1h_tokens == writes["ephemeral_1h_input_tokens"]
        assert turn.usage.all_output_tokens == call.usage["output_tokens"]


def test_the_cache_rules_give_what_was_billed_turn_by_turn(loop: tuple[LoopbackProvider, Path]) -> None:
    ledger = ledger_of(loop[1])
    predictions = predict_cache(ledger)
    assert all(prediction is not None and prediction.agrees for prediction in predictions)
    cached = [p.cache_read_tokens for p in predictions if p is not None]
    assert cached == [turn.usage.cache_read_tokens for turn in ledger.run.turns if turn.usage is not None]


def test_a_bill_that_the_cache_rules_do_not_give_is_found(loop: tuple[LoopbackProvider, Path]) -> None:
    run = read([loop[1]])
    late = run.turns[-1]
    assert late.usage is not None
    forgotten = replace(
        late.usage,
        cache_read_tokens=0,
        cache_write_5m_tokens=late.usage.input_tokens,
        uncached_input_tokens=0,
    )
    report = json_report(Analysis(replace(run, turns=(*run.turns[:-1], replace(late, usage=forgotten)))))
    assert [turn["cache_prediction"]["agrees"] for turn in report["turns"][-2:]] == [True, False]
    found = next(each for each in report["findings"] if each["code"] == "cache-read-less")
    assert found["turns"] == [len(run.turns) - 1]
    assert f"read {late.usage.cache_read_tokens:,} fewer tokens" in found["detail"]


def test_the_total_is_the_bill_worked_out_by_hand(loop: tuple[LoopbackProvider, Path]) -> None:
    server, path = loop
    ledger = ledger_of(path)
    total = sum((usd for usd in ledger.billed_usd if usd is not None), Decimal(0))
    assert None not in ledger.billed_usd
    assert total == bill_by_hand(server)
    assert total > Decimal("0.1")


def test_the_report_holds_the_contract(loop: tuple[LoopbackProvider, Path]) -> None:
    _, path = loop
    report = json.loads(orjson.dumps(json_report(Analysis(read([path])))))
    check(report)
    jsonschema.validate(report, json.loads(schema_path().read_text()))
    kinds = {block["kind"] for block in report["blocks"]}
    assert {"tool", "system", "skills_index", "skill", "tool_call", "tool_result", "output"} <= kinds
    assert report["totals"]["turns"] == TURNS
    assert all(turn["tags"] == {"loop": "create"} for turn in report["turns"])
    assert report["totals"]["hardware_usd"] is not None


def test_blocks_are_sized_near_the_truth_of_another_tokenizer(tmp_path: Path) -> None:
    work = workload(5)
    server, _ = record(tmp_path / "run.jsonl", work, tokenizer=toktok_count("qwen3.5"))
    ledger = ledger_of(tmp_path / "run.jsonl")
    off = total = 0
    for turn, call in enumerate(server.billed):
        true = [block for block in call.blocks if block.path != "preamble"]
        ours = prompt_tokens(ledger, turn)
        assert len(ours) == len(true)
        off += sum(abs(tokens - block.tokens) for (_, tokens), block in zip(ours, true, strict=True))
        total += sum(block.tokens for block in true)
    assert off / total < 0.03


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
def test_every_way_of_calling_records_the_same_bill(
    tmp_path: Path, loop: tuple[LoopbackProvider, Path], mode: str, asynchronous: bool
) -> None:
    path = tmp_path / "run.jsonl"
    server, answers = record(path, mode=mode, asynchronous=asynchronous)
    assert len(answers) == TURNS
    ledger = ledger_of(path)
    assert [turn.status for turn in ledger.run.turns] == ["ok"] * TURNS
    total = sum((usd for usd in ledger.billed_usd if usd is not None), Decimal(0))
    assert total == bill_by_hand(server) == bill_by_hand(loop[0])


def with_faults(work: Workload, faults: dict[int, Reply]) -> Workload:
    """The same loop with extra attempts put before some of its replies."""
    replies = []
    for index, reply in enumerate(work.replies):
        if index in faults:
            replies.append(faults[index])
        replies.append(reply)
    return replace(work, replies=replies)


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
def test_a_529_is_an_attempt_and_a_cut_stream_a_partial_turn(tmp_path: Path, asynchronous: bool) -> None:
    plain = workload()
    cut = plain.replies[7].cut(after_events=4)
    work = with_faults(plain, {3: Reply.error(529), 7: cut})
    path = tmp_path / "run.jsonl"
    loop_work = replace(work, replies=plain.replies)
    with LoopbackProvider(list(work.replies), overheads=HIDDEN) as server, tokenprof.profile(path):
        drive(server.url, loop_work, "create_stream", asynchronous=asynchronous)
    ledger = ledger_of(path)
    turns = ledger.run.turns
    assert len(turns) == TURNS + 1
    assert [turn.attempts for turn in turns].count(2) == 1
    assert turns[3].attempts == 2
    partial = [index for index, turn in enumerate(turns) if turn.status == "partial"]
    assert partial == [7]
    assert turns[7].output_incomplete
    assert not any("failed attempt" in warning for warning in ledger.run.warnings)
    whole = [usd for index, usd in enumerate(ledger.billed_usd) if index != 7 and usd is not None]
    billed = [call for call in server.billed if call.status == "ok"]
    expected = [replace_log(server, call) for call in billed]
    assert whole == expected


def replace_log(server: LoopbackProvider, call: Any) -> Decimal:
    return bill_by_hand(replace_server(server, [call]))


def replace_server(server: LoopbackProvider, log: list[Any]) -> LoopbackProvider:
    return LoopbackProvider(server.script, log=log)


def test_calls_that_all_fail_give_a_warning_and_are_not_turns(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    with LoopbackProvider([Reply.error(500)] * 3) as server, tokenprof.profile(path):
        client = connect(server)
        with pytest.raises(anthropic.InternalServerError):
            client.messages.create(
                model="claude-opus-4-8", max_tokens=5, messages=[{"role": "user", "content": "x"}]
            )
    run = read([path])
    assert run.turns == ()
    assert any("3 failed attempts" in warning for warning in run.warnings)


def test_a_response_without_usage_is_unmeasured(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    replies = [replace(Reply.text("hi"), without_usage=True)]
    with LoopbackProvider(replies) as server, tokenprof.profile(path):
        client = connect(server)
        client.messages.create(
            model="claude-opus-4-8", max_tokens=5, messages=[{"role": "user", "content": "x"}]
        )
    report = json_report(Analysis(read([path])))
    assert report["totals"]["unmeasured_turns"] == 1
    assert report["turns"][0]["usage"] is None
    assert report["turns"][0]["billed_usd"] is None


def ask(client: anthropic.Anthropic, text: str = "hello") -> Any:
    return client.messages.create(
        model="claude-opus-4-8", max_tokens=50, messages=[{"role": "user", "content": text}]
    )


def test_however_often_it_is_wrapped_a_call_is_recorded_once(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    with LoopbackProvider(lambda body, n: Reply.text("hi")) as server, tokenprof.profile(path):
        client = tokenprof.wrap(tokenprof.wrap(connect(server)))
        ask(client)
        ask(client.with_options(max_retries=1))
        ask(client.with_options(middleware=[*client.middleware]))
    assert len(read([path]).turns) == 3


def test_a_client_made_outside_is_seen_once_wrapped_or_not_and_constructors_are_given_back(
    tmp_path: Path,
) -> None:
    before = anthropic.Anthropic.__init__
    with LoopbackProvider(lambda body, n: Reply.text("hi")) as server:
        outside = connect(server)
        wrapped = tokenprof.wrap(outside)
        with tokenprof.profile(tmp_path / "run.jsonl"):
            ask(outside)
            ask(wrapped)
        ask(outside)
        ask(wrapped)
        assert anthropic.Anthropic.__init__ is before
        assert not connect(server).middleware
        assert active_recorder() is None
        seen = [turn.id for turn in read([tmp_path / "run.jsonl"]).turns]
        assert seen == [call.response_id for call in server.log[:2]]


def test_count_tokens_is_not_a_turn(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    with LoopbackProvider(lambda body, n: Reply.text("hi")) as server, tokenprof.profile(path):
        client = connect(server)
        client.messages.count_tokens(model="claude-opus-4-8", messages=[{"role": "user", "content": "x"}])
        ask(client)
    assert len(read([path]).turns) == 1


def test_parallel_threads_are_recorded_apart_and_completely(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    with LoopbackProvider(lambda body, n: Reply.text(f"answer {n}")) as server, tokenprof.profile(path):
        client = connect(server)
        threads = [threading.Thread(target=ask, args=(client, f"task {i}")) for i in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    ledger = ledger_of(path)
    assert len({turn.id for turn in ledger.run.turns}) == 12
    assert len({turn.context for turn in ledger.run.turns}) == 12


def test_a_named_agent_is_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    with LoopbackProvider(lambda body, n: Reply.text("hi")) as server, tokenprof.profile(path):
        client = connect(server)
        ask(client, "main task")
        with tokenprof.agent("researcher"):
            ask(client, "side task")
    main, side = read([path]).turns
    assert (main.agent, side.agent) == (None, "researcher")
    assert side.parent == main.context


def test_the_host_s_own_exception_comes_through_and_the_record_stands(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    server = LoopbackProvider(lambda body, n: Reply.text("hi"))
    with server, pytest.raises(ZeroDivisionError), tokenprof.profile(path):  # noqa: PT012
        ask(connect(server))
        raise ZeroDivisionError
    assert len(read([path]).turns) == 1


def test_a_stream_that_the_host_leaves_open_is_partial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, events, is_left = tmp_path / "run.jsonl", itertools.count(1), threading.Event()

    def hold_after_two_events(_: float) -> None:
        assert next(events) < 3 or is_left.wait(WATCHDOG_S)

    monkeypatch.setattr("tokenprof.testing.provider.time", SimpleNamespace(sleep=hold_after_two_events))
    with LoopbackProvider([Reply.text("word " * 400)]) as server:
        with tokenprof.profile(path):
            stream = connect(server).messages.create(
                model="claude-opus-4-8",
                max_tokens=50,
                messages=[{"role": "user", "content": "x"}],
                stream=True,
            )
            next(iter(stream))
        is_left.set()
    (turn,) = read([path]).turns
    assert turn.status == "partial"
    assert turn.usage is not None
    assert turn.usage.input_tokens > 0


def test_no_content_is_written_unless_asked_for(tmp_path: Path) -> None:
    secret = "the launch code is 4711"
    for content in (False, True):
        path = tmp_path / f"run-{content}.jsonl"
        with LoopbackProvider([Reply.text("hi")]) as server, tokenprof.profile(path, content=content):
            ask(connect(server, "sk-very-secret"), secret)
        written = path.read_text()
        assert (secret in written) is content
        assert "sk-very-secret" not in written


def test_a_killed_process_leaves_what_it_had_finished(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    program = f"""
import anthropic, time, tokenprof
from tokenprof.record.session import active_recorder
from tokenprof.testing import LoopbackProvider, Reply
with LoopbackProvider(lambda body, n: Reply.text("hi")) as server, tokenprof.profile({str(path)!r}):
    client = anthropic.Anthropic(api_key="unused", base_url=server.url)
    ask = [{{"role": "user", "content": "x"}}]
    for i in range(3):
        client.messages.create(model="claude-opus-4-8", max_tokens=5, messages=ask)
    active_recorder().settle(180)
    print("done", flush=True)
    time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"done\n"
        os.kill(process.pid, signal.SIGKILL)
    assert len(read([path]).turns) == 3


def test_an_environment_variable_starts_a_recording(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    program = """
import anthropic, tokenprof
from tokenprof.testing import LoopbackProvider, Reply
with LoopbackProvider([Reply.text("hi")]) as server:
    client = tokenprof.wrap(anthropic.Anthropic(api_key="unused", base_url=server.url))
    client.messages.create(model="claude-opus-4-8", max_tokens=5, messages=[{"role": "user", "content": "x"}])
"""
    subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, "TOKENPROF_RUN": str(path)}, check=True
    )
    assert len(read([path]).turns) == 1


def test_an_existing_recording_is_continued_and_anything_else_refused(tmp_path: Path) -> None:
    path, other = tmp_path / "run.jsonl", tmp_path / "notes.txt"
    other.write_text("mine\n")
    with LoopbackProvider(lambda body, n: Reply.text("hi")) as server:
        for _ in range(2):
            with tokenprof.profile(path):
                ask(connect(server))
    run = read([path])
    assert (len(run.turns), run.sources[0].runs) == (2, 2)
    with pytest.raises(FileExistsError, match="not a tokenprof recording"), tokenprof.profile(other):
        pass
    assert other.read_text() == "mine\n"


def test_a_budget_callback_sees_each_turn_and_its_errors_stay_ours(tmp_path: Path) -> None:
    seen: list[tuple[Decimal | None, Decimal]] = []

    def on_turn(cost: Any) -> None:
        seen.append((cost.turn_usd, cost.total_usd))
        raise RuntimeError("the callback's own trouble")

    with LoopbackProvider(lambda body, n: Reply.text("hi")) as server:
        with tokenprof.profile(tmp_path / "run.jsonl", on_turn=on_turn):
            client = connect(server)
            ask(client)
            ask(client)
        assert len(seen) == 2
        assert seen[1][1] == bill_by_hand(server)


def test_a_client_of_an_unknown_sdk_is_refused_by_name() -> None:
    with pytest.raises(TypeError, match=r"does not know builtins\.dict.*anthropic"):
        tokenprof.wrap({})


def test_turns_reach_the_file_while_the_recording_is_open(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    with LoopbackProvider(lambda body, n: Reply.text("hi")) as server, tokenprof.profile(path):
        ask(connect(server))
        wait_for_the_recorder()
        assert path.read_bytes().endswith(b"\n")
        assert len(read([path]).turns) == 1


def test_the_provider_is_asked_why_its_cache_was_missed_only_where_that_is_wanted(tmp_path: Path) -> None:
    def turns(cache_diagnostics: bool) -> list[Any]:
        path = tmp_path / f"{cache_diagnostics}.jsonl"
        replies = [Reply.calls(("search", {"query": "x"})), Reply.text("done")]
        profile = tokenprof.profile(path, cache_diagnostics=cache_diagnostics)
        with LoopbackProvider(replies) as server, profile:
            client = connect(server)
            messages: list[Any] = [{"role": "user", "content": "find x"}]
            first = client.messages.create(model="claude-opus-4-8", max_tokens=50, messages=messages)
            call = next(block for block in first.content if block.type == "tool_use")
            messages.append({"role": "assistant", "content": [block.model_dump() for block in first.content]})
            result = {"type": "tool_result", "tool_use_id": call.id, "content": "found"}
            messages.append({"role": "user", "content": [result]})
            wait_for_the_recorder()
            client.messages.create(model="claude-opus-4-8", max_tokens=50, messages=messages)
        return [first.id, *(call.body.get("diagnostics", "not asked") for call in server.log)]

    first_id, *asked = turns(cache_diagnostics=True)
    assert asked == [{"previous_message_id": None}, {"previous_message_id": first_id}]
    assert turns(cache_diagnostics=False)[1:] == ["not asked", "not asked"]


def test_a_package_that_cannot_be_watched_costs_a_warning_and_not_the_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise AttributeError("module 'httpx' has no attribute 'Client'")

    monkeypatch.setattr("tokenprof.harness_adapters.clients.httpx_client.wrap_new_clients", broken)
    path = tmp_path / "run.jsonl"
    with LoopbackProvider(lambda body, n: Reply.text("hi")) as server, tokenprof.profile(path):
        ask(connect(server))
    assert len(read([path]).turns) == 1
    [said, *where, kind] = caplog.records[0].message.splitlines()
    assert (len(caplog.records), said) == (1, "tokenprof cannot see the calls of httpx here")
    assert "in broken" in "\n".join(where)
    assert kind == "AttributeError"
