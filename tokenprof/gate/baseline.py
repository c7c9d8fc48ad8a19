"""Baselines: what scenarios cost when somebody last approved it, in a file to review and commit.

The file is sorted and has one fact per line, so that a diff shows what moved. It is written only on request
(`--tokenprof-update`, `tokenprof check --update`), and never by a run that fails. It holds sizes, counts and
dollars by name of tool, agent and model, and nothing of what was said.

Each run is kept by its measures and the sizes of its texts, which tell whether something grew beyond chance.
All runs of a scenario together are kept by their cost profile, which tells why.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from tokenprof.data_classes.checked_types import require_types
from tokenprof.data_classes.frozen import frozen
from tokenprof.difference.cost_profile import CostProfile
from tokenprof.difference.profile_sums import added
from tokenprof.facts.errors import InputError
from tokenprof.facts.inert_text import inert_json
from tokenprof.gate.profile_json import Rates, leaves, named_group, profile_from_json, profile_lines
from tokenprof.gate.sample import BlockGroup, RunSample

SCHEMA = "tokenprof.baseline/2"

READ_SCHEMAS = (SCHEMA, "tokenprof.baseline/1")
"""Version 1 has no cost profiles: what grew is found, and its causes are not named."""

KEPT_MEASURES = ("turns", "input_tokens", "output_tokens", "usd", "cache_misses")


@frozen
class BaselineScenario:
    """The samples of one test or run, and the rates (model → class → USD per token) at that time.

    `profile` is of all samples together; None if the file is of a version that did not keep it.
    """

    samples: tuple[RunSample, ...]
    rates: Rates
    profile: CostProfile | None = None


Baseline = Mapping[str, BaselineScenario]


def scenario_of(samples: Sequence[RunSample]) -> BaselineScenario:
    """Return samples as a scenario, with the rates of the first sample that knows them."""
    rates: dict[str, dict[str, Decimal]] = {}
    for sample in samples:
        for model, own in sample.rates.items():
            rates.setdefault(model, {}).update(own)
    return BaselineScenario(tuple(samples), rates, added([sample.profile for sample in samples]))


def read_baseline(path: Path) -> dict[str, BaselineScenario]:
    """Return the scenarios in a file, {} if there is no file. Raises InputError if it is not a baseline."""
    if not path.exists():
        return {}
    try:
        data = json.loads(path.read_text("utf-8"))
        if data["schema"] not in READ_SCHEMAS:
            raise InputError(f"{path} is a {data['schema']}, not a {SCHEMA}; update it: --tokenprof-update.")
        scenarios = {name: _scenario(own) for name, own in data["scenarios"].items()}
        for name, scenario in scenarios.items():
            require_types(scenario, name)
        return scenarios
    except OSError as error:
        raise InputError.unreadable(path, error) from None
    except RecursionError:
        raise InputError(f"{path} is nested too deeply for a baseline. Restore it.") from None
    except (ValueError, KeyError, TypeError, AttributeError, ArithmeticError) as error:
        wrong = f"it has no {error}" if isinstance(error, KeyError) else error
        raise InputError(
            f"{path} is not a baseline of tokenprof: {wrong}. Restore it from version control, "
            "or delete it and write it again with --update (pytest: --tokenprof-update)."
        ) from None


def write_baseline(path: Path, baseline: Baseline) -> None:
    """Write scenarios, sorted by name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(inert_json("\n".join([*_lines(baseline), ""]).encode("utf-8", "backslashreplace")))


def _lines(baseline: Baseline) -> Iterator[str]:
    yield "{"
    yield f' "schema": {json.dumps(SCHEMA)},'
    yield ' "scenarios": {'
    names = sorted(baseline)
    for name in names:
        scenario = baseline[name]
        yield f"  {json.dumps(name, ensure_ascii=False)}: {{"
        yield '   "rates": {'
        yield from leaves({m: _plain(own) for m, own in scenario.rates.items()}, 4)
        yield "   },"
        if scenario.profile is not None:
            yield from profile_lines(scenario.profile, scenario.rates)
        yield '   "samples": ['
        for place, sample in enumerate(scenario.samples):
            yield "    {"
            kept = {key: sample.measures.get(key) for key in KEPT_MEASURES}
            if (compute := sample.measures.get("hardware_usd")) is not None:
                kept["hardware_usd"] = compute
            yield f'     "measures": {json.dumps(_plain(kept))},'
            yield '     "usage": {'
            yield from leaves({m: dict(sorted(own.items())) for m, own in sample.usage.items()}, 6)
            yield "     },"
            yield '     "blocks": {'
            yield from leaves({key: _block_json(group) for key, group in sample.blocks.items()}, 6)
            yield "     }"
            yield "    }" + ("," if place + 1 < len(scenario.samples) else "")
        yield "   ]"
        yield "  }" + ("," if name != names[-1] else "")
    yield " }"
    yield "}"


def _plain(values: Mapping[str, Decimal | None]) -> dict[str, str | None]:
    return {key: None if value is None else format(value, "f") for key, value in values.items()}


def _block_json(group: BlockGroup) -> dict[str, int]:
    return {"count": group.count, "tokens": group.local_tokens}


def _scenario(data: Mapping[str, Any]) -> BaselineScenario:
    rates = {model: {cls: Decimal(rate) for cls, rate in own.items()} for model, own in data["rates"].items()}
    profile = profile_from_json(data["profile"], rates) if "profile" in data else None
    return BaselineScenario(tuple(_sample(one) for one in data["samples"]), rates, profile)


def _sample(data: Mapping[str, Any]) -> RunSample:
    measures = {k: None if v is None else Decimal(v) for k, v in data["measures"].items()}
    usage = {model: {cls: int(count) for cls, count in own.items()} for model, own in data["usage"].items()}
    blocks = {
        key: BlockGroup(*named_group(key), int(own["count"]), int(own["tokens"]))
        for key, own in data["blocks"].items()
    }
    return RunSample(measures, usage, {}, blocks)
