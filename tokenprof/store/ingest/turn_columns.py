"""The turns of a log as columns of a store: what is billed, which needs neither attribution nor Arrow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date
from operator import attrgetter

from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.times import gaps_after
from tokenprof.facts.types import Run, Turn
from tokenprof.pricing.usage import TOKEN_CLASSES, Usage
from tokenprof.store.schema.columns import Columns

PROJECT_TAG = "project"


@frozen
class LogName:
    """How the rows of a log are labelled: its number, its project and session, and the format of its file."""

    log_id: int
    project: str
    session: str
    format: str


def project_of(run: Run, otherwise: str) -> str:
    """Return the project of a log: the tag `project` that its turns carry, or another name."""
    return next((turn.tags[PROJECT_TAG] for turn in run.turns if turn.tags.get(PROJECT_TAG)), otherwise)


def turn_columns(run: Run, name: LogName) -> Columns:
    """Return the table `turns` of a log. Each turn has a chain of prompts for itself."""
    turns = run.turns
    count = len(turns)
    return {
        **places(name, list(map(day_of, turns))),
        "turn": range(count),
        "path": range(count),
        "step": [0] * count,
        "gap_s": [
            None if turn.usage is None else gap_s
            for turn, gap_s in zip(turns, gaps_after(turns), strict=True)
        ],
        "session": [name.session] * count,
        "format": [name.format] * count,
        **_facts(turns),
        **_usage([turn.usage for turn in turns]),
    }


AS_THEY_ARE = (
    *("duration_s", "ttft_s", "context", "parent", "agent", "provider", "seller", "model"),
    *("requested_model", "status", "attempts", "output_rest_in"),
)
"""Fields of a turn that are columns of the same name."""


def _facts(turns: Sequence[Turn]) -> dict[str, list[object]]:
    served = [turn.selectors for turn in turns]
    return {
        **{name: list(map(attrgetter(name), turns)) for name in AS_THEY_ARE},
        "started_at": [turn.started_at.astimezone(UTC) for turn in turns],
        "response_id": [turn.id for turn in turns],
        "tags": [list(turn.tags.items()) for turn in turns],
        "service_tier": [selectors.service_tier or "" for selectors in served],
        "speed": [selectors.speed or "" for selectors in served],
        "inference_geo": [selectors.inference_geo or "" for selectors in served],
        "batch": [selectors.batch for selectors in served],
        "output_incomplete": [turn.output_incomplete and turn.output_rest_in is None for turn in turns],
        "notes": [len(turn.notes) for turn in turns],
        "stated_usd": [None if turn.stated_usd is None else format(turn.stated_usd, "f") for turn in turns],
    }


COUNTS = (
    *(f"{cls}_tokens" for cls in TOKEN_CLASSES),
    *("input_tokens", "audio_input_tokens", "audio_output_tokens", "image_output_tokens"),
)
"""Counts of a usage that are columns of the same name."""


def _usage(usages: Sequence[Usage | None]) -> dict[str, list[object]]:
    return {
        **{name: _counts(attrgetter(name), usages) for name in COUNTS},
        "is_measured": [usage is not None for usage in usages],
        "fees": [0 if usage is None else usage.fee_count for usage in usages],
        "has_request_fee": [usage is not None and "request" in dict(usage.fees) for usage in usages],
    }


def _counts(count: Callable[[Usage], int], usages: Sequence[Usage | None]) -> list[object]:
    return [None if usage is None else count(usage) for usage in usages]


def fee_columns(run: Run, name: LogName) -> Columns:
    """Return the table `fees` of a log."""
    charged = [
        (turn, index, fee, count)
        for index, turn in enumerate(run.turns)
        if turn.usage is not None
        for fee, count in turn.usage.fees
    ]
    return {
        **places(name, [day_of(turn) for turn, *_ in charged]),
        "turn": [index for _, index, _, _ in charged],
        "fee": [fee for *_, fee, _ in charged],
        "pieces": [count for *_, count in charged],
    }


def day_of(turn: Turn) -> date:
    """Return the day of a turn, in UTC."""
    return turn.started_at.astimezone(UTC).date()


def places(name: LogName, days: Sequence[date]) -> Columns:
    """Return the columns that say in which partition and log each row is."""
    count = len(days)
    return {"day": days, "project": [name.project] * count, "log_id": [name.log_id] * count}
