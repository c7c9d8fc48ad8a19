"""Masks: keys go by their names and their forms; what only resembles a key stays."""

from __future__ import annotations

import re

import pytest

from tokenprof.facts.secrets import forms as secret_forms
from tokenprof.facts.secrets.masks import MASK, masked, masked_target, masked_text

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
    "s3://bucket/folder?secret=CANARY&endpoint=x",
    "sftp://host/folder?user=me&pass=CANARY",
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
    '{"password": "it\'s CANARY"}',
    r'{"password": "a\"b\\CANARY", "x": "y"}',
    r"{\"password\": \"a\\\"b CANARY\", \"x\": \"y\"}",
    "api_key=" + "a1" * 8000 + "CANARY",
    "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: A-256\n\nCANARY\n-----END RSA",
    "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nCANARY\n-----END PGP PRIVATE KEY BLOCK-----",
    "Cookie: a=b; session=CANARY12345",
    "curl -u admin:CANARY https://host",
    "tool --password CANARY1",
    "tool --auth-token=CANARY1",
    "GITHUB_TOKEN=CANARY1234",
    "https://hooks.slack.com/services/T0/B0/CANARY",
    "https://discord.com/api/webhooks/123/CANARY",
    "https://api.telegram.org/bot123:CANARY/sendMessage",
    "https://CANARY0123456789abcd@github.com/x",
    "redis://:CANARY@host:6379",
    r"https:\/\/u:CANARY@host\/",
    "machine h login u password CANARY",
    "<password>CANARY</password>",
    "Authorization: token CANARY1234567",
    "https://host/?a=1&amp;token=CANARY",
    r"https://host/?a=1\u0026X-Goog-Signature=CANARY",
    "https://host/cb#access_token=CANARY",
    "hvs.CANARY0123456789",
    "xapp-1-A0-CANARY123",
    "whsec_CANARY0123456789",
    "shpat_CANARY0123456789",
    "sntrys_CANARY0123456789",
    "ATATT3xFfCANARY0123456789",
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


@pytest.mark.parametrize("before", [r"\n", r"\t", r"\\n", r"\u0020", "%3D", "\x1b[31m", "\x1b[1m"])
@pytest.mark.parametrize(
    "key", ["sk-ant-api03-CANARY0123", "ghp_CANARY0123456789abcdef", "AKIACANARY0123456789"]
)
def test_a_key_is_seen_after_an_escape(before: str, key: str) -> None:
    assert masked_text(f"it is{before}{key}") == f"it is{before}{MASK}"


@pytest.mark.parametrize(
    "value",
    [
        {"authorization": {"type": "oauth", "token": "CANARY"}},
        {"credentials": {"type": "service_account", "private_key_id": "CANARY", "client_id": "1"}},
        {"credentials": {"user": "u", "retries": 3, "word": "CANARY"}},
        {"secrets": {"a": ["CANARY", {"b": "CANARY"}]}},
        {"properties": {"password": {"type": "string", "default": "CANARY", "examples": ["CANARY"]}}},
        {"headers": [{"name": "Authorization", "value": "CANARY"}]},
        {"headers": [["X-Api-Key", "CANARY"]]},
        {"cookies": [{"name": "sid", "value": "CANARY"}]},
        {"slack_bot_token": "CANARY"},
        {"PRIVATE-TOKEN": "CANARY"},
        {"auth": {"user": "u", "pass": "CANARY"}},
        {"arguments": '{"password": "it\'s CANARY"}'},
        {"arguments": '{"arguments": "{\\"credentials\\": {\\"type\\": \\"a\\", \\"b\\": \\"CANARY\\"}}"}'},
        {
            "mcp_servers": [
                {"type": "url", "url": "https://mcp.example/api/s/CANARY0123456789/mcp", "name": "n"}
            ]
        },
        {"tools": [{"type": "mcp", "server_url": "https://u:CANARY@h/sse?k=1&token=CANARY"}]},
        {"tools": [{"type": "mcp", "headers": {"a": {"b": "CANARY"}}}]},
        {"text": "-----BEGIN PRIVATE KEY-----\nCANARY"},
    ],
)
def test_secrets_are_masked_in_whatever_shape_they_come(value: dict[str, object]) -> None:
    assert "CANARY" not in str(masked(value))


def test_numbers_are_masked_under_the_name_of_a_password_only() -> None:
    shown = masked({"password": 123456, "max_token": 7, "is_secret": True, "token": None, "passcode": 0})
    assert shown == {"password": MASK, "max_token": 7, "is_secret": True, "token": None, "passcode": MASK}


def test_a_text_that_is_json_stays_as_it_was_written_if_it_holds_no_secret() -> None:
    written = '{ "path":  "a.py", "n": 1e3 }'
    assert masked({"arguments": written}) == {"arguments": written}
    assert masked("[not json") == "[not json"


def test_the_address_of_a_server_keeps_its_host_and_short_words() -> None:
    address = "https://mcp.example:8080/v1/mcp/s3cr3tpath/?mode=x"
    shown = masked({"type": "url", "url": address})
    assert shown["url"] == f"https://mcp.example:8080/v1/mcp/{MASK}/?mode=x"


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
    assert (shown["model"], shown["max_tokens"], shown["metadata"]["cookies"]) == ("m", 9, {"a": MASK})
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
    '"password": "',
    '\\"password\\": \\"',
    "Cookie: a=",
    " -u a:",
    "--password ",
    "--a",
    "<password>",
    "-----BEGIN PRIVATE KEY-----\\",
    "_TOKEN=",
    "hooks.slack.com/services/",
    "login a password ",
]


@pytest.mark.parametrize("piece", WORST)
def test_much_of_the_worst_input_is_masked_in_one_scan(piece: str) -> None:
    shown = masked_text(piece * (2**18 // len(piece)))
    assert len(shown) > 0


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("chars_before", [7_100, 8_180, 8_191, 16_000])
def test_a_secret_is_masked_wherever_it_stands_in_a_long_text(secret: str, chars_before: int) -> None:
    before, after = " " * chars_before, "\n" + " ." * 5_000
    assert masked_text(f"{before}{secret}{after}") == f"{before}{masked_text(secret)}{after}"


def test_letters_that_grow_in_lower_case_do_not_move_the_mask() -> None:
    assert masked_text("\u0130" * 9_000 + " sk-CANARY-01234") == "\u0130" * 9_000 + f" {MASK}"


def test_no_single_search_looks_at_more_than_a_window(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at = []

    class Watched:
        def __init__(self, pattern: re.Pattern[str]):
            self.pattern = pattern

        def search(self, text: str, start: int, end: int) -> re.Match[str] | None:
            looked_at.append(end - start)
            return self.pattern.search(text, start, end)

    compiled = secret_forms._compiled
    monkeypatch.setattr(secret_forms, "_compiled", lambda source: Watched(compiled(source)))
    masked_text("the key, the token and the password " * 30_000)
    assert max(looked_at) <= 8_192
