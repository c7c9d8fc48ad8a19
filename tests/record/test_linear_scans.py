"""No scan of a model's content takes time that grows with more than its length.

A recorder that matches a quadratic pattern on a large argument holds the interpreter, and the host with it.
Work is compared, not time: four times the input may take four times the CPU time, a quadratic scan takes
sixteen times. Inputs whose scan is too quick to matter are not compared.
"""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from worst_inputs import worst_inputs

import tokenprof
from tokenprof.facts.labels import forget_labels, label, labelled_parts
from tokenprof.facts.secrets.forms import MaskRule
from tokenprof.harness_adapters.wires.anthropic_messages import prompt_of
from tokenprof.harness_adapters.wires.framing.server_sent_events import events_of
from tokenprof.harness_adapters.wires.progressive_disclosure import (
    kind_of_text,
    skill_of_call,
    skill_of_result,
)
from tokenprof.harness_adapters.wires.skills_touched import Skills, skill_of_path
from tokenprof.record.block_facts import Shaper
from tokenprof.record.wires import LONGEST_PATH, WIRES, wire_of

LONG_CHARS = 200_000
PATTERN_CHARS = 32_768
NEGLIGIBLE_S = 0.1
"""A quadratic scan of 200,000 characters takes many seconds, one of 32,768 about a second."""

TRIES = 5
"""A busy machine slows down one scan or another, a quadratic pattern every one."""

WORST = (
    *("0123456789abcdef", "aGVsbG8_-", " ", "\n", "\t", " \n", "-", "- ", "-\n", "- a", "- a:\n", "- a: "),
    *(
        "[[{",
        "]}",
        "<skill>",
        "<skill><name>",
        "<name>a</name>",
        "a/",
        "a.b/",
        "/SKILL.md",
        "x/SKILL.md",
        "SKILL",
    ),
    *("---\n", "---\nname: ", "name: a\n", "description:", ":", "a:", '"', "\\", "\r", "data:", "é", "😀"),
    *(
        "/model/",
        "/models/",
        "/model/anthropic",
        ".",
        "..",
        "a.",
        "-v1",
        "us.",
        "gpt-",
        "1",
        "2024",
        "x1",
        "@",
    ),
    *(
        "{",
        "}",
        "=",
        "a=b,",
        "@font-face {",
        "'",
        "python",
        "llama",
        "*",
        "**`",
        "• ",
        "nvidia-",
        "-instruct",
    ),
)


_PATH = "a path that `wire_of` has let through"
BOUNDED = {
    **{
        f"tokenprof.record.wires.WIRES[{at}].path": "a path that `wire_of` has measured"
        for at in range(len(WIRES))
    },
    "tokenprof.harness_adapters.wires.anthropic_platforms._MODEL": _PATH,
    "tokenprof.harness_adapters.wires.bedrock_converse._MODEL": _PATH,
    "tokenprof.testing.converse.PATH": "a path of a test",
    "tokenprof.hw_model.catalogue.lookup._CHIP_DECORATION": "a name that the user types",
    "tokenprof.harness_adapters.wires.counted_answer._MODEL": _PATH,
    "tokenprof.proxy.request._CHUNK_SIZE": "a line of at most 1,024 bytes",
    "tokenprof.testing.converse._CLAUDE": "a model's name in a test",
    "tokenprof.report.formats.svg._FONT_FACE": "a picture of our own",
}
"""Patterns that are not linear and never see content, and what they see."""


def work_s(scan: Callable[[str], Any], text: str) -> float:
    started = time.thread_time()
    scan(text)
    return time.thread_time() - started


def grows_too_fast(scan: Callable[[str], Any], piece: str, chars: int) -> bool:
    """Whether a scan takes far more than four times the work for four times the text."""
    small, large = (piece * (size // len(piece)) for size in (chars // 4, chars))
    return all(_looks_quadratic(scan, small, large) for _ in range(TRIES))


def _looks_quadratic(scan: Callable[[str], Any], small: str, large: str) -> bool:
    taken = work_s(scan, large)
    return taken > NEGLIGIBLE_S and taken > 8 * work_s(scan, small)


def patterns() -> Iterator[tuple[str, re.Pattern[Any]]]:
    """Yield every compiled pattern in the modules of the product."""
    for found in pkgutil.walk_packages(tokenprof.__path__, "tokenprof."):
        if ".bootstrap" in found.name or found.name.endswith("__main__"):
            continue
        try:
            module = importlib.import_module(found.name)
        except ImportError:
            continue  # a client library that is not installed
        for name, value in vars(module).items():
            if isinstance(value, list | tuple | dict | re.Pattern):
                yield from ((f"{found.name}.{name}{at}", pattern) for at, pattern in within(value))


def within(value: object, at: str = "") -> Iterator[tuple[str, re.Pattern[Any]]]:
    """Yield the patterns in a value of a module, also those in its lists, dictionaries and data classes."""
    if isinstance(value, re.Pattern):
        yield at, value
    elif isinstance(value, list | tuple | dict):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            yield from within(item, f"{at}[{key}]")
    elif isinstance(value, MaskRule):
        yield at, value.pattern
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for name in (field.name for field in dataclasses.fields(value)):
            yield from within(getattr(value, name), f"{at}.{name}")


def uses_of(pattern: re.Pattern[Any]) -> Iterator[Callable[[str], Any]]:
    def given(text: str) -> Any:
        return text.encode() if isinstance(pattern.pattern, bytes) else text

    yield lambda text: sum(1 for _ in pattern.finditer(given(text)))
    yield lambda text: pattern.match(given(text))
    yield lambda text: pattern.fullmatch(given(text))


def test_every_pattern_of_the_product_takes_linear_time() -> None:
    found = dict(patterns())
    assert found.keys() >= BOUNDED.keys()
    slow = [
        (name, piece)
        for name, pattern in found.items()
        if name not in BOUNDED
        for piece in WORST
        for scan in uses_of(pattern)
        if grows_too_fast(scan, piece, PATTERN_CHARS)
    ]
    assert slow == []


def test_no_pattern_takes_long_on_inputs_that_are_made_for_it() -> None:
    slow = [
        (name, before, piece, end)
        for name, pattern in patterns()
        if name not in BOUNDED
        for before, piece, end in worst_inputs(pattern)
        for scan in uses_of(pattern)
        if grows_too_fast(lambda text, s=scan, b=before, e=end: s(b + text + e), piece, 4_096)  # type: ignore[misc]
    ]
    assert slow == []


def test_inputs_are_made_that_reach_the_later_parts_of_a_pattern() -> None:
    header = re.compile(rb"\A([a-z]+):[ \t]*([^\r\n]*)\r\n")
    assert ("a:", " ", "\n") in set(worst_inputs(header))
    assert grows_too_fast(lambda text: header.match(f"a:{text}\n".encode()), " ", 4_096)


def test_a_path_that_is_too_long_to_be_an_api_s_is_not_searched() -> None:
    assert wire_of("POST", "/v1/messages") is WIRES[0]
    assert wire_of("POST", "/model/" * 200 + "v1/messages") is None
    assert len("/model/" * 200) > LONGEST_PATH


def scans() -> Iterator[tuple[str, Callable[[str], Any]]]:
    """Yield what is done with a text of a prompt, a tool's arguments, a skill's body."""
    for role, section in (("user", "messages"), ("system", "system"), ("assistant", "messages")):
        yield f"text of {role}", lambda text, r=role, s=section: kind_of_text(text, r, s)
    yield "index", lambda text: kind_of_text(f"skill {text}", "user", "messages")
    yield "front matter", lambda text: kind_of_text(f"---\nname: {text}", "user", "messages")
    yield "base", lambda text: kind_of_text(f"Base directory for this skill: {text}", "user", "messages")
    yield "result", lambda text: skill_of_result(text, None, is_error=False)
    yield "result in JSON", lambda text: skill_of_result('{"a": "---\\n' + text, None, is_error=False)
    yield "call", lambda text: skill_of_call("read", {"path": text})
    yield "call of a skill", lambda text: skill_of_call("skill", {"name": text})
    yield "folder of a skill", skill_of_path
    yield "body", lambda text: Skills().add("pdf", text, {"read"})
    yield "arguments", lambda text: with_skill().touched_by("read", text)
    yield "arguments, body", lambda text: with_skill(text).touched_by("read", text)
    yield "events", lambda text: list(events_of(text.encode()))
    yield "labels", labelled_parts


def with_skill(body: str = "Run a.py, then b.py.") -> Skills:
    skills = Skills()
    skills.add("pdf", body, ())
    return skills


@pytest.fixture
def _labelled() -> Iterator[None]:
    label("aaaaaaab", "a text")
    yield
    forget_labels()


@pytest.mark.slow
@pytest.mark.usefixtures("_labelled")
@pytest.mark.parametrize("scan", [pytest.param(scan, id=name) for name, scan in scans()])
def test_a_long_text_of_anything_is_scanned_in_linear_time(scan: Callable[[str], Any]) -> None:
    assert [piece for piece in WORST if grows_too_fast(scan, piece, LONG_CHARS)] == []


def test_a_long_text_of_anything_is_read_as_a_request_in_linear_time() -> None:
    shaper = Shaper(key=b"", count=lambda texts: [{} for _ in texts])

    def read(text: str) -> object:
        said = [
            {"role": "user", "content": text},
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "id": "t", "name": "r", "input": {"a": text}}],
            },
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": text}]},
        ]
        return prompt_of({"model": "m", "messages": said}, shaper)

    assert [piece for piece in WORST[::3] if grows_too_fast(read, piece, LONG_CHARS)] == []


def test_what_a_skill_names_is_found_as_before() -> None:
    body = "See scripts/fill_form.py and ../reference.md; not SKILL.md, v1.2 or e.g. this."
    skills = Skills()
    assert skills.add("pdf", body, ()) == ("pdf",)
    assert skills.touched_by("bash", "python x/fill_form.py") == ("pdf",)
    assert skills.touched_by("bash", "cat pdf/readme") == ("pdf",)
    assert skills.touched_by("bash", "cat other/readme") == ()
    assert skills.touched_by("read", "skills/pdf/SKILL.md reference.md") == ()
    assert skill_of_path("see /SKILL.md, skills/pdf/SKILL.mdx, skills/doc-x/SKILL.md") == "doc-x"


def test_entries_of_an_index_keep_their_text() -> None:
    text = (
        "Skills:\n\n- **pdf**: fills forms\n- `doc-x` — writes\n  - deep:\n    what it does\nnot one\n- no\n"
    )
    assert kind_of_text(text, "user", "messages")[2] == [
        ("pdf", "\n- **pdf**: fills forms"),
        ("doc-x", "- `doc-x` — writes"),
        ("deep", "  - deep:\n    what it does"),
    ]
    tags = "<skill><name> a </name>x</skill> <skill>\n<name>b</name></skill><skill><name>c</name></skill>"
    assert [name for name, _ in kind_of_text(f"skills {tags}", "user", "messages")[2]] == ["a", "b", "c"]
