"""Which requests are model calls, and which adapter reads their bytes."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass

from tokenprof.record.exchange import Call, Exchange
from tokenprof.record.shape import Shaper


@dataclass(frozen=True, slots=True)
class Wire:
    """A provider's API as the proxy recognises it.

    `adapter` names the module whose `interpret` reads an exchange; its POST requests go to a path that
    ends with one of `paths`. `variable` is where clients look for the base address, `default_url` where
    they go without it.
    """

    provider: str
    adapter: str
    paths: tuple[str, ...]
    variable: str
    default_url: str


WIRES = (
    Wire(
        "anthropic",
        "tokenprof.harness_adapters.anthropic_exchange",
        ("/v1/messages",),
        "ANTHROPIC_BASE_URL",
        "https://api.anthropic.com",
    ),
    Wire(
        "openai",
        "tokenprof.harness_adapters.openai_exchange",
        ("/chat/completions", "/responses"),
        "OPENAI_BASE_URL",
        "https://api.openai.com/v1",
    ),
)


def wire_of(method: str, target: str) -> Wire | None:
    """Return the wire that a request is a model call of; None for counts, lists of models and the like."""
    if method != "POST":
        return None
    path = target.partition("?")[0].rstrip("/")
    return next((wire for wire in WIRES if path.endswith(wire.paths)), None)


def interpreter_of(wire: Wire) -> Callable[[Exchange, Shaper], Call | None] | None:
    """Return the function that reads a wire's exchanges; None where this version has no adapter for it."""
    if importlib.util.find_spec(wire.adapter) is None:
        return None
    interpret: Callable[[Exchange, Shaper], Call | None] = importlib.import_module(wire.adapter).interpret
    return interpret
