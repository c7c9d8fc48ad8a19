"""The Messages wire shape into blocks: kinds, names, cache order, breakpoints."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
import pytest

from tokenprof.facts.types import Breakpoint
from tokenprof.harness_adapters.wires.anthropic_messages import output_of, prompt_of, settings_of
from tokenprof.record.block_facts import Shaper

WIRE = Path(__file__).parent.parent / "data" / "wire" / "claude_code_requests.redacted.jsonl"
EPHEMERAL = {"type": "ephemeral"}


@pytest.fixture
def shaper() -> Shaper:
    return Shaper(key=b"a project's key")


def kinds(body: dict[str, Any], shaper: Shaper) -> list[tuple[str, str]]:
    return [(block.kind, block.name) for block in prompt_of(body, shaper).blocks]


def user(*content: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(content)}


def text(value: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": value, **more}


def tool(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "description": f"does {name}", "input_schema": {"type": "object"}, **more}


def call(tool_name: str, id_: str, **arguments: Any) -> dict[str, Any]:
    return {
        "role": "assistant",
        "content": [{"type": "tool_use", "id": id_, "name": tool_name, "input": arguments}],
    }


def result(id_: str, content: Any, **more: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": id_, "content": content, **more}


def test_blocks_stand_in_cache_order_with_tools_first(shaper: Shaper) -> None:
    body = {"messages": [user(text("hello"))], "system": "be brief", "tools": [tool("search"), tool("read")]}
    assert kinds(body, shaper) == [
        ("tool", "search"),
        ("tool", "read"),
        ("system", "system[0]"),
        ("user", "user"),
    ]


def test_a_moved_marker_is_a_breakpoint_and_no_change_of_a_block(shaper: Shaper) -> None:
    plain = prompt_of({"system": [text("s")], "messages": [user(text("a"), text("b"))]}, shaper)
    marked = prompt_of(
        {
            "system": [text("s", cache_control={"type": "ephemeral", "ttl": "1h"})],
            "messages": [user(text("a"), text("b", cache_control=EPHEMERAL))],
        },
        shaper,
    )
    assert [b.digest for b in plain.blocks] == [b.digest for b in marked.blocks]
    assert plain.breakpoints == ()
    assert marked.breakpoints == (Breakpoint(0, "1h"), Breakpoint(2, "5m"))


def test_markers_inside_a_tool_result_and_on_the_request_count(shaper: Shaper) -> None:
    inner = result("t1", [text("long output", cache_control=EPHEMERAL)])
    prompt = prompt_of({"messages": [user(inner)], "cache_control": EPHEMERAL}, shaper)
    assert prompt.breakpoints == (Breakpoint(0, "5m"), Breakpoint(0, "5m"))


def test_results_are_named_after_the_tool_that_was_called(shaper: Shaper) -> None:
    body = {"messages": [user(text("go")), call("search", "t1", q="x"), user(result("t1", "found"))]}
    blocks = prompt_of(body, shaper).blocks
    assert [(b.kind, b.name, b.link) for b in blocks[1:]] == [
        ("tool_call", "search", "t1"),
        ("tool_result", "search", "t1"),
    ]
    assert [b.opens_message for b in blocks] == [True, True, True]


@pytest.mark.parametrize(
    ("name", "arguments", "answer", "expected"),
    [
        ("read_skill", {"name": "triage"}, "Read the inbox first.", ("skill", "triage")),
        ("Read", {"file_path": "/skills/triage/SKILL.md"}, "Read the inbox first.", ("skill", "triage")),
        ("bash", {"command": "cat skills/triage/SKILL.md"}, "Read the inbox first.", ("skill", "triage")),
        (
            "fetch",
            {"url": "u"},
            "---\nname: triage\ndescription: sorts mail\n---\nRead.",
            ("skill", "triage"),
        ),
        ("Skill", {"skill": "triage"}, "Launching skill: triage", ("tool_result", "Skill")),
        ("Read", {"file_path": "/src/skill.py"}, "import os", ("tool_result", "Read")),
    ],
)
def test_a_loaded_skill_is_told_from_an_ordinary_result(
    shaper: Shaper, name: str, arguments: dict[str, Any], answer: str, expected: tuple[str, str]
) -> None:
    body = {"messages": [user(text("go")), call(name, "t1", **arguments), user(result("t1", answer))]}
    assert kinds(body, shaper)[-1] == expected


def test_a_skill_body_beside_its_launch_notice_is_the_skill(shaper: Shaper) -> None:
    notice = result("t1", "Launching skill: triage")
    body_text = text("Base directory for this skill: /home/me/.claude/skills/triage\n\nRead the inbox.")
    body = {"messages": [user(text("go")), call("Skill", "t1", skill="triage"), user(notice, body_text)]}
    assert kinds(body, shaper)[-2:] == [("tool_result", "Skill"), ("skill", "triage")]


def test_a_skills_index_has_its_lines_as_children(shaper: Shaper) -> None:
    index = "Available skills:\n" + "\n".join(f"- skill-{i}: does a thing of kind {i}" for i in range(5))
    block = prompt_of({"system": [text("be brief"), text(index)], "messages": []}, shaper).blocks[1]
    assert block.kind == "skills_index"
    assert [child.name for child in block.children] == [f"skill-{i}" for i in range(5)]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("<system-reminder>\nbe careful\n</system-reminder>", "reminder"),
        ("<system-reminder>\n# claudeMd\nContents of /p/CLAUDE.md:\n\nUse tabs.", "memory"),
        ("This session is being continued from a previous conversation that ran out.", "summary"),
        ("please sort my mail", "user"),
    ],
)
def test_what_a_harness_injects_is_told_from_what_a_user_wrote(
    shaper: Shaper, content: str, expected: str
) -> None:
    assert kinds({"messages": [{"role": "user", "content": content}]}, shaper)[0][0] == expected


def test_a_deferred_tool_stands_where_it_is_first_referenced(shaper: Shaper) -> None:
    tools = [tool("search"), tool("mail", defer_loading=True)]
    before = [user(text("go"))]
    reference = [{"type": "tool_reference", "tool_name": "mail"}]
    after = [*before, call("ToolSearch", "t1", query="mail"), user(result("t1", reference))]
    waiting = prompt_of({"tools": tools, "messages": before}, shaper).blocks
    placed = prompt_of({"tools": tools, "messages": after}, shaper).blocks
    assert [(b.name, b.deferred) for b in waiting if b.kind == "tool"] == [("search", False), ("mail", True)]
    assert [(b.kind, b.name, b.section) for b in placed][-1] == ("tool", "mail", "messages")
    assert not placed[-1].deferred


def test_images_documents_and_thinking_have_kinds_of_their_own(shaper: Shaper) -> None:
    pixel = "iVBORw0KGgoAAAANSUhEUgAAAAIAAAADCAYAAAC56t6BAAAADElEQVQI12NgoBQAAAA/AAEnUgQeAAAAAElFTkSuQmCC"
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": pixel}}
    document = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "a page"}}
    thinking = {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm", "signature": "s"}]}
    blocks = prompt_of({"messages": [user(image, document), thinking]}, shaper).blocks
    assert [b.kind for b in blocks] == ["image", "document", "thinking"]
    assert blocks[0].features.pixels == 2 * 3
    assert blocks[1].features.chars == len("a page")


def test_a_change_of_a_tool_can_be_named_by_its_field(shaper: Shaper) -> None:
    old = prompt_of({"tools": [tool("search")], "messages": []}, shaper).blocks[0]
    new = prompt_of({"tools": [tool("search") | {"description": "finds"}], "messages": []}, shaper).blocks[0]
    assert [name for name in new.fields if new.fields[name] != old.fields[name]] == ["description"]


def test_output_tells_reasoning_from_what_was_written(shaper: Shaper) -> None:
    content = [
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        text("Let me look."),
        {"type": "tool_use", "id": "t1", "name": "search", "input": {}},
    ]
    assert [(b.kind, b.name, b.role) for b in output_of(content, shaper)] == [
        ("output", "thinking", "reasoning"),
        ("output", "text", "assistant"),
        ("output", "search", "assistant"),
    ]


def test_equal_texts_match_within_a_project_and_not_across_projects() -> None:
    body = {"messages": [user(text("a secret"))]}
    here = prompt_of(body, Shaper(key=b"one")).blocks[0].digest
    again = prompt_of(body, Shaper(key=b"one")).blocks[0].digest
    elsewhere = prompt_of(body, Shaper(key=b"two")).blocks[0].digest
    assert here == again != elsewhere


def test_settings_that_are_part_of_the_cache_key_are_digested(shaper: Shaper) -> None:
    settings = settings_of({"model": "m", "tool_choice": {"type": "auto"}, "max_tokens": 5}, shaper)
    assert sorted(settings) == ["model", "tool_choice"]


def test_real_claude_code_requests_grow_block_by_block(shaper: Shaper) -> None:
    bodies = [orjson.loads(line)["body"] for line in WIRE.read_bytes().splitlines()]
    prompts = [prompt_of(body, shaper) for body in bodies]
    assert [len(p.blocks) for p in prompts] == [18, 24, 31, 36]
    for earlier, later in pairwise(prompts):
        kept = len(earlier.blocks)
        assert [b.digest for b in later.blocks[:kept]] == [b.digest for b in earlier.blocks]
    loaded = [(b.kind, b.name, b.section) for b in prompts[2].blocks if b.name == "WebFetch"]
    assert loaded == [("tool", "WebFetch", "messages")]
    assert prompts[3].breakpoints[-1] == Breakpoint(35, "5m")
