"""Error of attribution on OpenAI's two APIs, against a provider that counts every block itself.

    python benchmarks/attribution_openai.py [--seeds N]

Each row is an API, a model (whose generation decides how it caches) and a tokenizer, averaged over seeds:
token-weighted error of the blocks over all turns, mean error of blocks of at least 200 tokens, how often the
bounds hold the truth, and whether the larger part of every block is of the right class. Sums are asserted
to be exact.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import md5
from pathlib import Path
from typing import Any

import openai
from attribution_loopback import Score, attributed, line, tool_output

import tokenprof
from tokenprof.costing.ledger import Ledger, build_ledger
from tokenprof.pricing.book import default_book
from tokenprof.reading.files import read
from tokenprof.testing import OpenAILoopback, Reply, WireCall, texts
from tokenprof.testing.billing import Tokenizer, toktok_count
from tokenprof.testing.loop import workload

TURNS = 20


@dataclass(frozen=True, slots=True)
class Api:
    """Which API a loop calls, and on which model."""

    name: str
    model: str
    chat: bool
    held: bool = False


APIS = (
    Api("chat, steps of 128", "gpt-5.4", chat=True),
    Api("chat, breakpoints", "gpt-5.6", chat=True),
    Api("responses, sent whole, steps of 128", "gpt-5.4", chat=False),
    Api("responses, held by the provider, breakpoints", "gpt-5.6", chat=False, held=True),
)


def scaled(ratio: float, noise: float) -> Tokenizer:
    """Return a tokenizer that is o200k times a ratio, with noise per text."""
    count = toktok_count()

    def tokens(text: str) -> int:
        drawn = int(md5(text.encode(), usedforsecurity=False).hexdigest(), 16) % 10_000 / 10_000
        return round(count(text) * ratio * (1 - noise + 2 * noise * drawn))

    return tokens


TOKENIZERS: dict[str, Callable[[], Tokenizer]] = {
    "o200k": toktok_count,
    "o200k ±3 %": lambda: scaled(1.0, 0.03),
    "o200k × 1.08 ±3 %": lambda: scaled(1.08, 0.03),
}


def tools_of(seed: int, *, chat: bool) -> list[dict[str, Any]]:
    """Return the tools of the workload in OpenAI's shape."""
    plain = [
        {"name": tool["name"], "description": tool["description"], "parameters": tool["input_schema"]}
        for tool in workload(seed).tools
    ]
    if chat:
        return [{"type": "function", "function": tool} for tool in plain]
    return [{"type": "function", "strict": False, **tool} for tool in plain]


def run_loop(client: openai.OpenAI, api: Api, seed: int) -> None:
    """Drive a loop of ordinary turns: calls, results, now and then a word of the user's."""
    rng = random.Random(seed)
    system = "\n".join(block["text"] for block in workload(seed).system)
    tools = tools_of(seed, chat=api.chat)
    opening = {"role": "user", "content": texts.prose(rng, 4)}
    if api.chat:
        messages: list[Any] = [{"role": "system", "content": system}, opening]
        for _ in range(TURNS):
            answer = client.chat.completions.create(model=api.model, messages=messages, tools=tools)  # type: ignore
            message = answer.choices[0].message.model_dump(exclude_none=True)
            messages.append(message)
            for call in message.get("tool_calls", ()):
                messages.append({"role": "tool", "tool_call_id": call["id"], "content": tool_output(rng)})
        return
    items: list[Any] = [opening]
    previous = None
    for _ in range(TURNS):
        response = client.responses.create(
            model=api.model,
            instructions=system,
            input=items,
            tools=tools,  # type: ignore[arg-type]
            previous_response_id=previous,
        )
        output = [item.model_dump(exclude_none=True) for item in response.output]
        results = [
            {"type": "function_call_output", "call_id": item["call_id"], "output": tool_output(rng)}
            for item in output
            if item["type"] == "function_call"
        ]
        previous = response.id if api.held else None
        items = results if api.held else [*items, *output, *results]


def script(seed: int) -> Callable[[Any, int], Reply]:
    """Return the model: a text and one or two calls."""
    names = [tool["name"] for tool in workload(seed).tools]

    def reply(body: Any, number: int) -> Reply:
        rng = random.Random(f"{seed}/{number}")
        calls = [(rng.choice(names), {"query": texts.prose(rng, 1)}) for _ in range(rng.randint(1, 2))]
        return Reply.calls(*calls, text=texts.prose(rng, rng.randint(1, 4)))

    return reply


def score(ledger: Ledger, billed: list[WireCall]) -> Score:
    """Hold each turn's blocks against the provider's own."""
    off = total = 0
    large, covered, right = [], [], []
    for index, call in enumerate(billed):
        ours = list(attributed(ledger, index))
        if len(ours) != len(call.blocks):
            raise AssertionError(f"turn {index}: {len(ours)} blocks attributed, {len(call.blocks)} sent")
        for (tokens, low, high, cls), block, wanted in zip(ours, call.blocks, classes_of(call), strict=True):
            off += abs(tokens - block.tokens)
            total += block.tokens
            covered.append(low <= block.tokens <= high)
            right.append(cls in wanted)
            if block.tokens >= 200:
                large.append(abs(tokens - block.tokens) / block.tokens)
    mean = statistics.fmean
    return Score(off / total, mean(large), mean(covered), mean(right))


def classes_of(call: WireCall) -> Iterator[set[str]]:
    """Yield each block's class: that of its larger part, or either where both are equal."""
    usage = call.usage or {}
    details = usage.get("prompt_tokens_details") or usage["input_tokens_details"]
    read_to = details["cached_tokens"]
    written_to = read_to + details["cache_write_tokens"]
    at = 0
    for block in call.blocks:
        parts = {
            "cache_read": max(0, min(at + block.tokens, read_to) - at),
            "cache_write_30m": max(0, min(at + block.tokens, written_to) - max(at, read_to)),
            "uncached_input": max(0, at + block.tokens - max(at, written_to)),
        }
        yield {cls for cls, tokens in parts.items() if tokens == max(parts.values())}
        at += block.tokens


def measure(api: Api, tokenizer: Tokenizer, seed: int, folder: Path) -> Score:
    """Return how near one recorded loop came."""
    path = folder / f"{seed}.jsonl"
    path.unlink(missing_ok=True)
    provider = OpenAILoopback(script(seed), tokenizer=tokenizer)
    with provider, tokenprof.profile(path), openai.OpenAI(api_key="x", base_url=provider.url) as client:
        run_loop(client, api, seed)
    ledger = build_ledger(read([path]), default_book())
    ledger.check()
    by_id = {call.response_id: call for call in provider.billed}
    return score(ledger, [by_id[turn.id] for turn in ledger.run.turns])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for api in APIS:
            for name, make in TOKENIZERS.items():
                scores = [measure(api, make(), seed, Path(folder)) for seed in range(options.seeds)]
                means = [statistics.fmean(getattr(s, field) for s in scores) for field in Score.__slots__]
                rows.append(means)
                print(line(f"{api.name:46} {name:19}", means))
    print(line(f"{'mean':66}", [statistics.fmean(column) for column in zip(*rows, strict=True)]))


if __name__ == "__main__":
    main()
