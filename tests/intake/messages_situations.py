"""Messages as relays and gateways make them, counted by hand."""

from __future__ import annotations

from wire_exchanges import MESSAGES, Sent, events, messages_answer
from wire_situation import (
    CLAUDE,
    MESSAGES_PATH,
    NAMED,
    NOT_FINAL,
    TEXT,
    Situation,
    end,
    iterations,
    message_events,
    messages,
    one,
    start,
)

MESSAGES_SITUATIONS = (
    one("as the documentation has it", messages(CLAUDE), (100, 0, 10), usd="0.00075"),
    one("a relay drops the first event", message_events(TEXT, end(CLAUDE)), (100, 0, 10)),
    one("no usage at the start", message_events(start(None), TEXT, end(CLAUDE)), (100, 0, 10)),
    one(
        "the cache is counted at the end only",
        message_events(
            start({"input_tokens": 100, "cache_read_input_tokens": 0, "output_tokens": 1}),
            TEXT,
            end({"input_tokens": 0, "cache_read_input_tokens": 5000, "output_tokens": 10}),
        ),
        (5100, 5000, 10),
    ),
    one(
        "the counts stand inside the delta",
        message_events(
            start({"input_tokens": 100, "output_tokens": 1}), TEXT, end(None, usage={"output_tokens": 10})
        ),
        (100, 0, 10),
    ),
    one(
        "zeros after the counts",
        message_events(start(CLAUDE), TEXT, end(CLAUDE), end({"input_tokens": 0, "output_tokens": 0})),
        (100, 0, 10),
    ),
    one(
        "an error after the answer began",
        message_events(
            start({"input_tokens": 100, "output_tokens": 1}), TEXT, {"type": "error", "error": {}}
        ),
        (100, 0, 1),
        NOT_FINAL,
    ),
    one(
        "the placeholder at the start is larger than the count at the end",
        message_events(start({"input_tokens": 100, "output_tokens": 8}), TEXT, end({"output_tokens": 5})),
        (100, 0, 5),
    ),
    one(
        "the prompt's estimate at the start is too large",
        message_events(start({"input_tokens": 140, "output_tokens": 1}), TEXT, end(CLAUDE)),
        (100, 0, 10),
        "'input_tokens' falls from 140 to 100 within the stream",
    ),
    one("only a ping", message_events({"type": "ping"}), None, "cannot be read"),
    one(
        "a stream labelled as JSON",
        Sent(MESSAGES_PATH, MESSAGES, events(start(CLAUDE), TEXT, end(CLAUDE)), "application/json"),
        (100, 0, 10),
    ),
    one(
        "a time to live that nobody knows",
        messages(
            {**CLAUDE, "cache_creation_input_tokens": 9, "cache_creation": {"ephemeral_24h_input_tokens": 9}}
        ),
        (109, 0, 10),
        f"ephemeral_24h_input_tokens' is {NAMED}",
    ),
    Situation(
        "advice of another model is a turn of its own",
        (
            messages(
                iterations(
                    {
                        "type": "advisor_message",
                        "model": "claude-opus-4-7",
                        "input_tokens": 1000,
                        "output_tokens": 200,
                    }
                )
            ),
        ),
        ((100, 0, 10), (1000, 0, 200)),
        usd="0.01075",
    ),
    Situation(
        "advice in a stream, after which the conversation goes on",
        (
            message_events(
                start(CLAUDE),
                TEXT,
                end(iterations({"type": "advisor_message", "input_tokens": 1000, "output_tokens": 200})),
            ),
            messages(CLAUDE, id="msg_2"),
        ),
        ((100, 0, 10), (1000, 0, 200), (100, 0, 10)),
    ),
    one(
        "a container that no count shows",
        messages(CLAUDE, container={"id": "container_1"}),
        (100, 0, 10),
        "1 code execution container ran",
    ),
    one(
        "a container that ran without charge for a search",
        messages({**CLAUDE, "server_tool_use": {"code_execution_requests": 0}}, container={"id": "c"}),
        (100, 0, 10),
    ),
    one(
        "advice that cannot be counted",
        messages(iterations({"type": "advisor_message", "input_tokens": "?"})),
        (100, 0, 10),
        "counts of an advisor cannot be read",
    ),
    one(
        "a compaction within the call",
        messages(iterations({"type": "compaction", "input_tokens": 1000, "output_tokens": 200})),
        (1100, 0, 210),
        usd="0.01075",
    ),
    one(
        "an iteration of a new type",
        messages(
            iterations({"type": "planner_message", "model": "m", "input_tokens": 1000, "output_tokens": 200})
        ),
        (100, 0, 10),
        r"1,200 tokens of an iteration of the type 'planner_message' \(m\) may not be in this bill",
    ),
    one(
        "a fallback credit",
        messages({**CLAUDE, "fallback_credit": {"status": "redeemed"}}),
        (100, 0, 10),
        "fallback credit was redeemed",
    ),
    one("only zeros", messages({"input_tokens": 0, "output_tokens": 0}), None, "0 output tokens"),
    one(
        "30 kB counted as three tokens",
        messages({"input_tokens": 3, "output_tokens": 10}, request={**MESSAGES, "system": "careful " * 4000}),
        None,
        "far fewer input tokens",
    ),
    one("a tier that nobody knows", messages({**CLAUDE, "service_tier": "turbo"}), (100, 0, 10), "'turbo'"),
    one("a batch", messages({**CLAUDE, "service_tier": "batch"}), (100, 0, 10), usd="0.000375"),
    one("Bedrock by the id", messages(CLAUDE, id="msg_bdrk_01"), (100, 0, 10), seller="aws.bedrock"),
    one("Vertex by the id", messages(CLAUDE, id="msg_vrtx_01"), (100, 0, 10), seller="gcp.vertex_ai"),
    one(
        "another maker's model at its own host",
        messages(CLAUDE, "api.z.ai", model="glm-4.7"),
        (100, 0, 10),
        seller="zai",
    ),
    one(
        "a request that was cut",
        Sent(MESSAGES_PATH, b'{"model": "claude-opus-4-8", "mess', messages_answer(CLAUDE)),
        (100, 0, 10),
        "The request cannot be read",
        usd="0.00075",
    ),
    one(
        "a relay writes OpenAI's names",
        messages(
            {"prompt_tokens": 1000, "completion_tokens": 10, "prompt_tokens_details": {"cached_tokens": 800}}
        ),
        (1000, 800, 10),
    ),
    one(
        "a relay writes OpenAI's names at the end",
        message_events(
            start({"input_tokens": 0, "output_tokens": 0}),
            TEXT,
            end(
                {
                    "prompt_tokens": 1000,
                    "completion_tokens": 10,
                    "prompt_tokens_details": {"cached_tokens": 800},
                }
            ),
        ),
        (1000, 800, 10),
    ),
)
