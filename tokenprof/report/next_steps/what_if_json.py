"""What-ifs and suggestions as JSON (`tokenprof.whatif/1`); money is a decimal string in USD."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from tokenprof.report.money import estimate_json, usd
from tokenprof.report.next_steps.what_if_wording import basis, change_of, suggestion_sentence
from tokenprof.whatif.prediction import Prediction
from tokenprof.whatif.suggestions import Suggestion

SCHEMA: Final = "tokenprof.whatif/1"

Json = dict[str, Any]


def prediction_json(found: Prediction) -> Json:
    """Return a prediction as JSON. `after_usd` is null for hardware of your own."""
    return {"schema": SCHEMA, **_prediction(found)}


def suggestions_json(found: Sequence[Suggestion]) -> Json:
    """Return suggestions as JSON, the best first."""
    return {
        "schema": SCHEMA,
        "suggestions": [
            {
                "lever": each.lever,
                "text": suggestion_sentence(each),
                "saves_usd": usd(each.saves_usd),
                "saves_low_usd": usd(each.low_usd),
                "saves_high_usd": usd(each.high_usd),
                "share": str(round(each.share, 4)),
                "saving": each.saving_kind,
                **_prediction(each.prediction),
            }
            for each in found
        ],
    }


def _prediction(found: Prediction) -> Json:
    return {
        "levers": [{"lever": lever.text, "text": change_of(lever.text)} for lever in found.levers],
        "before_usd": usd(found.before_usd),
        "after_usd": usd(found.after_usd),
        "after_low_usd": usd(found.low_usd),
        "after_high_usd": usd(found.high_usd),
        "hardware_before_usd": estimate_json(found.compute_before_usd),
        "hardware_after_usd": estimate_json(found.compute_after_usd),
        "saving": found.saving_kind,
        "calls_before": found.calls[0],
        "calls_after": found.calls[1],
        "tokens_in_before": found.tokens_in[0],
        "tokens_in_after": found.tokens_in[1],
        "calls_explained_by_cache_rules": found.explained,
        "assumes": list(basis(found)),
    }
