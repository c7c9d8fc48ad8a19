"""What is assumed about tokenizers before a run is seen.

Coefficients multiply the features of `estimate.features_of`. The Claude rows were fitted on the two
public Claude Code sessions named in `benchmarks/data/README.md` (Opus 4.6, February 2026) by
`benchmarks/attribution.py --fit`. Newer Claude tokenizers are reported to give 1.0-1.47 times as
many tokens for the same text (sources in docs/attribution.md), so the spread of `tokens` is wide.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from tokenprof.data_classes.frozen import frozen

COEFFICIENTS = (
    "tokens",
    "tokens_tool",
    "tokens_call",
    "tokens_result",
    "tokens_thinking",
    "tokens_second_vocabulary",
    "digits",
    "punctuation",
    "uppercase",
    "spaces",
    "newlines",
    "non_ascii",
    "per_message",
    "per_tool_call",
    "per_tool_result",
    "per_tool",
    "per_block",
)


@frozen
class TokenizerPrior:
    """Mean and standard deviation of each coefficient, and how far a block strays from the model.

    `relative_sd` applies to short texts and falls with length beyond `averaging_tokens`.
    `tools_preamble_tokens` is the hidden text that a provider puts before the tools (mean, sd).
    """

    name: str
    mean: Mapping[str, float]
    sd: Mapping[str, float]
    relative_sd: float
    relative_sd_uncounted: float
    averaging_tokens: float
    absolute_sd: float
    noise_degrees: float
    tools_preamble_tokens: tuple[float, float]


def _prior(
    name: str, mean: Mapping[str, float], sd: Mapping[str, float], preamble: tuple[float, float]
) -> TokenizerPrior:
    return TokenizerPrior(
        name=name,
        mean={coefficient: mean.get(coefficient, 0.0) for coefficient in COEFFICIENTS},
        sd={coefficient: sd[coefficient] for coefficient in COEFFICIENTS},
        relative_sd=0.08,
        relative_sd_uncounted=0.35,
        averaging_tokens=4000.0,
        absolute_sd=3.0,
        noise_degrees=6.0,
        tools_preamble_tokens=preamble,
    )


_WIDE = {
    "tokens": 0.3,
    "tokens_tool": 0.2,
    "tokens_call": 0.2,
    "tokens_result": 0.2,
    "tokens_thinking": 1.6,
    "tokens_second_vocabulary": 1.2,
    "digits": 0.2,
    "punctuation": 0.2,
    "uppercase": 0.1,
    "spaces": 0.1,
    "newlines": 0.4,
    "non_ascii": 0.4,
    "per_message": 8.0,
    "per_tool_call": 50.0,
    "per_tool_result": 24.0,
    "per_tool": 24.0,
    "per_block": 8.0,
}

_CLAUDE = {
    "tokens": 1.13,
    "tokens_thinking": 1.0,
    "tokens_second_vocabulary": 0.5,
    "punctuation": 0.1,
    "newlines": 0.2,
    "per_message": 4.0,
    "per_tool_call": 50.0,
    "per_tool_result": 18.0,
    "per_tool": 12.0,
    "per_block": 2.0,
}

CLAUDE_OLDER = _prior("claude, to 4.6", _CLAUDE, _WIDE, preamble=(320.0, 200.0))
CLAUDE_NEWER = _prior(
    "claude, from 4.7", {**_CLAUDE, "tokens": 1.35}, {**_WIDE, "tokens": 0.3}, preamble=(320.0, 200.0)
)
OPENAI = _prior(
    "o200k",
    {"tokens": 1.0, "per_message": 4.0, "per_tool_call": 6.0, "per_tool_result": 4.0, "per_tool": 6.0},
    {**_WIDE, "tokens": 0.03, "tokens_second_vocabulary": 0.02, "punctuation": 0.01, "digits": 0.01},
    preamble=(20.0, 20.0),
)
QWEN = _prior(
    "qwen",
    {
        "tokens": 0.98,
        "tokens_second_vocabulary": 0.9,
        "digits": 0.43,
        "punctuation": 0.05,
        "newlines": 0.5,
        "per_message": 5.0,
        "per_tool_call": 8.0,
        "per_tool_result": 5.0,
        "per_tool": 8.0,
    },
    {**_WIDE, "tokens": 0.08, "tokens_second_vocabulary": 0.4, "digits": 0.1, "punctuation": 0.05},
    preamble=(120.0, 120.0),
)
"""Fitted on 644 texts of 3 kB (Python, Markdown, JSON), whose counts it meets within 1.4 % (one sd)."""

OPEN_MODEL = _prior(
    "open model",
    {"tokens": 1.05, "per_message": 4.0, "per_tool_call": 10.0, "per_tool_result": 5.0, "per_tool": 8.0},
    {**_WIDE, "tokens": 0.12, "tokens_second_vocabulary": 0.6},
    preamble=(120.0, 120.0),
)
"""Models of makers with a vocabulary of their own of 100,000 entries and more, which is not bundled."""

UNKNOWN = _prior(
    "unknown", {"tokens": 1.1, "per_message": 4.0}, {**_WIDE, "tokens": 0.3}, preamble=(100.0, 150.0)
)

_OLDER_CLAUDE = (
    "claude-2",
    "claude-3",
    "claude-opus-4-0",
    "claude-opus-4-1",
    "claude-opus-4-2",
    "claude-opus-4-5",
    "claude-opus-4-6",
    "claude-sonnet-4",
    "claude-haiku-4",
)


def prior_for(provider: str, model: str) -> TokenizerPrior:
    """Return the prior for a model; the prior for an unknown model is wide.

    The model decides, not the API: many makers offer the API of OpenAI or Anthropic.
    """
    name = model.lower()
    at = name.find("claude")
    if at >= 0:
        # Clouds put a region and the maker before the name.
        return CLAUDE_OLDER if name[at:].startswith(_OLDER_CLAUDE) else CLAUDE_NEWER
    if "qwen" in name or "qwq" in name:
        return QWEN
    if any(maker in name for maker in _OPEN_MODELS):
        return OPEN_MODEL
    if _OPENAI_NAME.search(name):
        return OPENAI
    # A name of Anthropic's that is not known yet; Claude's tokenizer is the API's default.
    return CLAUDE_NEWER if provider == "anthropic" else UNKNOWN


_OPEN_MODELS = ("deepseek", "kimi", "moonshot", "glm", "llama", "minimax", "mistral", "devstral", "codestral")
_OPENAI_NAME = re.compile(r"(?:^|[/.])(?:gpt-|chatgpt|o[134](?:-|$)|codex|text-|davinci|ft:gpt|computer-use)")
