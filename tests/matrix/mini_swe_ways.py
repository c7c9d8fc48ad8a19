"""One run of mini-swe-agent seen in its process, through the proxy, and in its trajectory: the same dollars.

The trajectory has no schema of the agent's own tool; what that leaves unplaced is named so.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import agreement
import inbox
from minisweagent.agents.default import DefaultAgent
from minisweagent.environments.local import LocalEnvironment
from minisweagent.models.litellm_model import LitellmModel
from with_mini_swe_agent import answer

import tokenprof
from tokenprof.costing.ledger import build_ledger
from tokenprof.facts.types import Run
from tokenprof.pricing.book import default_book
from tokenprof.proxy.observe import Observer
from tokenprof.proxy.server import RecordingProxy
from tokenprof.proxy.upstream import upstream_at
from tokenprof.reading.files import read
from tokenprof.record.recorder import Recorder
from tokenprof.testing import LoopbackProvider

__all__ = ["AGENTS", "RECORDING", "SOURCES", "agents_of", "answer", "check", "main", "recordings"]

RECORDING = "mini"
AGENTS = ("None",) * 2
SOURCES = 2


def main(path: str, api_key: str, base_url: str) -> str:
    """Let the agent work; keep the recordings and the trajectory in the folder `path`."""
    folder = Path(path)
    folder.mkdir()
    recorder = Recorder(folder / "proxy.jsonl")
    proxy = RecordingProxy({"": upstream_at(base_url)}, Observer(recorder))
    with proxy, tokenprof.profile(folder / "live.jsonl"):
        model = LitellmModel(
            model_name=f"anthropic/{inbox.MODEL}",
            model_kwargs={"api_key": api_key, "api_base": proxy.url()},
            set_cache_control="default_end",
        )
        agent = DefaultAgent(
            model,
            LocalEnvironment(),
            system_template=inbox.TRIAGE,
            instance_template="{{task}}",
            output_path=folder / "run.traj.json",
        )
        said = agent.run(inbox.TASK)
    recorder.close()
    return str(said["submission"]).strip()


def recordings(path: Path) -> list[Path]:
    """Return the recording in the process, and the proxy's."""
    return [path / "live.jsonl", path / "proxy.jsonl"]


def agents_of(run: Run) -> list[str]:
    """Return who made the calls: nobody was named."""
    return [str(turn.agent) for turn in run.turns]


def check(path: Path, provider: LoopbackProvider, runs: list[Run]) -> None:
    """Hold the three against each other. Raises AssertionError with the disagreement."""
    live, proxied = runs
    trajectory = read([path / "run.traj.json"])
    assert {dollars(run) for run in (live, proxied, trajectory)} == {agreement.bill_by_hand(provider.billed)}
    assert [turn.usage for turn in live.turns] == [turn.usage for turn in proxied.turns]
    assert [turn.usage for turn in live.turns] == [turn.usage for turn in trajectory.turns]
    assert live.prompts() == proxied.prompts()
    for seen, logged in zip(live.prompts(), trajectory.prompts(), strict=True):
        missing = [(block.kind, block.name) for block in seen if block.section == "tools"]
        assert missing == [("tool", "bash")]
        assert [block.kind for block in logged] == [block.kind for block in seen if block.section != "tools"]
    assert len(read([path / "live.jsonl", path / "proxy.jsonl"]).turns) == len(live.turns)


def dollars(run: Run) -> Decimal:
    """Return what a run was billed."""
    ledger = build_ledger(run, default_book())
    ledger.check()
    return sum((usd for usd in ledger.billed_usd if usd is not None), Decimal(0))
