"""A file for speedscope: the run as three sampled profiles, by billed dollars, tokens and compute.

Source of the format: file-format-schema.json of the speedscope package, version 1.25.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from tokenprof.facts.version import __version__
from tokenprof.pictures.exchange.stacks import stacks_of
from tokenprof.pictures.views.spending_tree import TreeColumns

SCHEMA: Final = "https://www.speedscope.app/file-format-schema.json"


def speedscope_file(tree: TreeColumns, title: str) -> dict[str, Any]:
    """Return a run as speedscope reads it."""
    stacks = list(stacks_of(tree))
    names = dict.fromkeys(name for stack in stacks for name in stack.frames)
    number = {name: at for at, name in enumerate(names)}
    samples = [[number[name] for name in stack.frames] for stack in stacks]
    weighed = {
        "billed USD": [float(stack.billed_usd) for stack in stacks],
        "billed tokens": [float(stack.tokens) for stack in stacks],
        "compute USD, middle estimate": [stack.compute_usd for stack in stacks],
    }
    return {
        "$schema": SCHEMA,
        "exporter": f"tokenprof@{__version__}",
        "name": title,
        "activeProfileIndex": 0,
        "shared": {"frames": [{"name": name} for name in names]},
        "profiles": [_profile(name, samples, weights) for name, weights in weighed.items()],
    }


def _profile(name: str, samples: Sequence[Sequence[int]], weights: Sequence[float]) -> dict[str, Any]:
    return {
        "type": "sampled",
        "name": name,
        "unit": "none",
        "startValue": 0,
        "endValue": sum(weights),
        "samples": samples,
        "weights": weights,
    }
