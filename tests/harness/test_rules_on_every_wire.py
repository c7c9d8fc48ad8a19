"""What a part of a prompt is, by the same rules on every wire."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from wire_conversations import WIRES, Conversation, Step, chat_body, converse_body, messages_body

import tokenprof
from tokenprof.facts.labels import forget_labels
from tokenprof.facts.types import Block, Breakpoint
from tokenprof.harness_adapters.transcripts.claude_code.logged_prompts import PieceMaker
from tokenprof.harness_adapters.wires.anthropic_messages import prompt_of
from tokenprof.harness_adapters.wires.converse_shapes import as_messages_request
from tokenprof.harness_adapters.wires.openai_chat import prompt_of_chat
from tokenprof.harness_adapters.wires.openai_responses import prompt_of_responses
from tokenprof.record.block_facts import Shaper

BODY = "---\nname: triage\ndescription: sorts mail\n---\nRun scripts/sort.py, then call send_mail.\n"
INDEX = "Available skills:\n" + "\n".join(f"- skill-{i}: does a thing of kind {i}" for i in range(4))
MEMORY = "# claudeMd\nContents of /p/CLAUDE.md:\n\nUse tabs."
SUMMARY = "This session is being continued from a previous conversation that ran out."
REMINDER = "<system-reminder>\nbe careful\n</system-reminder>"


@pytest.fixture(params=sorted(WIRES))
def wire(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(autouse=True)
def _no_labels() -> Iterator[None]:
    forget_labels()
    yield
    forget_labels()


def laid_out(
    wire: str, *steps: Step, tools: tuple[str, ...] = (), system: tuple[str, ...] = ()
) -> list[Block]:
    return list(WIRES[wire](Conversation(steps, tools, system), Shaper(b"key")))


def last(wire: str, *steps: Step) -> tuple[str, str]:
    block = laid_out(wire, *steps)[-1]
    return block.kind, block.name


@pytest.mark.parametrize(
    ("tool", "arguments", "result", "expected"),
    [
        ("read_skill", {"name": "triage"}, "Read the inbox first.", ("skill", "triage")),
        ("bash", {"command": "cat skills/triage/SKILL.md"}, "Read the inbox first.", ("skill", "triage")),
        ("fetch", {"url": "u"}, BODY, ("skill", "triage")),
        ("fetch", {"url": "u"}, json.dumps({"status": 200, "result": BODY}), ("skill", "triage")),
        ("Skill", {"skill": "triage"}, "Launching skill: triage", ("tool_result", "Skill")),
        (
            "Skill",
            {"skill": "triage"},
            json.dumps({"result": "Launching skill: triage"}),
            ("tool_result", "Skill"),
        ),
        ("bash", {"command": "ls"}, "skills\n---\nname: x", ("tool_result", "bash")),
    ],
)
def test_a_result_is_the_skill_that_it_loads(
    wire: str, tool: str, arguments: dict[str, Any], result: str, expected: tuple[str, str]
) -> None:
    assert last(wire, Step("go"), Step(tool=tool, arguments=arguments, result=result)) == expected


@pytest.mark.parametrize("failing", ["messages", "converse", "gemini"])
def test_a_failed_load_is_not_the_skill(failing: str) -> None:
    """OpenAI's APIs do not say that a tool has failed."""
    failed = Step(tool="read_skill", arguments={"name": "triage"}, result="No such skill.", failed=True)
    assert last(failing, Step("go"), failed) == ("tool_result", "read_skill")


def test_a_call_that_uses_what_a_loaded_skill_names_touches_it(wire: str) -> None:
    blocks = laid_out(
        wire,
        Step("go"),
        Step(tool="send_mail", result="sent"),
        Step(tool="read_skill", arguments={"name": "triage"}, result=BODY),
        Step(tool="bash", arguments={"command": "python triage/scripts/sort.py"}, result="done"),
        Step(tool="send_mail", result="sent"),
        Step(tool="bash", arguments={"command": "ls"}, result="a b"),
        tools=("read_skill", "bash", "send_mail"),
    )
    assert [b.uses for b in blocks if b.kind == "skill"] == [("triage",)]
    touched = [b.uses for b in blocks if b.kind == "tool_call"]
    # The one that loads it touches nothing, and neither does a call that came before.
    assert touched == [(), (), ("triage",), ("triage",), ()]


@pytest.mark.parametrize(
    ("text", "kind", "name"),
    [
        ("You are a clerk.", "system", "system[1]"),
        (INDEX, "skills_index", "skills_index"),
        (MEMORY, "memory", "memory"),
        (BODY, "skill", "triage"),
        (SUMMARY, "summary", "compaction"),
    ],
)
def test_instructions_are_what_they_hold(wire: str, text: str, kind: str, name: str) -> None:
    blocks = laid_out(wire, Step("go"), tools=("a", "b"), system=("Be brief.", text))
    described = [(b.kind, b.name) for b in blocks if b.section == "system"]
    assert described == [("system", "system[0]"), (kind, name)]


def test_only_the_first_instruction_opens_a_message_unless_each_is_one(wire: str) -> None:
    blocks = laid_out(wire, Step("go"), system=("Be brief.", "Be kind."))
    is_message_each = wire in ("chat", "responses")
    assert [b.opens_message for b in blocks if b.section == "system"] == [True, is_message_each]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (REMINDER, "reminder"),
        (MEMORY, "memory"),
        (SUMMARY, "summary"),
        (INDEX, "skills_index"),
        (BODY, "skill"),
        ("please sort my mail", "user"),
    ],
)
def test_what_a_harness_puts_into_a_users_turn_is_told_from_what_was_said(
    wire: str, text: str, kind: str
) -> None:
    assert last(wire, Step("go"), Step(text))[0] == kind


def test_the_entries_of_an_index_are_its_children(wire: str) -> None:
    (index,) = (b for b in laid_out(wire, Step("go"), system=(INDEX,)) if b.kind == "skills_index")
    assert [child.name for child in index.children] == ["skill-0", "skill-1", "skill-2", "skill-3"]


def test_a_labelled_text_goes_by_its_label_and_a_skill_by_label_is_looked_for(wire: str) -> None:
    body = tokenprof.label("Pay with pay_now.", "how to pay", kind="skill")
    tokenprof.label("Be brief.", "style")
    blocks = laid_out(
        wire, Step(body), Step(tool="pay_now", result="paid"), tools=("pay_now",), system=("Be brief.",)
    )
    named = {b.name: b for b in blocks}
    assert (named["how to pay"].kind, named["how to pay"].uses) == ("skill", ("how to pay",))
    assert named["style"].kind == "system"
    assert [b.uses for b in blocks if b.kind == "tool_call"] == [("how to pay",)]


def test_a_labelled_skill_goes_by_its_label_and_is_touched_in_its_own_folder(wire: str) -> None:
    tokenprof.label(BODY, "our mail rules")
    load = Step(tool="read_skill", arguments={"name": "triage"}, result=BODY)
    use = Step(tool="bash", arguments={"command": "ls triage/"}, result="a b")
    blocks = laid_out(wire, Step("go"), load, use)
    if wire == "gemini":
        # Its results are objects, so no text of the user's stands in one as a whole.
        assert [b.uses for b in blocks if b.kind == "tool_call"] == [(), ("triage",)]
    else:
        assert [(b.name, b.uses) for b in blocks if b.kind == "skill"] == [
            ("our mail rules", ("our mail rules",))
        ]
        assert [b.uses for b in blocks if b.kind == "tool_call"] == [(), ("our mail rules",)]


def marked_tools(body: dict[str, Any], wrapper: str = "") -> dict[str, Any]:
    tools = [dict(tool) for tool in body["tools"]]
    tools[-1]["cache_control"] = {"type": "ephemeral", "ttl": "1h"}
    return {**body, "tools": tools}


def test_a_marker_on_a_tool_is_a_breakpoint_and_no_change_of_the_tool_through_a_gateway_too() -> None:
    talk = Conversation([Step("go")], ("search", "send"), ("Be brief.",))
    for layout, body in ((prompt_of, messages_body(talk)), (prompt_of_chat, chat_body(talk))):
        plain, marked = layout(body, Shaper(b"k")), layout(marked_tools(body), Shaper(b"k"))
        assert [b.digest for b in plain.blocks] == [b.digest for b in marked.blocks]
        assert (plain.breakpoints, marked.breakpoints) == ((), (Breakpoint(1, "1h"),))
    pointed = converse_body(talk)
    pointed["toolConfig"]["tools"].append({"cachePoint": {"type": "default", "ttl": "1h"}})
    assert prompt_of(as_messages_request(pointed, "m"), Shaper(b"k")).breakpoints == (Breakpoint(1, "1h"),)


def test_a_marker_on_a_whole_message_of_a_gateways_chat_is_a_breakpoint() -> None:
    body = chat_body(Conversation([Step("go"), Step(tool="a", result="b")], (), ("Be brief.",)))
    plain = prompt_of_chat(body, Shaper(b"k"))
    for message in (body["messages"][0], body["messages"][-1]):
        message["cache_control"] = {"type": "ephemeral"}
    marked = prompt_of_chat(body, Shaper(b"k"))
    assert [b.digest for b in plain.blocks] == [b.digest for b in marked.blocks]
    assert marked.breakpoints == (Breakpoint(0, "5m"), Breakpoint(3, "5m"))


DEFERRED = {"parameters": {"type": "object"}, "defer_loading": True}
REFERENCE = [{"type": "tool_reference", "tool_name": "mail"}]


@pytest.mark.parametrize("is_loaded", [False, True])
def test_a_deferred_tool_stands_where_a_result_references_it(is_loaded: bool) -> None:
    call = {"id": "t1", "function": {"name": "find_tools", "arguments": "{}"}}
    content = REFERENCE if is_loaded else "nothing"
    chat = {
        "tools": [{"type": "function", "function": {"name": "mail", **DEFERRED}, "defer_loading": True}],
        "messages": [
            {"role": "user", "content": "go"},
            {"role": "assistant", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "t1", "content": content},
        ],
    }
    items = [
        {"role": "user", "content": "go"},
        {"type": "function_call", "call_id": "t1", "name": "find_tools", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "t1", "output": content},
    ]
    responses = {"tools": [{"type": "function", "name": "mail", **DEFERRED}], "input": items}
    expected = ("messages", False) if is_loaded else ("tools", True)
    for prompt in (prompt_of_chat(chat, Shaper(b"k")), prompt_of_responses(responses, Shaper(b"k"))):
        assert [(b.section, b.deferred) for b in prompt.blocks if b.name == "mail"] == [expected]


def test_a_call_in_a_conversation_that_the_provider_holds_is_not_said_to_touch_nothing() -> None:
    """The skill may have been loaded in a part of the history that this request does not hold."""
    talk = Conversation([Step("go"), Step(tool="bash", arguments={"command": "ls"}, result="a")])
    body = messages_body(talk)
    whole = prompt_of(body, Shaper(b"k")).blocks[1]
    rest = prompt_of(
        {**body, "thread": {"type": "continue", "previous_message_id": "m"}}, Shaper(b"k")
    ).blocks[1]
    assert (whole.uses, rest.uses) == ((), None)


def test_the_listing_of_an_mcp_server_is_a_tool_definition_on_both_apis_that_have_one() -> None:
    listed = [{"name": "search", "input_schema": {}}]
    messages = {
        "role": "assistant",
        "content": [{"type": "mcp_tool_listing", "server_name": "wiki", "tools": listed}],
    }
    items = [{"type": "mcp_list_tools", "id": "mcpl_1", "server_label": "wiki", "tools": listed}]
    first = prompt_of({"messages": [messages]}, Shaper(b"k")).blocks[0]
    second = prompt_of_responses({"input": items}, Shaper(b"k")).blocks[0]
    assert (first.kind, first.name) == (second.kind, second.name) == ("tool", "wiki")


def test_a_server_tools_result_is_a_skill_by_the_same_rules_as_a_clients() -> None:
    call = {"type": "server_tool_use", "id": "s1", "name": "bash_code_execution"}
    content = [
        {**call, "input": {"command": "cat /skills/triage/SKILL.md"}},
        {"type": "bash_code_execution_tool_result", "tool_use_id": "s1", "content": {"stdout": BODY}},
    ]
    blocks = prompt_of({"messages": [{"role": "assistant", "content": content}]}, Shaper(b"k")).blocks
    assert (blocks[1].kind, blocks[1].name) == ("skill", "triage")
    failed = {"type": "bash_code_execution_tool_result_error", "error_code": "unavailable"}
    content[1] = {**content[1], "content": failed}
    blocks = prompt_of({"messages": [{"role": "assistant", "content": content}]}, Shaper(b"k")).blocks
    assert (blocks[1].kind, blocks[1].name) == ("tool_result", "bash_code_execution")


def test_a_message_of_a_log_knows_the_tools_of_its_request() -> None:
    """A Claude Code log gives messages one at a time; which tools there are is in another record."""
    body = {"type": "text", "text": "---\nname: mail\ndescription: sorts mail\n---\nCall send_mail.\n"}
    tools = [{"name": "send_mail", "input_schema": {}}]
    for known, uses in ((tools, ("mail",)), ([], ())):
        piece = PieceMaker(Shaper(b"k")).piece("user", [body], known)
        assert [(block.name, block.uses) for block in piece.blocks] == [("mail", uses)]
