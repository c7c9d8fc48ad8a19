"""tokenprof: a profiler for agent harnesses.

    client = anthropic.Anthropic()
    with tokenprof.profile("run.jsonl"):
        ...your agent...

then `tokenprof report run.jsonl`. Importing this package loads no SDK and no data.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tokenprof.facts.labels import label
    from tokenprof.live.profile import agent, profile, tag, wrap

__version__ = "0.1.0"
__all__ = ["agent", "label", "profile", "tag", "wrap"]

_MODULES = {"label": "tokenprof.facts.labels"}


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module(_MODULES.get(name, "tokenprof.live.running_cost.profile")), name)
    raise AttributeError(f"module 'tokenprof' has no attribute {name!r}")
