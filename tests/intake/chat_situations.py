"""Chat Completions as providers, relays and small servers make them, counted by hand."""

from __future__ import annotations

from wire_exchanges import CHAT, Sent, as_bytes, chat_answer, events
from wire_situation import CHAT_PATH, NAMED, PLAIN, Situation, chat, chunk, chunks, one

FINISHED = {**chunk(""), "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}

CHAT_SITUATIONS = (
    one("as the documentation has it", chat(PLAIN), (100, 0, 10), usd="0.0004"),
    Situation("a relay's one id for all", (chat(PLAIN),) * 3, ((100, 0, 10),) * 3, usd="0.0012"),
    Situation("an empty id", (chat(PLAIN, id=""),) * 2, ((100, 0, 10),) * 2),
    Situation("a number for an id", (chat(PLAIN, id=7),) * 2, ((100, 0, 10),) * 2),
    one(
        "each chunk has one of the counts",
        chunks(
            chunk("a", usage={"prompt_tokens": 100, "completion_tokens": 1}),
            chunk("b", usage={"completion_tokens": 3}),
        ),
        (100, 0, 3),
    ),
    one(
        "the counts stand in the delta",
        chunks(chunk("a"), {"choices": [{"delta": {"usage": {"prompt_tokens": 9, "completion_tokens": 2}}}]}),
        (9, 0, 2),
    ),
    one(
        "Anthropic's names on a chat wire",
        chunks(chunk("a"), chunk(usage={"input_tokens": 100, "output_tokens": 3})),
        (100, 0, 3),
    ),
    one(
        "a count of the output that falls",
        chunks(
            chunk("a", usage={"prompt_tokens": 100, "completion_tokens": 50}),
            chunk(usage={"prompt_tokens": 100, "completion_tokens": 20}),
        ),
        (100, 0, 50),
        "'completion_tokens' falls from 50 to 20 within the stream",
    ),
    one("a stream that was not asked for counts", chunks(chunk("a")), None, "no usage was recorded"),
    one("a stream cut before its counts", chunks(chunk("a"), done=False), None, "ended before its counts"),
    one(
        "an error after the first words",
        chunks(chunk("a"), {"error": {"message": "x"}}, done=False),
        None,
        "ended before its counts",
    ),
    one(
        "llama.cpp's own counts only",
        chunks(chunk("a", timings={"prompt_n": 90, "predicted_n": 4})),
        None,
        f"'timings', which is {NAMED}",
    ),
    one(
        "a keep-alive comment before a stream, and the seller's figure",
        Sent(
            CHAT_PATH,
            CHAT,
            b": PROCESSING\n\n"
            + events(
                chunk("a", model="openai/gpt-5.4"),
                chunk(model="openai/gpt-5.4", usage={**PLAIN, "cost": 0.0004}),
                done=True,
            ),
            host="openrouter.ai",
        ),
        (100, 0, 10),
        seller="openrouter",
        stated_usd="0.0004",
    ),
    one(
        "xAI counts reasoning beside the completion, and states the price in ticks",
        chat(
            {
                **PLAIN,
                "total_tokens": 160,
                "completion_tokens_details": {"reasoning_tokens": 50},
                "cost_in_usd_ticks": 12_000_000,
            },
            "api.x.ai",
            model="grok-4",
        ),
        (100, 0, 60),
        seller="x-ai",
        usd="0.0012",
        stated_usd="0.0012",
    ),
    one(
        "sources of a live search",
        chat({**PLAIN, "num_sources_used": 5}, "api.x.ai", model="grok-4"),
        (100, 0, 10),
        "used live search source, which has no price row",
        seller="x-ai",
        fees=(("live_search_source", 5),),
    ),
    one(
        "tools that the provider ran, counted in the usage",
        chat({**PLAIN, "server_side_tool_usage_details": {"x_search_calls": 2, "mcp_calls": 9}}),
        (100, 0, 10),
        "used x search",
        fees=(("x_search", 2),),
    ),
    one(
        "a fee for each request, by the size of its search",
        chat({**PLAIN, "search_context_size": "low"}, "api.perplexity.ai", model="sonar"),
        (100, 0, 10),
        "used request low, which has no price row",
        seller="perplexity",
        fees=(("request_low", 1),),
    ),
    one(
        "a fee for a request that price lists have",
        chat({**PLAIN, "search_context_size": "high"}, "api.perplexity.ai", model="sonar"),
        (100, 0, 10),
        seller="perplexity",
        usd="0.01211",
    ),
    one(
        "a model that searches in each answer",
        chat(PLAIN, model="gpt-4o-search-preview"),
        (100, 0, 10),
        "used web search preview, which has no price row",
        fees=(("web_search_preview", 1),),
    ),
    one(
        "tools that the provider ran, listed in the message",
        chat(
            PLAIN,
            choices=[
                {"message": {"content": "4", "executed_tools": [{"type": "search"}, {"type": "search"}]}}
            ],
        ),
        (100, 0, 10),
        "used executed search",
        fees=(("executed_search", 2),),
    ),
    one(
        "a function of the provider's own",
        chat(PLAIN, choices=[{"message": {"tool_calls": [{"function": {"name": "$web_search"}}]}}]),
        (100, 0, 10),
        "used builtin web search",
        fees=(("builtin_web_search", 1),),
    ),
    one(
        "what a search found beside the answer",
        chunks(chunk("a", usage=PLAIN), chunk(web_search=[{"title": "x"}])),
        (100, 0, 10),
        "used provider web search",
        fees=(("provider_web_search", 1),),
    ),
    one(
        "audio of a model whose price for audio is not listed",
        chat({**PLAIN, "prompt_tokens_details": {"audio_tokens": 40}}, model="gpt-4o-audio-preview"),
        (100, 0, 10),
        "No rate for audio is listed",
    ),
    one(
        "citation tokens",
        chat({**PLAIN, "citation_tokens": 500}),
        (100, 0, 10),
        f"'citation_tokens' is {NAMED}",
    ),
    one("counts as text", chat({"prompt_tokens": "100", "completion_tokens": "10.0"}), (100, 0, 10)),
    one(
        "DeepSeek's hits and misses",
        chat({**PLAIN, "prompt_cache_hit_tokens": 60, "prompt_cache_miss_tokens": 40}),
        (100, 60, 10),
    ),
    one(
        "the cached part divided by modality",
        chat(
            {
                **PLAIN,
                "prompt_tokens_details": {"cached_tokens": 60, "cached_tokens_details": {"text_tokens": 60}},
            }
        ),
        (100, 60, 10),
    ),
    one(
        "the output's count is lost, and the total has it",
        chat({"prompt_tokens": 100, "total_tokens": 110}),
        (100, 0, 10),
        "'completion_tokens' is missing; what 'total_tokens' leaves for it is billed",
    ),
    one(
        "the prompt's count is lost, and the total has it",
        chat({"completion_tokens": 10, "total_tokens": 110}),
        (100, 0, 10),
        "'prompt_tokens' is missing",
    ),
    one("only a total", chat({"total_tokens": 110}), None, "is missing, so the call is unmeasured"),
    one("a negative count", chat({**PLAIN, "prompt_tokens": -1}), None, "must be a non-negative integer"),
    one("usage is a list", chat([PLAIN]), None, "should be an object of counts, but it is a list"),
    one("usage is text", chat("n/a"), None, "but it is text"),
    one("usage is null", chat(None), None, "no usage was recorded"),
    one(
        "an error beside a usage was billed",
        Sent(CHAT_PATH, CHAT, {"error": {"message": "x"}, "usage": {**PLAIN, "completion_tokens": 0}}),
        (100, 0, 10),
        "reasoning",
    ),
    one("a page of HTML", Sent(CHAT_PATH, CHAT, b"<html>busy</html>"), None, "the answer cannot be read"),
    one(
        "an answer cut in the middle",
        Sent(CHAT_PATH, CHAT, b'{"id":"x","choices":[{"m'),
        None,
        "cannot be read",
    ),
    one(
        "JSON that claims to be a stream",
        Sent(CHAT_PATH, CHAT, chat_answer(PLAIN), "text/event-stream"),
        (100, 0, 10),
    ),
    one(
        "a request that is not JSON",
        Sent(CHAT_PATH, b"model=x", chat_answer(PLAIN)),
        (100, 0, 10),
        "The request cannot be read",
    ),
    one("a request without a body", Sent(CHAT_PATH, b"", chat_answer(PLAIN)), (100, 0, 10)),
    one(
        "a long answer counted as one token",
        chat({**PLAIN, "completion_tokens": 1}, choices=[{"message": {"content": "word " * 3000}}]),
        None,
        "far fewer output tokens",
    ),
    one(
        "Azure serves a deployment",
        Sent(
            "/openai/deployments/mine/chat/completions",
            CHAT,
            chat_answer(PLAIN),
            host="me.openai.azure.com",
        ),
        (100, 0, 10),
        seller="azure",
        usd="0.0004",
    ),
    one(
        "a stream of lines",
        Sent(
            CHAT_PATH,
            CHAT,
            b"\n".join(
                as_bytes(part) for part in (chunk("a"), {**FINISHED, "usage": PLAIN}, chunk(usage=PLAIN))
            ),
        ),
        (100, 0, 10),
    ),
    one(
        "a stream in a list", Sent(CHAT_PATH, CHAT, [chunk("a"), {**FINISHED, "usage": PLAIN}]), (100, 0, 10)
    ),
    one(
        "each chunk counts its own words only",
        chunks(*[chunk("word " * 60, usage={"prompt_tokens": 100, "completion_tokens": 1})] * 30),
        None,
        "far fewer output tokens",
    ),
    one(
        "Anthropic's own counts, passed on",
        chat({"input_tokens": 5, "cache_read_input_tokens": 1000, "output_tokens": 10}),
        (1005, 1000, 10),
    ),
    one("seconds of sound", chat({**PLAIN, "prompt_audio_seconds": 12}), (100, 0, 10), NAMED),
    one("units of a search", chat({**PLAIN, "billed_units": {"search_units": 2}}), (100, 0, 10), NAMED),
    one("what the cache saves", chat({**PLAIN, "cache_discount": 0.3}), (100, 0, 10)),
    one("a fraction of a token", chat({**PLAIN, "cached_audio_tokens": 0.5}), (100, 0, 10), NAMED),
    one(
        "reasoning beside the completion, and no total to show it",
        chat({**PLAIN, "total_tokens": None, "completion_tokens_details": {"reasoning_tokens": 50}}),
        (100, 0, 60),
        "billed beside each other",
    ),
    one(
        "the user's own key at a router, whose price is its fee",
        chat(
            {**PLAIN, "cost": 0, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.0004}},
            "openrouter.ai",
            id="gen-1",
            model="openai/gpt-5.4",
        ),
        (100, 0, 10),
        seller="openrouter",
        stated_usd="0.0004",
    ),
    one(
        "the user's own key, and no word of the price",
        chat({**PLAIN, "cost": 0, "is_byok": True}, "openrouter.ai", id="gen-1", model="openai/gpt-5.4"),
        (100, 0, 10),
        seller="openrouter",
    ),
)
