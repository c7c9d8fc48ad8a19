"""Limits of a run while it runs: warnings, and calls that are refused in the shape of each provider."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import urllib.error
import urllib.request
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import anthropic
import boto3
import botocore.exceptions
import openai
import pytest
from google import genai
from google.genai import errors, types
from waiting import WATCHDOG_S

import tokenprof
from tokenprof import Limits, StopCalls
from tokenprof.analysis.assumptions import Assumptions
from tokenprof.facts.errors import InputError
from tokenprof.live.budget_guard import BudgetGuard
from tokenprof.live.limits import parsed_limits
from tokenprof.proxy.recording_proxy import recording_proxy
from tokenprof.reading.files import read
from tokenprof.testing import LoopbackProvider, Reply

MODEL = "claude-opus-4-8"
NOWHERE = "http://127.0.0.1:9"
"""Nothing listens there: a call that is sent fails to connect."""


@contextlib.contextmanager
def clerk(reply: str = "working on it " * 5) -> Iterator[LoopbackProvider]:
    with LoopbackProvider(lambda body, number: Reply.text(reply)) as server:
        yield server


def ask(client: anthropic.Anthropic, text: str = "go on") -> Any:
    return client.messages.create(model=MODEL, max_tokens=100, messages=[{"role": "user", "content": text}])


def test_the_call_after_the_limit_is_refused_and_not_sent(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    with (
        clerk() as server,
        tokenprof.profile(path, stop_at=Limits(turns=3)),
        anthropic.Anthropic(api_key="x", base_url=server.url) as client,
    ):
        for _ in range(3):
            ask(client)
        with pytest.raises(anthropic.APIStatusError) as refused:
            ask(client)
        assert len(server.log) == 3
    assert refused.value.status_code == 402
    assert refused.value.body == {
        "type": "error",
        "error": {
            "type": "billing_error",
            "message": "The run made 3 billed calls; its limit is 3. No further call is made.",
        },
    }
    assert len(read([path]).turns) == 3


def test_dollars_are_those_of_the_finished_calls(tmp_path: Path) -> None:
    costs: list[Decimal] = []
    with (
        clerk() as server,
        tokenprof.profile(
            tmp_path / "run.jsonl",
            on_turn=lambda cost: costs.append(cost.total_usd),
            stop_at=Limits(usd="0.001"),
        ),
        anthropic.Anthropic(api_key="x", base_url=server.url) as client,
    ):

        def spend() -> None:
            for _ in range(50):
                ask(client)

        with pytest.raises(anthropic.APIStatusError, match=r"limit is \$0.001\. No further call"):
            spend()
    assert len(costs) < 50
    assert costs[-2] < Decimal("0.001") <= costs[-1]


def test_every_sdk_raises_its_own_error(tmp_path: Path) -> None:
    keys = {"aws_access_key_id": "x", "aws_secret_access_key": "x", "region_name": "us-east-1"}
    with tokenprof.profile(tmp_path / "run.jsonl", stop_at=Limits(turns=0)):
        with pytest.raises(openai.PermissionDeniedError) as of_openai:
            openai.OpenAI(api_key="x", base_url=NOWHERE).responses.create(model="gpt-5.2", input="hi")
        gemini = genai.Client(api_key="x", http_options=types.HttpOptions(base_url=NOWHERE))
        with pytest.raises(errors.ClientError) as of_gemini:
            gemini.models.generate_content(model="gemini-3-pro", contents="hi")
        bedrock = boto3.client("bedrock-runtime", endpoint_url=NOWHERE, **keys)  # type: ignore[call-overload]
        with pytest.raises(botocore.exceptions.ClientError) as of_bedrock:
            bedrock.converse(
                modelId="us.amazon.nova-pro-v1:0", messages=[{"role": "user", "content": [{"text": "hi"}]}]
            )
    said = "The run made 0 billed calls; its limit is 0. No further call is made."
    assert of_openai.value.body == {
        "message": said, "type": "insufficient_quota", "param": None, "code": "insufficient_quota"
    }  # fmt: skip
    assert (of_gemini.value.code, of_gemini.value.status) == (403, "PERMISSION_DENIED")
    assert of_gemini.value.message == said
    assert of_bedrock.value.response["Error"] == {"Code": "ServiceQuotaExceededException", "Message": said}


def test_asynchronous_clients_are_refused_too(tmp_path: Path) -> None:
    async def calls() -> None:
        async with openai.AsyncOpenAI(api_key="x", base_url=NOWHERE) as client:
            with pytest.raises(openai.PermissionDeniedError):
                await client.chat.completions.create(
                    model="gpt-5.2", messages=[{"role": "user", "content": "hi"}]
                )
        async with anthropic.AsyncAnthropic(api_key="x", base_url=NOWHERE) as other:
            with pytest.raises(anthropic.APIStatusError, match="No further call"):
                async with other.messages.stream(
                    model=MODEL, max_tokens=9, messages=[{"role": "user", "content": "hi"}]
                ):
                    pass

    with tokenprof.profile(tmp_path / "run.jsonl", stop_at=Limits(turns=0)):
        asyncio.run(calls())


def test_a_warning_is_given_once_and_nothing_is_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        caplog.at_level(logging.WARNING, "tokenprof"),
        clerk() as server,
        tokenprof.profile(tmp_path / "run.jsonl", warn_at=Limits(turns=2)),
        anthropic.Anthropic(api_key="x", base_url=server.url) as client,
    ):
        for _ in range(4):
            ask(client)
    assert [r.getMessage() for r in caplog.records] == ["The run made 2 billed calls; its limit is 2."]


def test_on_turn_stops_calls_only_under_a_hard_budget(tmp_path: Path) -> None:
    def on_turn(cost: tokenprof.TurnCost) -> None:
        raise StopCalls("The tests are green.")

    with (
        clerk() as server,
        anthropic.Anthropic(api_key="x", base_url=server.url) as client,
    ):
        with tokenprof.profile(tmp_path / "a.jsonl", on_turn=on_turn):
            ask(client)
            ask(client)
        with tokenprof.profile(tmp_path / "b.jsonl", on_turn=on_turn, stop_at=Limits()):
            ask(client)
            with pytest.raises(anthropic.APIStatusError, match=r"The tests are green\. No further call"):
                ask(client)
        assert len(server.log) == 3


def test_a_call_with_a_short_prompt_may_follow_one_that_was_too_long(tmp_path: Path) -> None:
    long = "word " * 3_000
    with (
        clerk() as server,
        tokenprof.profile(tmp_path / "run.jsonl", stop_at=Limits(context_tokens=1_000)),
        anthropic.Anthropic(api_key="x", base_url=server.url) as client,
    ):
        ask(client, long)
        with pytest.raises(anthropic.APIStatusError, match="sent a prompt of"):
            ask(client, long + "more")
        ask(client, "start again")
        assert len(server.log) == 2


@pytest.mark.parametrize(
    ("prefix", "path", "expected"),
    [
        ("/anthropic", "/v1/messages", (402, {"type": "error"})),
        ("/openai", "/v1/chat/completions", (403, {})),
        ("/gcp.gemini", "/v1beta/models/gemini-3-pro:generateContent", (403, {})),
    ],
)
def test_the_proxy_refuses_in_the_shape_of_the_api(
    tmp_path: Path, prefix: str, path: str, expected: tuple[int, dict[str, Any]]
) -> None:
    guard = BudgetGuard(None, Limits(turns=0), Assumptions())
    with recording_proxy(tmp_path / "run.jsonl", {}, guard=guard) as proxy:
        base = proxy.url(prefix).removesuffix("/v1")
        request = urllib.request.Request(base + path, b"{}", {"content-type": "application/json"})
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=WATCHDOG_S)
        body = json.loads(refused.value.read())
    assert refused.value.code == expected[0]
    assert refused.value.headers["x-should-retry"] == "false"
    assert body["error"]["message"] == "The run made 0 billed calls; its limit is 0. No further call is made."
    assert expected[1].items() <= body.items()


def test_the_proxy_lets_calls_through_up_to_the_limit_and_counts_them(tmp_path: Path) -> None:
    guard = BudgetGuard(None, Limits(turns=2), Assumptions())
    with clerk() as server:
        environment = {"ANTHROPIC_BASE_URL": server.url}
        with (
            recording_proxy(tmp_path / "run.jsonl", environment, guard=guard) as proxy,
            anthropic.Anthropic(api_key="x", base_url=proxy.url("/anthropic")) as client,
        ):
            ask(client)
            ask(client)
            with pytest.raises(anthropic.APIStatusError, match="made 2 billed calls"):
                ask(client)
        assert len(server.log) == 2


def test_a_model_without_a_price_is_refused_under_a_limit_in_dollars(tmp_path: Path) -> None:
    with (
        clerk() as server,
        tokenprof.profile(tmp_path / "run.jsonl", stop_at=Limits(usd=100)),
        anthropic.Anthropic(api_key="x", base_url=server.url) as client,
    ):
        client.messages.create(model="unknown-1", max_tokens=9, messages=[{"role": "user", "content": "a"}])
        with pytest.raises(anthropic.APIStatusError, match=r"no price, so the limit of \$100 cannot be kept"):
            ask(client)


def test_limits_are_parsed_and_mistakes_are_named() -> None:
    assert parsed_limits("usd=5, turns=200,context=150000,cache-misses=3") == Limits(
        Decimal(5), 200, 150_000, 3
    )
    for text, said in (("dollars=5", "not a limit"), ("usd", "not a limit"), ("turns=x", "not a number")):
        with pytest.raises(tokenprof.InputError, match=said):
            parsed_limits(text)
    with pytest.raises(tokenprof.InputError, match="at least 0"):
        Limits(usd=-1)


def test_a_budget_may_be_written_as_the_commands_take_it(tmp_path: Path) -> None:
    with (
        LoopbackProvider(lambda body, number: Reply.text("ok")) as server,
        tokenprof.profile(tmp_path / "run.jsonl", stop_at="turns=1"),
        anthropic.Anthropic(api_key="unused", base_url=server.url, max_retries=0) as client,
    ):
        asked = {"model": "claude-opus-4-8", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
        client.messages.create(**asked)  # type: ignore[call-overload]
        with pytest.raises(anthropic.APIStatusError, match="its limit is 1"):
            client.messages.create(**asked)  # type: ignore[call-overload]


@pytest.mark.parametrize("wrong", ["turn=2", "usd=", "turns=-1", "usd=nan", "", 5, {"usd": 1}])
@pytest.mark.parametrize("which", ["warn_at", "stop_at"])
def test_a_budget_that_is_not_understood_is_an_error_when_it_is_set(
    wrong: object, which: str, tmp_path: Path
) -> None:
    """It would never stop a call."""
    with (
        pytest.raises(InputError, match=r"limit|number"),
        tokenprof.profile(tmp_path / "run.jsonl", **{which: wrong}),  # type: ignore[arg-type]
    ):
        pass


def test_a_small_bill_is_not_shown_as_nothing() -> None:
    guard = BudgetGuard(None, Limits(usd="0.00001"), Assumptions())
    guard._total_usd = Decimal("0.000035")
    assert (guard.refusal() or "").startswith("The run was billed $0.000035; its limit is $0.00001.")
