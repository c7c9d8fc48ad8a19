"""Texts that the user names go by that name, alone or inside a larger block."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import tokenprof
from tokenprof.facts.labels import MOST_LABELS, forget_labels, label_of
from tokenprof.record.block_facts import Shaper


@pytest.fixture(autouse=True)
def _no_labels() -> Iterator[None]:
    forget_labels()
    yield
    forget_labels()


def test_a_block_of_just_that_text_has_its_name_and_kind() -> None:
    text = tokenprof.label("Refund within 30 days.\n", "refund policy", kind="memory")
    block = Shaper(b"k").block("user", "user", {"type": "text", "text": text}, text=text)
    assert (block.kind, block.name, block.children) == ("memory", "refund policy", ())


def test_a_block_that_holds_it_among_other_things_lists_it_as_a_part() -> None:
    tokenprof.label("Be brief.", "style")
    tokenprof.label("Refund within 30 days.", "policy")
    text = "You are a clerk.\nRefund within 30 days.\nBe brief.\n"
    block = Shaper(b"k").block("system", "system[0]", {"text": text}, text=text)
    assert (block.kind, block.name) == ("system", "system[0]")
    assert [child.name for child in block.children] == ["policy", "style"]
    assert all(sum(child.tokens.values()) > 0 for child in block.children)


def test_what_the_name_was_given_to_is_not_recorded() -> None:
    tokenprof.label("a very secret text", "secret")
    block = Shaper(b"k").block("user", "user", {"text": "a very secret text"}, text="a very secret text")
    assert "very secret" not in repr(block)


def test_the_newest_name_counts_and_the_oldest_are_forgotten() -> None:
    tokenprof.label("text", "old")
    tokenprof.label("text", "new")
    label = label_of("text")
    assert label is not None
    assert label.name == "new"
    for number in range(MOST_LABELS):
        tokenprof.label(f"another text {number}", "other")
    assert label_of("text") is None


def test_an_empty_text_cannot_be_named() -> None:
    with pytest.raises(ValueError, match="'nothing' is empty"):
        tokenprof.label(" \n", "nothing")
