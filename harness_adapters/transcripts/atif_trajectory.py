"""ATIF trajectories (Agent Trajectory Interchange Format 1.x), as Harbor and Terminal-Bench write them.

One JSON object holds the steps of an agent. A step of the agent with `metrics` is one answer; the steps
before it are its prompt, without the system prompt and the tools. Prompt counts include the cached part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from tokenprof.facts.times import utc_time
from tokenprof.facts.types import Run, Source
from tokenprof.harness_adapters.transcripts.litellm_values import seller_of
from tokenprof.harness_adapters.transcripts.sellers import seller_by_name
from tokenprof.harness_adapters.wires.implausible_usage import call_or_unmeasured
from tokenprof.harness_adapters.wires.openai_exchange import call_of_completion
from tokenprof.pricing.billed_pieces import stated_usd
from tokenprof.reading.json_documents import read_json_document
from tokenprof.reading.logged_calls import LoggedCall, shaper_of_log, turns_of
from tokenprof.reading.recordings import in_time_order
from tokenprof.record.block_facts import Shaper, json_text
from tokenprof.record.call import Call
from tokenprof.record.wire_values import Wire, mapping, sequence, text_of

FORMAT = "ATIF trajectory"
SUFFIXES = (".json",)


def recognises(first_lines: Sequence[Wire]) -> bool:
    """Whether a file that holds this object is a trajectory."""
    return any(text_of(line.get("schema_version")).upper().startswith("ATIF") for line in first_lines[:1])


def read(path: Path) -> Run:
    """Return a turn per step of the agent that has metrics. Raises InputError if the file is not JSON."""
    warnings: list[str] = []
    trajectory = mapping(read_json_document(path, warnings))
    agent = mapping(trajectory.get("agent"))
    written: Any = utc_time(path.stat().st_mtime)
    shaper = shaper_of_log()
    calls: list[LoggedCall] = []
    history: list[Wire] = []
    undated = uncounted = 0
    steps = trajectory.get("steps")
    if not isinstance(steps, list) or len(sequence(steps)) < len(steps):
        warnings.append(f"{path}: some of its `steps` cannot be read; the calls in them are missing.")
    for number, step in enumerate(sequence(steps)):
        message = _message(step)
        counts = mapping(step.get("metrics"))
        if step.get("source") == "agent" and counts:
            at = utc_time(step.get("timestamp"))
            undated += at is None
            name = text_of(step.get("model_name")) or text_of(agent.get("model_name"))
            calls.append(
                _logged(step, counts, name, history, at or written + timedelta(microseconds=number), shaper)
            )
        elif step.get("source") not in ("system", "user"):
            uncounted += 1
        history.append(message)
        history += _results(step)
    if uncounted:
        warnings.append(
            f"{path}: {uncounted} of its steps of the agent have no metrics; their calls are missing."
        )
    if undated:
        warnings.append(
            f"{path}: {undated} of its steps have no time, so they are priced for {written:%Y-%m-%d}, the "
            "date of the file."
        )
    references = [
        step for step in sequence(trajectory.get("steps")) if "subagent_trajectory_ref" in str(step)
    ]
    if references:
        warnings.append(f"{path}: it names trajectories of subagents, whose calls are in files of their own.")
    turns = turns_of(calls, shaper, path.name.partition(".")[0][:19], warnings)
    return Run(in_time_order(turns), (Source(str(path), FORMAT, 1),), tuple(warnings))


def _logged(
    step: Wire, counts: Wire, name: str, history: Sequence[Wire], at: datetime, shaper: Shaper
) -> LoggedCall:
    provider, model = seller_of("", name)
    request = {"model": model, "messages": list(history)}
    identity = f"step {step.get('step_id')}"
    answer = {
        "id": identity,
        "model": model,
        "choices": [{"message": _message(step)}],
        "usage": {key: value for key, value in counts.items() if key not in NOT_COUNTS},
    }

    def call_of(told: Wire) -> Call:
        return call_of_completion(request, told, "ok", shaper, otherwise=identity)

    call = call_or_unmeasured(call_of, answer, "usage")
    return LoggedCall(
        call=replace(call, stated_usd=stated_usd({"cost": counts.get("cost_usd")})),
        provider=provider or seller_by_name("", model),
        started_at=at,
        hidden_prefix=True,
    )


NOT_COUNTS = ("cost_usd", "logprobs", "prompt_token_ids", "completion_token_ids", "extra")


def _message(step: Wire) -> Wire:
    role = {"agent": "assistant"}.get(text_of(step.get("source")), text_of(step.get("source")) or "user")
    calls = [
        {
            "id": call.get("tool_call_id"),
            "function": {
                "name": call.get("function_name"),
                "arguments": json_text(call.get("arguments") or {}),
            },
        }
        for call in sequence(step.get("tool_calls"))
    ]
    return {
        "role": role,
        "content": step.get("message"),
        "reasoning_content": step.get("reasoning_content"),
        "tool_calls": calls,
    }


def _results(step: Wire) -> list[Wire]:
    """Return what an agent saw after a step, as messages of the prompts that follow."""
    found: list[Wire] = []
    for result in sequence(mapping(step.get("observation")).get("results")):
        link = text_of(result.get("source_call_id"))
        role = "tool" if link else "user"
        found.append({"role": role, "tool_call_id": link, "content": result.get("content")})
    return found
