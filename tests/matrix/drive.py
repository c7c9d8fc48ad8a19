"""One client, in its own environment: its example against a loopback provider, and the record held to it.

python tests/matrix/drive.py with_litellm      prints one JSON object; exits 1 with the disagreement otherwise
"""

from __future__ import annotations

import importlib
import json
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
sys.path[:0] = [str(ROOT / "examples" / "frameworks"), str(ROOT / "tests" / "harness" / "frameworks")]


def main(example: str) -> None:
    """Run one example. Raises AssertionError where the recording is not what the provider did."""
    import agreement
    import inbox

    from tokenprof.testing import LoopbackProvider

    module = importlib.import_module(example)
    with tempfile.TemporaryDirectory() as folder:
        # A harness that keeps its own sessions is given the folder, and read from there.
        path = Path(folder) / getattr(module, "RECORDING", "run.jsonl")
        with LoopbackProvider(getattr(module, "answer", inbox.answer)) as provider:
            said = module.main(str(path), api_key="sk-ant-none", base_url=provider.url)
        run = agreement.recorded(path, provider, transcript=path.is_dir())
    assert said == inbox.ANSWER, f"the agents said {said!r}"
    agents = sorted(str(turn.agent) for turn in run.turns)
    expected = sorted(map(str, getattr(module, "AGENTS", inbox.AGENTS)))
    assert agents == expected, f"the calls were made by {agents}, not by {expected}"
    assert {block.kind for prompt in run.prompts() for block in prompt} >= {"tool", "system", "user"}
    usd = agreement.bill_by_hand(provider.billed)
    print(json.dumps({"turns": len(run.turns), "billed_usd": str(usd), "agents": agents}))


if __name__ == "__main__":
    main(sys.argv[1])
