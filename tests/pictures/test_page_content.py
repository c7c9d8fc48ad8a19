"""What broke the cache, word by word: only for whoever asks, masked, and from recordings and logs alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anthropic
import pytest
from pages import Opened

import tokenprof
from tokenprof.analysis.analysis import Analysis
from tokenprof.commands.main import main
from tokenprof.pictures.formats.html import render_analysis
from tokenprof.pictures.views.word_difference import MOST_WORDS, WordRun, word_difference
from tokenprof.reading.block_texts import read_with_texts
from tokenprof.reading.files import read
from tokenprof.testing import LoopbackProvider, Reply

RULES = "Always answer in short sentences and name the source of each figure that you give. " * 120
TOOLS: Any = [{"name": "look_up", "description": RULES, "input_schema": {"type": "object", "properties": {}}}]
SECRET = "sk-ant-api03-" + "a1B2" * 20


def test_a_difference_by_hand() -> None:
    assert word_difference("the cat sat here", "the dog sat here") == (
        WordRun("same", "the"),
        WordRun("gone", " cat"),
        WordRun("new", " dog"),
        WordRun("same", " sat here"),
    )


def test_equal_parts_are_left_out_except_beside_a_change() -> None:
    before = "w " * 100 + "old " + "v " * 100
    found = word_difference(before, before.replace("old", "new"))
    assert [run.change for run in found] == ["same", "gone", "new", "same"]
    assert found[0].text.split() == ["…", *["w"] * 8]
    assert found[3].text.split() == [*["v"] * 8, "…", *["v"] * 8]


def test_a_text_without_a_counterpart_is_new_and_cut() -> None:
    (only,) = word_difference("", "word " * 5000)
    assert only.change == "new"
    assert only.text.split() == [*["word"] * MOST_WORDS, "…"]


def test_secrets_are_masked_and_controls_are_inert() -> None:
    shown = "".join(run.text for run in word_difference("", f"key {SECRET} \x1b[2J \u202eend"))
    assert SECRET not in shown
    assert "\x1b" not in shown
    assert "\u202e" not in shown


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two calls: the second one has another date in its system prompt, so that the cache is missed."""
    path = tmp_path_factory.mktemp("content") / "run.jsonl"
    with (
        LoopbackProvider([Reply.text("one"), Reply.text("two")]) as server,
        tokenprof.profile(path, content=True),
        anthropic.Anthropic(api_key="x", base_url=server.url) as client,
    ):
        messages: list[Any] = [{"role": "user", "content": f"hello {SECRET}"}]
        for day in ("Monday", "Tuesday"):
            text = f"Today is {day}. {RULES}"
            client.messages.create(
                model="claude-opus-4-8",
                max_tokens=50,
                tools=TOOLS,
                system=[{"type": "text", "text": text, "cache_control": {"type": "ephemeral"}}],
                messages=messages,
            )
            messages = [
                *messages,
                {"role": "assistant", "content": "one"},
                {"role": "user", "content": "more"},
            ]
    return path


def test_a_recording_with_content_names_the_words_that_broke_the_cache(recording: Path) -> None:
    run, texts = read_with_texts(lambda: read([recording]))
    page = render_analysis(Analysis(run), texts=texts).decode()
    assert '{"change":"gone","text":" Monday."},{"change":"new","text":" Tuesday."}' in page


def test_without_the_option_no_text_is_in_the_page(recording: Path, tmp_path: Path) -> None:
    output = tmp_path / "page.html"
    assert main(["report", str(recording), "-o", str(output)]) == 0
    page = output.read_text("utf-8")
    assert "Monday" not in page
    assert "Tuesday" not in page
    assert "no text of prompts or answers" in page


@pytest.mark.slow
def test_the_page_says_at_its_head_that_it_holds_text(
    recording: Path, tmp_path: Path, opened: Opened
) -> None:
    output = tmp_path / "page.html"
    assert main(["open", str(recording), "--with-content", "--no-browser", "-o", str(output)]) == 0
    page = opened(output.read_bytes())
    head = page.locator("main > .callout").first
    assert head.inner_text().startswith("This file holds excerpts of prompts")
    assert page.inner_text("#cache del").strip() == "Monday."
    assert page.inner_text("#cache ins").strip() == "Tuesday."
    assert SECRET not in page.content()


def test_a_text_report_has_no_use_for_it(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(recording), "--with-content"]) == 2
    assert "are for the page; add -o FILE.html" in capsys.readouterr().err
