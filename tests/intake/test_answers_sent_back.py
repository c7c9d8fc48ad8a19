"""An answer that is looked at once gives the blocks that it gives as an output, and as a later message."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tokenprof.harness_adapters.wires.anthropic_messages import answer_of, message_of, output_of
from tokenprof.harness_adapters.wires.prompt_layout import ToolCalled
from tokenprof.harness_adapters.wires.skills_touched import Skills
from tokenprof.record.block_facts import Shaper

BODY = "---\nname: invoices\ndescription: pays\n---\nRun scripts/pay.py and use look_up."
TEXTS = st.sampled_from(["", "said", "Grüße 1\n", "python scripts/pay.py", BODY])
VALUES = st.one_of(TEXTS, st.none(), st.integers(0, 9), st.lists(TEXTS), st.dictionaries(TEXTS, TEXTS))
ITEMS = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(
            ["text", "thinking", "redacted_thinking", "tool_use", "server_tool_use", "mcp_tool_result", "new"]
        ),
        "text": VALUES,
        "thinking": VALUES,
        "id": st.sampled_from(["t1", "t2", ""]),
        "tool_use_id": st.sampled_from(["t0", "t1", "t2"]),
        "name": st.sampled_from(["look_up", "Skill"]),
        "input": VALUES,
        "content": VALUES,
        "is_error": st.booleans(),
        "cache_control": st.just({"type": "ephemeral"}),
    },
)
CALLS = {"t0": ToolCalled("Skill", "invoices")}


def skills() -> Skills:
    known = Skills()
    known.add("invoices", BODY, {"look_up"})
    return known


@given(st.lists(ITEMS, max_size=4))
def test_one_look_finds_what_two_looks_find(items: list[dict[str, Any]]) -> None:
    shaper = Shaper(b"k" * 32, count=lambda texts: [{"o200k_base": len(text)} for text in texts])
    digests = [shaper.digest(item) for item in items]
    output, blocks = answer_of(items, shaper, digests=digests, skills=skills(), answered=CALLS)
    sent_back, ends = message_of("assistant", items, shaper, skills=skills(), answered=CALLS)
    assert output == output_of(items, shaper)
    assert blocks == sent_back
    assert ends == tuple(range(len(blocks)))
