"""The facts that flow through the profiler: blocks, turns, runs.

A `Run` is what happened, with no money in it: prices, hardware and attribution are applied to it later, so an
old run can be read again with a better model. Harness adapters and readers make these values; everything else
only reads them.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import field, fields
from datetime import datetime
from decimal import Decimal
from operator import attrgetter
from typing import Any, Literal

from tokenprof.data_classes.frozen import frozen
from tokenprof.data_classes.often_made import often_made
from tokenprof.facts.shared_prefix import Trail
from tokenprof.pricing.selectors import Selectors
from tokenprof.pricing.usage import Usage

BlockKind = Literal[
    "system",
    "tool",
    "skills_index",
    "skill",
    "memory",
    "user",
    "document",
    "image",
    "assistant",
    "thinking",
    "tool_call",
    "tool_result",
    "reminder",
    "summary",
    "server_state",
    "output",
    "provider_overhead",
    "unattributed",
]
"""The kinds of blocks. The last two hold tokens that no block on the wire accounts for."""

TASK_NOTIFICATION = "task notification"
"""The name of a block by which a harness says that a task in the background has ended."""

Section = Literal["tools", "system", "messages"]
"""The part of the prompt that holds a block, in the order in which Anthropic caches them."""

TurnStatus = Literal["ok", "partial", "error"]
"""`partial`: cut off before its final usage. `error`: ended in an error event, but was billed."""


@often_made
class Features:
    """Measures of a block's text, taken before the text is discarded.

    They are everything that a token estimate needs later. `tokens` maps the name of a bundled vocabulary to
    the count of the text in it. Images and documents have `bytes` and no `tokens`.
    """

    version: int
    bytes: int
    chars: int = 0
    tokens: Mapping[str, int] = field(default_factory=dict)
    letters: int = 0
    uppercase: int = 0
    digits: int = 0
    punctuation: int = 0
    spaces: int = 0
    newlines: int = 0
    non_ascii: int = 0
    pixels: int = 0


@often_made
class Child:
    """A finer part of a block: a line of a skills index, a field of a tool's schema."""

    name: str
    digest: str
    tokens: Mapping[str, int] = field(default_factory=dict)


@often_made
class Block:
    """One content block, tool definition or item as it stood on the wire.

    `digest` is keyed per project: equal texts match, and nobody can test a guess. `opens_message` marks the
    first block of a message, which carries that message's framing tokens. `link` pairs a tool call with its
    result. `deferred` marks a tool whose schema is not in the prompt until referenced. `fields` holds a
    digest per field, so that a change can be named (`description`, `input_schema`). `uses` names the skills
    whose files or tools a tool call touches; on a skill it holds that skill's own name if its body names any.
    None means that nobody looked. `content_digest` is the same for two tool calls with equal arguments and
    for two results with equal texts, whatever the ids of their calls; `label` says in a few words what a
    tool call is about, if its owner asked for labels. Both are None on other blocks.
    """

    kind: BlockKind
    name: str
    digest: str
    section: Section
    role: str
    opens_message: bool
    features: Features
    link: str | None = None
    deferred: bool = False
    fields: Mapping[str, str] = field(default_factory=dict)
    children: tuple[Child, ...] = ()
    uses: tuple[str, ...] | None = None
    content_digest: str | None = None
    label: str | None = None


def block_key(block: Block) -> str:
    """Return what two occurrences must share to be the same in a prefix: text, role, and message start."""
    return f"{block.digest}{'+' if block.opens_message else '-'}{block.role}"


@frozen
class Breakpoint:
    """A cache breakpoint: the prompt may be cached up to and including block `after`."""

    after: int
    ttl: Literal["5m", "1h", "30m", "12h"]


@frozen(slots=False, kw_only=True)
class AnswerFacts:
    """What the bytes of an answered call show; shared by `Turn` and by the `Call` that an adapter reads.

    `usage` is None if the provider reported none (*unmeasured*). `settings` holds digests of the request
    parameters that are part of the cache key. `output_incomplete` marks an output whose count is not final.
    `cache_miss_reason` and `cache_missed_tokens` are what the provider says about a missed cache. `notes`
    are sentences about this answer's bill: why it has no usage, what its counts leave out, which keys of the
    usage were not understood; `raw_usage` is then the usage object as it was, as JSON. `stated_usd` is what
    the seller itself says that the call cost. `cleared_tool_uses` is how many uses of tools the provider says
    it left out of the prompt, the oldest ones.
    """

    # Without slots of its own, so that a slotted class can extend this part and `CallerFacts` together.
    __slots__ = ()

    requested_model: str
    model: str
    status: TurnStatus
    usage: Usage | None
    output: tuple[Block, ...] = ()
    breakpoints: tuple[Breakpoint, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    selectors: Selectors = field(default_factory=Selectors)
    output_incomplete: bool = False
    cache_miss_reason: str | None = None
    cache_missed_tokens: int | None = None
    notes: tuple[str, ...] = ()
    raw_usage: str | None = None
    stated_usd: Decimal | None = None
    cleared_tool_uses: int | None = None


@frozen(slots=False, kw_only=True)
class CallerFacts:
    """What is known about a call beyond its bytes: who made it, when, in how many tries.

    Shared by `Turn` and `LoggedCall`.

    `provider` is the API's provider, recognised by the shape and path of the request, not by the host name.
    `seller` is who sold the call, if that is somebody else: a gateway, a cloud, another maker with the same
    API. Prices are the seller's. `started_at` is UTC. `attempts` counts the tries, the answered one included.
    `hidden_prefix` says that the true prompt began with content that the source does not show (a transcript
    without system prompt and tools). `output_rest_in` is the id of the turn that counts what this one's
    incomplete output lacks, if the source knows only their sum. `is_fetched` says that an answer was only
    fetched, which another call had asked for.
    """

    __slots__ = ()

    provider: str
    started_at: datetime
    duration_s: float | None = None
    ttft_s: float | None = None
    agent: str | None = None
    attempts: int = 1
    tags: Mapping[str, str] = field(default_factory=dict)
    hidden_prefix: bool = False
    output_rest_in: str | None = None
    seller: str | None = None
    is_fetched: bool = False


@often_made(kw_only=True)
class Turn(AnswerFacts, CallerFacts):
    """One billed model call.

    The prompt is held as a delta, as it was recorded: the first `kept` blocks of turn `base` (an index into
    `Run.turns`), then `added`. `base` is None if `kept` is 0. `context` names the message history that the
    call extends; `parent` the context that spawned it. `compacted` says that the prompt continues a history
    in shortened form. A new field of a call is a line in `AnswerFacts` or `CallerFacts` and a row in
    `tokenprof.record.turn_codec`.
    """

    id: str
    context: str
    added: tuple[Block, ...]
    base: int | None = None
    kept: int = 0
    parent: str | None = None
    compacted: bool = False

    @property
    def sold_by(self) -> str:
        """Whose prices hold for the call."""
        return self.seller or self.provider


def facts_of(
    part: type[AnswerFacts] | type[CallerFacts], source: AnswerFacts | CallerFacts
) -> dict[str, Any]:
    """Return the fields of `part` as `source` holds them, by name, to make another object with that part.

    For a call that becomes a turn: `Turn(**facts_of(AnswerFacts, call), id=…)`.
    """
    names, values_of = _FACTS_OF[part.__name__]
    return dict(zip(names, values_of(source), strict=True))


def _names_and_reader(part: type) -> tuple[tuple[str, ...], Callable[[object], tuple[Any, ...]]]:
    names = tuple(field_.name for field_ in fields(part))
    return names, attrgetter(*names)


_FACTS_OF = {part.__name__: _names_and_reader(part) for part in (AnswerFacts, CallerFacts)}


ProblemReason = Literal[
    "unreadable",
    "not_written",
    "unfinished",
    "unassigned",
    "file_lost",
    "process_ended",
    "unknown_bill",
    "interrupted",
]
"""Why calls are missing from a recording.

`unreadable`: what went over the wire could not be read. `not_written`: the disk refused the line.
`unfinished`: the recording ended first. `unassigned`: the call's thread belongs to none of several open
recordings. `file_lost`: the turns were in a file that was deleted. `process_ended`: a process was killed, or
left at once, before it had written them. `unknown_bill`: the caller gave up, and the provider may have billed
what it did. `interrupted`: tokenprof failed while the call was made.
"""


@frozen
class Problem:
    """Calls that were made but that a recording does not hold, and what is known about them.

    `calls` is how many there are. `client` is the library that made them, `error` the name of an exception;
    both are empty if they are not known, as are `provider` and `model`.
    """

    reason: ProblemReason
    at: datetime
    calls: int = 1
    client: str = ""
    provider: str = ""
    model: str = ""
    error: str = ""


@frozen
class Source:
    """A file that was read, and its format."""

    file: str
    format: str
    runs: int


@frozen
class Run:
    """The billed turns of one or several recordings, in time order, with the readers' warnings.

    `problems` are the calls that are missing; with any, every total of the run is a lower bound.
    """

    turns: tuple[Turn, ...]
    sources: tuple[Source, ...] = ()
    warnings: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()

    def prompts(self) -> list[Trail[Block]]:
        """Return each turn's whole prompt, put together from the deltas, in the order of `turns`."""
        whole: dict[int, Trail[Block]] = {}
        for index in range(len(self.turns)):
            for at in self.bases_first(index, whole):
                turn = self.turns[at]
                if turn.base is None:
                    whole[at] = Trail(turn.added)
                else:
                    whole[at] = whole[turn.base].then(turn.kept, turn.added)
        return [whole[index] for index in range(len(self.turns))]

    def bases_first(self, index: int, known: Container[int]) -> list[int]:
        """Return a turn's index after those of its bases that are not `known`, each after its own base."""
        # Of calls that ran in parallel, the one that ended first may have started last.
        chain = [index]
        while (base := self.turns[chain[-1]].base) is not None and base not in known:
            chain.append(base)
        return chain[::-1]
