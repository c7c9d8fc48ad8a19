"""Metrics of each finished turn, for the meter provider that the program has set up (opt-in).

Tokens have the names of the OpenTelemetry GenAI conventions: the current counters, and the histogram
`gen_ai.client.token.usage` that most dashboards still read. The conventions have no names for money and
compute, so those are our own. An estimate is three series that differ in `tokenprof.bound`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tokenprof.facts.types import Block, Run, Turn
from tokenprof.record import names

if TYPE_CHECKING:
    from tokenprof.analysis.assumptions import Assumptions
    from tokenprof.costing.ledger import Ledger
    from tokenprof.hw_model.cost import Estimate

TOKEN_TYPE = "gen_ai.token.type"
CLASS = "tokenprof.class"
BOUND = "tokenprof.bound"

COUNTERS = {
    "gen_ai.client.inference.usage.input_tokens": "input_tokens",
    "gen_ai.client.inference.usage.output_tokens": "all_output_tokens",
    "gen_ai.client.inference.usage.cache_read.input_tokens": "cache_read_tokens",
    "gen_ai.client.inference.usage.reasoning.output_tokens": "reasoning_tokens",
}
"""The counters of the conventions, and the count of `Usage` that each one adds up."""

CACHE_WRITES = "gen_ai.client.inference.usage.cache_write.input_tokens"
TOKEN_USAGE = "gen_ai.client.token.usage"
BILLED = "tokenprof.billed"
COMPUTE = "tokenprof.compute"
RATIO = "tokenprof.billed_to_compute"
UNBILLED = "tokenprof.turns.without_bill"

TOKEN_BUCKETS = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304)
"""Bucket boundaries of token histograms, as the conventions recommend."""

RATIO_BUCKETS = (0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000)


class TurnMetrics:
    """Records each finished turn on the instruments of the global meter provider.

    It is called on the recorder's thread, so attribution and the hardware model never run on the host's.
    """

    def __init__(self, assumptions: Assumptions) -> None:
        from opentelemetry.metrics import get_meter

        from tokenprof.facts.version import __version__

        meter = get_meter(names.SCOPE, __version__)
        self._counters = {
            name: meter.create_counter(name, unit="{token}") for name in (*COUNTERS, CACHE_WRITES)
        }
        self._token_usage = meter.create_histogram(
            TOKEN_USAGE, unit="{token}", explicit_bucket_boundaries_advisory=TOKEN_BUCKETS
        )
        self._billed = meter.create_counter(BILLED, unit="USD", description="billed at list price, by class")
        self._compute = meter.create_counter(
            COMPUTE, unit="USD", description="estimated cost to compute the call, at full cost"
        )
        self._ratio = meter.create_histogram(
            RATIO,
            unit="1",
            description="billed over estimated cost to compute, of each turn",
            explicit_bucket_boundaries_advisory=RATIO_BUCKETS,
        )
        self._unbilled = meter.create_counter(
            UNBILLED, unit="{turn}", description="turns without usage or without a price"
        )
        self._assumptions = assumptions

    def __call__(self, turn: Turn, prompt: Sequence[Block]) -> None:
        """Take in a finished turn."""
        from tokenprof.analysis.analysis import Analysis

        attributes = _attributes(turn)
        self._count(turn, attributes)
        alone = replace(turn, base=None, kept=0, added=tuple(prompt))
        analysis = Analysis(Run((alone,)), self._assumptions)
        billed = self._bill(analysis.ledger, attributes)
        compute = analysis.hardware.usd(analysis.hardware.total)
        if compute is not None:
            self._estimate(billed, compute, attributes)

    def _count(self, turn: Turn, attributes: dict[str, Any]) -> None:
        usage = turn.usage
        if usage is None:
            return
        for name, of in COUNTERS.items():
            self._counters[name].add(getattr(usage, of), attributes)
        written = usage.input_tokens - usage.uncached_input_tokens - usage.cache_read_tokens
        self._counters[CACHE_WRITES].add(written, attributes)
        self._token_usage.record(usage.input_tokens, {**attributes, TOKEN_TYPE: "input"})
        self._token_usage.record(usage.all_output_tokens, {**attributes, TOKEN_TYPE: "output"})

    def _bill(self, ledger: Ledger, attributes: dict[str, Any]) -> Decimal | None:
        (billed,) = ledger.billed_usd
        if billed is None:
            self._unbilled.add(1, attributes)
            return None
        for cls, of_class in ledger.classes.items():
            if of_class.known_usd:
                self._billed.add(float(of_class.known_usd), {**attributes, CLASS: cls})
        return billed

    def _estimate(self, billed: Decimal | None, compute: Estimate, attributes: dict[str, Any]) -> None:
        for bound in ("low", "mid", "high"):
            usd = getattr(compute, bound)
            self._compute.add(usd, {**attributes, BOUND: bound})
            if billed is not None and usd > 0:
                self._ratio.record(float(billed) / usd, {**attributes, BOUND: bound})


def _attributes(turn: Turn) -> dict[str, Any]:
    found = {
        names.OPERATION: "chat",
        names.PROVIDER: turn.provider,
        names.REQUEST_MODEL: turn.requested_model,
        names.RESPONSE_MODEL: turn.model,
        names.AGENT: turn.agent,
    }
    return {name: value for name, value in found.items() if value}
