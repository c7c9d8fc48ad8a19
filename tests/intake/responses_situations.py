"""Responses, Gemini and Converse with what is billed beside the tokens, counted by hand."""

from __future__ import annotations

from wire_exchanges import CONVERSE, GEMINI, RESPONSES, Sent, converse_answer, events, responses_answer
from wire_situation import (
    CONVERSE_PATH,
    GEMINI_PATH,
    GOOGLE,
    NAMED,
    OPENAI,
    RESPONSES_PATH,
    Situation,
    gemini,
    one,
    responses,
)

RESPONSES_SITUATIONS = (
    one("as the documentation has it", responses(OPENAI), (100, 0, 10), usd="0.0004"),
    one(
        "cut before its counts",
        Sent(
            RESPONSES_PATH,
            RESPONSES,
            events({"type": "response.created", "response": {"id": "r", "status": "in_progress"}}),
        ),
        None,
        "ended before its counts",
    ),
    one(
        "a relay ends with response.done",
        Sent(
            RESPONSES_PATH, RESPONSES, events({"type": "response.done", "response": responses_answer(OPENAI)})
        ),
        (100, 0, 10),
    ),
    one(
        "the usage in an event of its own",
        Sent(
            RESPONSES_PATH,
            RESPONSES,
            events(
                {"type": "response.usage", "usage": OPENAI},
                {"type": "response.completed", "response": responses_answer(None)},
            ),
        ),
        (100, 0, 10),
    ),
    one("failed and billed", responses(OPENAI, status="failed", error={"code": "x"}), (100, 0, 10)),
    Situation(
        "asked for in the background and fetched twice",
        (
            Sent(
                RESPONSES_PATH,
                {**RESPONSES, "background": True},
                responses_answer(None) | {"status": "queued", "output": []},
            ),
            Sent(f"{RESPONSES_PATH}/resp_1", None, responses_answer(OPENAI)),
            Sent(f"{RESPONSES_PATH}/resp_1", None, responses_answer(OPENAI)),
        ),
        ((100, 0, 10),),
    ),
    one(
        "asked for in the background elsewhere, fetched here",
        Sent(f"{RESPONSES_PATH}/resp_1", None, responses_answer(OPENAI) | {"background": True}),
        (100, 0, 10),
    ),
    one(
        "asked for in the background and never fetched",
        Sent(RESPONSES_PATH, RESPONSES, responses_answer(None) | {"status": "queued", "output": []}),
        None,
        "never fetched",
    ),
    one(
        "two searches, of which one only opens a page",
        responses(
            OPENAI,
            {"type": "web_search_call", "status": "completed", "action": {"type": "search"}},
            {"type": "web_search_call", "status": "completed", "action": {"type": "open_page"}},
        ),
        (100, 0, 10),
        usd="0.0104",
        fees=(("web_search", 1),),
    ),
    one(
        "a shell on the provider's machine",
        responses(OPENAI, {"type": "shell_call", "action": {}, "environment": {"type": "container_auto"}}),
        (100, 0, 10),
        "1 hosted shell call ran",
    ),
    one(
        "two containers of a code interpreter",
        responses(
            OPENAI,
            {"type": "code_interpreter_call", "container_id": "c1"},
            {"type": "code_interpreter_call", "container_id": "c2"},
        ),
        (100, 0, 10),
        "2 code interpreter containers",
    ),
    one(
        "a picture whose model counts its tokens",
        responses(
            OPENAI,
            tool_usage={"image_gen": {"input_tokens": 50, "output_tokens": 1000, "total_tokens": 1050}},
        ),
        (100, 0, 10),
        "used 1,050 tokens of a model of its own",
    ),
    one(
        "tools that were not used",
        responses(OPENAI, tool_usage={"image_gen": {"total_tokens": 0}, "web_search": {"num_requests": 0}}),
        (100, 0, 10),
    ),
    one(
        "a picture by a hosted tool",
        responses(OPENAI, {"type": "image_generation_call"}),
        (100, 0, 10),
        "1 image was",
    ),
    one(
        "more read than sent",
        responses({**OPENAI, "input_tokens_details": {"cached_tokens": 200}}),
        None,
        "which it should include",
    ),
    one(
        "reasoning beside the output, as the total shows",
        responses({**OPENAI, "output_tokens_details": {"reasoning_tokens": 64}, "total_tokens": 174}),
        (100, 0, 74),
    ),
)

OTHER_SITUATIONS = (
    one("Gemini", gemini(GOOGLE), (100, 0, 10), usd="0.000055"),
    one(
        "Gemini leaves the candidates out",
        gemini({"promptTokenCount": 100, "totalTokenCount": 110}),
        (100, 0, 10),
        "'candidatesTokenCount' is missing",
    ),
    one(
        "Gemini blocks a prompt",
        Sent(
            GEMINI_PATH,
            GEMINI,
            {
                "promptFeedback": {"blockReason": "SAFETY"},
                "usageMetadata": {"promptTokenCount": 100, "totalTokenCount": 100},
            },
        ),
        (100, 0, 0),
    ),
    one(
        "Gemini's tools read, too",
        gemini({**GOOGLE, "toolUsePromptTokenCount": 40, "thoughtsTokenCount": 7, "totalTokenCount": 157}),
        (140, 0, 17),
    ),
    one(
        "Gemini on a map",
        gemini(GOOGLE, "gemini-2.5-pro", groundingMetadata={"groundingChunks": [{"maps": {"uri": "u"}}]}),
        (100, 0, 10),
        "used maps grounding",
        fees=(("maps_grounding", 1),),
    ),
    one(
        "Gemini 3 asks twice",
        gemini(GOOGLE, "gemini-3-pro-preview", groundingMetadata={"webSearchQueries": ["a", "b"]}),
        (100, 0, 10),
        fees=(("web_search", 2),),
    ),
    one(
        "Gemini on provisioned throughput",
        gemini({**GOOGLE, "trafficType": "PROVISIONED_THROUGHPUT"}),
        (100, 0, 10),
        "provisioned_throughput",
    ),
    one(
        "Converse with times to live",
        Sent(
            CONVERSE_PATH,
            CONVERSE,
            converse_answer(
                {
                    "inputTokens": 100,
                    "outputTokens": 10,
                    "cacheReadInputTokens": 50,
                    "cacheWriteInputTokens": 50,
                    "cacheDetails": [{"ttl": "1h", "inputTokens": 30}, {"ttl": "5m", "inputTokens": 20}],
                }
            ),
        ),
        (200, 50, 10),
    ),
    one(
        "Converse with counts that nobody knows",
        Sent(
            CONVERSE_PATH,
            CONVERSE,
            converse_answer({"inputTokens": 100, "outputTokens": 10, "guardTokens": 5}),
        ),
        (100, 0, 10),
        f"'guardTokens' is {NAMED}",
    ),
)
