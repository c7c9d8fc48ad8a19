"""What a request says of itself in its headers and near its ends, and who may have been billed for it."""

from __future__ import annotations

import orjson
import pytest
from plain_exchanges import exchange

from tokenprof.record.exchange import attempt_of_headers, model_in, was_answered, without_prompt


@pytest.mark.parametrize(
    ("headers", "attempt"),
    [
        ({}, ("", 0)),
        ({"idempotency-key": "k1", "x-stainless-retry-count": "2"}, ("k1", 2)),
        ({"x-stainless-retry-count": "two"}, ("", 0)),
        ({"amz-sdk-invocation-id": "i1", "amz-sdk-request": "attempt=3; max=5"}, ("i1", 2)),
        ({"amz-sdk-request": "ttl=20260101; attempt=1"}, ("", 0)),
        ({"amz-sdk-request": "attempt=0; max=5"}, ("", 0)),
        ({"amz-sdk-request": "max=5", "x-stainless-retry-count": "1"}, ("", 1)),
        ({"idempotency-key": "", "amz-sdk-invocation-id": "i1"}, ("i1", 0)),
    ],
)
def test_the_attempt_that_headers_name(headers: dict[str, str], attempt: tuple[str, int]) -> None:
    assert attempt_of_headers(headers) == attempt


@pytest.mark.parametrize(
    ("request_", "model"),
    [
        (b'{"model": "gpt-5.4", "messages": []}', "gpt-5.4"),
        (b'{"messages": ["' + b"x" * 10_000 + b'"], "model" : "gpt-5.4"}', "gpt-5.4"),
        (b'{"modelId":"anthropic.claude"}', "anthropic.claude"),
        (b'{"x": "' + b"x" * 10_000 + b'", "model": "hidden", "y": "' + b"y" * 10_000 + b'"}', ""),
        (b'{"model": "\xff"}', "\ufffd"),
        (b'{"model": 5}', ""),
        (b"", ""),
    ],
    ids=["first", "last", "bedrock", "in the middle", "not utf-8", "a number", "empty"],
)
def test_the_model_is_found_near_the_ends_of_a_request(request_: bytes, model: str) -> None:
    assert model_in(request_) == model


def test_a_request_without_its_prompt_still_names_its_model_and_api() -> None:
    asked = orjson.dumps({"model": "gpt-5.4", "messages": [{"role": "user", "content": "secret"}]})
    assert (
        without_prompt(exchange(asked, target="/v1/chat/completions")) == b'{"model":"gpt-5.4","messages":[]}'
    )
    assert without_prompt(exchange(asked, target="/v1/responses")) == b'{"model":"gpt-5.4"}'
    assert without_prompt(exchange(b"\x00\xff")) == b'{"model":"","messages":[]}'


@pytest.mark.parametrize(
    ("status_code", "body", "answered"),
    [
        (200, b"{", True),
        (299, b"x", True),
        (200, b"", False),
        (199, b"x", False),
        (300, b"x", False),
        (None, b"x", False),
    ],
)
def test_only_an_accepted_request_with_bytes_in_its_answer_may_be_billed(
    status_code: int | None, body: bytes, answered: bool
) -> None:
    assert was_answered(exchange(status_code=status_code, body=body)) == answered
