"""Who sold a call: by option, by public host, by the id of an answer or a model, by a price file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import anthropic
import pytest
from waiting import WATCHDOG_S
from wire_exchanges import Sent
from wire_situation import CLAUDE, PLAIN, chat, iterations, messages

import tokenprof
from tokenprof.analysis.assumptions import resolve_assumptions
from tokenprof.commands.main import main
from tokenprof.live.running_cost import RunningCost
from tokenprof.proxy.python_command import recording_environment
from tokenprof.proxy.recording_proxy import recording_proxy
from tokenprof.reading.files import read
from tokenprof.record.recorder import Recorder
from tokenprof.testing import LoopbackProvider, Reply

SONNET = "anthropic/claude-sonnet-4.5"
ADVICE = {"type": "advisor_message", "model": "claude-opus-4-7", "input_tokens": 1000, "output_tokens": 200}


def recording(folder: Path, *sent: Sent, seller: str | None = None) -> Path:
    recorder = Recorder(folder / "run.jsonl", seller=seller)
    for number, one in enumerate(sent):
        recorder.submit(one.exchange(number))
    recorder.close()
    return folder / "run.jsonl"


@pytest.mark.parametrize(
    ("host", "option", "seller"),
    [
        ("127.0.0.1:4000", None, None),
        ("relay.example.com", None, None),
        ("relay.example.com", "openrouter", "openrouter"),
        ("openrouter.ai", "azure", "openrouter"),
        ("api.openai.com", "azure", None),
        ("eu.api.openai.com", None, None),
        ("my-deployment.openai.azure.com", None, "azure"),
        ("bedrock-runtime.eu-west-1.amazonaws.com", None, "aws"),
        ("openrouter.ai.example.com", None, None),
    ],
)
def test_a_public_host_shows_the_seller_and_an_option_says_it_for_others(
    host: str, option: str | None, seller: str | None, tmp_path: Path
) -> None:
    (turn,) = read(recording(tmp_path, chat(PLAIN, host), seller=option)).turns
    assert (turn.provider, turn.seller) == ("openai", seller)


@pytest.mark.parametrize(
    ("sent", "seller", "usd"),
    [
        # 100 tokens in and 10 out, at the list price per million in the comment.
        (chat(PLAIN, "relay.example.com", model=f"openrouter/{SONNET}"), None, "0.00045"),  # 3/15
        (chat(PLAIN, "relay.example.com", model="google/gemini-2.5-flash"), None, "0.000055"),  # 0.3/2.5
        (chat(PLAIN, "relay.example.com", model="x-ai/grok-4"), None, "0.00045"),  # 3/15
        (chat(PLAIN, "relay.example.com", model="azure/gpt-5.4"), None, "0.0004"),  # 2.5/15
        (messages(CLAUDE, "relay.example.com", id="msg_bdrk_1"), "aws.bedrock", "0.00075"),  # 5/25
        (messages(CLAUDE, "relay.example.com", id="msg_vrtx_1"), "gcp.vertex_ai", "0.00075"),
        (messages(CLAUDE, "relay.example.com", model="claude-opus-4-8[1m]"), None, "0.00075"),
        (
            messages(CLAUDE, "relay.example.com", model="us.anthropic.claude-opus-4-8"),
            "aws.bedrock",
            "0.000825",  # 1.1 times the list price in a region
        ),
    ],
)
def test_ids_show_the_seller(sent: Sent, seller: str | None, usd: str, tmp_path: Path) -> None:
    analysis = tokenprof.load(recording(tmp_path, sent)).analyze()
    assert [turn.seller for turn in analysis.run.turns] == [seller]
    assert analysis.totals.billed_usd == Decimal(usd)
    assert analysis.is_complete


def test_a_relay_of_the_messages_api_has_the_seller_that_its_profile_names(tmp_path: Path) -> None:
    """An SDK's middleware with a relay's base address, here on this machine."""
    with (
        LoopbackProvider([Reply.text("hi")]) as provider,
        tokenprof.profile(tmp_path / "run.jsonl", seller="openrouter"),
        anthropic.Anthropic(api_key="k", base_url=provider.url) as client,
    ):
        question: Any = [{"role": "user", "content": "hello"}]
        client.messages.create(model="anthropic/claude-sonnet-4.5", max_tokens=9, messages=question)
    (turn,) = (run := read(tmp_path / "run.jsonl")).turns
    assert (turn.provider, turn.seller) == ("anthropic", "openrouter")
    assert tokenprof.load(tmp_path / "run.jsonl").analyze().totals.unpriced_turns == 0
    assert run.problems == ()


def test_the_proxy_and_a_profiled_program_record_the_seller_that_is_named(tmp_path: Path) -> None:
    with (
        LoopbackProvider([Reply.text("hi")]) as provider,
        recording_proxy(tmp_path / "run.jsonl", {}, upstream=provider.url, seller="azure") as proxy,
        anthropic.Anthropic(api_key="k", base_url=proxy.url()) as client,
    ):
        question: Any = [{"role": "user", "content": "hello"}]
        client.messages.create(model="claude-opus-4-8", max_tokens=9, messages=question)
    assert [turn.seller for turn in read(tmp_path / "run.jsonl").turns] == ["azure"]
    assert recording_environment(tmp_path / "a", {}, "azure")["TOKENPROF_SELLER"] == "azure"
    assert "TOKENPROF_SELLER" not in recording_environment(tmp_path / "a", {})


CALLING = """
import anthropic
with anthropic.Anthropic(api_key="k") as client:
    client.messages.create(
        model="anthropic/claude-sonnet-4.5", max_tokens=9, messages=[{"role": "user", "content": "hello"}]
    )
"""


@pytest.mark.slow
@pytest.mark.parametrize("options", [(), ("--proxy",)])
def test_a_command_run_with_a_seller_is_priced_as_that_seller_sells(
    options: tuple[str, ...], tmp_path: Path
) -> None:
    path = tmp_path / "run.jsonl"
    with LoopbackProvider([Reply.text("hi")]) as provider:
        command = (
            "run",
            *options,
            "--seller",
            "openrouter",
            "--record",
            str(path),
            "--",
            sys.executable,
            "-c",
        )
        done = subprocess.run(
            [sys.executable, "-m", "tokenprof", *command, CALLING],
            env={**os.environ, "ANTHROPIC_BASE_URL": provider.url},
            capture_output=True,
            text=True,
            timeout=WATCHDOG_S,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    analysis = tokenprof.load(path).analyze()
    (turn,) = analysis.run.turns
    assert (turn.seller, turn.usage is not None) == ("openrouter", True)
    assert turn.usage is not None
    written = Decimal(turn.usage.all_output_tokens) * 15
    assert analysis.totals.billed_usd == (Decimal(turn.usage.input_tokens) * 3 + written) / 10**6


def test_the_cost_of_a_run_while_it_runs_is_its_bill(tmp_path: Path) -> None:
    """With the advice of another model, and at the prices of who sold the call."""
    costs: list[tokenprof.TurnCost] = []
    advised = messages(iterations(ADVICE), id="m")
    routed = chat(PLAIN, "openrouter.ai", model=SONNET, id="gen-1")
    listener = RunningCost(costs.append, resolve_assumptions())
    recorder = Recorder(tmp_path / "run.jsonl", listener=listener)
    for number, sent in enumerate((advised, routed)):
        recorder.submit(sent.exchange(number))
    recorder.close()
    analysis = tokenprof.load(tmp_path / "run.jsonl").analyze()
    assert [cost.turn.agent for cost in costs] == [None, "advisor", None]
    assert costs[-1].complete
    assert costs[-1].total_usd == analysis.totals.billed_usd == Decimal("0.0112")  # 0.01075 + 0.00045


def test_a_report_takes_the_seller_from_an_option(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The two calls that do not show their seller are openrouter's, the third one stays Azure's."""
    own = chat(PLAIN, "relay.example.com", model=SONNET)
    azure = chat(PLAIN, "my.openai.azure.com", id="c2")
    path = recording(tmp_path, own, chat(PLAIN, model=SONNET, id="c3"), azure)
    assert main(["report", str(path), "--seller", "openrouter", "--format", "json"]) == 0
    turns = json.loads(capsys.readouterr().out)["turns"]
    assert [turn["seller"] for turn in turns] == ["openrouter", "openrouter", "azure"]
    assert [Decimal(turn["billed_usd"]) for turn in turns] == [
        Decimal("0.00045"),
        Decimal("0.00045"),
        Decimal("0.0004"),
    ]
    analysis = tokenprof.load(path).analyze(seller="openrouter")
    assert [turn.seller for turn in analysis.run.turns] == ["openrouter", "openrouter", "azure"]


def test_a_price_file_leads_a_name_to_another_providers_model(tmp_path: Path) -> None:
    (tmp_path / "prices.toml").write_text(
        '[[alias]]\nprovider = "openai"\nmodel = "anthropic/claude-opus-4-8"\nnames = ["corp-best"]\n'
        'source = "our gateway"\nchecked = 2026-11-01\n'
    )
    path = recording(tmp_path, chat(PLAIN, "relay.example.com", model="corp-best"))
    assert tokenprof.load(path).analyze().totals.unpriced_turns == 1
    analysis = tokenprof.load(path).analyze(prices=tmp_path / "prices.toml")
    assert analysis.totals.billed_usd == Decimal("0.00075")


def test_what_a_seller_says_that_it_cost_stands_beside_the_list_price(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = recording(tmp_path, chat({**PLAIN, "cost": "0.0005"}, "openrouter.ai", model=SONNET))
    assert main(["report", str(path), "--format", "json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["turns"][0]["stated_usd"], report["turns"][0]["billed_usd"]) == ("0.0005", "0.000450")
    assert any(
        "$0.0005 by the seller's own figure and $0.000450 at list prices" in w for w in report["warnings"]
    )
