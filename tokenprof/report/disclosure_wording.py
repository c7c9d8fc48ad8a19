"""What a disclosure assumes and where it breaks even, in sentences."""

from __future__ import annotations

from tokenprof.costing.disclosure import Disclosure


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
