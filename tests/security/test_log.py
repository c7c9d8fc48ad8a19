"""What our log says in the host's terminal: where something failed, and nothing of what was sent."""

from __future__ import annotations

import logging
from pathlib import Path

import orjson
import pytest

from tokenprof.commands.main import main
from tokenprof.proxy.observe import Observer
from tokenprof.record.background.harmless_log import log
from tokenprof.record.recorder import Recorder


def test_a_failure_is_logged_with_its_place_and_without_its_words(caplog: pytest.LogCaptureFixture) -> None:
    try:
        int("TEXTCANARY")
    except ValueError as error:
        log.warning("it failed", exc_info=True)
        log.warning("it failed", exc_info=error)
    assert [record.getMessage() for record in caplog.records] == [caplog.messages[0]] * 2
    assert caplog.messages[0].endswith("ValueError")
    assert Path(__file__).name in caplog.messages[0]
    assert "TEXTCANARY" not in caplog.text.replace('int("TEXTCANARY")', "")


@pytest.mark.parametrize("command", [["report"], ["totals", "--store"], ["report", "RUN", "--prices"]])
@pytest.mark.parametrize(
    "address", ["https://user:CANARY@host.invalid/p", "https://host.invalid/?api_key=CANARY"]
)
def test_an_address_is_quoted_without_its_password(
    command: list[str], address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = str(Path(__file__).parents[1] / "data" / "logs" / "session_log" / "session_2.1.330.jsonl")
    assert main([run if word == "RUN" else word for word in command] + [address]) == 2
    said = capsys.readouterr().err
    assert "[masked]" in said
    assert "CANARY" not in said


def test_what_a_provider_says_is_logged_inertly_and_without_keys(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    said = "\x1b]0;owned\x07\u202e\x9b31m sk-ant-api03-KEYCANARY0123456789abcdef"
    usage = {"input_tokens": 1, "output_tokens": 1, "cache_creation": {said: 1}}
    recorder = Recorder(tmp_path / "run.jsonl")
    attempt = Observer(recorder).begin("POST", "/v1/messages", {}, b'{"model": "m"}')
    assert attempt is not None
    attempt.answered(200, {"content-type": "application/json"})
    attempt.whole(orjson.dumps({"id": "msg_1", "type": "message", "content": [], "usage": usage}))
    with caplog.at_level(logging.DEBUG):
        recorder.close()
    assert "is not understood" in caplog.text
    assert "KEYCANARY" not in caplog.text
    assert all(line.isprintable() for line in caplog.text.splitlines())
