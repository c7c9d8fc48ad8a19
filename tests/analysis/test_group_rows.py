"""Which group a tool, its loading and its calls belong to, where names begin alike."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from cached_calls import made_block
from one_call import one_call

from tokenprof.analysis.analysis import Analysis
from tokenprof.facts.types import Run
from tokenprof.pricing.usage import Usage

SEARCH, GIT = made_block("ToolSearch", kind="tool"), made_block("mcp__git__log", kind="tool")
QUESTION = made_block("question", kind="user")
CALL = replace(made_block("ToolSearch", kind="tool_call"), role="assistant", link="c1", opens_message=True)
LOADED = replace(made_block("mcp__github__issues", kind="tool"), section="messages", role="user", link="c1")


def test_a_load_belongs_to_its_own_server_and_not_to_one_whose_name_begins_alike() -> None:
    asked = replace(one_call(Usage(1_000, output_tokens=50)), added=(SEARCH, GIT, QUESTION), output=(CALL,))
    carried = replace(
        one_call(Usage(1_500, output_tokens=50)),
        id="n",
        started_at=asked.started_at + timedelta(seconds=9),
        base=0,
        kept=3,
        added=(CALL, LOADED),
    )
    groups = {(row.kind, row.name): row for row in Analysis(Run((asked, carried))).groups}
    assert groups["mcp_server", "github"].load_turns == (0,)
    assert groups["tool", "mcp__github__issues"].load_turns == (0,)
    # $5 and $25 a million: 1,000 fresh and 50 written cost $0.00625.
    assert str(groups["mcp_server", "github"].load_turns_usd) == "0.006250"
    assert groups["mcp_server", "git"].load_turns == ()
    assert groups["mcp_server", "git"].load_turns_usd == 0
    assert ("mcp_server", "ToolSearch") not in groups
