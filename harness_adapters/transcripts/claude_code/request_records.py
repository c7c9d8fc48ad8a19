"""The request records of newer Claude Code logs: which tools, system prompt and messages were sent.

An `api-request` names its tools and system prompt (`api-request-shape`) and its messages by hash: the first
`keep` of another request's, then `tail`. A hash is that of an `api-request-blob`, or of a message that the
log's rows hold: the SHA-256 of its compact JSON with sorted keys, without cache markers. The format is
undocumented and was observed in version 2.1.330, so anything may be missing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence, Set
from typing import Any

import orjson

from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.shared_prefix import Trail
from tokenprof.facts.types import Breakpoint
from tokenprof.harness_adapters.transcripts.claude_code.logged_prompts import (
    Head,
    LoggedPiece,
    LoggedPrompt,
    PieceMaker,
)
from tokenprof.harness_adapters.wires.anthropic_messages import settings_of
from tokenprof.record.block_facts import Shaper
from tokenprof.record.wire_values import Wire, content_items, mapping

RECORD_TYPES = frozenset({"api-request", "api-request-shape", "api-request-blob"})


@frozen
class Request:
    """One `api-request` record.

    `messages` are the hashes of all its messages, the first `keep` of them those of its `base`; None if its
    base is unknown.
    """

    id: str
    timestamp: str
    source: str
    model: str | None
    shape: str
    base: str | None
    keep: int
    messages: Trail[str] | None
    tail: int
    markers: tuple[Wire, ...]
    settings: Mapping[str, str]


def message_hash(role: str, items: Sequence[Wire]) -> str:
    """Return the hash by which request records name a message."""
    data = orjson.dumps({"role": role, "content": items}, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(data).hexdigest()


class Requests:
    """The request records of a session, and the pieces that belong to their hashes."""

    def __init__(self, maker: PieceMaker, shaper: Shaper):
        self._maker = maker
        self._shaper = shaper
        self._shapes: dict[str, Wire] = {}
        self._requests: dict[str, Request] = {}
        self._blobs: dict[str, Wire] = {}
        self._pieces: dict[str, LoggedPiece] = {}
        self._prompts: dict[str, LoggedPrompt] = {}
        self._lines: dict[str, int] = {}

    def __bool__(self) -> bool:
        return bool(self._requests)

    def add(self, line: Wire, number: int) -> None:
        """Note a record, and the number of its line."""
        kind = line["type"]
        if kind == "api-request-shape" and isinstance(line.get("shape"), Mapping):
            self._shapes[str(line.get("shapeHash"))] = line["shape"]
            self._lines[str(line.get("shapeHash"))] = number
        elif kind == "api-request-blob" and isinstance(line.get("message"), Mapping):
            self._blobs[str(line.get("hash"))] = line["message"]
            self._lines[str(line.get("hash"))] = number
        elif kind == "api-request":
            self._add_request(line)

    def _add_request(self, line: Wire) -> None:
        params = mapping(line.get("params"))
        tail = tuple(str(h) for h in line.get("tail") or ())
        base = str(line["base"]) if line.get("base") is not None else None
        keep = int(line.get("keep") or 0) if base is not None else 0
        known: Trail[str] | None = Trail()
        if base is not None:
            known = self._requests[base].messages if base in self._requests else None
        is_known = known is not None and len(known) >= keep
        request = Request(
            id=str(line.get("id")),
            timestamp=str(line.get("timestamp") or ""),
            source=str(line.get("querySource") or ""),
            model=params.get("model") if isinstance(params.get("model"), str) else None,
            shape=str(line.get("shapeHash")),
            base=base,
            keep=keep,
            messages=known.then(keep, tail) if known is not None and is_known else None,
            tail=len(tail),
            markers=tuple(marker for marker in line.get("cacheControl") or () if _is_marker(marker)),
            settings=settings_of(params, self._shaper),
        )
        self._requests[request.id] = request

    def let_go(self) -> set[int]:
        """Forget texts. Return the lines that hold them; add those again before anything else."""
        lines = {self._lines[hash_] for hash_ in (*self._shapes, *self._blobs)}
        self._shapes, self._blobs = {}, {}
        return lines

    def get(self, id_: object) -> Request | None:
        """Return the request of an answer's `requestRef`."""
        return self._requests.get(id_) if isinstance(id_, str) else None

    def tools(self, request: Request | None) -> list[Wire]:
        """Return the tool definitions that a request carried, as on the wire."""
        shape = self._shapes.get(request.shape) if request else None
        return content_items(shape.get("tools")) if shape else []

    def note_message(self, hash_: str, piece: LoggedPiece) -> None:
        """Note the message that the log's rows hold for a hash."""
        self._pieces.setdefault(hash_, piece)

    def prompt(self, request: Request, expected_tail: Sequence[LoggedPiece]) -> LoggedPrompt | None:
        """Return a request's messages as a prompt without a head; None if some cannot be found.

        `expected_tail` is what the rows say was added. If it has as many messages as the tail, it is used for
        hashes without a match, as in a redacted log.
        """
        if not request.messages:
            return None
        base = self._prompts.get(request.base or "")
        kept = request.keep if base is not None else 0
        hashes = request.messages[kept:]
        pieces = [self._piece_of(hash_, request) for hash_ in hashes]
        start = max(len(pieces) - request.tail, 0)
        if None in pieces[start:] and len(expected_tail) == request.tail:
            for index, stand_in in enumerate(expected_tail, start):
                if pieces[index] is None:
                    self._pieces[hashes[index]] = pieces[index] = stand_in
        found = [piece for piece in pieces if piece is not None]
        if len(found) < len(pieces):
            return None
        prompt = (base or LoggedPrompt.of(None, ())).then(None, found, kept)
        self._prompts[request.id] = prompt
        return prompt

    def _piece_of(self, hash_: str, request: Request) -> LoggedPiece | None:
        if hash_ not in self._pieces and hash_ in self._blobs:
            message = self._blobs.pop(hash_)
            self._pieces[hash_] = self._maker.piece(
                str(message.get("role")), content_items(message.get("content")), self.tools(request)
            )
        return self._pieces.get(hash_)

    def head(self, request: Request, referenced: Set[str]) -> Head | None:
        """Return a request's tools and system prompt; None if its shape is missing from the log.

        `referenced` names the tools whose schemas stand in the messages.
        """
        shape = self._shapes.get(request.shape)
        if shape is None:
            return None
        markers = [marker for marker in request.markers if marker["path"][0] in ("tools", "system")]
        return self._maker.head(request.shape, shape, markers, referenced)

    def breakpoints(self, request: Request, prompt: LoggedPrompt) -> tuple[Breakpoint, ...]:
        """Return a request's cache breakpoints as indices of its prompt."""
        found = list(prompt.head.breakpoints) if prompt.head else []
        for marker in request.markers:
            after = _place(marker["path"], prompt)
            if after is not None:
                found.append(Breakpoint(after, "1h" if marker["value"].get("ttl") == "1h" else "5m"))
        return tuple(sorted(found, key=lambda breakpoint_: breakpoint_.after))


def _place(path: Sequence[Any], prompt: LoggedPrompt) -> int | None:
    """Return the index of the block that has a marker in the messages."""
    first = len(prompt.head.blocks) if prompt.head else 0
    if path[0] == "cache_control":
        return first + prompt.blocks_of(len(prompt.pieces)) - 1 if prompt.pieces or first else None
    if path[0] != "messages" or len(path) < 2 or not path[1] < len(prompt.pieces):
        return None
    ends = prompt.pieces[path[1]].ends
    item = path[3] if len(path) > 3 else len(ends) - 1
    return first + prompt.starts[path[1]] + ends[item] if 0 <= item < len(ends) else None


def _is_marker(value: object) -> bool:
    marker = mapping(value)
    path = marker.get("path")
    return (
        isinstance(marker.get("value"), Mapping)
        and isinstance(path, list)
        and bool(path)
        and all(isinstance(step, int) for step in path[1:4:2])
    )
