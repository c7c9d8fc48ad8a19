"""A run whose names try to end an element, to run, to hide and to reverse text, and to be very long."""

from __future__ import annotations

from dataclasses import replace

from long_runs import long_run

from tokenprof.facts.types import Run

NAMES = (
    "<script>window.owned=1</script>",
    "</script><script>window.owned=1</script>",
    "</title></style><img src=x onerror=window.owned=1>",
    '" onload="window.owned=1',
    "$data ${script} $$",
    "\u202egnp.\u200b\u200fexe\ufeff\x1b[2J\x1b]0;owned\x07",
    '=HYPERLINK("http://evil.example")',
    "x" * 10_000_000,
    "constructor",
    "__proto__",
)


def hostile_run(turns: int = 12) -> Run:
    """Return a run in which blocks, agents, models and ids have hostile names."""
    run = long_run(turns)
    found = []
    for number, turn in enumerate(run.turns):
        name = NAMES[number % len(NAMES)]
        blocks = tuple(
            replace(block, kind="tool_result", name=name, link=f"link {number}") for block in turn.added
        )
        found.append(replace(turn, added=blocks, agent=f"{name[:5000]} {number}", tags={"task": name[:5000]}))
    return replace(run, turns=tuple(found))
