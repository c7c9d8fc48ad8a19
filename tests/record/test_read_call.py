"""From an exchange to a call: which requests are calls, and what becomes of answers that cannot be read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from plain_exchanges import exchange

from tokenprof.record.block_facts import Shaper
from tokenprof.record.call import Call
from tokenprof.record.exchange import Exchange, is_fetch
from tokenprof.record.read_call import read_call
from tokenprof.record.wires import interpreter_of, wire_of

SHAPER = Shaper(key=b"k" * 16, count=lambda texts: [{} for _ in texts])


@pytest.mark.parametrize(
    ("method", "target", "provider"),
    [
        ("POST", "/v1/messages", "anthropic"),
        ("POST", "/v1/messages/?beta=true", "anthropic"),
        ("POST", "/v1/messages/count_tokens", None),
        ("GET", "/v1/messages", None),
        ("PUT", "/v1/chat/completions", None),
        ("POST", "/openai/deployments/x/chat/completions?api-version=1", "openai"),
        ("GET", "/v1/responses/resp_1?stream=false", "openai"),
        ("DELETE", "/v1/responses/resp_1", None),
        ("POST", "/v1beta/models/gemini-3-pro:streamGenerateContent?alt=sse", "gcp.gemini"),
        ("POST", "/model/anthropic.claude-opus-4-8/converse", "aws.bedrock"),
        ("POST", "/" + "x" * 1024 + "/v1/messages", None),
        ("POST", "", None),
    ],
)
def test_the_api_of_a_request(method: str, target: str, provider: str | None) -> None:
    wire = wire_of(method, target)
    assert (None if wire is None else wire.provider) == provider


def interpreted(interpret: Callable[[Exchange, Any], Call | None], **more: Any) -> Exchange:
    made = {"request": b'{"model":"gpt-5.4"}', "span_id": "5" * 16, **more}
    return exchange(interpret=interpret, **made)


def test_a_response_that_is_fetched_was_asked_for_by_another_request() -> None:
    assert is_fetch(interpreted(lambda *_: None, request=b"", target="/v1/responses/resp_1?stream=false"))
    assert is_fetch(interpreted(lambda *_: None, request=b"{}", target="/v1/responses/resp_1"))
    assert not is_fetch(interpreted(lambda *_: None, request=b"", target="/v1/responses"))


def fails(_: Exchange, __: Any) -> Call | None:
    raise KeyError("usage")


def test_an_answer_that_an_adapter_fails_on_may_be_billed_and_a_failed_attempt_is_not() -> None:
    call = read_call(interpreted(fails, status_code=200, body=b"{}"), SHAPER)
    assert call is not None
    assert (call.response_id, call.model, call.status, call.usage) == ("5" * 16, "gpt-5.4", "partial", None)
    assert call.notes == (
        "tokenprof failed to read it (KeyError); it is counted as unmeasured. Please report this.",
    )
    for more in ({"status_code": 500, "body": b"{}"}, {"status_code": 200, "body": b""}, {}):
        with pytest.raises(KeyError):
            read_call(interpreted(fails, **more), SHAPER)


def test_bodies_that_the_fast_parser_refuses_are_read_once_more_and_others_are_not() -> None:
    seen: list[bytes] = []

    def strict(given: Exchange, _: Any) -> Call | None:
        seen.append(given.body)
        orjson.loads(given.body)
        return None

    assert read_call(interpreted(strict, status_code=200, body=b'{"a":NaN}'), SHAPER) is None
    assert seen == [b'{"a":NaN}', b'{"a":null}']
    seen.clear()
    # It is JSON, and holds no call that could be billed: with a body that is the same, it says so once more.
    assert read_call(interpreted(strict, status_code=200, body=b"{}"), SHAPER) is None
    assert read_call(interpreted(strict, status_code=404, body=b"{}"), SHAPER) is None
    assert seen == [b"{}", b"{}", b"{}"]


def test_an_answer_without_an_id_that_is_read_already_is_not_read_again() -> None:
    seen: list[bytes] = []

    def without_id(given: Exchange, _: Any) -> Call | None:
        seen.append(given.body)
        return Call(response_id=None, requested_model="m", model="m", status="error", usage=None, prompt=())

    call = read_call(interpreted(without_id, status_code=200, body=b'{"error":{}}'), SHAPER)
    assert call is not None
    assert call.response_id is None
    assert seen == [b'{"error":{}}']


def test_the_account_in_the_name_of_a_model_is_left_out() -> None:
    arn = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-opus-4-8-v1:0"
    body = orjson.dumps(
        {
            "output": {"message": {"role": "assistant", "content": [{"text": "hi"}]}},
            "stopReason": "end_turn",
            "usage": {"inputTokens": 3, "outputTokens": 1, "totalTokens": 4},
        }
    )
    wire = wire_of("POST", f"/model/{arn}/converse")
    assert wire is not None
    asked = b'{"messages":[{"role":"user","content":[{"text":"x"}]}]}'
    sent = interpreted(
        interpreter_of(wire), request=asked, target=f"/model/{arn}/converse", status_code=200, body=body
    )
    call = read_call(sent, SHAPER)
    assert call is not None
    assert call.usage is not None
    assert "123456789012" not in f"{call.model} {call.requested_model}"
    assert call.model.endswith("us.anthropic.claude-opus-4-8-v1:0")
