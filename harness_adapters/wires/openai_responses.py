"""The Responses API: the items of requests and responses as blocks, and a stream as its response."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from tokenprof.facts.types import Block, TurnStatus
from tokenprof.harness_adapters.wires.framing.server_sent_events import UNREADABLE_EVENT, JoinedAnswer
from tokenprof.harness_adapters.wires.openai_blocks import (
    add_call,
    add_instructions,
    add_message,
    add_output_schema,
    add_result,
    add_tools,
    loaded_names,
    request_ttl,
)
from tokenprof.harness_adapters.wires.progressive_disclosure import INSTRUCTION_ROLES
from tokenprof.harness_adapters.wires.prompt_layout import (
    LaidOutPrompt,
    PromptLayout,
    RepeatedItems,
    references_in,
)
from tokenprof.pricing.normalise import StreamedCounts
from tokenprof.record.block_facts import Shaper, json_text
from tokenprof.record.wire_values import (
    Wire,
    joined_text,
    loads_or_text,
    mapping,
    sequence,
    text_of,
)

FAILED = "response.failed"
ENDINGS = ("response.completed", "response.incomplete", "response.done", FAILED)

CALLS = {"function_call": "arguments", "custom_tool_call": "input", "local_shell_call": "action"}
RESULTS = frozenset({"function_call_output", "custom_tool_call_output", "local_shell_call_output"})


def prompt_of_responses(body: Wire, shaper: Shaper) -> LaidOutPrompt:
    """Return the blocks of a `POST /responses` body, without the history that the provider holds."""
    is_whole = not (body.get("previous_response_id") or body.get("conversation"))
    given = body.get("input")
    items = [{"role": "user", "content": given}] if isinstance(given, str) else sequence(given)
    start = (is_whole, request_ttl(body), body.get("tools"), body.get("text"), body.get("instructions"))
    repeated = RepeatedItems(start, items, _referenced, may_defer=True)
    known, layout = repeated.latest()
    if layout is None:
        layout = _head_of(body, items, shaper, is_whole=is_whole)
        layout.leading, layout.head = is_whole, len(layout.blocks)
    for place in range(known, len(items)):
        layout.leading = layout.leading and text_of(items[place].get("role")) in INSTRUCTION_ROLES
        add_item(layout, items[place], leading=layout.leading)
        repeated.note(place + 1, layout)
    return layout.prompt()


def _referenced(items: Sequence[Wire]) -> set[str]:
    """Return the deferred tools that items bring in."""
    names: set[str] = set()
    for item in items:
        if item.get("type") == "tool_search_output":
            names |= loaded_names(sequence(item.get("tools")))
        names |= set(references_in(item.get("output")))
    return names


def _head_of(body: Wire, items: Sequence[Wire], shaper: Shaper, *, is_whole: bool) -> PromptLayout:
    """Return the layout of what comes before the input."""
    layout = PromptLayout(shaper, ttl=request_ttl(body), is_whole=is_whole)
    layout.loaded |= _referenced(items)
    add_tools(layout, sequence(body.get("tools")))
    add_output_schema(layout, mapping(mapping(body.get("text")).get("format")))
    if text_of(body.get("instructions")):
        add_instructions(layout, body["instructions"], "instructions")
    return layout


def add_item(layout: PromptLayout, item: Wire, *, leading: bool = False) -> None:
    """Add an item of a request's input, or of an answer as it is sent back."""
    type_ = text_of(item.get("type")) or "message"
    if type_ == "message":
        add_message(layout, text_of(item.get("role")) or "user", item.get("content"), leading=leading)
    elif type_ in CALLS:
        raw = item.get(CALLS[type_])
        arguments = raw if isinstance(raw, str) else json_text(raw or {})
        name = text_of(item.get("name")) or type_
        link = text_of(item.get("call_id"))
        add_call(layout, name, loads_or_text(arguments), link, arguments, opens_message=True)
    elif type_ in RESULTS:
        add_result(layout, text_of(item.get("call_id")), item.get("output"), "tool_result")
    elif type_ == "reasoning":
        text = joined_text(sequence(item.get("summary")))
        identity = {"reasoning": item.get("encrypted_content") or item.get("id") or text}
        layout.add("thinking", "thinking", identity, role="assistant", opens_message=True, text=text or None)
    elif type_ == "tool_search_output":
        add_tools(layout, sequence(item.get("tools")), section="messages")
    elif type_ == "additional_tools":
        add_tools(layout, sequence(item.get("tools")))
    elif type_ == "mcp_list_tools":
        add_mcp_listing(layout, item)
    elif type_ == "compaction":
        identity = {"compaction": item.get("encrypted_content") or item.get("id")}
        layout.add("summary", "compaction", identity, role="assistant", opens_message=True)
    elif type_ == "item_reference":
        layout.add("server_state", "item reference", {"reference": item.get("id")}, opens_message=True)
    else:
        shown = {key: value for key, value in item.items() if key not in ("id", "status")}
        kind = "tool_result" if type_.endswith("_output") else "tool_call"
        layout.add(
            kind,  # type: ignore[arg-type]
            type_,
            shown,
            role="assistant",
            opens_message=True,
            text=json_text(shown),
            link=text_of(item.get("call_id")) or text_of(item.get("id")) or None,
        )


def add_mcp_listing(layout: PromptLayout, item: Wire) -> None:
    """Add the definitions that an MCP server has listed, as one block with the name of the server."""
    shown = {key: value for key, value in item.items() if key != "id"}
    name = text_of(item.get("server_label")) or "mcp_list_tools"
    shape: dict[str, Any] = {"role": "tools", "opens_message": True, "text": json_text(shown)}
    layout.add("tool", name, shown, **shape)


def items_as_prompt(items: Iterable[Wire], shaper: Shaper) -> tuple[Block, ...]:
    """Return an answer's items as the blocks they are in the prompts that follow."""
    layout = PromptLayout(shaper, is_whole=False)
    for item in items:
        add_item(layout, item)
    return tuple(layout.blocks)


def output_of_responses(items: Iterable[Wire], shaper: Shaper) -> tuple[Block, ...]:
    """Return the blocks of an answer's items, as blocks of kind `output`."""
    found: list[Block] = []
    for item in items:
        layout = PromptLayout(shaper, is_whole=False)
        add_item(layout, item)
        for block in layout.blocks:
            is_reasoning = block.kind == "thinking"
            name = block.name if block.kind in ("tool_call", "thinking", "tool") else "text"
            shape: dict[str, Any] = {
                "role": "reasoning" if is_reasoning else "assistant",
                "opens_message": not found,
                "link": block.link,
            }
            text = _text_of_item(item)
            found.append(shaper.block("output", name, {"output": block.digest}, text=text, **shape))
    return tuple(found)


def _text_of_item(item: Wire) -> str | None:
    type_ = text_of(item.get("type")) or "message"
    if type_ == "message":
        return joined_text(sequence(item.get("content")))
    if type_ == "reasoning":
        return joined_text(sequence(item.get("summary"))) or None
    if type_ in CALLS:
        raw = item.get(CALLS[type_])
        return text_of(item.get("name")) + (raw if isinstance(raw, str) else json_text(raw or {}))
    return json_text({key: value for key, value in item.items() if key not in ("id", "status")})


def response_of_stream(events: Iterable[Wire]) -> tuple[dict[str, Any] | None, TurnStatus]:
    """Return the response of a stream's events, and how it ended.

    The last event holds the whole response. If the stream is cut, its first event still has the id and model.
    Relays may leave the output to the events before, or send the usage in an event of its own.
    """
    response: dict[str, Any] | None = None
    items: list[Wire] = []
    status: TurnStatus = "partial"
    counts = StreamedCounts()
    is_damaged = False
    for event in events:
        type_ = event.get("type")
        is_damaged = is_damaged or event is UNREADABLE_EVENT
        counts.add(mapping(event.get("usage")))
        if isinstance(event.get("response"), dict):
            response = event["response"]
            counts.add(mapping(response.get("usage")))
        if type_ == "response.output_item.done" and isinstance(event.get("item"), dict):
            items.append(event["item"])
        if type_ in ENDINGS:
            status = "error" if type_ == FAILED else "ok"
        elif type_ == "error":
            status = "error"
    if response is not None and items and not response.get("output"):
        response = {**response, "output": items}
    if is_damaged and not counts.usage and status == "ok":
        status = "partial"
    if counts.usage:
        response = JoinedAnswer({**(response or {}), "usage": counts.usage}, counts.notes)
    return response, status
