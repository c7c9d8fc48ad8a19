"""tokenprof: a profiler for agent harnesses.

Record an agent:

    with tokenprof.profile("run.jsonl"):
        ...your agent...

and look at what it cost:

    analysis = tokenprof.load("run.jsonl").analyze()
    print(analysis)
    analysis.totals.billed_usd
    analysis.to_frame("turns")

Importing this package loads no SDK, no numpy and no data.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tokenprof.facts.version import __version__ as __version__

if TYPE_CHECKING:
    from tokenprof.analysis.analysis import Analysis
    from tokenprof.analysis.load import LoadedRun, load
    from tokenprof.difference.cost_difference import CostDifference, diff
    from tokenprof.facts.errors import InputError, TokenprofError
    from tokenprof.facts.labels import label
    from tokenprof.live.instrumentor import TokenprofInstrumentor
    from tokenprof.live.limits import Limits, StopCalls
    from tokenprof.live.profile import profile, wrap
    from tokenprof.live.running_cost import TurnCost
    from tokenprof.record.session import agent, tag
    from tokenprof.report.document import Report
    from tokenprof.report.report_reader import load_report

_HOMES = {
    "Analysis": "tokenprof.analysis.analysis",
    "CostDifference": "tokenprof.difference.cost_difference",
    "InputError": "tokenprof.facts.errors",
    "Limits": "tokenprof.live.limits",
    "LoadedRun": "tokenprof.analysis.load",
    "Report": "tokenprof.report.document",
    "StopCalls": "tokenprof.live.limits",
    "TokenprofError": "tokenprof.facts.errors",
    "TokenprofInstrumentor": "tokenprof.live.instrumentor",
    "TurnCost": "tokenprof.live.running_cost",
    "agent": "tokenprof.record.session",
    "diff": "tokenprof.difference.cost_difference",
    "label": "tokenprof.facts.labels",
    "load": "tokenprof.analysis.load",
    "load_report": "tokenprof.report.report_reader",
    "profile": "tokenprof.live.profile",
    "tag": "tokenprof.record.session",
    "wrap": "tokenprof.live.profile",
}

__all__ = [
    "Analysis",
    "CostDifference",
    "InputError",
    "Limits",
    "LoadedRun",
    "Report",
    "StopCalls",
    "TokenprofError",
    "TokenprofInstrumentor",
    "TurnCost",
    "agent",
    "diff",
    "label",
    "load",
    "load_report",
    "profile",
    "tag",
    "wrap",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'tokenprof' has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(home), name)
    return found


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
