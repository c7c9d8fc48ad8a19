"""The cost gate on ourselves: the demo's agent against a committed baseline (tests/gate/baseline.json)."""

from __future__ import annotations

import anthropic
import pytest

from tokenprof.commands import demo_agent as demo
from tokenprof.testing import LoopbackProvider, Overheads


@pytest.mark.token_baseline(measures="turns,input_tokens,output_tokens,usd")
@pytest.mark.token_budget(turns=3, cache_misses=0, usd=0.08)
def test_the_demo_s_agent_costs_what_it_did() -> None:
    overheads = Overheads(
        tools_preamble=346, per_message=4, per_tool_use=20, per_tool_result=10, prompt_end=3
    )
    with (
        LoopbackProvider(demo.script(), overheads=overheads) as provider,
        anthropic.Anthropic(api_key="none", base_url=provider.url) as client,
    ):
        tools, system = demo.tool_schemas(), demo.system_prompt()
        assert demo.run_agent(client, "Which invoices are unpaid?", tools=tools, system=system)
