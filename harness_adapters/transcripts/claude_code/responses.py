"""One response of a Claude Code log, put together from its rows and turned into a turn."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import datetime

from tokenprof.facts.types import Block, Breakpoint, Features, Turn
from tokenprof.harness_adapters.transcripts.claude_code.logged_prompts import (
    LoggedPiece,
    LoggedPrompt,
    PieceMaker,
    joined,
)
from tokenprof.harness_adapters.transcripts.claude_code.request_records import Request
from tokenprof.harness_adapters.transcripts.claude_code.row_chain import Above, Entry
from tokenprof.harness_adapters.transcripts.claude_code.written_texts import WrittenTexts
from tokenprof.harness_adapters.wires.anthropic_content import cleared_tool_uses_of
from tokenprof.harness_adapters.wires.anthropic_messages import cache_miss_of, selectors_of
from tokenprof.harness_adapters.wires.implausible_usage import implausibility, raw_json
from tokenprof.pricing.normalise import advisor_iterations, read_anthropic
from tokenprof.pricing.sellers import seller_of_answer, without_account
from tokenprof.pricing.usage import Usage
from tokenprof.pricing.wire_counts import is_count
from tokenprof.record.block_facts import canonical
from tokenprof.record.call import ADVISOR
from tokenprof.record.wire_values import Wire, is_object, mapping, text_of

PROVIDER = "anthropic"

LEAST_SHARE_OF_LOCAL_COUNT = 0.8
"""Claude's own count of a text is about that of o200k or larger; a smaller share is a placeholder."""

LEAST_FRAMING_TOKENS_PER_CALL = 20
"""A tool call takes 40 tokens and more besides its arguments; half of that is safely too few."""

BYTES_PER_TOKEN = 4

PROMPT_COUNTS = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")

COMPACTION_AGENT = "acompact"
"""How the id of an agent that compacts a conversation begins."""

OTHER_USAGE = "Its usage is not an object of counts; it is counted as unmeasured."
CUT_USAGE = "Its usage lacks the input tokens; it is counted as unmeasured."

EMPTY = LoggedPiece("assistant", (), ())


@dataclass(slots=True)
class Response:
    """A billed response, as far as its rows have been read.

    Its content is kept in `items`, with their `digests`, until `settle` turns it into `piece` and `output`,
    or `let_go` drops it.
    """

    index: int
    id: str
    thread: str
    where: str
    prompt: LoggedPrompt
    base: int | None
    kept: int
    started_at: datetime
    request: Request | None = None
    breakpoints: tuple[Breakpoint, ...] = ()
    compacted: bool = False
    attempts: int = 1
    has_prompt: bool = True
    model: str = ""
    request_id: str = ""
    requested_model: str = ""
    ended_at: datetime | None = None
    usage: Wire | None = None
    other_usage: object = None
    has_stopped: bool = False
    diagnostics: object = None
    management: object = None
    calls: list[str] = field(default_factory=list)
    items: list[Wire] = field(default_factory=list)
    digests: list[str] = field(default_factory=list)
    piece: LoggedPiece = EMPTY
    output: tuple[Block, ...] = ()
    shows_output: bool = True
    _seen: set[object] = field(default_factory=set)

    @property
    def plain_id(self) -> str:
        """The id as its provider gave it."""
        return self.id.partition("#")[0]

    def is_another_than(self, line: Wire, message: Wire, between: Sequence[Entry]) -> bool:
        """Whether a row with this response's id is of another one: relays may give all answers one id.

        Rows of one response name one request. Without requests, they have one prompt, whose count is the same
        in all that have one; nobody asks anything `between` them, and nothing follows the stop reason.
        """
        request = line.get("requestId")
        asked = any(entry.asks for entry in between)
        if isinstance(request, str) and self.request_id:
            return request != self.request_id or (asked and self.has_stopped)
        if asked or (between and self.has_stopped):
            return True
        usages = self.usage or {}, mapping(message.get("usage"))
        told = [[usage[key] for key in PROMPT_COUNTS if is_count(usage.get(key))] for usage in usages]
        prompts = [sum(map(float, counts)) for counts in told]
        return 0 not in prompts and prompts[0] != prompts[1]

    def add_row(
        self, line: Wire, items: Sequence[Wire], at: datetime | None, digest_of: Callable[[Wire], str]
    ) -> None:
        """Add a row: its new content, and its usage if that counts at least as much output as the last.

        An item that an earlier row holds is known by its digest; its text would be held as long as the
        session is read.
        """
        message = line["message"]
        self.request_id = self.request_id or text_of(line.get("requestId"))
        self.model = str(message.get("model") or self.model)
        self.requested_model = str(line.get("requestedModel") or self.requested_model)
        self.has_stopped |= message.get("stop_reason") is not None
        if at is not None:
            self.started_at = min(self.started_at, at)
            self.ended_at = max(self.ended_at or at, at)
        usage = message.get("usage")
        if usage is not None and not is_object(usage):
            self.other_usage = usage
        elif usage is not None and _output_tokens(usage) >= _output_tokens(self.usage or {}):
            self.usage = usage
        self.diagnostics = message.get("diagnostics") or self.diagnostics
        self.management = message.get("context_management") or self.management
        for number, item in enumerate(items):
            place = line.get("apiBlockIndex")
            digest = digest_of(item)
            key = (place, number) if isinstance(place, int) else digest
            if key in self._seen:
                continue
            self._seen.add(key)
            self.items.append(item)
            self.digests.append(digest)
            if item.get("type") == "tool_use" and isinstance(item.get("id"), str):
                self.calls.append(item["id"])

    def settle(self, maker: PieceMaker) -> None:
        """Make blocks from the content added since the last time, and discard it."""
        if not self.items:
            return
        output, piece = maker.answer(self.items, self.digests)
        said = LoggedPiece("assistant", self.output, ())
        self.output = joined(said, LoggedPiece("assistant", output, ())).blocks
        self.piece = joined(self.piece, piece)
        self.items, self.digests = [], []

    def let_go(self, written: WrittenTexts) -> None:
        """Discard the content. What decides whether the output's count is final is handed to `written`."""
        if self.items and not (self.has_stopped and _output_tokens(self.usage or {}) > 0):
            written.add(self, self.items)
        self.items, self.digests, self.shows_output = [], [], False

    def turn(self, context: str, parent: str | None, agent: str | None) -> Turn:
        """Return the turn. Raises UsageError if the usage contradicts itself."""
        usage, notes = self._normalised_usage()
        # Only a prompt that is said to have no tokens is looked at whole.
        has_no_input = usage is not None and not usage.input_tokens
        prompt = self.prompt.blocks_after(0) if has_no_input else ()
        reason = implausibility(usage, prompt, self.output)
        incomplete = usage is not None and self._output_is_a_placeholder(usage)
        if reason is not None and (not incomplete or not usage or not usage.input_tokens):
            usage, notes, incomplete = None, (*notes, reason), False
        request = self.request
        miss, missed_tokens = cache_miss_of(self.diagnostics)
        return Turn(
            id=self.id,
            context=context,
            provider=PROVIDER,
            seller=seller_of_answer(self.id, self.model, PROVIDER),
            requested_model=without_account(
                (request.model if request else None) or self.requested_model or self.model
            ),
            model=without_account(self.model),
            started_at=self.started_at,
            duration_s=(self.ended_at - self.started_at).total_seconds() if self.ended_at else None,
            status="ok",
            usage=usage,
            added=self.prompt.blocks_after(self.kept) if self.shows_output else (),
            output=self.output if self.shows_output else (),
            base=self.base if self.shows_output else None,
            kept=self.kept if self.shows_output else 0,
            agent=agent,
            parent=parent,
            attempts=self.attempts,
            selectors=selectors_of(self.usage or {}),
            breakpoints=self.breakpoints,
            settings=request.settings if request and self.shows_output else {},
            hidden_prefix=self.prompt.head is None and self.shows_output,
            output_incomplete=incomplete,
            notes=notes,
            raw_usage=raw_json(self.usage or self.other_usage) if notes else None,
            compacted=self.compacted,
            cache_miss_reason=miss,
            cache_missed_tokens=missed_tokens,
            cleared_tool_uses=cleared_tool_uses_of(self.management),
        )

    def _normalised_usage(self) -> tuple[Usage | None, tuple[str, ...]]:
        """Return the usage and notes about it. Raises UsageError if it contradicts itself."""
        if self.usage is None and self.other_usage is not None:
            return None, (OTHER_USAGE,)
        if self.usage is None or self.usage.get("input_tokens") is None:
            return None, (CUT_USAGE,) * any((self.usage or {}).values())
        read = read_anthropic(self.usage)
        return read.usage, read.notes

    def advice(self, turn: Turn) -> list[Turn]:
        """Return a turn for each other model that advised: its tokens are not in the counts of the answer."""
        return [
            replace(
                turn,
                id=f"{self.id}#advisor-{number}",
                model=part.model or turn.model,
                requested_model=part.model or turn.model,
                usage=part.usage,
                agent=ADVISOR,
                context=f"{turn.context}.{ADVISOR}",
                parent=turn.context,
                added=(),
                output=(),
                base=None,
                kept=0,
                breakpoints=(),
                notes=(),
                raw_usage=None,
                output_incomplete=False,
                compacted=False,
                hidden_prefix=True,
            )
            for number, part in enumerate(advisor_iterations(self.usage or {}), 1)
        ]

    def _output_is_a_placeholder(self, usage: Usage) -> bool:
        """Whether the output count is the placeholder with which a stream begins, for want of a later one.

        A stop reason comes with the final count. Without one, the count must be large enough for what the
        rows show was written.
        """
        if self.has_stopped:
            return False
        written = sum(_local_tokens(block.features) for block in self.output)
        framing = LEAST_FRAMING_TOKENS_PER_CALL * len(self.calls)
        return usage.all_output_tokens < LEAST_SHARE_OF_LOCAL_COUNT * written + framing


def quick_digest(item: Wire) -> str:
    """Return what tells an item from the others of its response, for a reading that keeps no digests."""
    return format(hash(canonical(item)), "x")


def thread_of(line: Wire, above: Above[Response]) -> str:
    """Return the conversation of a row: empty for the main one, else the subagent's id."""
    agent = line.get("agentId")
    if isinstance(agent, str):
        return agent
    if not line.get("isSidechain"):
        return ""
    if above.response is not None and above.response.thread:
        return above.response.thread
    return f"sidechain-{above.top[:8]}"


def is_compaction(response: Response) -> bool:
    """Whether a response is the summary that a compaction asked for."""
    source = response.request.source if response.request else ""
    return response.thread.startswith(COMPACTION_AGENT) or source == "compact"


def warnings_of(
    name: str,
    responses: Collection[Response],
    failed_calls: int,
    agents_named: Set[str],
    compactions: int,
) -> list[str]:
    """Return what a session's rows say about calls that are not among its responses."""
    warnings = []
    if failed_calls:
        warnings.append(
            f"{name}: {failed_calls} call{'s' if failed_calls > 1 else ''} ended in an "
            "API error and were not billed; they are not counted as turns."
        )
    missing = sorted(agents_named - {response.thread for response in responses})
    if missing:
        warnings.append(
            f"{name}: no log of subagent {', '.join(missing)} was found, so its calls are not counted."
        )
    unrecorded = compactions - sum(map(is_compaction, responses))
    if unrecorded > 0:
        warnings.append(
            f"{name}: {unrecorded} of {compactions} compactions "
            "left no record of their own call, so its cost is not counted."
        )
    return warnings


def _output_tokens(usage: Wire) -> int:
    tokens = usage.get("output_tokens")
    return tokens if isinstance(tokens, int) else -1


def _local_tokens(features: Features) -> float:
    if features.tokens:
        return next(iter(features.tokens.values()))
    return features.bytes / BYTES_PER_TOKEN if features.chars else 0
