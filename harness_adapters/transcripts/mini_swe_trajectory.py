"""mini-swe-agent's trajectories (`*.traj.json`, format `mini-swe-agent-1.1`).

The messages are the whole history, in order; each answer holds LiteLLM's response with its usage in `extra`.
No message has the schema of the agent's own shell tool.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

from tokenprof.facts.errors import InputError
from tokenprof.facts.times import utc_time
from tokenprof.facts.types import Run, Source
from tokenprof.harness_adapters.transcripts.litellm_values import call_of_litellm, seller_of
from tokenprof.harness_adapters.wires.implausible_usage import call_or_unmeasured
from tokenprof.harness_adapters.wires.raw_calls import call_of
from tokenprof.reading.json_documents import read_json_document
from tokenprof.reading.logged_calls import LoggedCall, shaper_of_log, turns_of
from tokenprof.reading.recordings import in_time_order
from tokenprof.record.block_facts import Shaper
from tokenprof.record.call import Call
from tokenprof.record.wire_values import Wire, mapping, sequence, text_of

FORMAT = "mini-swe-agent trajectory"
SUFFIXES = (".traj.json", ".json")


def recognises(first_lines: Sequence[Wire]) -> bool:
    """Whether a file that holds this object is a trajectory."""
    return any(
        text_of(line.get("trajectory_format")).startswith("mini-swe-agent") for line in first_lines[:1]
    )


def read(path: Path) -> Run:
    """Return a turn per answer. Raises InputError for a damaged file, or one without responses."""
    warnings: list[str] = []
    trajectory = mapping(read_json_document(path, warnings))
    configured = mapping(mapping(mapping(trajectory.get("info")).get("config")).get("model"))
    asked = text_of(configured.get("model_name"))
    shaper = shaper_of_log()
    calls: list[LoggedCall] = []
    history: list[Wire] = []
    for number, message in enumerate(sequence(trajectory.get("messages")), 1):
        extra = mapping(message.get("extra"))
        response = mapping(extra.get("response"))
        # Version 1 logs no time of its own; the answer holds the time at which it was made.
        at = utc_time(extra.get("timestamp")) or utc_time(response.get("created"))
        if response and at is not None:
            provider, model = seller_of("", asked or text_of(response.get("model")))
            request = {"model": model, "messages": list(history)}
            call = call_or_unmeasured(
                functools.partial(_call, request, shaper=shaper, otherwise=f"{path.stem}-{number}"),
                response,
                "usage",
                functools.partial(_tell, warnings, f"{path}: message {number}"),
            )
            seen = LoggedCall(
                call=call,
                provider=provider or "unknown",
                seller=call.seller,
                started_at=at,
                hidden_prefix=True,
            )
            calls.append(seen)
        elif text_of(message.get("role")) == "assistant":
            # A person may type commands in the model's place.
            warnings.append(
                f"{path}: message {number} is an answer without its response and time; if a model gave it, "
                "its counts are missing."
            )
        history.append({key: value for key, value in message.items() if key != "extra"})
    if not calls:
        raise InputError(
            f"{path}: no message of this trajectory holds a response with its time, so there are no counts."
        )
    turns = turns_of(calls, shaper, path.name.partition(".")[0][:19], warnings)
    return Run(in_time_order(turns), (Source(str(path), FORMAT, 1),), tuple(warnings))


def _tell(warnings: list[str], where: str, reason: str) -> None:
    warnings.append(f"{where}: {reason}")


def _call(request: Wire, response: Wire, *, shaper: Shaper, otherwise: str) -> Call:
    """Return a LiteLLM call, or one in an SDK's own shape if the model class uses an SDK."""
    if "choices" not in response:
        found = call_of({**request, "input": request["messages"]}, response, shaper, otherwise=otherwise)
        if found is not None:
            return found
    return call_of_litellm(request, response, shaper, otherwise=otherwise)
