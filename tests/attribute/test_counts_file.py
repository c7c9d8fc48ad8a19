"""Files of a provider's counts: written in order, read back, and refused in a sentence if damaged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tokenprof.attribute.counts import SCHEMA, counted_places, prefix_digests, read_counts, write_counts
from tokenprof.attribute.estimator.estimate import local_tokens
from tokenprof.facts.errors import InputError
from tokenprof.facts.types import Block, Features


def block(name: str, **more: object) -> Block:
    return Block(
        kind="user",
        name=name,
        digest=name,
        section="messages",
        role="user",
        opens_message=True,
        features=Features(version=1, bytes=400),
        **more,
    )


def test_counts_are_read_back_as_they_were_written_in_the_order_of_their_digests(tmp_path: Path) -> None:
    path = tmp_path / "run.counts.json"
    write_counts(path, {"b": 2, "a": 0})
    assert read_counts(path) == {"a": 0, "b": 2}
    assert list(json.loads(path.read_text())["counts"]) == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, r"run\.counts\.json cannot be read: No such file or directory\. Check the name"),
        ("{", r"run\.counts\.json is not JSON: .* Counts are written by `tokenprof count`"),
        ("[]", r"run\.counts\.json holds no counts \(tokenprof\.counts/1\)"),
        (json.dumps({"schema": "tokenprof.counts/9", "counts": {}}), "holds no counts"),
        (json.dumps({"schema": SCHEMA}), "holds counts that are not numbers of tokens"),
        (
            json.dumps({"schema": SCHEMA, "counts": {"a": "1"}}),
            "run `tokenprof count` again",
        ),
        (json.dumps({"schema": SCHEMA, "counts": {"a": True}}), "not numbers of tokens"),
        (json.dumps({"schema": SCHEMA, "counts": {"a": -1}}), "not numbers of tokens"),
    ],
)
def test_a_file_that_holds_no_counts_says_why(text: str | None, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "run.counts.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=sentence):
        read_counts(path)


def test_a_count_holds_for_every_prompt_that_begins_alike_and_not_for_a_deferred_tool() -> None:
    first, second, late = block("a"), block("b"), block("c", deferred=True)
    whole = list(prefix_digests("m", [first, late, second]))
    # A deferred tool takes no place, so it changes no digest.
    assert whole[0] == whole[1]
    assert whole[2] == list(prefix_digests("m", [first, second]))[1]
    assert whole[0] != next(prefix_digests("n", [first]))
    counts = {whole[0]: 10, whole[2]: 25}
    assert counted_places("m", [first, late, second], counts) == [(0, 10), (2, 25)]
    assert counted_places("m", [second, first], counts) == []
    assert counted_places("m", [first], {}) == []


def test_a_picture_is_sized_by_its_pixels_and_a_text_without_counts_by_its_bytes() -> None:
    # 1,500 × 1,000 pixels at 750 a token; 400 bytes at 4 a token.
    picture = Block(
        kind="user",
        name="picture",
        digest="p",
        section="messages",
        role="user",
        opens_message=True,
        features=Features(version=1, bytes=90_000, pixels=1_500_000),
    )
    assert local_tokens(picture) == 2_000
    assert local_tokens(block("a")) == 100
