"""Attribution cases that other tools got wrong; each test names the issue that reported it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anthropic

import tokenprof
from tokenprof.analysis.analysis import Analysis
from tokenprof.attribute import Placed
from tokenprof.costing.ledger import Ledger, build_ledger
from tokenprof.pricing.book import default_book
from tokenprof.pricing.usage import INPUT_CLASSES
from tokenprof.reading.files import read
from tokenprof.report.report_json import json_report
from tokenprof.testing import LoopbackProvider, Overheads, Reply

BOOK = default_book()
MODEL = "claude-opus-4-8"
PREAMBLE = 346


def tool(name: str, description: str, **more: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": {"x": {"type": "string", "description": description}}}
    return {"name": name, "description": description, "input_schema": schema, **more}


def record(path: Path, requests: list[dict[str, Any]]) -> tuple[Ledger, LoopbackProvider]:
    overheads = Overheads(tools_preamble=PREAMBLE)
    replies = [Reply.text("ok") for _ in requests]
    with (
        LoopbackProvider(replies, overheads=overheads) as server,
        tokenprof.profile(path),
        anthropic.Anthropic(api_key="x", base_url=server.url) as client,
    ):
        for request in requests:
            client.messages.create(model=MODEL, max_tokens=9, **request)
    ledger = build_ledger(read([path]), BOOK)
    ledger.check()
    return ledger, server


def tokens_of(ledger: Ledger, kind: str, turn: int = 0) -> dict[str, int]:
    """Tokens of a turn's input on blocks of a kind, by their names."""
    found: dict[str, int] = {}
    for entry in ledger.entries[turn]:
        placed: Placed = ledger.attribution.blocks[entry.block]
        if entry.cls in INPUT_CLASSES and placed.block.kind == kind:
            found[placed.block.name] = found.get(placed.block.name, 0) + entry.tokens
    return found


def test_sixty_tools_hold_what_was_billed_together_and_the_preamble_once(tmp_path: Path) -> None:
    """anthropics/claude-code#16466: sixty single counts hold the hidden tool-use preamble sixty times."""
    tools = [tool(f"tool_{n}", f"Do thing number {n} with care. " * (1 + n % 5)) for n in range(60)]
    ledger, server = record(
        tmp_path / "run.jsonl", [{"tools": tools, "messages": [{"role": "user", "content": "hi"}]}]
    )
    usage = server.billed[0].usage
    assert usage is not None
    overhead = tokens_of(ledger, "provider_overhead")
    schemas = tokens_of(ledger, "tool")
    assert len(schemas) == 60
    assert len(overhead) == 1
    user = sum(tokens_of(ledger, "user").values())
    assert sum(schemas.values()) + sum(overhead.values()) + user == usage["input_tokens"]
    truth = sum(block.tokens for block in server.billed[0].blocks if block.kind == "tool")
    assert abs(sum(schemas.values()) - truth) < 60 * 5


def test_tools_of_different_size_differ_and_a_deferred_one_has_no_tokens(tmp_path: Path) -> None:
    """anthropics/claude-code#27389, #50061: every MCP tool shows 290, or 0 while it is billed elsewhere."""
    tools = [
        tool("small", "Short."),
        tool("large", "A long description of what this does and when. " * 40),
        tool("later", "A long description of what this does and when. " * 40, defer_loading=True),
    ]
    ledger, _ = record(
        tmp_path / "run.jsonl", [{"tools": tools, "messages": [{"role": "user", "content": "hi"}]}]
    )
    sizes = tokens_of(ledger, "tool")
    assert set(sizes) == {"small", "large"}
    assert sizes["large"] > 8 * sizes["small"] > 0
    later = next(p for p in ledger.attribution.blocks.values() if p.block.name == "later")
    assert (later.size.tokens, later.size.low, later.size.high) == (0, 0, 0)


def test_a_skill_s_line_and_its_body_are_two_blocks_and_the_body_is_billed_from_when_it_appears(
    tmp_path: Path,
) -> None:
    """anthropics/claude-code#14882: a skill shows as loaded when only its front matter is in the context."""
    index = "Available skills:\n" + "".join(f"- skill-{n}: does thing {n} for you\n" for n in range(8))
    body = "---\nname: skill-3\ndescription: does thing 3\n---\n" + "Follow these steps with care. " * 60
    ask = [{"role": "user", "content": "hi"}]
    loaded = [
        *ask,
        {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": "t1", "name": "Skill", "input": {"skill": "skill-3"}}],
        },
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": body}]},
    ]
    system = [{"type": "text", "text": index}]
    tools = [tool("Skill", "Load a skill.")]
    ledger, _ = record(
        tmp_path / "run.jsonl",
        [{"system": system, "tools": tools, "messages": m} for m in (ask, loaded)],
    )
    assert set(tokens_of(ledger, "skills_index", 0)) == {"skills_index"}
    assert tokens_of(ledger, "skill", 0) == {}
    assert tokens_of(ledger, "skill", 1)["skill-3"] > 250
    index_block = next(p for p in ledger.attribution.blocks.values() if p.block.kind == "skills_index")
    assert "skill-3" in [child.name for child in index_block.block.children]


def test_instructions_that_a_server_adds_to_the_prompt_are_a_block_of_their_own(tmp_path: Path) -> None:
    """anthropics/claude-code#94832: MCP instructions, billed every turn, are on no line of the display."""
    instructions = "# MCP Server Instructions\n## files\n" + "Prefer the files server for reading. " * 50
    system = [{"type": "text", "text": "You help."}, {"type": "text", "text": instructions}]
    ask = {"system": system, "messages": [{"role": "user", "content": "hi"}]}
    ledger, _ = record(tmp_path / "run.jsonl", [ask, ask])
    for turn in (0, 1):
        assert tokens_of(ledger, "system", turn)["system[1]"] > 300


def test_a_tool_s_description_that_changes_every_session_is_named_as_what_broke_the_prefix(
    tmp_path: Path,
) -> None:
    """anthropics/claude-code#87137: the `Bash` description holds a session's address and kills the cache."""
    marker = {"cache_control": {"type": "ephemeral"}}
    text = {"type": "text", "text": "Work through the files with great care. " * 900, **marker}

    def request(session: str) -> dict[str, Any]:
        tools = [tool("Read", "Read a file."), tool("Bash", f"Run a command. See https://x.test/{session}")]
        tools[1]["input_schema"] = {"type": "object"}
        return {"tools": tools, "messages": [{"role": "user", "content": [text]}]}

    path = tmp_path / "run.jsonl"
    record(path, [request("one"), request("two")])
    report = json_report(Analysis(read([path])))
    miss = report["turns"][1]["cache_miss"]
    block = next(block for block in report["blocks"] if block["id"] == miss["block"])
    assert (block["kind"], block["name"], miss["field"]) == ("tool", "Bash", "description")
    assert (miss["cause"], miss["evidence"]) == ("changed", "diff")
    (user,) = (b for b in report["blocks"] if b["kind"] == "user" and b["born_turn"] == 1)
    assert user["tokens"] < miss["tokens"] < report["turns"][1]["usage"]["cache_write_5m"]


def test_a_turn_costs_nothing_that_no_response_was_billed_for(tmp_path: Path) -> None:
    """anthropics/claude-code#95837: a session's cost jumped at a compaction without a new response."""
    path = tmp_path / "run.jsonl"
    record(path, [{"messages": [{"role": "user", "content": "hi"}]}])
    before = json_report(Analysis(read([path])))
    again = json_report(Analysis(read([path])))
    assert before["totals"]["billed_usd"] == again["totals"]["billed_usd"]
    with tokenprof.profile(path):
        pass
    empty = json_report(Analysis(read([path])))
    assert (empty["totals"]["turns"], empty["totals"]["billed_usd"]) == (1, before["totals"]["billed_usd"])
