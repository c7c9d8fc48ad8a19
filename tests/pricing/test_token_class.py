"""Billed classes are an enum whose members behave as the plain strings that reports hold."""

import json
import pickle

import orjson
import pytest

from tokenprof.pricing.usage import (
    CLASSES,
    INPUT_CLASSES,
    OUTPUT_CLASSES,
    TOKEN_CLASSES,
    TokenClass,
    Usage,
    UsageError,
)

NAMES = [
    "uncached_input", "cache_read", "cache_write_5m", "cache_write_1h", "cache_write_30m", "cache_write_12h",
    "cache_write", "output", "reasoning", "fee",
]  # fmt: skip


def test_the_names_are_those_of_the_report_in_its_order():
    assert [cls.value for cls in CLASSES] == NAMES
    assert list(INPUT_CLASSES) == NAMES[:7]
    assert list(OUTPUT_CLASSES) == ["output", "reasoning"]
    assert list(TOKEN_CLASSES) == NAMES[:9]


def test_a_class_is_written_as_its_name_wherever_text_is_made():
    cls = TokenClass.CACHE_WRITE_5M
    assert f"{cls}" == str(cls) == "%s" % cls == "".join([cls]) == "cache_write_5m"  # noqa: UP031
    assert f"{cls}_tokens" == "cache_write_5m_tokens"
    assert f"{cls:>16}" == "  cache_write_5m"


def test_a_class_is_found_by_its_name():
    amounts = {TokenClass.OUTPUT: 3}
    assert amounts["output"] == 3
    assert TokenClass("output") is TokenClass.OUTPUT
    assert pickle.loads(pickle.dumps(TokenClass.OUTPUT)) is TokenClass.OUTPUT


def test_json_holds_plain_names():
    assert orjson.dumps({"class": TokenClass.FEE}) == b'{"class":"fee"}'
    assert json.dumps({"class": TokenClass.FEE}) == '{"class": "fee"}'
    counts = Usage(cache_read_tokens=7, output_tokens=2).by_class()
    assert {type(name) for name in counts} == {str}
    assert orjson.loads(orjson.dumps(counts)) == dict.fromkeys(NAMES, 0) | {"cache_read": 7, "output": 2}


def test_tokens_are_had_by_member_or_by_name_and_not_by_another_word():
    usage = Usage(cache_read_tokens=7, fees=(("web_search", 2),))
    assert usage.tokens_of(TokenClass.CACHE_READ) == usage.tokens_of("cache_read") == 7
    assert usage.tokens_of(TokenClass.FEE) == 0
    with pytest.raises(UsageError, match="no billed class 'cached'"):
        usage.tokens_of("cached")
