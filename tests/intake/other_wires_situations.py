"""Calls of APIs that have no adapter of their own, counted by hand."""

from __future__ import annotations

from typing import Any

from wire_exchanges import (
    CHAT,
    CLAUDE_USAGE,
    CONVERSE,
    GEMINI,
    SAID,
    Sent,
    chat_answer,
    cohere_answer,
    events,
    gemini_answer,
    messages_answer,
    nova_answer,
)
from wire_situation import GOOGLE, PLAIN, Situation, one

NO_PRICE = "unpriced"
LLAMA = {"generation": "4", "prompt_token_count": 100, "generation_token_count": 10}
TITAN = {"inputTextTokenCount": 100, "results": [{"tokenCount": 10, "outputText": "4"}]}
SPOKEN = {"text": "two and two", "usage": {"type": "duration", "seconds": 9}}
HEARD = {
    "text": "two and two",
    "usage": {
        "type": "tokens",
        "input_tokens": 14,
        "input_token_details": {"text_tokens": 0, "audio_tokens": 14},
        "output_tokens": 45,
        "total_tokens": 59,
    },
}
FORM = (
    b'--b\r\ncontent-disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n'
    b'--b\r\ncontent-disposition: form-data; name="file"\r\n\r\nRIFF\r\n--b--\r\n'
)
NAMES = {"input_tokens": 100, "output_tokens": 10}
BOTH = {"billed_units": {"input_tokens": 90, "output_tokens": 10}, "tokens": NAMES}


def embedded(usage: Any) -> dict[str, Any]:
    vector = {"object": "embedding", "index": 0, "embedding": [0.5] * 8}
    return {"object": "list", "data": [vector], "model": "text-embedding-3-small", "usage": usage}


OTHER_WIRES: tuple[Situation, ...] = (
    one(
        "Cohere bills other counts than it uses",
        Sent("/v2/chat", {**CHAT, "model": "command-a-03-2025"}, cohere_answer(BOTH)),
        (90, 0, 10),
        usd="0.000325",  # 90 x 2.5 + 10 x 10 per million
    ),
    one(
        "Cohere streams its counts last",
        Sent(
            "/v2/chat",
            {**CHAT, "model": "command-a-03-2025", "stream": True},
            events(
                {"type": "message-start", "id": "m"},
                {"type": "content-delta", "delta": {"message": {"content": {"text": "4"}}}},
                {"type": "message-end", "delta": {"finish_reason": "COMPLETE", "usage": BOTH}},
            ),
        ),
        (90, 0, 10),
    ),
    one(
        "Cohere's first API",
        Sent("/v1/chat", {"model": "command-a-03-2025", "message": "2 + 2?"}, {"text": "4", "meta": BOTH}),
        (90, 0, 10),
    ),
    one(
        "embeddings",
        Sent(
            "/v1/embeddings",
            {"model": "text-embedding-3-small", "input": "two and two"},
            embedded({"prompt_tokens": 8, "total_tokens": 8}),
        ),
        (8, 0, 0),
        usd="0.00000016",  # 8 x 0.02 per million
    ),
    one(
        "embeddings so long that only their end is read",
        Sent(
            "/v1/embeddings",
            {"model": "text-embedding-3-small", "input": "two and two"},
            {"data": ["0" * 2**20], "usage": {"prompt_tokens": 8, "total_tokens": 8}},
        ),
        (8, 0, 0),
    ),
    one(
        "a legacy completion",
        Sent(
            "/v1/completions",
            {"model": "gpt-3.5-turbo-instruct", "prompt": "2 + 2 ="},
            {"id": "cmpl-1", "choices": [{"text": "4"}], "usage": PLAIN},
        ),
        (100, 0, 10),
    ),
    one(
        "a tuned model of Gemini",
        Sent("/v1beta/tunedModels/mine:generateContent", GEMINI, gemini_answer(GOOGLE)),
        (100, 0, 10),
    ),
    one(
        "Nova by InvokeModel",
        Sent(
            "/model/us.amazon.nova-pro-v1:0/invoke",
            CONVERSE,
            nova_answer({"inputTokens": 100, "outputTokens": 10}),
        ),
        (100, 0, 10),
        usd="0.000112",  # 100 x 0.8 + 10 x 3.2 per million
    ),
    one(
        "Llama counts beside its answer",
        Sent("/model/meta.llama3-3-70b-instruct-v1:0/invoke", {"prompt": "2 + 2 ="}, LLAMA),
        (100, 0, 10),
    ),
    one(
        "so does Titan",
        Sent("/model/amazon.titan-text-lite-v1/invoke", {"inputText": "2"}, TITAN),
        (100, 0, 10),
    ),
    one(
        "another maker's model on Vertex",
        Sent(
            "/v1/projects/p/locations/l/publishers/mistralai/models/mistral-medium-3:rawPredict",
            {**CHAT, "model": "mistral-medium-3"},
            {**chat_answer(PLAIN), "model": "mistral-medium-3"},
        ),
        (100, 0, 10),
        NO_PRICE,
    ),
    one(
        "Claude at an endpoint of the user's",
        Sent(
            "/v1/projects/p/locations/l/endpoints/7:rawPredict",
            {"messages": SAID},
            messages_answer(CLAUDE_USAGE),
        ),
        (1030, 900, 33),
    ),
    one(
        "speech that is billed by the minute",
        Sent("/v1/audio/transcriptions", FORM, SPOKEN),
        None,
        "is missing, so the call is unmeasured",
    ),
    one(
        "speech that is billed by the token",
        Sent("/v1/audio/transcriptions", FORM, HEARD),
        (14, 0, 45),
        "No rate for audio is listed",
    ),
    one(
        "sound without counts",
        Sent("/v1/audio/speech", {"model": "tts-1", "input": "4"}, b"ID3\x04\0"),
        None,
        "has no counts",
    ),
    one(
        "a submitted batch",
        Sent(
            "/v1/messages/batches",
            {"requests": [{"custom_id": "a", "params": {"model": "claude-opus-4-8", "messages": SAID}}]},
            {"id": "msgbatch_1", "type": "message_batch", "processing_status": "in_progress"},
        ),
        None,
        "submitted a batch",
    ),
    one(
        "an answer of Interactions",
        Sent(
            "/v1beta/interactions",
            {"model": "gemini-2.5-flash", "input": "2 + 2?"},
            {
                "model": "gemini-2.5-flash",
                "outputs": [{"type": "text", "text": "4"}],
                "usage": {
                    "total_input_tokens": 100,
                    "total_cached_tokens": 40,
                    "total_output_tokens": 10,
                    "total_thought_tokens": 5,
                    "total_tokens": 115,
                },
            },
        ),
        (100, 40, 15),
        usd="0.0000567",  # 60 x 0.3 + 40 x 0.03 + 15 x 2.5 per million
    ),
)
