"""Which requests are model calls, and which adapter reads their bytes."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.adapters import load_adapter
from tokenprof.record.background.late_imports import importing
from tokenprof.record.exchange import FETCHED

if TYPE_CHECKING:
    from tokenprof.record.block_facts import Shaper
    from tokenprof.record.call import Call
    from tokenprof.record.exchange import Exchange


@frozen
class Wire:
    """A provider's API, recognised by the path of a request.

    `provider` is the seller's name in prices and reports. `adapter` is the module of
    `harness_adapters/wires/` whose `interpret` reads an exchange; `path` matches the end of the paths of its
    POST requests. `variable` is the environment variable in which clients look for the base address, and
    `default_url` the address that they use without it; both are empty if there is no such variable, or no
    single address (Vertex has one per region).
    """

    provider: str
    adapter: str
    path: re.Pattern[str]
    variable: str = ""
    default_url: str = ""


WIRES = (
    Wire(
        "anthropic",
        "anthropic_exchange",
        re.compile(r"/v1/messages$"),
        "ANTHROPIC_BASE_URL",
        "https://api.anthropic.com",
    ),
    Wire(
        "openai",
        "openai_exchange",
        re.compile(r"/(chat/completions|responses|responses/compact)$"),
        "OPENAI_BASE_URL",
        "https://api.openai.com/v1",
    ),
    Wire(
        "gcp.vertex_ai",
        "gemini_exchange",
        re.compile(r"/publishers/google/models/[^/:]+:(generateContent|streamGenerateContent)$"),
    ),
    Wire(
        "gcp.gemini",
        "gemini_exchange",
        re.compile(r"/models/[^/:]+:(generateContent|streamGenerateContent)$"),
        "GOOGLE_GEMINI_BASE_URL",
        "https://generativelanguage.googleapis.com",
    ),
    Wire(
        "gcp.vertex_ai",
        "anthropic_platforms",
        re.compile(r"/publishers/anthropic/models/[^/:]+:(rawPredict|streamRawPredict)$"),
    ),
    Wire(
        "aws.bedrock",
        "anthropic_platforms",
        re.compile(r"/model/.*anthropic[^/]*/(invoke|invoke-with-response-stream)$"),
    ),
    Wire("aws.bedrock", "bedrock_converse", re.compile(r"/model/.+/(converse|converse-stream)$")),
    Wire("gcp.gemini", "gemini_exchange", re.compile(r"/tunedModels/[^/:]+:(g|streamG)enerateContent$")),
    Wire("aws.bedrock", "counted_answer", re.compile(r"/model/.+/(invoke|invoke-with-response-stream)$")),
    Wire(
        "gcp.vertex_ai",
        "counted_answer",
        re.compile(r"/(publishers/[^/]+/models|endpoints)/[^/:]+:(p|rawP|streamRawP)redict$"),
    ),
    Wire("gcp.gemini", "counted_answer", re.compile(r"/models/[^/:]+:(batchG|e|batchE)\w*Content\w*$")),
    Wire("gcp.gemini", "counted_answer", re.compile(r"/v1(alpha|beta)?/interactions$")),
    Wire("cohere", "counted_answer", re.compile(r"/v[12]/(chat|rerank|embed)$")),
    Wire("databricks", "counted_answer", re.compile(r"/serving-endpoints/[^/]+/invocations$")),
    Wire("anthropic", "counted_answer", re.compile(r"/v1/messages/batches$")),
    Wire(
        "openai",
        "counted_answer",
        re.compile(
            r"/(completions|embeddings|images/\w+|audio/(speech|transcriptions|translations)|videos|batches)$"
        ),
    ),
)
"""The first match counts."""

ANY_ANSWER = Wire("openai", "counted_answer", re.compile(r"/"))
"""How a proxy reads an answer to a path of none of these: it is a call if it has counts."""

LONGEST_PATH = 1024
"""No API has longer paths; the patterns above take time that grows with the square of the length."""


def wire_of(method: str, target: str) -> Wire | None:
    """Return the API of a request that is a model call; None for counts, lists of models and the like."""
    path = target.partition("?")[0].rstrip("/")
    if len(path) > LONGEST_PATH:
        return None
    if method == "GET" and FETCHED.search(path):
        return next(wire for wire in WIRES if wire.provider == "openai")
    return _posted_to(path) if method == "POST" else None


@functools.lru_cache(maxsize=256)
def _posted_to(path: str) -> Wire | None:
    return next((wire for wire in WIRES if wire.path.search(path)), None)


def interpreter_of(wire: Wire) -> Callable[[Exchange, Shaper], Call | None]:
    """Return the function that reads a wire's exchanges.

    Its adapter is loaded when that is called for the first time, on the recorder's thread, so that a program
    pays only for the APIs that it calls. It then raises AdapterError if the adapter cannot be loaded.
    """
    return functools.partial(_interpret, wire.adapter)


def _interpret(adapter: str, exchange: Exchange, shaper: Shaper) -> Call | None:
    call: Call | None = _loaded(adapter).interpret(exchange, shaper)
    return call


@functools.cache
def _loaded(adapter: str) -> Any:
    with importing():
        return load_adapter(f"wires.{adapter}")
