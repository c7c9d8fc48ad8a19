"""From wire content to blocks: what Chat Completions, Responses and in part Gemini have in common.

The prompt is laid out as tools, output schema, instructions, messages: the order in which a prefix
is lost when one of them changes. Ids that the provider gives to items are not part of a block's
identity: the same text resent by the client, or put back by the provider, is the same block.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tokenprof.facts.types import Block, BlockKind, Breakpoint, Section
from tokenprof.harness_adapters.wires import progressive_disclosure as progressive
from tokenprof.record.block_facts import Shaper, json_text
from tokenprof.record.wire_values import Wire, joined_text, mapping, sequence, text_of

Ttl = Literal["30m", "12h"]

TEXT_PARTS = frozenset({"text", "input_text", "output_text", "summary_text", "reasoning_text"})
IMAGE_PARTS = frozenset({"image_url", "input_image", "computer_screenshot"})
MARKERS = ("prompt_cache_breakpoint", "cache_control")
TOOL_FIELDS = ("name", "description", "parameters", "format", "type", "server_label", "output_schema")


@dataclass(frozen=True, slots=True)
class Called:
    """A tool call, by its id: the tool, and the skill that it loads, if it loads one."""

    tool: str
    skill: str | None


@dataclass(frozen=True, slots=True)
class LaidOutPrompt:
    """A request as blocks in cache order; the first `head` of them precede whatever the provider holds."""

    blocks: tuple[Block, ...]
    head: int
    breakpoints: tuple[Breakpoint, ...]
    calls: Mapping[str, Called]


@dataclass(slots=True)
class BlockLayout:
    """Collects blocks in cache order and notes where the cache breakpoints stand.

    `ttl` is the request's own time to live, which a breakpoint without one inherits. `calls` are the tool
    calls that results may answer; `loaded` the deferred tools whose schema stands in the messages.
    """

    shaper: Shaper
    ttl: Ttl = "30m"
    calls: dict[str, Called] = field(default_factory=dict)
    loaded: set[str] = field(default_factory=set)
    blocks: list[Block] = field(default_factory=list)
    breakpoints: list[Breakpoint] = field(default_factory=list)

    def add(self, kind: BlockKind, name: str, identity: object, **shape: Any) -> None:
        """Add a block; `identity` is what makes two of them the same."""
        self.blocks.append(self.shaper.block(kind, name, identity, **shape))

    def mark(self, part: Wire) -> None:
        """Note a content part's explicit breakpoint, if it has one: OpenAI's, or Anthropic's by LiteLLM."""
        marker, anthropic = part.get("prompt_cache_breakpoint"), part.get("cache_control")
        if isinstance(marker, Mapping) and self.blocks:
            ttl: Ttl = "12h" if (marker.get("ttl") or self.ttl) == "12h" else "30m"
            self.breakpoints.append(Breakpoint(len(self.blocks) - 1, ttl))
        elif isinstance(anthropic, Mapping) and self.blocks:
            ttl_there: Literal["5m", "1h"] = "1h" if anthropic.get("ttl") == "1h" else "5m"
            self.breakpoints.append(Breakpoint(len(self.blocks) - 1, ttl_there))

    def prompt(self, head: int) -> LaidOutPrompt:
        """Return what was collected."""
        return LaidOutPrompt(tuple(self.blocks), head, tuple(self.breakpoints), self.calls)


def request_ttl(body: Wire) -> Ttl:
    """Return the time to live that a request asks of its cache breakpoints."""
    return "12h" if mapping(body.get("prompt_cache_options")).get("ttl") == "12h" else "30m"


def add_tools(layout: BlockLayout, tools: Iterable[Wire], *, section: Section = "tools") -> None:
    """Add tool definitions: one block each, a namespace's own lines apart from its functions.

    A deferred definition costs nothing where it is declared. Once loaded it stands in the messages, and
    its declaration is left out. In the messages (`section`) definitions are loaded ones.
    """
    opens = section == "messages"
    for namespace, tool in _flattened(tools):
        name = tool_name(tool, namespace)
        deferred = bool(tool.get("defer_loading")) and section == "tools"
        if deferred and name in layout.loaded:
            continue
        definition = {key: value for key, value in _function_of(tool).items() if key != "defer_loading"}
        shown = {key: value for key, value in definition.items() if key in TOOL_FIELDS}
        layout.add(
            "tool",
            name,
            definition,
            section=section,
            role="tools",
            opens_message=opens,
            text=json_text(shown),
            deferred=deferred,
            fields=list(definition),
        )
        opens = False


def loaded_names(tools: Iterable[Wire]) -> set[str]:
    """Return the names of the definitions that a tool search has brought in."""
    return {tool_name(tool, namespace) for namespace, tool in _flattened(tools)}


def tool_name(tool: Wire, namespace: str = "") -> str:
    """Return the name a tool goes by: its own (behind its namespace's), its MCP server's, or its type."""
    if tool.get("server_label"):
        return f"mcp__{tool['server_label']}"
    name = text_of(_function_of(tool).get("name")) or text_of(tool.get("type")) or "tool"
    return f"{namespace}.{name}" if namespace else name


def _flattened(tools: Iterable[Wire]) -> Iterable[tuple[str, Wire]]:
    """Yield (namespace, definition); of a namespace first the lines it shows for itself."""
    for tool in tools:
        if tool.get("type") != "namespace":
            yield "", tool
            continue
        yield "", {key: value for key, value in tool.items() if key != "tools"}
        for inner in sequence(tool.get("tools")):
            yield text_of(tool.get("name")), inner


def _function_of(tool: Wire) -> Wire:
    """Return a definition's own fields, which Chat Completions wraps in a `function` or `custom` object."""
    for wrapper in ("function", "custom"):
        inner = tool.get(wrapper)
        if isinstance(inner, Mapping):
            return {**inner, **({"defer_loading": True} if tool.get("defer_loading") else {})}
    return tool


def add_output_schema(layout: BlockLayout, wanted: Wire) -> None:
    """Add the schema of a structured output, which stands before the instructions; nothing for plain text."""
    if wanted.get("type") != "json_schema":
        return
    schema = mapping(wanted.get("json_schema")) or wanted
    name = text_of(schema.get("name")) or "output_schema"
    layout.add(
        "system", f"output_schema[{name}]", schema, section="system", role="system", text=json_text(schema)
    )


def add_instructions(layout: BlockLayout, text: str, name: str) -> None:
    """Add instructions to the head of the prompt."""
    kind, children = kind_of_instructions(text, "system")
    layout.add(
        kind,
        name if kind == "system" else kind,
        {"text": text},
        section="system",
        role="system",
        opens_message=True,
        text=text,
        children=children,
    )


def kind_of_instructions(text: str, otherwise: BlockKind) -> tuple[BlockKind, list[tuple[str, str]]]:
    """Return what a text of instructions is (an index of skills, a memory file), and an index's entries."""
    entries = progressive.index_entries(text)
    if progressive.is_mostly_index(text, entries):
        return "skills_index", entries
    if progressive.is_memory(text):
        return "memory", []
    return otherwise, entries


def add_message(layout: BlockLayout, role: str, content: object, *, leading: bool) -> None:
    """Add a message, one block per content part. `leading` instructions belong to the prompt's head."""
    section: Section = "system" if leading and role in ("system", "developer") else "messages"
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else sequence(content)
    for index, part in enumerate(parts):
        shape: dict[str, Any] = {"section": section, "role": role, "opens_message": index == 0}
        _add_part(layout, part, shape)
        layout.mark(part)


def _add_part(layout: BlockLayout, part: Wire, shape: dict[str, Any]) -> None:
    type_, role = text_of(part.get("type")), shape["role"]
    if type_ in TEXT_PARTS:
        text = text_of(part.get("text"))
        kind, name, children = describe_text(text, role, shape["section"], len(layout.blocks))
        layout.add(kind, name, {"text": text}, text=text, children=children, **shape)
    elif type_ == "refusal":
        text = text_of(part.get("refusal"))
        layout.add("assistant", "refusal", {"refusal": text}, text=text, **shape)
    elif type_ in IMAGE_PARTS:
        layout.add("image", "image", _image_identity(part), **shape)
    elif type_ in ("input_file", "file"):
        layout.add("document", type_, _bare(part), **shape)
    elif type_ == "input_audio":
        layout.add("user", "audio", _bare(part), **shape)
    else:
        kind = "assistant" if role == "assistant" else "user"
        layout.add(kind, type_ or kind, _bare(part), text=json_text(_bare(part)), **shape)


def describe_text(
    text: str, role: str, section: Section, at: int
) -> tuple[BlockKind, str, list[tuple[str, str]]]:
    """Return a text's kind, its name, and the entries of the index it holds; `at` is its place."""
    if role == "assistant":
        return "assistant", "text", []
    skill = progressive.skill_body_name(text)
    if skill:
        return "skill", skill, []
    if progressive.is_summary(text):
        return "summary", "compaction", []
    if section == "system":
        kind, children = kind_of_instructions(text, "system")
        return kind, f"system[{at}]" if kind == "system" else kind, children
    kind, children = kind_of_instructions(text, "reminder" if role in ("system", "developer") else "user")
    if kind == "user" and progressive.is_reminder(text):
        kind = "reminder"
    return kind, kind, children


def _image_identity(part: Wire) -> Wire:
    """Return an image as `shape.pixels_of` can measure it: its base64 data, if that is in the request."""
    image = part.get("image_url")
    address = image.get("url") if isinstance(image, Mapping) else image
    detail = image.get("detail") if isinstance(image, Mapping) else part.get("detail")
    source = text_of(address)
    data = source.partition("base64,")[2] if source.startswith("data:") else ""
    where = {"data": data} if data else {"url": source or part.get("file_id")}
    return {"type": "image", "detail": detail, "source": where}


def _bare(part: Wire) -> Wire:
    return {key: value for key, value in part.items() if key not in MARKERS}


def add_call(layout: BlockLayout, tool: str, arguments: object, link: str, text: str, **shape: Any) -> None:
    """Add a tool call, and remember it for the result that will answer it."""
    if link:
        layout.calls[link] = Called(tool, progressive.skill_of_call(tool, arguments))
    identity = {"tool": tool, "call": link, "arguments": text}
    layout.add(
        "tool_call", tool, identity, role="assistant", text=f"{tool}{text}", link=link or None, **shape
    )


def add_result(layout: BlockLayout, link: str, output: object, otherwise: str) -> None:
    """Add what a tool has answered: under the tool's name, or as the skill that the call has loaded."""
    called = layout.calls.get(link)
    text = result_text(output)
    kind: BlockKind = "tool_result"
    name = called.tool if called else otherwise
    skill = progressive.skill_body_name(text or "") or (called.skill if called else None)
    if skill and text and not progressive.is_launch_notice(text):
        kind, name = "skill", skill
    identity = {"result": link, "output": text if text is not None else output}
    layout.add(kind, name, identity, role="tool", opens_message=True, text=text, link=link or None)
    for part in sequence(output):
        layout.mark(part)


def result_text(output: object) -> str | None:
    """Return what the model reads of a tool's output; None where it is only images or files."""
    if isinstance(output, str):
        return output
    if isinstance(output, Mapping):
        return None if output.get("type") in IMAGE_PARTS else json_text(output)
    parts = sequence(output)
    opaque = [part for part in parts if part.get("type") in IMAGE_PARTS | {"input_file", "file"}]
    if opaque and len(opaque) == len(parts):
        return None
    if all(part.get("type") in TEXT_PARTS for part in parts if part not in opaque):
        return joined_text(parts)
    return "\n".join(
        text_of(part.get("text")) or json_text(_bare(part)) for part in parts if part not in opaque
    )
