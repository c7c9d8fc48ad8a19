"""A disclosure as the report's JSON holds it, and back; its assumptions and its break-even in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tokenprof.costing.disclosure import Disclosure, Variant
from tokenprof.report.money import usd

Json = dict[str, Any]


def disclosure_json(disclosure: Disclosure | None) -> Json | None:
    """Return a disclosure as JSON; None for a run with nothing to disclose."""
    if disclosure is None:
        return None
    everything = disclosure.all_up_front
    return {
        "recorded": _variant_json(disclosure.recorded),
        "loaded_up_front": _variant_json(disclosure.loaded_up_front),
        "all_up_front": None if everything is None else _variant_json(everything),
        "on_demand": _variant_json(disclosure.on_demand),
        "loads": disclosure.loads,
        "load_turns": disclosure.load_turns,
        "items": disclosure.items,
        "break_even_loads": disclosure.break_even_loads,
        "loaded_skills": disclosure.loaded_skills,
        "unloaded_skills": disclosure.unloaded_skills,
        "mean_skill_tokens": disclosure.mean_skill_tokens,
        "assumptions": list(assumptions_of(disclosure)),
    }


def read_disclosure(found: Mapping[str, Any] | None) -> Disclosure | None:
    """Return the disclosure that a report holds; None if it holds none.

    Reports of 0.1 say nothing about the number and size of skills; those are None then.
    Raises KeyError for a disclosure that lacks a required key.
    """
    if found is None:
        return None
    everything = found["all_up_front"]
    return Disclosure(
        recorded=_read_variant(found["recorded"]),
        loaded_up_front=_read_variant(found["loaded_up_front"]),
        all_up_front=None if everything is None else _read_variant(everything),
        on_demand=_read_variant(found["on_demand"]),
        loads=found["loads"],
        load_turns=found["load_turns"],
        items=found["items"],
        break_even_loads=found["break_even_loads"],
        loaded_skills=found.get("loaded_skills"),
        unloaded_skills=found.get("unloaded_skills"),
        mean_skill_tokens=found.get("mean_skill_tokens"),
    )


def _variant_json(variant: Variant) -> Json:
    return {
        "turns": variant.turns,
        "input_tokens": variant.input_tokens,
        "output_tokens": variant.output_tokens,
        "billed_usd": usd(variant.billed_usd),
    }


def _read_variant(found: Mapping[str, Any]) -> Variant:
    return Variant(
        turns=found["turns"],
        input_tokens=found["input_tokens"],
        output_tokens=found["output_tokens"],
        billed_usd=Decimal(found["billed_usd"]),
    )


def assumptions_of(disclosure: Disclosure) -> tuple[str, ...]:
    """Return the assumptions of a disclosure's variants, one sentence each."""
    notes = ["The model gives the same answers, and prompts are cached as the run's own turns were."]
    unloaded, loaded = disclosure.unloaded_skills, disclosure.loaded_skills
    if unloaded and loaded:
        of_those = "size of the one that was" if loaded == 1 else f"mean size of the {loaded} that were"
        notes.append(
            f"{_skills(unloaded)} in the index {_were(unloaded)} never loaded; each is assumed to hold "
            f"{disclosure.mean_skill_tokens:,.0f} tokens, the {of_those}."
        )
    elif unloaded:
        notes.append("No skill was loaded, so the size of the skills in the index is not known.")
    notes.append(
        "On demand, one extra turn asks for a tool before its first call; a tool that is never called is "
        "never loaded."
    )
    return tuple(notes)


def break_even_of(disclosure: Disclosure) -> str | None:
    """Return at how many loads both ways cost the same; None if that is not known."""
    loads = disclosure.break_even_loads
    if loads is None:
        return None
    return f"Loading on demand and having everything up front cost the same at about {loads:.0f} loads."


def _skills(count: int) -> str:
    return f"{count} skill{'' if count == 1 else 's'}"


def _were(count: int) -> str:
    return "was" if count == 1 else "were"
