"""How the OpenAI provider on this machine counts a request: blocks in cache order, by its own tokenizer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from typing import Any

import orjson

from tokenprof.data_classes.frozen import frozen
from tokenprof.testing.billing import Counted, Section, Tokenizer
from tokenprof.testing.openai_replies import CALLS, arguments_of

Wire = Mapping[str, Any]

CALL_OUTPUTS = ("function_call_output", "custom_tool_call_output")
HEAD_ROLES = ("system", "developer")
MARKER = "prompt_cache_breakpoint"
INHERITED = "the request's"
"""The time to live of a breakpoint that does not name one."""


@frozen
class OpenAICounter:
    """Counts what is sent and what is written. Thinking is counted separately, as reasoning."""

    count: Tokenizer

    def output(self, content: Iterable[Wire]) -> tuple[int, int]:
        """Return the tokens of a reply: of all parts, and of those that are reasoning."""
        parts = list(content)
        reasoning = sum(self.count(part["thinking"]) for part in parts if "thinking" in part)
        return reasoning + sum(self.count(_written(part)) for part in parts), reasoning

    def head(self, body: Wire) -> Iterator[Counted]:
        """Yield what comes before the messages: tools, output schema, instructions."""
        given = body.get("input")
        late = (
            [item for item in given if _type(item) == "additional_tools"] if isinstance(given, list) else []
        )
        tools = [*(body.get("tools") or ()), *(tool for item in late for tool in item.get("tools") or ())]
        for index, tool in enumerate(tools):
            yield self._block(f"tools[{index}]", "tool", _json(tool), "tools")
        schema = body.get("response_format") or (body.get("text") or {}).get("format") or {}
        if schema.get("type") == "json_schema":
            yield self._block("output_schema", "output_schema", _json(schema), "tools")
        if body.get("instructions"):
            yield self._block("instructions", "instructions", body["instructions"], "system")

    def items(self, items: Iterable[Wire], path: str) -> Iterator[Counted]:
        """Yield the blocks of a Responses input, or of a stored answer."""
        for index, item in enumerate(items):
            at, kind = f"{path}[{index}]", _type(item)
            if kind == "message":
                yield from self.message(item, at)
            elif kind == "additional_tools":
                continue
            elif kind in CALLS:
                yield self._block(at, kind, item["name"] + item[CALLS[kind]], link=item["call_id"])
            elif kind in CALL_OUTPUTS:
                yield self._block(at, kind, _text(item.get("output")), link=item["call_id"])
            elif kind == "reasoning":
                yield self._block(at, kind, _text(item.get("summary")))
            else:
                shown = {key: value for key, value in item.items() if key not in ("id", "status")}
                yield self._block(at, kind, _json(shown))

    def message(self, message: Wire, path: str) -> Iterator[Counted]:
        """Yield the blocks of a message of either API."""
        role, content = str(message.get("role")), message.get("content")
        if role == "tool":
            link = message["tool_call_id"]
            yield self._block(path, "function_call_output", _text(content), link=link)
            return
        section: Section = "system" if role in HEAD_ROLES else "messages"
        for index, part in enumerate([content] if isinstance(content, str) else content or ()):
            marker = None if isinstance(part, str) else part.get(MARKER)
            said = part if isinstance(part, str) else {k: v for k, v in part.items() if k != MARKER}
            ttl = None if marker is None else str(marker.get("ttl") or INHERITED)
            yield self._block(f"{path}.content[{index}]", role, _text([said]), section, marker=ttl)
        for index, call in enumerate(message.get("tool_calls") or ()):
            function = call["function"]
            text = function["name"] + function["arguments"]
            yield self._block(f"{path}.tool_calls[{index}]", "function_call", text, link=call["id"])

    def _block(
        self,
        path: str,
        kind: str,
        text: str,
        section: Section = "messages",
        *,
        link: str = "",
        marker: str | None = None,
    ) -> Counted:
        digest = blake2b(_json([kind, link, text]).encode(), digest_size=12).hexdigest()
        return Counted(path, self.count(text), digest, kind, section, marker)


def _type(item: Wire) -> str:
    return str(item.get("type") or "message")


def _text(content: Any) -> str:
    """Return the text of a content; parts that have none are counted as they stand."""
    if isinstance(content, str):
        return content
    parts = (part if isinstance(part, str) else part.get("text") for part in content or ())
    return "\n".join(
        _json(part) if text is None else text for text, part in zip(parts, content or (), strict=True)
    )


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


def _written(part: Wire) -> str:
    """Return what a part of a reply is billed as output, apart from reasoning."""
    if part["type"] == "tool_use":
        return f"{part['name']}{arguments_of(part)}"
    return str(part.get("text", ""))
