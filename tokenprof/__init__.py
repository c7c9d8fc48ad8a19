"""tokenprof: a profiler for agent harnesses.

    client = anthropic.Anthropic()
    with tokenprof.profile("run.jsonl"):
        ...your agent...

then `tokenprof report run.jsonl`. Importing this package loads no SDK and no data.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tokenprof.facts.version import __version__ as __version__

if TYPE_CHECKING:
    from tokenprof.facts.labels import label
    from tokenprof.live.profile import profile, wrap
    from tokenprof.record.session import agent, tag

__all__ = ["agent", "label", "profile", "tag", "wrap"]

_MODULES = {
    "agent": "tokenprof.record.session",
    "label": "tokenprof.facts.labels",
    "profile": "tokenprof.live.profile",
    "tag": "tokenprof.record.session",
    "wrap": "tokenprof.live.profile",
}


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module 'tokenprof' has no attribute {name!r}")
