"""Raw requests and answers from a log: their fields show which API they belong to."""

from __future__ import annotations

from tokenprof.harness_adapters.wires.anthropic_exchange import call_of_message
from tokenprof.harness_adapters.wires.gemini_blocks import field
from tokenprof.harness_adapters.wires.gemini_exchange import call_of_generation
from tokenprof.harness_adapters.wires.openai_exchange import call_of_completion, call_of_response
from tokenprof.record.block_facts import Shaper
from tokenprof.record.call import Call
from tokenprof.record.wire_values import Wire, text_of


def call_of(request: Wire, answer: Wire, shaper: Shaper, *, otherwise: str) -> Call | None:
    """Return the call of a raw request and its answer; None if their API is unknown.

    `otherwise` is the call's id if the answer has none. Raises UsageError for counts that contradict each
    other.
    """
    if answer.get("type") == "message" and "messages" in request:
        return call_of_message(request, answer, "ok", shaper, otherwise=otherwise)
    if answer.get("object") == "response" and "input" in request:
        return call_of_response(request, answer, "ok", shaper, otherwise=otherwise)
    if isinstance(answer.get("choices"), list) and "messages" in request:
        return call_of_completion(request, answer, "ok", shaper, otherwise=otherwise)
    if isinstance(answer.get("candidates"), list) and field(answer, "usageMetadata") is not None:
        model = text_of(request.get("model")) or text_of(field(answer, "modelVersion"))
        return call_of_generation(request, answer, "ok", shaper, requested=model, otherwise=otherwise)
    return None
