"""Masks: keys go by their names and their forms; what only resembles a key stays."""

from __future__ import annotations

import pytest

from tokenprof.facts.secret_masks import MASK, masked, masked_target, masked_text

SECRETS = [
    "sk-ant-api03-CANARYcanary0123456789",
    "sk-proj-CANARY0123456789abcdef",
    "sk-CANARY-short",
    "AIzaSyCANARY0123456789abcdefghijklmno",
    "ya29.CANARY0123456789abcdef",
    "AKIACANARY0123456789",
    "ASIACANARY0123456789",
    "AWS_SESSION_TOKEN=IQoJb3JpZ2luX2VjECANARY/+12",
    "AWS4-HMAC-SHA256 Credential=CANARY/20261127/us-east-1/bedrock/aws4_request, Signature=CANARY0f",
    "https://b.s3.amazonaws.com/k?X-Amz-Security-Token=CANARY&X-Amz-Signature=CANARY",
    "GOCSPX-CANARY0123456789abc",
    "1//0gCANARY-abcdefghijklmnopqrst",
    "AccountName=a;AccountKey=CANARY0123456789+/abc==;EndpointSuffix=core.windows.net",
    "https://x.blob.core.windows.net/c?sv=2026&sig=CANARY%2B",
    "api-key: CANARY0123456789abcdef",
    "ghp_CANARY0123456789abcdef",
    "github_pat_11CANARY0123456789",
    "glpat-CANARY0123456789",
    "hf_CANARY0123456789abcdef",
    "xoxb-CANARY-0123456789",
    "sk_live_CANARY0123456789",
    "pypi-AgEIcHlwaS5vcmcCANARY0123",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJDQU5BUlkifQ.CANARYsig",
    "-----BEGIN RSA PRIVATE KEY-----\nCANARY+/=\nabc\n-----END RSA PRIVATE KEY-----",
    "Bearer CANARY0123456789",
    "Authorization: Basic Q0FOQVJZOkNBTkFSWQ==CANARY1",
    "https://user:CANARY@host/path",
    "https://host/mcp?api_key=CANARY&x=1",
    "https://host/mcp?x=1&token=CANARY",
    "OPENAI_API_KEY=CANARY123456",
    'export MY_PASSWORD="CANARY123"',
    '{"api_key": "CANARY"}',
    '{\\"authorization_token\\": \\"CANARY\\"}',
    "'password': 'CANARY'",
]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("around", ["{}", "please use {} for it", '"{}"', "a\n{}\nb", "({})."])
def test_keys_in_texts_are_masked(secret: str, around: str) -> None:
    shown = masked_text(around.format(secret) if around != "{}" else secret)
    assert "CANARY" not in shown
    assert MASK in shown


@pytest.mark.parametrize(
    "text",
    [
        "Basic understanding of bearer certificates is enough.",
        "The secret is patience: wait and see.",
        "max_tokens=1000, total_tokens: 123456, input_tokens = 99999999",
        "task-force, disk-space, sk-1",
        "https://host/v1/messages?beta=true&page=2",
        "scikit-learn at https://host:8080/path@v1",
        "key: value, token count 12345",
        '{"properties": {"password": {"type": "string"}}}',
    ],
)
def test_ordinary_words_stay(text: str) -> None:
    assert masked_text(text) == text


def test_values_go_by_their_names() -> None:
    request = {
        "model": "m",
        "max_tokens": 9,
        "mcp_servers": [
            {"type": "url", "url": "https://mcp/sse?key=CANARY", "authorization_token": "CANARY", "name": "n"}
        ],
        "tools": [
            {
                "type": "mcp",
                "server_url": "https://user:CANARY@mcp",
                "authorization": "CANARY",
                "headers": {"X-Anything": "CANARY"},
            },
            {"name": "login", "input_schema": {"properties": {"password": {"type": "string"}}}},
        ],
        "messages": [{"role": "user", "content": "my key is sk-CANARY-12345678"}],
        "metadata": {"Api-Key": "CANARY", "clientSecret": ["CANARY"], "cookies": {"a": "b"}},
    }
    shown = masked(request)
    assert "CANARY" not in str(shown)
    assert shown["tools"][1] == request["tools"][1]  # type: ignore[index]
    assert (shown["model"], shown["max_tokens"], shown["metadata"]["cookies"]) == ("m", 9, {"a": "b"})
    assert shown["mcp_servers"][0]["name"] == "n"


def test_the_words_of_an_answer_are_not_tokens_of_this_kind() -> None:
    probabilities = [{"token": "Hello", "logprob": -0.1, "bytes": [72]}]
    assert masked({"logprobs": probabilities}) == {"logprobs": probabilities}
    assert masked({"token": "Hello"}) == {"token": MASK}


def test_masking_twice_changes_nothing() -> None:
    for secret in SECRETS:
        once = masked_text(secret)
        assert masked_text(once) == once


def test_deep_nesting_ends_in_a_mask() -> None:
    value: object = "CANARY"
    for _ in range(100_000):
        value = [value]
    assert "CANARY" not in str(masked(value))


@pytest.mark.parametrize(
    ("target", "shown"),
    [
        ("/v1/messages?beta=true", "/v1/messages?beta=true"),
        (
            "/v1beta/models/g:generateContent?key=abc&alt=sse",
            f"/v1beta/models/g:generateContent?key={MASK}&alt=sse",
        ),
        ("/m?api-version=1&api-key=x&sig=y", f"/m?api-version=1&api-key={MASK}&sig={MASK}"),
        ("/m?X-Amz-Signature=abc&access_token=", f"/m?X-Amz-Signature={MASK}&access_token={MASK}"),
        ("/bot/sk-ant-0123456789/x", f"/bot/{MASK}/x"),
    ],
)
def test_secret_parameters_of_a_target_are_masked(target: str, shown: str) -> None:
    assert masked_target(target) == shown


WORST = [
    "a",
    "-",
    "\\",
    '"',
    " ",
    "?key=",
    "://",
    "://a:",
    "key",
    "key=",
    "api_key ",
    "bearer ",
    "gh",
    "SG.",
    "sk-",
    "eyJ",
    "eyJaaaaaaaa.",
    "xxxxxxx.",
    "-----BEGIN ",
    "-----BEGIN PRIVATE KEY-----",
    "authorization\\\\\\\\\\\\\\\\",
]


@pytest.mark.parametrize("piece", WORST)
def test_a_megabyte_of_the_worst_input_is_masked_in_one_scan(piece: str) -> None:
    shown = masked_text(piece * (2**20 // len(piece)))
    assert len(shown) > 0
