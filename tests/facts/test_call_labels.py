"""Labels of tool calls: what they say, and that no secret gets into one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenprof.facts.call_labels import MOST_CHARS, Labeller

NAMES = Labeller()


@pytest.mark.parametrize(
    ("arguments", "label"),
    [
        ({"file_path": "/home/me/project/src/app.ts"}, "src/app.ts"),
        ({"path": "C:\\work\\src\\app.ts"}, "src/app.ts"),
        ('{"path": "notes.md", "limit": 20}', "notes.md"),
        ({"command": "npm test -- --watch"}, "npm test"),
        ({"command": "cd /srv/app && git status --short"}, "git status"),
        ({"command": ["bash", "-lc", "sed -n 1,80p src/lib/parser.rs"]}, "sed lib/parser.rs"),
        ({"cmd": "python -m pytest tests/test_a.py -q"}, "python pytest tests/test_a.py"),
        ({"command": "sudo /usr/bin/make build | tee out.log"}, "make build"),
        ({"pattern": "def main"}, "def main"),
        ({"query": "price of\n  tea"}, "price of tea"),
        ({"url": "https://docs.example.com:8443/a/b?page=2"}, "docs.example.com"),
        ({"path": "https://example.org/secret/page"}, "example.org"),
    ],
)
def test_a_call_is_named_by_what_it_is_about(arguments: object, label: str) -> None:
    assert NAMES.label("any_tool", arguments) == label


@pytest.mark.parametrize(
    "arguments", [None, "", "ls", "[1]", {}, {"n": 3}, {"url": "::"}, {"command": ""}, "{"]
)
def test_a_call_whose_arguments_do_not_say_what_it_is_about_has_no_label(arguments: object) -> None:
    assert NAMES.label("any_tool", arguments) is None


CANARY = "hunter2canary"


@pytest.mark.parametrize(
    "command",
    [
        f"curl -H 'Authorization: Bearer {CANARY}' https://example.com/x",
        f"curl -u me:{CANARY} https://example.com/x.json",
        f"curl -u me/{CANARY} https://example.com/x.json",
        f"curl https://me:{CANARY}@example.com/x.json",
        f"curl 'https://example.com/x.json?token={CANARY}'",
        f"PGPASSWORD={CANARY} psql -h db",
        f"export API_KEY={CANARY}",
        f"env TOKEN={CANARY} make deploy",
        f"mysql -p{CANARY} shop",
        f"mysql --password={CANARY} shop",
        f"sshpass -p {CANARY} ssh host",
        f"docker login -u me -p {CANARY}",
        f"docker login -u me --password secret/{CANARY}",
        f"echo {CANARY} | docker login --password-stdin",
        f"printf {CANARY}/x.txt",
        f"git commit -m 'the password is {CANARY}'",
        f"git clone https://oauth2:{CANARY}@example.com/a/b.git",
        f'bash -c "mysql -p{CANARY}"',
        f"aws configure set aws_secret_access_key {CANARY}",
        f"openssl enc -k {CANARY}.txt",
        f"cat <<END > a.txt\n{CANARY}\nEND",
        f"$(echo {CANARY})",
        f"{CANARY}=1",
    ],
)
def test_no_secret_of_a_command_gets_into_a_label(command: str) -> None:
    assert CANARY not in (NAMES.label("Bash", {"command": command}) or "")
    assert CANARY not in (NAMES.label("shell", {"command": ["bash", "-lc", command]}) or "")


KEYS = (
    "sk-ant-api03-abcdefghijklmnop",
    "ghp_abcdefghijklmnop0123",
    "AKIAIOSFODNN7EXAMPLE",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abcdefgh123",
    "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b",
    "dGhpcyBpcyBhIHNlY3JldCBrZXkgMTIz",
)


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(
    "arguments",
    [
        lambda key: {"query": f"what is {key}"},
        lambda key: {"pattern": key},
        lambda key: {"path": f"/tmp/{key}/config.json"},
        lambda key: {"path": f"{'d' * 30}/{key}"},
        lambda key: {"url": f"https://{key}.example.com/"},
        lambda key: {"command": f"cat /tmp/{key}.txt"},
        lambda key: {"command": f"git log {key}"},
    ],
)
def test_keys_are_masked_by_their_form_wherever_they_stand(arguments: Any, key: str) -> None:
    label = NAMES.label("any_tool", arguments(key)) or ""
    assert key.lower() not in label.lower()
    assert key[8:].lower() not in label.lower()


def test_the_user_names_the_argument_or_gives_a_rule_and_both_are_masked() -> None:
    by_argument = Labeller({"lookup_order": "order_id"})
    assert by_argument.label("lookup_order", {"order_id": 4711}) == "4711"
    assert by_argument.label("lookup_order", {"order_id": "sk-ant-abcdefghijkl"}) == "[masked]"
    assert by_argument.label("other", {"order_id": 4711}) is None

    def rule(tool: str, given: Mapping[str, Any]) -> str | None:
        return f"to {given['to']}" if tool == "send_mail" else None

    by_rule = Labeller(rule=rule)
    assert by_rule.label("send_mail", {"to": "ops"}) == "to ops"
    assert by_rule.label("read", {"path": "a.txt"}) == "a.txt"


def test_a_rule_that_fails_leaves_the_call_without_a_label() -> None:
    labeller = Labeller(rule=lambda tool, given: given["missing"])
    assert labeller.label("t", {"path": "a.txt"}) == "a.txt"
    assert labeller.label("t", {"n": 1}) is None


@given(st.dictionaries(st.sampled_from(["path", "command", "query", "url", "x"]), st.text(max_size=80)))
def test_any_arguments_give_a_short_printable_label_and_the_same_as_their_json(
    arguments: dict[str, str],
) -> None:
    label = NAMES.label("t", arguments)
    assert label is None or (0 < len(label) <= MOST_CHARS and label.isprintable())
    assert NAMES.label("t", json.dumps(arguments)) == label
