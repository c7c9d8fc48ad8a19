"""What a store's turns cost to compute, worked out when it is asked for, as prices are applied.

The deployment of a model is drawn for all of its turns in the store, so groups and parts of a store are
costed alike. Hardware dollars are estimates and are never added to a bill.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Final

from tokenprof.costing.compute import Hardware, described_scenario
from tokenprof.costing.served_hours import Serving
from tokenprof.costing.work import Model, Work
from tokenprof.hw_model.cost import Estimate, ServingScenario, TurnWork
from tokenprof.store.queries.dimensions import Dimension, Level
from tokenprof.store.queries.engine import SqlEngine
from tokenprof.store.queries.totals import Key, StoreTotals, key_of
from tokenprof.store.queries.work import work_by

MOST_TURNS: Final = 100_000
"""A deployment is drawn for the mean of a model's turns; of more turns, every n-th is taken."""

_TURNS: Final = f"""
SELECT provider, model, seller, started_at, cache_read_tokens, input_tokens - cache_read_tokens,
  output_tokens + reasoning_tokens, duration_s, gap_s, ttft_s
FROM (SELECT *, row_number() OVER (PARTITION BY provider, model ORDER BY started_at, log_id, turn) AS place,
        count(*) OVER (PARTITION BY provider, model) AS turns
      FROM priced_turns WHERE is_measured) t
WHERE (place - 1) % greatest(1, CAST(floor((turns + {MOST_TURNS} - 1) / {MOST_TURNS}.0) AS BIGINT)) = 0
ORDER BY provider, model, place
"""


class StoreCompute:
    """The deployments of the models of a store, which price the work of any group of its turns.

    `serving` is what is said about them; the rest is assumed or drawn. Raises what `cost_to_compute` raises.
    """

    def __init__(self, engine: SqlEngine, serving: Serving) -> None:
        self._engine, self.serving = engine, serving
        self._wholes: dict[str, Estimate | None] = {}
        self._hardware = Hardware(_scenarios(engine, serving), (), {}, {}, Work(), (), {}, serving)

    def add_to(self, totals: StoreTotals, by: Sequence[Dimension], where: str | None = None) -> None:
        """Add to totals what their groups, and the whole, cost to compute [USD]; unknown stays None.

        `by` and `where` are those of the totals.
        """
        of_groups = self._costs(by, totals.level, where or "true") if by else {}
        for row in totals.rows:
            row.hardware_usd = of_groups.get(row.key)
        totals.whole.hardware_usd = self._whole(where or "true")
        totals.has_compute = True

    def _whole(self, where: str) -> Estimate | None:
        """Return what all turns that meet a condition cost; every section of a report asks for the same."""
        if where not in self._wholes:
            self._wholes[where] = self._costs((), "turn", where).get(())
        return self._wholes[where]

    def _costs(self, by: Sequence[Dimension], level: Level, where: str) -> Mapping[Key, Estimate | None]:
        works: dict[Key, Work] = defaultdict(Work)
        for each in work_by(self._engine, by, level, where):
            model = each.provider, each.model
            work = works[key_of(each.key)]
            work.missing |= each.is_partial or model not in self._hardware.scenarios
            work.add(model, each.features)
        return dict(zip(works, self._hardware.many(list(works.values())), strict=True))


def _scenarios(engine: SqlEngine, serving: Serving) -> dict[Model, ServingScenario]:
    works: dict[Model, list[TurnWork]] = defaultdict(list)
    sellers: dict[Model, str | None] = {}
    latency_s = serving.settings.tool_latency_s
    for provider, model, seller, _, cached, fresh, written, duration_s, gap_s, ttft_s in engine.rows(_TURNS):
        gap = gap_s if gap_s is None or latency_s is None else latency_s
        sellers.setdefault((provider, model), seller)
        works[provider, model].append(TurnWork(cached, fresh, written, duration_s, gap, ttft_s))
    when = _first_day(engine)
    drawn = {
        model: described_scenario(model, own, sellers[model], when, serving) for model, own in works.items()
    }
    return {model: scenario for model, scenario in drawn.items() if scenario is not None}


def _first_day(engine: SqlEngine) -> date | None:
    ((first,),) = engine.rows("SELECT min(started_at) FROM priced_turns")
    if not isinstance(first, datetime):
        return None
    return (first if first.tzinfo is None else first.astimezone(UTC)).date()
