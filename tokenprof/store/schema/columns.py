"""The columns of each table of a store, with their types and meanings; docs/store.md shows the same list.

Tables hold facts and no money: prices are applied when a store is asked. A column is never renamed or given
another meaning without a new `SCHEMA_VERSION`; new columns may be added to the end of a table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

SCHEMA_VERSION: Final = 1

ColumnType = Literal[
    "int64", "int32", "bool", "double", "string", "date", "timestamp", "tags", "strings", "files"
]
"""`timestamp` is UTC with microseconds, `tags` a map of texts, `files` a list of file identities."""


@dataclass(frozen=True, slots=True)
class StoredColumn:
    """A column: its name, its type, what it means, and whether it may be unknown."""

    name: str
    type: ColumnType
    meaning: str
    nullable: bool = False


@dataclass(frozen=True, slots=True)
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
    StoredColumn("day", "date", "the partition's day, UTC"),
    StoredColumn(
        "project", "string", "the partition's project: the tag `project`, else the folder of the log"
    ),
    StoredColumn("log_id", "int64", "which version of which log the row is from; see `logs`"),
)

_TOKENS: Final = tuple(
    StoredColumn(f"{cls}_tokens", "int64", meaning, nullable=True)
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
        StoredColumn("turn", "int32", "its number in the log, from 0"),
        StoredColumn(
            "path", "int32", "which chain of prompts it is on; prompts of a chain extend one another"
        ),
        StoredColumn("step", "int32", "its place on that chain, from 0"),
        StoredColumn("started_at", "timestamp", "when the call began"),
        StoredColumn("duration_s", "double", "how long it took", nullable=True),
        StoredColumn("ttft_s", "double", "time to the first token", nullable=True),
        StoredColumn("gap_s", "double", "idle time until the next turn of its context", nullable=True),
        StoredColumn("response_id", "string", "the provider's id of the response"),
        StoredColumn("context", "string", "the message history that it extends"),
        StoredColumn("parent", "string", "the context that spawned this one", nullable=True),
        StoredColumn("session", "string", "project/name of the log"),
        StoredColumn("agent", "string", "the agent that made the call", nullable=True),
        StoredColumn("provider", "string", "whose API it is"),
        StoredColumn("seller", "string", "who sold the call, if that is somebody else", nullable=True),
        StoredColumn("model", "string", "the model that served it"),
        StoredColumn("requested_model", "string", "the model that was asked for"),
        StoredColumn("status", "string", "ok, partial or error"),
        StoredColumn("attempts", "int32", "how often it was tried"),
        StoredColumn("tags", "tags", "the run's tags"),
        StoredColumn("service_tier", "string", "the tier that it was served on; empty for the standard one"),
        StoredColumn("speed", "string", "the speed that it was served at; empty for the standard one"),
        StoredColumn("inference_geo", "string", "the region that it was served in; empty if none is named"),
        StoredColumn("batch", "bool", "whether it was part of a batch"),
        StoredColumn("is_measured", "bool", "whether the provider reported usage"),
        *_TOKENS,
        StoredColumn("input_tokens", "int64", "the whole prompt", nullable=True),
        StoredColumn("audio_input_tokens", "int64", "how much of the prompt is audio", nullable=True),
        StoredColumn("audio_output_tokens", "int64", "how much of the output is audio", nullable=True),
        StoredColumn("image_output_tokens", "int64", "how much of the output is images", nullable=True),
        StoredColumn("fees", "int64", "how many pieces were billed by the piece; see `fees`"),
        StoredColumn("has_request_fee", "bool", "whether a fee per request is among them"),
        StoredColumn("output_incomplete", "bool", "whether its output has no final count anywhere"),
        StoredColumn(
            "output_rest_in", "string", "the response that counts the rest of its output", nullable=True
        ),
        StoredColumn("notes", "int32", "how many notes say what its counts leave out"),
        StoredColumn("stated_usd", "string", "what the seller itself says it cost [USD]", nullable=True),
        StoredColumn("format", "string", "the format of the log"),
    ),
)

FEES: Final = StoredTable(
    "fees",
    "One row a turn and kind of piece: web searches, requests, and the like.",
    "the turn's start",
    (
        *_PLACE,
        StoredColumn("turn", "int32", "the turn that was charged"),
        StoredColumn("fee", "string", "what was charged for"),
        StoredColumn("pieces", "int64", "how many"),
    ),
)

BLOCKS: Final = StoredTable(
    "blocks",
    "One row a block of a context.",
    "the first turn of the log",
    (
        *_PLACE,
        StoredColumn("block", "int32", "its number in the log"),
        StoredColumn("kind", "string", "system, tool, tool_result, output, and so on (docs/nomenclature.md)"),
        StoredColumn("name", "string", "its name; empty unless the store keeps names", nullable=True),
        StoredColumn("tool", "string", "the tool whose schema, call or result it is", nullable=True),
        StoredColumn("skill", "string", "the skill that it holds", nullable=True),
        StoredColumn("mcp_server", "string", "the MCP server of that tool", nullable=True),
        StoredColumn("digest", "string", "keyed digest of its text; equal texts of a project match"),
        StoredColumn("context", "string", "the message history that it is in"),
        StoredColumn("born_turn", "int32", "the turn that first sent or wrote it"),
        StoredColumn("last_turn", "int32", "the last turn that sent it"),
        StoredColumn("tokens", "int64", "size of one occurrence"),
        StoredColumn("tokens_low", "int64", "its lower bound"),
        StoredColumn("tokens_high", "int64", "its upper bound"),
        StoredColumn("is_exact", "bool", "whether the bill pins the size"),
        StoredColumn("evicted_by", "string", "why it left: compaction or changed", nullable=True),
    ),
)

CALLS: Final = StoredTable(
    "calls",
    "One row a tool call.",
    "the first turn of the log",
    (
        *_PLACE,
        StoredColumn("turn", "int32", "the turn that wrote the call, or first sent it"),
        StoredColumn("tool", "string", "the tool's name"),
        StoredColumn("mcp_server", "string", "its MCP server", nullable=True),
        StoredColumn("block", "int32", "the block of the call"),
        StoredColumn("result_block", "int32", "the block of its result", nullable=True),
        StoredColumn("call_tokens", "int64", "size of the call"),
        StoredColumn("result_tokens", "int64", "size of the result", nullable=True),
        StoredColumn("result_turn", "int32", "the turn that first sent the result", nullable=True),
    ),
)

LEDGER: Final = StoredTable(
    "ledger",
    "One row a block, class and run of consecutive turns: what was billed in each of those turns.",
    "the first turn of the log",
    (
        *_PLACE,
        StoredColumn("block", "int32", "the block that the tokens are on"),
        StoredColumn("path", "int32", "the chain of prompts; see `turns`"),
        StoredColumn("first_step", "int32", "the first step of the chain that was billed so"),
        StoredColumn("after_step", "int32", "the first step after it that was not"),
        StoredColumn("class", "string", "the price class"),
        StoredColumn("media", "string", "text, audio, image, or unclear if the counts do not say"),
        StoredColumn("fee", "string", "the name of a fee; empty for tokens"),
        StoredColumn("units", "int64", "tokens a turn; for a fee, pieces"),
        StoredColumn("start_tokens", "int64", "tokens of the prompt before them", nullable=True),
    ),
)

LOGS: Final = StoredTable(
    "logs",
    "One row a log that was read or passed over; it is what an ingest compares files with.",
    "",
    (
        StoredColumn("log_id", "int64", "names this version of the log"),
        StoredColumn("source", "string", "the path of its main file"),
        StoredColumn("format", "string", "its format; empty if no reader knows it"),
        StoredColumn("project", "string", "see `turns`"),
        StoredColumn("session", "string", "see `turns`"),
        StoredColumn("state", "string", "present, gone, unreadable, or not_a_log"),
        StoredColumn("files", "files", "its files as they were when they were read"),
        StoredColumn("turns", "int64", "how many responses it holds"),
        StoredColumn("missing_calls", "int64", "calls that could not be recorded"),
        StoredColumn("warnings", "strings", "what could not be read"),
        StoredColumn("error", "string", "why it is unreadable", nullable=True),
        StoredColumn("first_at", "timestamp", "its first turn", nullable=True),
        StoredColumn("last_at", "timestamp", "its last turn", nullable=True),
        StoredColumn("generation", "int64", "the commit that wrote it"),
    ),
)

REPEATS: Final = StoredTable(
    "repeats",
    "One row a response that another log holds too; it is counted there and not here.",
    "",
    (
        StoredColumn("log_id", "int64", "the log"),
        StoredColumn("turn", "int32", "its turn that is not counted"),
    ),
)

DATA_TABLES: Final = (TURNS, FEES, BLOCKS, CALLS, LEDGER)
"""The tables in partitions by day and project."""

STATE_TABLES: Final = (LOGS, REPEATS)
"""The tables that every commit writes again, as one file each."""

ALL_TABLES: Final = (*DATA_TABLES, *STATE_TABLES)
