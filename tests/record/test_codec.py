"""Blocks, usage and attributes survive the way through a line of run.jsonl."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenprof.facts.types import Block, Breakpoint, Child, Features
from tokenprof.pricing.selectors import Selectors
from tokenprof.pricing.usage import Usage
from tokenprof.record import block_codec
from tokenprof.record.block_facts import Shaper
from tokenprof.record.otlp import decode_attributes, encode_attributes


def made_block(name: str) -> Block:
    return Block(
        kind="tool",
        name=name,
        digest=f"digest of {name}",
        section="tools",
        role="tools",
        opens_message=False,
        features=Features(version=1, bytes=40, chars=40, tokens={"o200k_base": 9}, digits=2),
        link="t1",
        fields={"description": "d1"},
        children=(Child("part", "d2", {"o200k_base": 3}),),
    )


def test_a_block_comes_back_whole_and_its_features_are_written_once() -> None:
    encoder, decoder = block_codec.BlockEncoder(), block_codec.BlockDecoder()
    first = encoder.encode([made_block("search")])
    again = encoder.encode([made_block("search")])
    assert "features" in first
    assert "features" not in again
    assert decoder.decode(first) == decoder.decode(again) == (made_block("search"),)


@given(
    st.sampled_from([None, "", "a thought", "1 2 3\n"]),
    st.sampled_from(
        [{}, {"type": "thinking", "thinking": ""}, {"type": "image", "source": {"data": "aGk="}}]
    ),
    st.lists(st.tuples(st.text(max_size=3), st.text(max_size=3)), max_size=2),
)
def test_a_block_of_any_content_comes_back_whole(
    text: str | None, content: dict[str, object], children: list[tuple[str, str]]
) -> None:
    block = Shaper(b"key").block(
        "thinking", "thinking", content, text=text, children=children, fields=["type"]
    )
    assert block_codec.BlockDecoder().decode(block_codec.BlockEncoder().encode([block])) == (block,)


def test_a_keyframe_repeats_the_features() -> None:
    encoder = block_codec.BlockEncoder()
    encoder.encode([made_block("search")])
    whole = encoder.encode([made_block("search")], whole=True)
    assert block_codec.BlockDecoder().decode(whole) == (made_block("search"),)


def test_a_block_whose_line_was_lost_has_no_measures() -> None:
    encoder = block_codec.BlockEncoder()
    encoder.encode([made_block("search")])
    (block,) = block_codec.BlockDecoder().decode(encoder.encode([made_block("search")]))
    assert (block.name, block.features.version, block.features.tokens) == ("search", 0, {})


@given(
    st.builds(
        Usage,
        uncached_input_tokens=st.integers(0, 10**9),
        cache_read_tokens=st.integers(0, 10**9),
        cache_write_1h_tokens=st.integers(0, 10**9),
        reasoning_tokens=st.integers(0, 10**9),
        fees=st.lists(
            st.tuples(st.sampled_from(["web_search", "web_fetch"]), st.integers(1, 9)),
            unique_by=lambda f: f[0],
        ).map(tuple),
    )
)
def test_usage_comes_back_whole(usage: Usage) -> None:
    assert block_codec.decode_usage(block_codec.encode_usage(usage)) == usage


def test_selectors_and_breakpoints_come_back_whole() -> None:
    served = Selectors(service_tier="batch", inference_geo="us", batch=True)
    assert block_codec.decode_selectors(block_codec.encode_selectors(served)) == served
    points = (Breakpoint(3, "1h"), Breakpoint(9, "5m"))
    assert block_codec.decode_breakpoints(block_codec.encode_breakpoints(points)) == points


def test_attributes_are_encoded_as_the_otlp_json_mapping_says() -> None:
    encoded = encode_attributes({"a": 5, "b": True, "c": 0.5, "d": "x", "e": ["y"], "f": None})
    assert encoded == [
        {"key": "a", "value": {"intValue": "5"}},
        {"key": "b", "value": {"boolValue": True}},
        {"key": "c", "value": {"doubleValue": 0.5}},
        {"key": "d", "value": {"stringValue": "x"}},
        {"key": "e", "value": {"arrayValue": {"values": [{"stringValue": "y"}]}}},
    ]
    assert decode_attributes(encoded) == {"a": 5, "b": True, "c": 0.5, "d": "x", "e": ["y"]}


@pytest.mark.parametrize("text", ["[{}]", '[{"digest": "x"}]'])
def test_what_is_not_a_block_is_an_error(text: str) -> None:
    with pytest.raises(KeyError):
        block_codec.BlockDecoder().decode(text)


def test_counts_name_their_vocabularies_once_and_are_read_in_both_forms() -> None:
    counted: dict[str, dict[str, int]] = {
        "aa": {"o": 3, "c": 4},
        "bb": {"o": 5, "c": 6},
        "cc": {"o": 7},
        "dd": {},
    }
    text = block_codec.encode_counts(counted)
    assert text == '{"":["o","c"],"aa":[3,4],"bb":[5,6],"cc":{"o":7},"dd":{}}'
    assert block_codec.decode_counts(text) == counted
    assert block_codec.decode_counts('{"aa":{"o":3,"c":4}}') == {"aa": {"o": 3, "c": 4}}
    for damaged in ("[]", '{"aa":[1]}', '{"":["o"],"aa":[1,2]}'):
        with pytest.raises(ValueError, match=r"should be|argument"):
            block_codec.decode_counts(damaged)


def test_features_are_written_when_a_text_is_new_and_once_more_in_a_whole_prompt() -> None:
    block = made_block("read")
    encoder = block_codec.BlockEncoder()
    written = [encoder.encode([block], whole=whole) for whole in (False, False, True, True)]
    assert ["features" in text for text in written] == [True, False, True, False]
    decoder = block_codec.BlockDecoder()
    assert [decoder.decode(text) for text in written] == [(block,)] * 4
    # The first line is lost.
    assert block_codec.BlockDecoder().decode(written[2]) == (block,)
