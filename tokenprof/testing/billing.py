"""How the loopback provider counts a request: every block's tokens, in cache order, by its own tokenizer.

This is the truth that the profiler is tested against, so it shares no code with the profiler's reading of a
request except the cache rules of `pricing`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Literal

import orjson

from tokenprof.data_classes.frozen import frozen

Tokenizer = Callable[[str], int]
Section = Literal["tools", "system", "messages"]


@frozen
class Overheads:
    """Tokens that a provider adds without showing them: per request, or per part of one."""

    tools_preamble: int = 0
    per_message: int = 0
    per_tool: int = 0
    per_tool_use: int = 0
    per_tool_result: int = 0
    prompt_end: int = 0


@frozen
class Counted:
    """A block of the prompt with its true size; `path` is its place in the request."""

    path: str
    tokens: int
    digest: str
    kind: str
    section: Section
    marker: str | None


def toktok_count(encoding: str = "o200k_base") -> Tokenizer:
    """Return a tokenizer that counts in one of the bundled vocabularies."""
    import toktok  # type: ignore[import-untyped]

    def count(text: str) -> int:
        return int(toktok.batch_count([text], encoding, threads=1)[0])

    return count


@dataclass(slots=True)
class Counter:
    """Counts requests. `drop_thinking` leaves out thinking from before the user's last message."""

    tokenizer: Tokenizer
    overheads: Overheads
    drop_thinking: bool = False

    def count(self, body: Mapping[str, Any]) -> list[Counted]:
        """Return the blocks of a request in cache order; the tools' hidden preamble is part of the first."""
        tools = list(body.get("tools") or ())
        messages = list(body.get("messages") or ())
        loaded = _referenced(messages)
        waiting = {t.get("name"): t for t in tools if t.get("defer_loading")}
        counted = [
            self._tool(f"tools[{i}]", tool, "tools")
            for i, tool in enumerate(tools)
            if not tool.get("defer_loading")
        ]
        if counted and self.overheads.tools_preamble:
            counted.insert(
                0, Counted("preamble", self.overheads.tools_preamble, "preamble", "", "tools", None)
            )
        for i, block in enumerate(_blocks(body.get("system"))):
            counted.append(self._block(f"system[{i}]", block, "system", opens=i == 0))
        last_own = _last_own_message(messages)
        for m, message in enumerate(messages):
            for i, block in enumerate(_blocks(message.get("content"))):
                if self.drop_thinking and m < last_own and "thinking" in str(block.get("type")):
                    continue
                path = f"messages[{m}].content[{i}]"
                counted.append(self._block(path, block, "messages", opens=i == 0, role=str(message["role"])))
                for name in _references(block):
                    if name in waiting and name in loaded:
                        counted.append(self._tool(f"{path}.reference", waiting[name], "messages"))
        automatic = body.get("cache_control")
        if isinstance(automatic, Mapping) and counted:
            last = counted[-1]
            counted[-1] = Counted(
                last.path, last.tokens, last.digest, last.kind, last.section, str(automatic.get("ttl", "5m"))
            )
        return counted

    def output(self, content: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
        """Return the tokens of a response: all of it, and the thinking in it."""
        thinking = sum(self._size(b) for b in content if b.get("type") == "thinking")
        return sum(self._size(b) for b in content), thinking

    def _tool(self, path: str, tool: Mapping[str, Any], section: Section) -> Counted:
        shown = {k: v for k, v in tool.items() if k not in ("cache_control", "defer_loading")}
        tokens = self.tokenizer(_json(shown)) + self.overheads.per_tool
        return Counted(path, tokens, _digest(shown), "tool", section, _marker(tool))

    def _block(
        self, path: str, block: Mapping[str, Any], section: Section, *, opens: bool, role: str = ""
    ) -> Counted:
        framing = self.overheads.per_message if opens and section == "messages" else 0
        bare = _without_markers(block)
        digest = _digest([role if opens else "", bare])
        return Counted(
            path, self._size(bare) + framing, digest, str(block.get("type")), section, _marker(block)
        )

    def _size(self, block: Mapping[str, Any]) -> int:
        kind = block.get("type")
        if kind == "text":
            return self.tokenizer(block["text"])
        if kind == "thinking":
            return self.tokenizer(block["thinking"])
        if kind == "tool_use":
            return self.tokenizer(block["name"] + _json(block["input"])) + self.overheads.per_tool_use
        if kind == "tool_result":
            parts = [b["text"] for b in _blocks(block.get("content")) if b.get("type") == "text"]
            return self.tokenizer("\n".join(parts)) + self.overheads.per_tool_result
        return self.tokenizer(_json(block))


def _blocks(content: Any) -> list[Mapping[str, Any]]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return list(content or ())


def _references(block: Mapping[str, Any]) -> list[str]:
    content = block.get("content")
    parts = content if isinstance(content, list) else []
    return [part["tool_name"] for part in parts if part.get("type") == "tool_reference"]


def _referenced(messages: Sequence[Mapping[str, Any]]) -> set[str]:
    return {name for m in messages for block in _blocks(m.get("content")) for name in _references(block)}


def _last_own_message(messages: Sequence[Mapping[str, Any]]) -> int:
    """Return the index of the user's last message that has more than tool results."""
    own = [
        i
        for i, message in enumerate(messages)
        if message.get("role") == "user"
        and any(block.get("type") != "tool_result" for block in _blocks(message.get("content")))
    ]
    return own[-1] if own else 0


def _marker(block: Mapping[str, Any]) -> str | None:
    control = block.get("cache_control")
    if not isinstance(control, Mapping):
        content = block.get("content")
        inner = [part.get("cache_control") for part in content] if isinstance(content, list) else []
        control = next((c for c in reversed(inner) if isinstance(c, Mapping)), None)
    return str(control.get("ttl", "5m")) if control else None


def _without_markers(block: Mapping[str, Any]) -> dict[str, Any]:
    bare = {k: v for k, v in block.items() if k != "cache_control"}
    if isinstance(bare.get("content"), list):
        bare["content"] = [_without_markers(part) for part in bare["content"]]
    return bare


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


def _digest(value: Any) -> str:
    return blake2b(orjson.dumps(value), digest_size=12).hexdigest()
