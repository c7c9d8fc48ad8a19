"""The columns of each table of a store, with their types and meanings; docs/store.md shows the same list.

Tables hold facts and no money: prices are applied when a store is asked. A column is never renamed or given
another meaning without a new `SCHEMA_VERSION`; new columns may be added to the end of a table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final, Literal

from tokenprof.data_classes.frozen import frozen

SCHEMA_VERSION: Final = 1

ColumnType = Literal[
    "int64", "int32", "bool", "double", "string", "date", "timestamp", "tags", "strings", "files"
]
"""`timestamp` is UTC with microseconds, `tags` a map of texts, `files` a list of file identities."""


Columns = Mapping[str, Sequence[object]]
"""The values of the columns of a table, by their names."""

Origin = Literal["log", "bill", "sizes", "ingest"]
"""Where a value comes from: what the log says, the usage that the provider reported, the sizes that
attribution found, or the ingest's own bookkeeping."""

MEDIA: Final = ("text", "audio", "image")
"""What a class with several prices may hold, in the order of its portions."""

UNCLEAR: Final = "unclear"
"""The media of a class that holds audio or images if the counts do not say how much."""

UNITS: Final = {"tokens": "tokens", "s": "s", "usd": "USD", "bytes": "bytes", "ns": "ns"}
"""Units by the word of a column's name that says it."""


@frozen
class StoredColumn:
    """A column: its name, its type, what it means, where it comes from, and whether it may be unknown."""

    name: str
    type: ColumnType
    meaning: str
    origin: Origin
    nullable: bool = False

    @property
    def unit(self) -> str:
        """Return the unit that its name says; empty for what is not a quantity."""
        return next((unit for word, unit in UNITS.items() if word in self.name.split("_")), "")


_logged = partial(StoredColumn, origin="log")
_billed = partial(StoredColumn, origin="bill")
_sized = partial(StoredColumn, origin="sizes")
_kept = partial(StoredColumn, origin="ingest")


@frozen
class StoredTable:
    """A table of a store. `day_of` says what the day of its partition is."""

    name: str
    meaning: str
    day_of: str
    columns: tuple[StoredColumn, ...]

    @property
    def sort_columns(self) -> tuple[str, ...]:
        """Return the columns that the rows of a file are sorted by."""
        names = [column.name for column in self.columns]
        return tuple(
            name for name in ("log_id", "turn", "block", "path", "step", "first_step") if name in names
        )


_PLACE: Final = (
    _kept("day", "date", "the partition's day, UTC"),
    _kept("project", "string", "the partition's project: the tag `project`, else the folder of the log"),
    _kept("log_id", "int64", "which version of which log the row is from; see `logs`"),
)

_TOKENS: Final = tuple(
    _billed(f"{cls}_tokens", "int64", meaning, nullable=True)
    for cls, meaning in (
        ("uncached_input", "prompt tokens billed as fresh input; unknown if the turn is unmeasured"),
        ("cache_read", "prompt tokens read from the cache"),
        ("cache_write_5m", "prompt tokens written to the cache for 5 minutes"),
        ("cache_write_1h", "the same for 1 hour"),
        ("cache_write_30m", "the same for 30 minutes"),
        ("cache_write_12h", "the same for 12 hours"),
        ("cache_write", "prompt tokens written to the cache for an unknown time"),
        ("output", "output tokens that are not reasoning"),
        ("reasoning", "reasoning tokens"),
    )
)

TURNS: Final = StoredTable(
    "turns",
    "One row a billed response.",
    "the turn's start",
    (
        *_PLACE,
        _logged("turn", "int32", "its number in the log, from 0"),
        _sized("path", "int32", "which chain of prompts it is on; prompts of a chain extend one another"),
        _sized("step", "int32", "its place on that chain, from 0"),
        _logged("started_at", "timestamp", "when the call began"),
        _logged("duration_s", "double", "how long it took", nullable=True),
        _logged("ttft_s", "double", "time to the first token", nullable=True),
        _logged("gap_s", "double", "idle time until the next turn of its context", nullable=True),
        _logged("response_id", "string", "the provider's id of the response"),
        _logged("context", "string", "the message history that it extends"),
        _logged("parent", "string", "the context that spawned this one", nullable=True),
        _logged("session", "string", "project/name of the log"),
        _logged("agent", "string", "the agent that made the call", nullable=True),
        _logged("provider", "string", "whose API it is"),
        _logged("seller", "string", "who sold the call, if that is somebody else", nullable=True),
        _logged("model", "string", "the model that served it"),
        _logged("requested_model", "string", "the model that was asked for"),
        _logged("status", "string", "ok, partial or error"),
        _logged("attempts", "int32", "how often it was tried"),
        _logged("tags", "tags", "the run's tags"),
        _logged("service_tier", "string", "the tier that it was served on; empty for the standard one"),
        _logged("speed", "string", "the speed that it was served at; empty for the standard one"),
        _logged("inference_geo", "string", "the region that it was served in; empty if none is named"),
        _logged("batch", "bool", "whether it was part of a batch"),
        _billed("is_measured", "bool", "whether the provider reported usage"),
        *_TOKENS,
        _billed("input_tokens", "int64", "the whole prompt", nullable=True),
        _billed("audio_input_tokens", "int64", "how much of the prompt is audio", nullable=True),
        _billed("audio_output_tokens", "int64", "how much of the output is audio", nullable=True),
        _billed("image_output_tokens", "int64", "how much of the output is images", nullable=True),
        _billed("fees", "int64", "how many pieces were billed by the piece; see `fees`"),
        _billed("has_request_fee", "bool", "whether a fee per request is among them"),
        _billed("output_incomplete", "bool", "whether its output has no final count anywhere"),
        _billed("output_rest_in", "string", "the response that counts the rest of its output", nullable=True),
        _billed("notes", "int32", "how many notes say what its counts leave out"),
        _billed("stated_usd", "string", "what the seller itself says it cost [USD]", nullable=True),
        _logged("format", "string", "the format of the log"),
    ),
)

FEES: Final = StoredTable(
    "fees",
    "One row a turn and kind of piece: web searches, requests, and the like.",
    "the turn's start",
    (
        *_PLACE,
        _billed("turn", "int32", "the turn that was charged"),
        _billed("fee", "string", "what was charged for"),
        _billed("pieces", "int64", "how many"),
    ),
)

BLOCKS: Final = StoredTable(
    "blocks",
    "One row a block of a context.",
    "the first turn of the log",
    (
        *_PLACE,
        _sized("block", "int32", "its number in the log"),
        _logged("kind", "string", "system, tool, tool_result, output, and so on (docs/nomenclature.md)"),
        _logged("name", "string", "its name; empty unless the store keeps names", nullable=True),
        _logged("tool", "string", "the tool whose schema, call or result it is", nullable=True),
        _logged("skill", "string", "the skill that it holds", nullable=True),
        _logged("mcp_server", "string", "the MCP server of that tool", nullable=True),
        _logged("digest", "string", "keyed digest of its text; equal texts of a project match"),
        _logged("context", "string", "the message history that it is in"),
        _sized("born_turn", "int32", "the turn that first sent or wrote it"),
        _sized("last_turn", "int32", "the last turn that sent it"),
        _sized("tokens", "int64", "size of one occurrence"),
        _sized("tokens_low", "int64", "its lower bound"),
        _sized("tokens_high", "int64", "its upper bound"),
        _sized("is_exact", "bool", "whether the bill pins the size"),
        _sized("evicted_by", "string", "why it left: compaction or changed", nullable=True),
    ),
)

CALLS: Final = StoredTable(
    "calls",
    "One row a tool call.",
    "the first turn of the log",
    (
        *_PLACE,
        _logged("turn", "int32", "the turn that wrote the call, or first sent it"),
        _logged("tool", "string", "the tool's name"),
        _logged("mcp_server", "string", "its MCP server", nullable=True),
        _sized("block", "int32", "the block of the call"),
        _sized("result_block", "int32", "the block of its result", nullable=True),
        _sized("call_tokens", "int64", "size of the call"),
        _sized("result_tokens", "int64", "size of the result", nullable=True),
        _sized("result_turn", "int32", "the turn that first sent the result", nullable=True),
    ),
)

LEDGER: Final = StoredTable(
    "ledger",
    "One row a block, class and run of consecutive turns: what was billed in each of those turns.",
    "the first turn of the log",
    (
        *_PLACE,
        _sized("block", "int32", "the block that the tokens are on"),
        _sized("path", "int32", "the chain of prompts; see `turns`"),
        _sized("first_step", "int32", "the first step of the chain that was billed so"),
        _sized("after_step", "int32", "the first step after it that was not"),
        _sized("class", "string", "the price class"),
        _sized("media", "string", "text, audio, image, or unclear if the counts do not say"),
        _sized("fee", "string", "the name of a fee; empty for tokens"),
        _sized("units", "int64", "tokens a turn; for a fee, pieces"),
        _sized("start_tokens", "int64", "tokens of the prompt before them", nullable=True),
    ),
)

LOGS: Final = StoredTable(
    "logs",
    "One row a log that was read or passed over; it is what an ingest compares files with.",
    "",
    (
        _kept("log_id", "int64", "names this version of the log"),
        _kept("source", "string", "the path of its main file"),
        _kept("format", "string", "its format; empty if no reader knows it"),
        _kept("project", "string", "see `turns`"),
        _kept("session", "string", "see `turns`"),
        _kept("state", "string", "present, gone, unreadable, or not_a_log"),
        _kept("files", "files", "its files as they were when they were read"),
        _kept("turns", "int64", "how many responses it holds"),
        _kept("missing_calls", "int64", "calls that could not be recorded"),
        _kept("warnings", "strings", "what could not be read"),
        _kept("error", "string", "why it is unreadable", nullable=True),
        _kept("first_at", "timestamp", "its first turn", nullable=True),
        _kept("last_at", "timestamp", "its last turn", nullable=True),
        _kept("generation", "int64", "the commit that wrote it"),
    ),
)

REPEATS: Final = StoredTable(
    "repeats",
    "One row a response that another log holds too; it is counted there and not here.",
    "",
    (
        _kept("log_id", "int64", "the log"),
        _kept("turn", "int32", "its turn that is not counted"),
    ),
)

DATA_TABLES: Final = (TURNS, FEES, BLOCKS, CALLS, LEDGER)
"""The tables in partitions by day and project."""

STATE_TABLES: Final = (LOGS, REPEATS)
"""The tables that every commit writes again, as one file each."""

ALL_TABLES: Final = (*DATA_TABLES, *STATE_TABLES)
