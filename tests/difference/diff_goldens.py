"""The golden comparison: one change of each kind between two runs.

After a change of layout that is meant, write it again and read the diff:

python tests/difference/diff_goldens.py
"""

from dataclasses import replace
from pathlib import Path

from made_runs import SONNET, plan, run_of

from tokenprof.analysis.analysis import Analysis
from tokenprof.difference.cost_difference import CostDifference, diff
from tokenprof.report.comparisons.difference_text import to_text

FOLDER = Path(__file__).with_name("golden")
WIDTHS = (60, 80, 120)


def compared(*, compute: bool = False) -> CostDifference:
    """Return a comparison in which a result, a tool, the cache, the model and the agents have changed.

    The goldens leave compute out, whose estimates move with the hardware model.
    """
    before = plan(3)
    steps = tuple(
        replace(step, result_tokens=9 * step.result_tokens) if step.tool == "tool1" else step
        for step in before.steps
    )
    now = replace(
        before, steps=steps, tools={**before.tools, "lookup_order": 1500}, changing_system=True, model=SONNET
    )
    helper = replace(plan(5), agent="researcher", model=SONNET)
    return diff(Analysis(run_of(before)), Analysis(run_of(now, helper)), compute=compute)


def path(width: int) -> Path:
    """Return where the comparison is kept as it should be printed."""
    return FOLDER / f"diff_{width}.txt"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for each in WIDTHS:
        path(each).write_text(to_text(compared(), each), encoding="utf-8")
