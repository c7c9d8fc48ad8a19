"""Error of attribution against a provider that counts with another tokenizer and hides overheads.

    python benchmarks/attribution_loopback.py [--seeds N] [--json]

Each row is a layout of the loop and a tokenizer of the provider, averaged over seeds: token-weighted
error of the blocks over all turns, mean error of blocks of at least 200 tokens, how often the bounds
hold the truth, and whether every block's cache class is right. Sums are asserted to be exact. The solver
knows nothing of the layouts, the overheads or the tokenizers.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import md5
from pathlib import Path
from typing import Any

import anthropic

import tokenprof
from tokenprof.costing.ledger import Ledger, build_ledger
from tokenprof.facts.types import Run
from tokenprof.pricing.book import default_book
from tokenprof.pricing.usage import INPUT_CLASSES
from tokenprof.reading.files import read
from tokenprof.testing import LoopbackProvider, Overheads, Reply, WireCall, texts
from tokenprof.testing.billing import Tokenizer, toktok_count
from tokenprof.testing.loop import MODEL, workload

HOUR = {"type": "ephemeral", "ttl": "1h"}
FIVE = {"type": "ephemeral"}


def by_kind(prose: float, code: float, data: float, noise: float) -> Tokenizer:
    """Return a tokenizer that is o200k times a ratio by kind of content, with noise per text."""
    count = toktok_count()

    def tokens(text: str) -> int:
        ratio = code if "def " in text else data if text[:1] in "[{" else prose
        drawn = int(md5(text.encode(), usedforsecurity=False).hexdigest(), 16) % 10_000 / 10_000
        return round(count(text) * ratio * (1 - noise + 2 * noise * drawn))

    return tokens


TOKENIZERS: dict[str, Callable[[], Tokenizer]] = {
    "qwen3.5": lambda: toktok_count("qwen3.5"),
    "ratios 1.15/1.35/1.25 ±4 %": lambda: by_kind(1.15, 1.35, 1.25, 0.04),
    "ratios 1.60/1.75/1.45 ±5 %": lambda: by_kind(1.60, 1.75, 1.45, 0.05),
    "bytes / 3.2": lambda: lambda text: round(len(text.encode()) / 3.2),
}


@dataclass(frozen=True, slots=True)
class Layout:
    """How a loop places breakpoints, how many calls a turn makes, and what else happens in it."""

    name: str
    marks: str = "system and last"
    parallel: int = 1
    thinking: bool = False
    user_every: int = 0
    compact_at: int = 0
    subagent_at: int = 0
    edit_tool_at: int = 0


LAYOUTS = (
    Layout("1 h system, 5 m index, 5 m last"),
    Layout("no breakpoints", marks="none"),
    Layout("last block only", marks="last"),
    Layout("three results a turn", parallel=3),
    Layout("thinking dropped at the user's word", thinking=True, user_every=5),
    Layout("compaction at turn 10", compact_at=10),
    Layout("subagent at turn 6", subagent_at=6),
    Layout("a tool edited at turn 14", edit_tool_at=14),
)


def run_layout(client: Any, layout: Layout, seed: int, turns: int = 20) -> None:
    """Drive a loop of a layout with an ordinary agent."""
    rng = random.Random(seed)
    work = workload(seed)
    tools = [dict(tool) for tool in work.tools]
    system = [{k: v for k, v in block.items() if k != "cache_control"} for block in work.system]
    if layout.marks == "system and last":
        system[0]["cache_control"], system[1]["cache_control"] = HOUR, FIVE
    messages: list[dict[str, Any]] = [user(texts.prose(rng, 4))]
    for turn in range(turns):
        if layout.edit_tool_at == turn and turn:
            tools[4] = {**tools[4], "description": texts.prose(rng, 9)}
        if layout.compact_at == turn and turn:
            opening = "This session is being continued from a previous conversation. "
            messages = [user(opening + texts.prose(rng, 80))]
        if layout.subagent_at == turn and turn:
            with tokenprof.agent("researcher"):
                side: list[dict[str, Any]] = [user(texts.prose(rng, 6))]
                for _ in range(4):
                    step(
                        client, layout, rng, tools, [{"type": "text", "text": texts.prose(rng, 40)}][:1], side
                    )
        step(client, layout, rng, tools, system, messages)
        if layout.user_every and turn % layout.user_every == layout.user_every - 1:
            messages.append(user(texts.prose(rng, 3)))


def step(
    client: Any,
    layout: Layout,
    rng: random.Random,
    tools: list[dict[str, Any]],
    system: list[dict[str, Any]],
    messages: list[dict[str, Any]],
) -> None:
    *before, last = messages
    sent = messages
    if layout.marks != "none":
        *blocks, final = last["content"]
        sent = [*before, {**last, "content": [*blocks, {**final, "cache_control": FIVE}]}]
    answer = client.messages.create(model=MODEL, max_tokens=900, tools=tools, system=system, messages=sent)
    messages.append(
        {"role": "assistant", "content": [b.model_dump(exclude_none=True) for b in answer.content]}
    )
    results = [
        {"type": "tool_result", "tool_use_id": b.id, "content": tool_output(rng)}
        for b in answer.content
        if b.type == "tool_use"
    ]
    if results:
        messages.append({"role": "user", "content": results})


def tool_output(rng: random.Random) -> str:
    makers = (texts.code, texts.records, texts.prose)
    sizes = (rng.randint(2, 14), rng.randint(2, 20), rng.randint(3, 60))
    pick = rng.randrange(3)
    return makers[pick](rng, sizes[pick])


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "text", "text": text}]}


def script(layout: Layout, seed: int) -> Callable[[Any, int], Reply]:
    """Return the model: text, calls, now and then thinking; a plain answer before the user speaks."""
    names = [tool["name"] for tool in workload(seed).tools]

    def reply(body: Any, number: int) -> Reply:
        rng = random.Random(f"{seed}/{number}")
        if layout.user_every and number % layout.user_every == layout.user_every - 1:
            return Reply.text(texts.prose(rng, 3))
        calls = [(rng.choice(names), {"query": texts.prose(rng, 1)}) for _ in range(layout.parallel)]
        thinking = texts.prose(rng, rng.randint(2, 12)) if layout.thinking else ""
        return Reply.calls(*calls, text=texts.prose(rng, rng.randint(1, 4)), thinking=thinking)

    return reply


@dataclass(frozen=True, slots=True)
class Score:
    """How near one run's attribution came, as shares: errors by size, bounds that held, classes right."""

    weighted_error: float
    large_error: float
    covered: float
    classes_right: float


def score(ledger: Ledger, billed: list[WireCall]) -> Score:
    off = total = 0
    large, covered, right = [], [], []
    for index, call in enumerate(billed):
        ours = list(attributed(ledger, index))
        true = [block for block in call.blocks if block.path != "preamble"]
        if len(ours) != len(true):
            raise AssertionError(f"turn {index}: {len(ours)} blocks attributed, {len(true)} sent")
        for (tokens, low, high, cls), block, wanted in zip(ours, true, true_classes(call), strict=True):
            off += abs(tokens - block.tokens)
            total += block.tokens
            covered.append(low <= block.tokens <= high)
            right.append(cls == wanted)
            if block.tokens >= 200:
                large.append(abs(tokens - block.tokens) / block.tokens)
    mean = statistics.fmean
    return Score(off / total, mean(large), mean(covered), mean(right))


def attributed(ledger: Ledger, index: int) -> Iterator[tuple[int, int, int, str]]:
    """Yield (tokens, low, high, class of the larger part) of each block of a turn's prompt."""
    current: str | None = None
    parts: dict[str, int] = {}
    for entry in [*ledger.entries[index], None]:
        placed = ledger.attribution.blocks[entry.block] if entry else None
        sent = placed is not None and placed.block.kind not in ("provider_overhead", "unattributed")
        if entry is None or entry.block != current:
            if current is not None and parts:
                size = ledger.attribution.blocks[current].size
                yield sum(parts.values()), size.low, size.high, max(parts, key=lambda c: parts[c])
            current, parts = (entry.block if entry else None), {}
        if entry is not None and sent and entry.cls in INPUT_CLASSES:
            parts[entry.cls] = parts.get(entry.cls, 0) + entry.tokens


def true_classes(call: WireCall) -> list[str]:
    """Return each sent block's true class: the provider caches whole blocks."""
    usage = call.usage or {}
    read_to = usage["cache_read_input_tokens"]
    hour_to = read_to + usage["cache_creation"]["ephemeral_1h_input_tokens"]
    five_to = hour_to + usage["cache_creation"]["ephemeral_5m_input_tokens"]
    at, found = 0, []
    for block in call.blocks:
        at += block.tokens
        cls = (
            "cache_read" if at <= read_to
            else "cache_write_1h" if at <= hour_to
            else "cache_write_5m" if at <= five_to
            else "uncached_input"
        )  # fmt: skip
        if block.path != "preamble":
            found.append(cls)
    return found


def recorded_loop(
    layout: Layout, tokenizer: Tokenizer, seed: int, folder: Path
) -> tuple[Run, list[WireCall]]:
    """Return the run of a loop, and what its provider billed."""
    rng = random.Random(seed)
    hidden = Overheads(
        tools_preamble=rng.randint(159, 530),
        per_message=rng.randint(0, 8),
        per_tool=rng.randint(0, 20),
        per_tool_use=rng.randint(0, 60),
        per_tool_result=rng.randint(0, 30),
        prompt_end=rng.randint(0, 5),
    )
    path = folder / f"{seed}-{md5(layout.name.encode(), usedforsecurity=False).hexdigest()[:6]}.jsonl"
    path.unlink(missing_ok=True)
    provider = LoopbackProvider(
        script(layout, seed), tokenizer=tokenizer, overheads=hidden, drop_thinking=layout.thinking
    )
    with provider, tokenprof.profile(path):
        run_layout(anthropic.Anthropic(api_key="none", base_url=provider.url), layout, seed)
    return read([path]), list(provider.billed)


def measure(layout: Layout, tokenizer: Tokenizer, seed: int, folder: Path) -> Score:
    run, billed = recorded_loop(layout, tokenizer, seed, folder)
    ledger = build_ledger(run, default_book())
    ledger.check()
    by_id = {call.response_id: call for call in billed}
    return score(ledger, [by_id[turn.id] for turn in ledger.run.turns])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for layout in LAYOUTS:
            for name, make in TOKENIZERS.items():
                scores = [measure(layout, make(), seed, Path(folder)) for seed in range(options.seeds)]
                means = [statistics.fmean(getattr(s, f) for s in scores) for f in Score.__slots__]
                rows.append(
                    {
                        "layout": layout.name,
                        "tokenizer": name,
                        **dict(zip(Score.__slots__, means, strict=True)),
                    }
                )
                if not options.json:
                    print(line(f"{layout.name:36} {name:27}", means))
    if options.json:
        print(json.dumps(rows, indent=2))
        return
    means = [statistics.fmean(row[f] for row in rows) for f in Score.__slots__]
    print(line(f"{'mean':64}", means))


def line(name: str, means: Sequence[float]) -> str:
    """Return a row of the table: the means of a `Score`."""
    error, large, covered, right = means
    return f"{name} weighted {error:6.2%}  ≥200 {large:6.2%}  bounds {covered:6.1%}  classes {right:6.1%}"


if __name__ == "__main__":
    main()
