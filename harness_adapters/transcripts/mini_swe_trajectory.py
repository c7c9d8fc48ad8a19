"""mini-swe-agent's trajectories (`*.traj.json`, format `mini-swe-agent-1.1`).

The messages are the whole history, in order; each answer holds LiteLLM's response with its usage in `extra`.
No message has the schema of the agent's own shell tool.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tokenprof.facts.errors import InputError
from tokenprof.facts.times import utc_time
from tokenprof.facts.types import Run, Source
from tokenprof.harness_adapters.transcripts.litellm_values import call_of_litellm, seller_of
from tokenprof.harness_adapters.wires.raw_calls import call_of
from tokenprof.pricing.usage import UsageError
from tokenprof.reading.json_documents import read_json_document
from tokenprof.reading.logged_calls import LoggedCall, turns_of
from tokenprof.reading.recordings import in_time_order
from tokenprof.record.block_facts import Shaper
from tokenprof.record.exchange import Call
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
    trajectory = mapping(read_json_document(path))
    configured = mapping(mapping(mapping(trajectory.get("info")).get("config")).get("model"))
    asked = text_of(configured.get("model_name"))
    warnings: list[str] = []
    shaper = Shaper()
    calls: list[LoggedCall] = []
    history: list[Wire] = []
    for number, message in enumerate(sequence(trajectory.get("messages")), 1):
        extra = mapping(message.get("extra"))
        response = mapping(extra.get("response"))
        at = utc_time(extra.get("timestamp"))
        if response and at is not None:
            provider, model = seller_of("", asked or text_of(response.get("model")))
            request = {"model": model, "messages": list(history)}
            try:
                call = _call(request, response, shaper, f"{path.stem}-{number}")
            except UsageError as error:
                warnings.append(f"{path}: message {number}: {error} The call is left out.")
            else:
                seen = LoggedCall(
                    call=call, provider=provider or "unknown", started_at=at, hidden_prefix=True
                )
                calls.append(seen)
        history.append({key: value for key, value in message.items() if key != "extra"})
    if not calls:
        raise InputError(
            f"{path}: no message of this trajectory holds a response with its time; version 2.0 and later "
            "write them."
        )
    turns = turns_of(calls, shaper, path.name.partition(".")[0][:19])
    return Run(in_time_order(turns), (Source(str(path), FORMAT, 1),), tuple(warnings))


def _call(request: Wire, response: Wire, shaper: Shaper, otherwise: str) -> Call:
    """Return a LiteLLM call, or one in an SDK's own shape if the model class uses an SDK."""
    if "choices" not in response:
        found = call_of({**request, "input": request["messages"]}, response, shaper, otherwise=otherwise)
        if found is not None:
            return found
    return call_of_litellm(request, response, shaper, otherwise=otherwise)
