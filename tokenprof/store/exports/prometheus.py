"""Totals of a store as Prometheus metrics, in the text format that a node exporter's collector reads.

Format: https://prometheus.io/docs/instrumenting/exposition_formats/. All are gauges: totals of everything
that the store holds, which shrink when logs are forgotten.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from tokenprof.data_classes.frozen import frozen
from tokenprof.store.queries.dimensions import Dimension
from tokenprof.store.queries.priced_store import PricedStore
from tokenprof.store.queries.totals import GroupTotal


@frozen
class Metric:
    """A metric: its name, its help, and the field of a total that it shows."""

    name: str
    help: str
    field: str


METRICS: Final = (
    Metric("tokenprof_billed_usd", "What was billed at the prices in force [USD]; at least.", "billed_usd"),
    Metric("tokenprof_turns", "Billed responses.", "turns"),
    Metric("tokenprof_input_tokens", "Prompt tokens.", "input_tokens"),
    Metric(
        "tokenprof_cache_read_tokens", "Prompt tokens that were read from the cache.", "cache_read_tokens"
    ),
    Metric("tokenprof_output_tokens", "Output tokens, reasoning included.", "output_tokens"),
    Metric("tokenprof_turns_without_price", "Responses whose price is not known.", "unpriced_turns"),
    Metric("tokenprof_turns_without_usage", "Responses without usage.", "unmeasured_turns"),
)


def prometheus_text(store: PricedStore, by: Sequence[Dimension], where: str | None = None) -> str:
    """Return the totals by some dimensions of turns, each of which becomes a label."""
    found = store.totals(by, where)
    rows = found.rows if by else [found.whole]
    labels = [label_name(name) for name in found.dimensions]
    lines = [line for metric in METRICS for line in _lines(metric, labels, rows)]
    lines += [
        "# HELP tokenprof_missing_calls Calls that could not be recorded, so that totals are at least.",
        "# TYPE tokenprof_missing_calls gauge",
        f"tokenprof_missing_calls {found.missing_calls}",
        "# HELP tokenprof_unreadable_logs Logs that could not be read.",
        "# TYPE tokenprof_unreadable_logs gauge",
        f"tokenprof_unreadable_logs {found.unreadable_logs}",
    ]
    return "".join(f"{line}\n" for line in lines)


def _lines(metric: Metric, labels: Sequence[str], rows: Sequence[GroupTotal]) -> Iterator[str]:
    yield f"# HELP {metric.name} {metric.help}"
    yield f"# TYPE {metric.name} gauge"
    for row in rows:
        pairs = [
            f'{label}="{_escaped(value)}"'
            for label, value in zip(labels, row.key, strict=True)
            if value is not None
        ]
        yield f"{metric.name}{'{' + ','.join(pairs) + '}' if pairs else ''} {getattr(row, metric.field)}"


def label_name(dimension: str) -> str:
    """Return a dimension as the name of a label: `tag:cost-centre` is `tag_cost_centre`."""
    return "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in dimension)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
