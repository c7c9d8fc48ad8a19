"""One client, in its own environment: its example against a loopback provider, and the record held to it.

python tests/matrix/drive.py with_litellm      prints one JSON object; exits 1 with the disagreement otherwise
"""

from __future__ import annotations

import importlib
import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tokenprof.facts.types import Turn

ROOT = Path(__file__).parent.parent.parent
sys.path[:0] = [str(ROOT / "examples" / "frameworks"), str(ROOT / "tests" / "harness" / "frameworks")]


def main(example: str) -> None:
    """Run one example. Raises AssertionError if the recording is not what the provider did."""
    import agreement
    import inbox
    import openai_agreement

    from tokenprof.testing import LoopbackProvider, OpenAILoopback

    module = importlib.import_module(example)
    started = getattr(module, "PROVIDER", LoopbackProvider)
    usual = openai_agreement if started is OpenAILoopback else agreement
    held_to: Any = getattr(module, "HELD_TO", usual)
    with tempfile.TemporaryDirectory() as folder:
        # A harness that keeps its own sessions is given the folder, and read from there.
        path = Path(folder) / getattr(module, "RECORDING", "run.jsonl")
        with started(getattr(module, "answer", inbox.answer)) as provider:
            said = module.main(str(path), api_key="sk-ant-none", base_url=provider.url)
        ours, *theirs = module.recordings(path) if hasattr(module, "recordings") else [path]
        runs = [held_to.recorded(ours, provider, transcript=ours.is_dir())]
        runs += [held_to.recorded(session, provider, transcript=True) for session in theirs]
        if hasattr(module, "check"):
            module.check(path, provider, runs)
    assert said == inbox.ANSWER, f"the agents said {said!r}"
    assert len(runs) == getattr(module, "SOURCES", 1), f"there are {len(runs)} records of the calls"
    expected = sorted(map(str, getattr(module, "AGENTS", inbox.AGENTS)))
    for run in runs:
        agents = sorted(module.agents_of(run) if hasattr(module, "agents_of") else map(agent_of, run.turns))
        assert agents == expected, f"the calls were made by {agents}, not by {expected}"
        if not any(turn.hidden_prefix for turn in run.turns):
            kinds = {block.kind for prompt in run.prompts() for block in prompt}
            assert kinds >= {"tool", "system", "user"}, f"the prompts show only {kinds}"
    usd = held_to.bill_by_hand(provider.billed)
    print(
        json.dumps({"turns": len(run.turns), "billed_usd": str(usd), "agents": agents, "sources": len(runs)})
    )


def agent_of(turn: Turn) -> str:
    """Return the name of the agent that made a call, `None` for one without a name."""
    return str(turn.agent)


if __name__ == "__main__":
    main(sys.argv[1])
