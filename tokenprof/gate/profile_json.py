"""Cost profiles in a baseline file: by agent, which texts there were and how they were billed.

    "agents": [
     {"agent": "", "calls": 3, "contexts": 1,
      "texts": {
       "tool_result read": {"prompt": [2, 800]}                                   blocks, local tokens
      },
      "billed": [
       {"provider": "anthropic", "model": "claude-opus-4-8", "tier": "",
        "tokens": {
         "tool_result read": {"entered": {"cache_write_5m": 810}, "carried": {"cache_read": 1620}}

Tokens are billed at the scenario's rates; where they were not, their dollars stand beside them:
`[810, "0.0041"]`.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final, get_args

from tokenprof.data_classes.checked_types import LARGEST_COUNT
from tokenprof.difference.cost_profile import (
    BilledTokens,
    Cell,
    CellKey,
    CostProfile,
    GroupBlocks,
    Passage,
    ServedModel,
)
from tokenprof.gate.sample import group_key

Rates = Mapping[str, Mapping[str, Decimal]]
"""USD per token by model and class."""

LARGEST_USD: Final = Decimal(10) ** 12
"""Dollars beyond this are damage."""

UNITS: Final = ("USD", "tokens")


def profile_lines(profile: CostProfile, rates: Rates) -> Iterator[str]:
    """Yield a profile as the lines of a scenario, with one text or bill a line."""
    unit = UNITS[profile.in_tokens]
    yield f'   "profile": {{"unit": {json.dumps(unit)}, "agents": ['
    agents = sorted(profile.turns)
    for agent in agents:
        named = json.dumps(agent, ensure_ascii=False)
        calls, contexts = profile.turns[agent], profile.contexts[agent]
        yield f'    {{"agent": {named}, "calls": {calls}, "contexts": {contexts},'
        yield '     "texts": {'
        yield from leaves(_texts(profile, agent), 6)
        yield "     },"
        yield '     "billed": ['
        bills = _bills(profile, agent, rates)
        models = sorted(bills, key=lambda served: (served.provider, served.model, served.tier))
        for served in models:
            facts = {"provider": served.provider, "model": served.model, "tier": served.tier}
            yield f'      {json.dumps(facts, ensure_ascii=False)[:-1]}, "tokens": {{'
            yield from leaves(bills[served], 7)
            yield "      }}" + ("," if served != models[-1] else "")
        yield "     ]}" + ("," if agent != agents[-1] else "")
    yield "   ]},"


def leaves(found: Mapping[str, Any], indent: int) -> Iterator[str]:
    """Yield the items of an object, sorted, one a line."""
    keys = sorted(found)
    for key in keys:
        comma = "," if key != keys[-1] else ""
        yield f"{' ' * indent}{json.dumps(key, ensure_ascii=False)}: {json.dumps(found[key])}{comma}"


def _texts(profile: CostProfile, agent: str) -> dict[str, dict[str, list[float]]]:
    found: dict[str, dict[str, list[float]]] = defaultdict(dict)
    for side, blocks in (("prompt", profile.prompt_blocks), ("output", profile.output_blocks)):
        for (own, kind, name), group in blocks.items():
            if own == agent:
                tokens = group.local_tokens
                found[group_key(kind, name)][side] = [
                    group.count,
                    int(tokens) if tokens == int(tokens) else tokens,
                ]
    return found


def _bills(
    profile: CostProfile, agent: str, rates: Rates
) -> dict[ServedModel, dict[str, dict[str, dict[str, Any]]]]:
    found: dict[ServedModel, dict[str, dict[str, dict[str, Any]]]] = defaultdict(
        lambda: defaultdict(lambda: defaultdict(dict))
    )
    for key in sorted(profile.cells, key=lambda key: get_args(Passage).index(key.passage)):
        if key.agent != agent:
            continue
        for (served, cls), each in sorted(profile.cells[key].items(), key=lambda item: item[0][1]):
            due = _usd(each.tokens, served, cls, rates, in_tokens=profile.in_tokens)
            amount = each.tokens if due == each.usd else [each.tokens, format(each.usd, "f")]
            found[served][group_key(key.kind, key.name)][key.passage][cls] = amount
    return found


def _usd(
    tokens: int, served: ServedModel, cls: str, rates: Rates, *, in_tokens: bool = False
) -> Decimal | None:
    if in_tokens:
        return Decimal(tokens)
    rate = rates.get(served.model, {}).get(cls)
    return None if rate is None else rate * tokens


def profile_from_json(data: Mapping[str, Any], rates: Rates) -> CostProfile:
    """Return the profile that `profile_lines` wrote.

    Raises ValueError, KeyError, TypeError or ArithmeticError for anything else.
    """
    in_tokens = bool(UNITS.index(data["unit"]))
    cells: dict[CellKey, Cell] = defaultdict(dict)
    sides: dict[str, dict[tuple[str, str, str], GroupBlocks]] = {"prompt": {}, "output": {}}
    turns: dict[str, int] = {}
    contexts: dict[str, int] = {}
    used: dict[ServedModel, Mapping[str, Decimal]] = {}
    for own in data["agents"]:
        agent = own["agent"]
        if agent in turns:
            raise ValueError(f"agent {agent!r} stands there twice")
        turns[agent], contexts[agent] = _natural(own["calls"], least=1), _natural(own["contexts"], least=1)
        if contexts[agent] > turns[agent]:
            raise ValueError(f"agent {agent!r} has more contexts than calls")
        for key, texts in own["texts"].items():
            for side, (count, tokens) in texts.items():
                group = GroupBlocks(_natural(count), _size(tokens))
                sides[side][agent, *named_group(key)] = group
        for bill in own["billed"]:
            served = ServedModel(bill["provider"], bill["model"], bill["tier"])
            used[served] = rates.get(served.model, {})
            for key, passages in bill["tokens"].items():
                for passage, classes in passages.items():
                    if passage not in get_args(Passage):
                        raise ValueError(f"{passage!r} is not a way in which tokens are billed")
                    cell = cells[CellKey(agent, *named_group(key), passage)]
                    for cls, amount in classes.items():
                        cell[served, cls] = _billed(amount, served, cls, rates, in_tokens=in_tokens)
    return CostProfile(
        cells=dict(cells),
        prompt_blocks=sides["prompt"],
        output_blocks=sides["output"],
        turns=turns,
        contexts=contexts,
        rates=used,
        in_tokens=in_tokens,
    )


def _billed(amount: Any, served: ServedModel, cls: str, rates: Rates, *, in_tokens: bool) -> BilledTokens:
    tokens, stated = amount if isinstance(amount, list) else (amount, None)
    tokens = _natural(tokens)
    usd = _usd(tokens, served, cls, rates, in_tokens=in_tokens) if stated is None else Decimal(stated)
    if usd is None:
        raise ValueError(f"there is no rate for {cls} of {served.model}")
    if not (usd.is_finite() and 0 <= usd < LARGEST_USD):
        raise ValueError(f"{usd} is not an amount of dollars")
    return BilledTokens(tokens, usd)


def named_group(key: str) -> tuple[str, str]:
    """Return the kind and the name of the block group with a key."""
    kind, space, name = key.partition(" ")
    return kind, name if space else kind


def _natural(value: Any, *, least: int = 0) -> int:
    if type(value) is not int or not least <= value <= LARGEST_COUNT:
        raise ValueError(f"{value!r} is not a count from {least} up")
    return value


def _size(value: Any) -> float:
    if type(value) not in (int, float) or not 0 <= value <= LARGEST_COUNT:
        raise ValueError(f"{value!r} is not a number of tokens")
    return float(value)
