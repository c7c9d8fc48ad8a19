"""Files of one JSON object per line, as a stream: ours strictly, those of other programs leniently."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import orjson

from tokenprof.facts.errors import InputError
from tokenprof.reading.lenient_json import RecordFinder
from tokenprof.reading.log_bytes import DamagedFileError, open_log
from tokenprof.reading.spread_records import opens_spread_record, rest_of_spread_record

NAMED_LINES = 5
"""How many bad lines of a file get a warning each; the others are counted."""

LONGEST_LINE_BYTES = 256 * 2**20

CUT_SHORT = "this line is cut short and was left out."


def parse_in_part(data: bytes, decode: Callable[[bytes], Any]) -> Any:
    """Return what `decode`, a typed decoder of msgspec, makes of JSON; the whole value if it refuses it.

    Raises ValueError if the data are not one JSON value.
    """
    try:
        return decode(data)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return orjson.loads(data)


def read_json_lines(
    path: Path, warnings: list[str], parse: Callable[[bytes], Any] = orjson.loads
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the number of each line of another program's file, counted from 1, and its object.

    What cannot be read is left out, with an entry in `warnings` that names the line: a line that is not a
    JSON object or is longer than `LONGEST_LINE_BYTES`, and the rest of a damaged compressed file. Several
    objects on one line are all yielded, and so are those in a list; blank lines are skipped. A value that an
    editor has spread over many lines is read as one, at its first line. `parse` returns the object on a line,
    or only those of its fields that are needed. Raises InputError for a file that cannot be opened.
    """
    finder = RecordFinder(parse)
    bad = 0
    held: deque[bytes] = deque()
    with open_log(path) as file:
        number = passed = 0
        records: list[dict[str, Any]]
        lost: str | None
        while True:
            try:
                line = held.popleft() if held else file.readline(LONGEST_LINE_BYTES)
            except DamagedFileError as error:
                warnings.append(f"{path}:{number + 1}: {error}; what follows was left out.")
                break
            if not line:
                break
            number += 1
            whole = finder.whole_record(line) if len(line) < LONGEST_LINE_BYTES else None
            if whole is not None:
                yield number, whole
                continue
            if len(line) == LONGEST_LINE_BYTES and not line.endswith(b"\n"):
                records = []
                lost = f"it is longer than {LONGEST_LINE_BYTES // 2**20} MiB"
                while line and not line.endswith(b"\n"):
                    line = file.readline(LONGEST_LINE_BYTES)
            elif line.isspace():
                continue
            else:
                records, lost = finder.records_of(line)
                if not (records or held) and opens_spread_record(line):
                    rest, is_closed = rest_of_spread_record(line, file, LONGEST_LINE_BYTES)
                    spread, left = finder.records_of(b"".join((line, *rest))) if is_closed else ([], lost)
                    if spread and left is None:
                        records, lost = spread, None
                        passed = len(rest)
                    else:
                        held.extend(rest)
            for record in records:
                yield number, record
            number, passed = number + passed, 0
            if lost is None:
                continue
            bad += 1
            if not records and line and not line.endswith(b"\n"):
                warnings.append(f"{path}:{number}: {CUT_SHORT}")
            elif bad <= NAMED_LINES:
                part = "a part of this line" if records else "this line"
                warnings.append(f"{path}:{number}: {part} was left out: {lost}.")
    if bad > NAMED_LINES:
        warnings.append(f"{path}: {bad - NAMED_LINES} more lines were left out; they are not JSON either.")


def line_number(where: str) -> int:
    """Return the number of a line from how `feed_lines` names it."""
    return int(where.rpartition(":")[2])


@contextmanager
def line_or_warning(where: str, warnings: list[str]) -> Iterator[None]:
    """Run the reading of one line; if it holds something else than expected, add a warning instead.

    `where` is the file and the line.
    """
    try:
        yield
    except _FAULTS_OF_A_LINE as error:
        warnings.append(_left_out(where, error))


def feed_lines(
    path: Path,
    warnings: list[str],
    add: Callable[[dict[str, Any], str], None],
    parse: Callable[[bytes], Any] = orjson.loads,
) -> None:
    """Call `add` with each object of a file, and with the file and the line that holds it.

    What cannot be read is left out, as in `read_json_lines`. So is a line that holds something else than
    `add` expects, with a warning. Raises InputError for a file that cannot be opened.
    """
    prefix = f"{path}:"
    for number, line in read_json_lines(path, warnings, parse):
        try:
            add(line, f"{prefix}{number}")
        except _FAULTS_OF_A_LINE as error:
            warnings.append(_left_out(f"{prefix}{number}", error))


_FAULTS_OF_A_LINE = (
    InputError,
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
    ArithmeticError,
    RecursionError,
)


def _left_out(where: str, error: Exception) -> str:
    if isinstance(error, InputError):
        return f"{error} The line was left out."
    return (
        f"{where}: this line was left out: it holds something unexpected ({type(error).__name__}: {error})."
    )


def read_strict_lines(path: Path, warnings: list[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the number of each line of a file of ours, counted from 1, and its object.

    A killed process, a full disk or a power cut leave a line that ends too early. If the same line stands
    whole further down, nothing is missing; otherwise there is an entry in `warnings`. Raises InputError for
    a file that cannot be opened and for any other line that is not a JSON object.
    """
    cut: dict[int, bytes] = {}
    with open_log(path) as file:
        try:
            for number, line in enumerate(file, 1):
                if line.isspace():
                    continue
                try:
                    value = orjson.loads(line)
                except orjson.JSONDecodeError as error:
                    beginning = line.rstrip(b"\n\0")
                    if not _ends_too_early(beginning):
                        raise InputError.at(
                            path, number, f"this line is not JSON ({error}); repair or delete it."
                        ) from None
                    cut[number] = beginning
                    continue
                if not isinstance(value, dict):
                    raise InputError.at(path, number, "this line is not a JSON object; repair or delete it.")
                for at in [at for at, start in cut.items() if start and line.startswith(start)]:
                    del cut[at]
                yield number, value
        except DamagedFileError as error:
            raise InputError(f"{path}: {error}. Decompress it, or copy it again.") from None
    warnings += [f"{path}:{at}: {CUT_SHORT}" for at in list(cut)[:NAMED_LINES]]
    if len(cut) > NAMED_LINES:
        warnings.append(f"{path}: {len(cut) - NAMED_LINES} more lines are cut short and were left out.")


def _ends_too_early(line: bytes) -> bool:
    """Whether a line is the beginning of a JSON object, and nothing else."""
    if not line.startswith(b"{"):
        return not line
    try:
        msgspec.json.decode(line)
    except msgspec.DecodeError as error:
        return "truncated" in str(error)
    return False
