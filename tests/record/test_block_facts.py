"""What is measured of a text before it is let go."""

from __future__ import annotations

from tokenprof.record.background.counting import VOCABULARIES, count_tokens
from tokenprof.record.block_facts import MOST_CHILDREN, Shaper, canonical, measure


def test_characters_are_told_apart_by_class() -> None:
    features = measure("Über 12 x_y;\n\tEnd", {})
    assert features.chars == 17
    assert features.bytes == 18  # Ü takes two
    assert (features.letters, features.uppercase, features.digits) == (8, 1, 2)
    assert (features.punctuation, features.spaces, features.newlines) == (2, 3, 1)
    assert features.non_ascii == 1


def test_counts_are_those_of_the_reference_vocabulary() -> None:
    # "hello world" is two tokens in o200k_base and in cl100k_base (tiktoken's own examples).
    assert count_tokens(["hello world", ""]) == [
        dict.fromkeys(VOCABULARIES, 2),
        dict.fromkeys(VOCABULARIES, 0),
    ]


def test_text_that_spells_a_special_token_is_counted_as_text() -> None:
    (counted,) = count_tokens(["<|endoftext|>"])
    assert counted["o200k_base"] > 1


def test_canonical_form_keeps_the_order_of_keys_and_takes_sdk_models() -> None:
    class Model:
        def model_dump(self, **_: object) -> dict[str, int]:
            return {"b": 1, "a": 2}

    assert canonical({"m": Model()}) == b'{"m":{"b":1,"a":2}}'


def test_only_so_many_parts_of_a_block_are_kept() -> None:
    children = [(f"part {number}", f"text {number}") for number in range(MOST_CHILDREN + 5)]
    block = Shaper(key=b"k" * 16, count=lambda texts: [{} for _ in texts]).block(
        "skills_index", "index", "x", text="x", children=children
    )
    assert [child.name for child in block.children] == [f"part {n}" for n in range(MOST_CHILDREN)]
