"""A break-even sheet as JSON (`tokenprof.break_even/1`); amounts are USD, estimates low, mid and high."""

from __future__ import annotations

from typing import Any, Final

from tokenprof.hw_model.estimate import Estimate
from tokenprof.report.next_steps.break_even_wording import crossing_sentence, notes
from tokenprof.whatif.break_even import BreakEven

SCHEMA: Final = "tokenprof.break_even/1"

Json = dict[str, Any]


def break_even_json(found: BreakEven) -> Json:
    """Return a break-even sheet as JSON."""
    turn, day = found.turn, found.day
    return {
        "schema": SCHEMA,
        "model": found.model,
        "runs": found.runs,
        "calls_per_run": found.calls_per_run,
        "mean_call": {
            "cached_tokens": turn.cached_tokens,
            "new_tokens": turn.new_tokens,
            "output_tokens": turn.output_tokens,
            "gap_s": turn.gap_s,
        },
        "day": {"peak_to_mean": list(day.peak_to_mean), "source": day.source},
        "bought": [
            {"name": each.name, "usd_per_run": _ends(each.usd_per_run), "is_recorded": each.is_recorded}
            for each in found.bought
        ],
        "hosted": [
            {
                "name": each.name,
                "deployment": each.deployment,
                "calls_per_hour": _ends(each.calls_per_hour),
                "usd_per_hour": _ends(each.usd_per_hour),
                "usd_per_run_when_full": _ends(each.usd_per_run_when_full),
                "usd_per_run_by_day": _ends(each.usd_per_run_by_day),
                "tokens_per_s": each.tokens_per_s,
                "sessions": each.sessions,
                "hours_source": each.hours_source,
            }
            for each in found.hosted
        ],
        "months": [
            {
                "runs_per_day": each.runs_per_day,
                "name": each.name,
                "usd": _ends(each.usd),
                "nodes": _ends(each.nodes),
                "used": _ends(each.used),
            }
            for each in found.months
        ],
        "crossings": [
            {
                "hosted": each.hosted,
                "bought": each.bought,
                "used": _ends(each.used),
                "reachable": _ends(each.reachable),
                "likely": each.likely,
                "runs_per_day": _ends(each.runs_per_day),
                "text": crossing_sentence(each),
            }
            for each in found.crossings
        ],
        "assumes": list(notes(found)),
    }


def _ends(found: Estimate | None) -> Json | None:
    return None if found is None else {"low": found.low, "mid": found.mid, "high": found.high}
