"""Flex and priority beside the recorded truth: the same OpenAI loop, recorded in each tier."""

from __future__ import annotations

import random
from pathlib import Path

import openai
import pytest

import tokenprof
from tokenprof.analysis.analysis import Analysis
from tokenprof.reading.files import read
from tokenprof.testing import OpenAILoopback, Reply, texts

MODEL = "gpt-5.4"
QUESTIONS = 4


def record(path: Path, tier: str) -> Analysis:
    """Return the analysis of a conversation that was served in a tier."""
    answers = [Reply.text(f"Answer {number}: " + "well, " * 40) for number in range(QUESTIONS)]
    with (
        OpenAILoopback(answers, clock=lambda: 0.0) as server,
        tokenprof.profile(path),
        openai.OpenAI(api_key="unused", base_url=server.url) as client,
    ):
        messages = [{"role": "system", "content": texts.prose(random.Random(1), 150)}]
        for number in range(QUESTIONS):
            messages.append({"role": "user", "content": f"Question {number}?"})
            said = client.chat.completions.create(  # type: ignore[call-overload]
                model=MODEL, messages=messages, service_tier=tier
            )
            messages.append({"role": "assistant", "content": said.choices[0].message.content})
    return Analysis(read([path]))


@pytest.fixture(scope="module")
def standard(tmp_path_factory: pytest.TempPathFactory) -> Analysis:
    return record(tmp_path_factory.mktemp("standard") / "run.jsonl", "default")


@pytest.mark.parametrize("tier", ["flex", "priority"])
def test_a_tier_is_predicted_to_the_last_decimal(tier: str, standard: Analysis, tmp_path: Path) -> None:
    truth = record(tmp_path / "truth.jsonl", tier)
    found = standard.what_if(f"tier={tier}")
    assert found.after_usd == truth.totals.billed_usd
    assert found.after_usd != found.before_usd == standard.totals.billed_usd
    assert found.is_exact


def test_and_back_again(standard: Analysis, tmp_path: Path) -> None:
    flex = record(tmp_path / "flex.jsonl", "flex")
    assert flex.what_if("tier=standard").after_usd == standard.totals.billed_usd
