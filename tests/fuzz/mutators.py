"""Damage to files, by seed: what crashes, full disks, editors, other programs and attackers do to them.

Each mutator takes the bytes of a file and a generator of random numbers, and returns other bytes.
"""

from __future__ import annotations

import bz2
import copy
import gzip
import json
import lzma
import random
import re
from collections.abc import Callable
from typing import Any

import zstandard

Mutator = Callable[[bytes, random.Random], bytes]

ODD_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**53 + 1, 2**63, 2**64, -(2**70), 0.5, -0.0, 1e308),
    *("", " ", "0", "-1", "NaN", "1e999", "9" * 400, "é\u202e\x00", "\ud800", "x" * 5000),
    *("2026-13-45T99:99:99Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "../../etc/passwd"),
    *([], {}, [[]], [None], {"": None}, [{}] * 3),
)
"""Values that a field of another type may hold."""

ODD_LITERALS = (
    "NaN",
    "Infinity",
    "-Infinity",
    "1e999",
    "-1e-999",
    "1" * 500,
    "0x10",
    "01",
    "'a'",
    "undefined",
)
"""What other programs write, and JSON does not know."""


def cut(data: bytes, rng: random.Random) -> bytes:
    """The end is missing: a killed process, a full disk."""
    return data[: rng.randrange(len(data) + 1)]


def hole(data: bytes, rng: random.Random) -> bytes:
    """A piece in the middle is missing."""
    start = rng.randrange(len(data) + 1)
    return data[:start] + data[start + rng.choice((1, 2, 7, 64, 1000)) :]


def zeros(data: bytes, rng: random.Random) -> bytes:
    """A piece was never written to the disk."""
    start = rng.randrange(len(data) + 1)
    length = rng.choice((1, 16, 512, 4096))
    return data[:start] + bytes(min(length, len(data) - start)) + data[start + length :]


def bytes_changed(data: bytes, rng: random.Random) -> bytes:
    """Single bytes are others."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 2, 8))):
        if changed:
            changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


def piece_repeated(data: bytes, rng: random.Random) -> bytes:
    """A piece was written twice."""
    start = rng.randrange(len(data) + 1)
    piece = data[start : start + rng.choice((1, 10, 300))]
    return data[:start] + piece * rng.choice((2, 3)) + data[start + len(piece) :]


def lines_changed(data: bytes, rng: random.Random) -> bytes:
    """Lines are repeated, missing, swapped, joined, cut, or not of this file at all."""
    lines = data.splitlines(keepends=True)
    if not lines:
        return b"\n"
    at, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    change = rng.randrange(7)
    if change == 0:
        lines.insert(at, lines[other])
    elif change == 1:
        del lines[at]
    elif change == 2:
        lines[at], lines[other] = lines[other], lines[at]
    elif change == 3:
        lines[at] = lines[at].rstrip(b"\r\n")
    elif change == 4:
        lines[at] = lines[at][: rng.randrange(len(lines[at]) + 1)] + rng.choice((b"", b"\n"))
    elif change == 5:
        lines.insert(
            at, rng.choice((b"[]\n", b"null\n", b"3\n", b"{}\n", b"garbage\n", b"\n", b"\x00\n", b'"a"\n'))
        )
    else:
        rng.shuffle(lines)
    return b"".join(lines)


def recoded(data: bytes, rng: random.Random) -> bytes:
    """An editor saved it in another encoding, with a mark, or with other line ends."""
    text = data.decode("utf-8", "replace")
    return rng.choice(
        (
            lambda: text.encode("utf-16"),
            lambda: text.encode("utf-16-le"),
            lambda: text.encode("utf-32"),
            lambda: b"\xef\xbb\xbf" + data,
            lambda: text.encode("latin-1", "replace"),
            lambda: data.replace(b"\n", b"\r\n"),
            lambda: data.replace(b"\n", b"\r"),
            lambda: data.replace(b'"', "“".encode()),
        )
    )()


def literal_changed(data: bytes, rng: random.Random) -> bytes:
    """A number or string of the text is something that JSON does not know."""
    found = list(re.finditer(rb'(?<=[:\[,])\s*(-?\d+(?:\.\d+)?|"[^"\\]{0,40}"|true|null)', data))
    if not found:
        return data
    match = rng.choice(found)
    return data[: match.start(1)] + rng.choice(ODD_LITERALS).encode() + data[match.end(1) :]


def nested(data: bytes, rng: random.Random) -> bytes:
    """A value is nested deeply."""
    found = list(re.finditer(rb'(?<=[:\[,])\s*("[^"\\]{0,40}"|\d+|\{\}|\[\])', data))
    depth = rng.choice((50, 200, 900, 1020, 3000, 100_000))
    opened, closed = rng.choice(((b"[", b"]"), (b'{"a":', b"}"), (b'[{"content":', b"}]")))
    value = opened * depth + b"1" + closed * depth
    if not found:
        return value
    match = rng.choice(found)
    return data[: match.start(1)] + value + data[match.end(1) :]


def value_changed(data: bytes, rng: random.Random) -> bytes:
    """Values inside the JSON have another type or size, keys are renamed, missing or of another place."""
    lines = data.split(b"\n")
    whole = _parsed(data)
    if whole is not None:
        return _dumped(_changed(whole, rng), data)
    known = [number for number, line in enumerate(lines) if line.startswith((b"{", b"["))]
    if not known:
        return bytes_changed(data, rng)
    number = rng.choice(known)
    value = _parsed(lines[number])
    if value is None:
        return bytes_changed(data, rng)
    lines[number] = _dumped(_changed(value, rng), lines[number])
    return b"\n".join(lines)


def _parsed(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def _dumped(value: Any, before: bytes) -> bytes:
    """Return a value as JSON, or what it was before if it is too deep to be written."""
    try:
        return json.dumps(value).encode("utf-8")
    except RecursionError:
        return before


def _changed(value: Any, rng: random.Random) -> Any:
    for _ in range(rng.choice((1, 1, 2, 5))):
        places = _places(value) if isinstance(value, dict | list) else []
        if not places:
            return rng.choice(ODD_VALUES)
        holder, key = rng.choice(places)
        change = rng.randrange(6)
        if change == 0:
            del holder[key]
        elif change == 1 and isinstance(holder, dict):
            holder[rng.choice(("x", "", str(key).upper(), f"{key}s"))] = holder.pop(key)
        elif change == 2 and isinstance(holder, list):
            holder.insert(key, holder[key])
        elif change == 3:
            other, other_key = rng.choice(places)
            if other_key in (other if isinstance(other, dict) else range(len(other))):
                holder[key] = json.loads(json.dumps(other[other_key]))
        elif change == 4 and isinstance(holder[key], int | float):
            holder[key] = -holder[key] if rng.random() < 0.5 else holder[key] * 10**6
        else:
            holder[key] = copy.deepcopy(rng.choice(ODD_VALUES))
    return value


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Return (holder, key) of everything inside a JSON value."""
    found: list[tuple[Any, Any]] = []
    waiting = [value]
    while waiting:
        holder = waiting.pop()
        keys = list(holder) if isinstance(holder, dict) else range(len(holder))
        for key in keys:
            found.append((holder, key))
            if isinstance(holder[key], dict | list):
                waiting.append(holder[key])
    return found


def continued(data: bytes, rng: random.Random) -> bytes:
    """A file ends somewhere, and goes on with a part of itself: joined, resumed, or copied in pieces."""
    end, start = rng.randrange(len(data) + 1), rng.randrange(len(data) + 1)
    return data[:end] + rng.choice((b"", b"\n", b"\r\n", b"\x00")) + data[rng.choice((0, start)) :]


def times_changed(data: bytes, rng: random.Random) -> bytes:
    """Times are of another zone, unit, order or century, or not there."""
    found = list(re.finditer(rb'"\d{4}-\d\d-\d\d[T ][^"]{0,30}"|"?\b1[5-9]\d{8,17}\b"?', data))
    for match in rng.sample(found, k=min(len(found), rng.choice((1, 3)))):
        piece = match.group()
        other = rng.choice(ODD_TIMES)
        data = data.replace(piece, other, 1) if rng.random() < 0.7 else data.replace(piece, other)
    return data


ODD_TIMES = (
    *(b"null", b"0", b"-1", b'""', b'"yesterday"', b'"1970-01-01T00:00:00Z"', b'"2999-12-31T23:59:60Z"'),
    *(b'"2026-10-01T00:00:00+14:00"', b'"2026-10-01T00:00:00.123456789-09:30"', b'"2026-10-01"'),
    *(b"1790000000", b"1790000000.5", b"1790000000000", b"1790000000000000000", b"1e18", b'"1790000000"'),
    *(b"9" * 30, b"-62135596801", b'"20261001T000000Z"', b'"0000-00-00T00:00:00Z"', b"true", b"[]"),
)


def counts_changed(data: bytes, rng: random.Random) -> bytes:
    """Counts of tokens are of another type or size."""
    found = list(re.finditer(rb'(_tokens|Tokens|intValue|total|input|output)"\s*:\s*"?(\d+)"?', data))
    for match in rng.sample(found, k=min(len(found), rng.choice((1, 2, 8)))):
        count = match.group(2)
        other = rng.choice(
            (
                *(b'"' + count + b'"', count + b".0", count + b"e0", b"-" + count, count + b".5", b"null"),
                *(b'"' + count + b' tokens"', b"1e3", b"1e400", b"9" * 25, b"true", b"[" + count + b"]"),
                *(b"{}", b'""', count + b"000000", b"0", b'"NaN"', '"٣"'.encode()),
            )
        )
        told = match.group()
        data = data.replace(told, told[: told.index(b":") + 1] + other, 1)
    return data


def keys_repeated(data: bytes, rng: random.Random) -> bytes:
    """A key stands twice in an object, with another value."""
    found = list(re.finditer(rb'"(\w+)"\s*:\s*("[^"\\]{0,40}"|-?\d+|null|true)', data))
    if not found:
        return data
    match = rng.choice(found)
    other = rng.choice((b"0", b"null", b'"x"', b"[]", b"{}", b"12345", match.group(2)))
    pair = b'"' + match.group(1) + b'": ' + other
    whole = match.group()
    return (
        data[: match.start()] + rng.choice((whole + b", " + pair, pair + b", " + whole)) + data[match.end() :]
    )


def texts_changed(data: bytes, rng: random.Random) -> bytes:
    """Texts hold what terminals, databases and encoders stumble over."""
    found = list(re.finditer(rb'"([^"\\\x00-\x1f]{1,60})"', data))
    for match in rng.sample(found, k=min(len(found), rng.choice((1, 4)))):
        told = match.group()
        odd = rng.choice(ODD_TEXTS)
        data = data.replace(told, b'"' + rng.choice((odd, match.group(1) + odd)) + b'"', 1)
    return data


ODD_TEXTS = (
    *(
        rb"\ud800",
        rb"\udfff\ud800",
        rb"\u0000",
        rb"\u001b[31m",
        rb"\n\r\t",
        rb"\\",
        b"\xff\xfe",
        b"\xed\xa0\x80",
    ),
    *(b"None", b"null", b"openai/", b"us.anthropic.", b"/", b"#2", b"%s{}", "\u202e".encode(), b"<script>"),
)


def line_of_another(data: bytes, rng: random.Random) -> bytes:
    """A line of another format stands among the others."""
    lines = data.splitlines(keepends=True)
    lines.insert(rng.randrange(len(lines) + 1), rng.choice(OTHERS_LINES) + b"\n")
    return b"".join(lines)


OTHERS_LINES = (
    b'{"resourceSpans": []}',
    b'{"custom_id": "a", "result": {"type": "succeeded", "message": {"usage": {"input_tokens": 9}}}}',
    b'{"type": "event_msg", "timestamp": "2026-10-01T00:00:00Z", "payload": {"type": "token_count"}}',
    b'{"type": "assistant", "parentUuid": null, "sessionId": "s", "message": {"usage": {}}}',
    b'{"call_type": "completion", "litellm_call_id": "x", "usage": {"prompt_tokens": 9}}',
    b'{"type": "result", "total_cost_usd": 1, "num_turns": 1}',
    b"INFO 2026-10-01 started",
    b'{"level": "info", "msg": "started"}',
)


def text_without_end(data: bytes, rng: random.Random) -> bytes:
    """A long text with signs that are escaped, such as code or JSON, stops amid its line."""
    lines = data.splitlines(keepends=True) or [b""]
    at = rng.randrange(len(lines))
    sign = rng.choice((rb"\"", rb"\\", rb"\u0022", b"[", b"{}", b'{"a":', b"\x00", b"\t", b" "))
    lines[at] = lines[at][: rng.randrange(len(lines[at]) + 1)] + b'"' + sign * 20_000 + b"\n"
    return b"".join(lines)


def packed_again(data: bytes, rng: random.Random) -> bytes:
    """The file is compressed, though its name does not say so. Its end is missing, or garbage follows."""
    packed = rng.choice((gzip.compress, bz2.compress, lzma.compress, zstandard.compress))(data)
    cut_at = rng.choice((len(packed), rng.randrange(len(packed) + 1)))
    return packed[:cut_at] + rng.choice((b"", b"", b"garbage", b"\x00" * 512, packed))


def nothing(data: bytes, rng: random.Random) -> bytes:
    """The file is empty, blank, or something else entirely."""
    return rng.choice(
        (b"", b"\n", b" ", b"\x00" * 100, b"{}", b"[]", b"null", b"{", b"\xff\xfe", b"PK\x03\x04", b"a,b\n")
    )


MUTATORS: dict[str, Mutator] = {
    mutator.__name__: mutator
    for mutator in (
        cut,
        hole,
        zeros,
        bytes_changed,
        piece_repeated,
        lines_changed,
        recoded,
        literal_changed,
        nested,
        value_changed,
        nothing,
        continued,
        times_changed,
        counts_changed,
        keys_repeated,
        texts_changed,
        line_of_another,
        packed_again,
        text_without_end,
    )
}
SCHEDULE = (*MUTATORS, "value_changed", "value_changed", "literal_changed")
"""Cases take these in turn, so that each mutator gets its share of every subject."""


def mutator_of(number: int) -> str:
    """Return the name of the mutator that a case surely gets, by the number of the case."""
    return SCHEDULE[number % len(SCHEDULE)]


def mutated(data: bytes, rng: random.Random, number: int = 0) -> tuple[str, bytes]:
    """Return the names of one or two mutators, and what they made of a file."""
    names = [mutator_of(number)]
    if rng.random() < 0.2:
        names.append(rng.choice(SCHEDULE))
    for name in names:
        data = MUTATORS[name](data, rng)
    return "+".join(names), data
