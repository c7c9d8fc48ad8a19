"""Which calls touch a loaded skill, by the files and tools that its body names."""

from __future__ import annotations

from typing import Any

import pytest

from tokenprof.harness_adapters.wires.anthropic_messages import prompt_of
from tokenprof.harness_adapters.wires.skills_touched import Skills
from tokenprof.record.block_facts import Shaper

BODY = "---\nname: invoices\ndescription: how to pay\n---\nRun scripts/pay.py, then send_email the receipt.\n"
TOOLS = [{"name": name, "input_schema": {}} for name in ("read_skill", "send_email", "bash", "search")]


def blocks_after(tool: str, arguments: dict[str, Any], body: str = BODY) -> dict[str, Any]:
    calls = [("read_skill", {"name": "invoices"}, body), (tool, arguments, "done")]
    messages: list[dict[str, Any]] = [{"role": "user", "content": "pay"}]
    for number, (name, given, result) in enumerate(calls):
        call = {"type": "tool_use", "id": f"t{number}", "name": name, "input": given}
        messages.append({"role": "assistant", "content": [call]})
        answer = {"type": "tool_result", "tool_use_id": f"t{number}", "content": result}
        messages.append({"role": "user", "content": [answer]})
    blocks = prompt_of({"tools": TOOLS, "messages": messages}, Shaper(b"k")).blocks
    return {
        "skill": next(b for b in blocks if b.kind == "skill"),
        "calls": [b for b in blocks if b.kind == "tool_call"],
    }


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("send_email", {"to": "x"}),
        ("bash", {"command": "python /skills/invoices/scripts/pay.py --all"}),
        ("bash", {"command": "ls invoices/"}),
    ],
)
def test_a_call_of_a_named_tool_or_with_a_named_file_touches_the_skill(
    tool: str, arguments: dict[str, Any]
) -> None:
    found = blocks_after(tool, arguments)
    assert found["skill"].uses == ("invoices",)
    assert [call.uses for call in found["calls"]] == [(), ("invoices",)]


def test_any_other_call_does_not() -> None:
    assert [call.uses for call in blocks_after("search", {"query": "my-invoices/"})["calls"]] == [(), ()]


def test_a_skill_that_names_nothing_cannot_be_judged() -> None:
    plain = "---\nname: invoices\ndescription: how to pay\n---\nBe polite and brief.\n"
    assert blocks_after("search", {}, plain)["skill"].uses == ()


def test_a_skill_that_is_added_to_a_copy_is_in_no_other() -> None:
    skills = Skills()
    skills.add("invoices", BODY, ())
    copied = skills.copied()
    copied.add("letters", "Read notes.md first.", ())
    assert skills.touched_by("bash", "cat letters/a invoices/b notes.md") == ("invoices",)
    assert copied.touched_by("bash", "cat letters/a invoices/b notes.md") == ("invoices", "letters")


@pytest.mark.parametrize(
    ("arguments", "touched"),
    [("notes.md", True), ("letters/", True), ("letters", False), ("notes/md", False), ("letters.", False)],
)
def test_arguments_name_the_folder_of_a_skill_or_one_of_its_files(arguments: str, touched: bool) -> None:
    skills = Skills()
    skills.add("letters", "Read notes.md first.", ())
    assert skills.touched_by("bash", arguments) == (("letters",) if touched else ())
