"""The market test under other suppositions about hosts, and what each of them moves.

python benchmarks/economics/market_variants.py [--json FILE]

Each row changes one thing of the mean request of `market_test.py` and keeps the rest. None of them is used
elsewhere, and none was chosen for what it gives.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any, Final
from unittest.mock import patch

import market_test
import numpy as np
from market_prices import first_tokens_s, prices_by_host
from market_reasons import inside

from tokenprof.hw_model.fleet import one_layout, operator_choice

ONE_NODE: Final = tuple(
    layout for layout in operator_choice.LAYOUTS if layout[0] * layout[1] * layout[2] <= 8
)
LIVE_CAPACITY: Final = operator_choice.live_capacity
CLASSES: Final = ("input_ratio", "output_ratio", "blend_ratio")

Swap = tuple[Any, str, Any]


def at_most(sequences: float) -> Callable[..., Any]:
    """Return a capacity that no more than some requests in flight of a model at a host can fill."""

    def capacity(*of_layout: Any) -> Any:
        return np.minimum(LIVE_CAPACITY(*of_layout), sequences)

    return capacity


def no_speeds() -> Mapping[str, float]:
    """Return no measured speeds."""
    return {}


def variants() -> Iterator[tuple[str, tuple[Swap, ...]]]:
    """Yield what is supposed of hosts, and what it puts in place of what."""
    node = (operator_choice, "LAYOUTS", ONE_NODE)
    soon = median(first_tokens_s())
    yield "as in the market test", ()
    yield "every speed drawn, none measured", ((market_test, "speeds_by_model", no_speeds),)
    yield (
        f"first token after {soon:.2g} s, the median of hosts, not 3.4",
        ((one_layout, "USUAL_TTFT_S", soon),),
    )
    yield "replicas of one node at most", (node,)
    for sequences in (300, 64):
        yield (
            f"one node, {sequences} requests in flight at most",
            (
                node,
                (operator_choice, "live_capacity", at_most(sequences)),
            ),
        )


@contextmanager
def supposed(swaps: tuple[Swap, ...]) -> Iterator[None]:
    """Put values in place of others while the block runs."""
    with ExitStack() as stack:
        for place, name, value in swaps:
            stack.enter_context(patch.object(place, name, value))
        yield


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    market, (turn, about) = prices_by_host(), market_test.MIXES["requests"]
    print(about)
    print(f"models between {market_test.LOW} and {market_test.HIGH}; P10, P50, P90 of the ratio")
    found: dict[str, dict[str, Any]] = {}
    for name, swaps in variants():
        with supposed(swaps):
            rows = market_test.rows_of(turn, market)
        found[name] = {"models": len(rows)}
        said = []
        for each in CLASSES:
            ratios = [getattr(row, each) for row in rows]
            ends = np.percentile(ratios, [10, 50, 90]).tolist()
            share = sum(map(inside, ratios)) / len(ratios)
            found[name][each] = {"inside": share, "p10_p50_p90": ends}
            said.append(f"{each.partition('_')[0]} {share:.0%} " + ", ".join(f"{end:.2g}" for end in ends))
        print(f"{name}: {len(rows)} models; {'; '.join(said)}", flush=True)
    if options.json:
        options.json.write_text(json.dumps({"about": about, "variants": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
