"""Recordings and transcripts of any known format into one `Run`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from tokenprof.facts.errors import InputError
from tokenprof.facts.types import Run, Turn
from tokenprof.reading import recordings as own
from tokenprof.reading.formats import TranscriptReader, UnknownFormatError, known_formats, reader_of, suffixes

LISTED_FILES = 5
NOT_LOGS = frozenset({"node_modules", ".git", ".venv", "site-packages"})
"""Folders that hold thousands of other JSON files, and no logs."""
TOLD_WITHIN_S = 60.0
"""A transcript tells of a response so soon after it was recorded, beyond the time that it took."""


def read(paths: Sequence[Path]) -> Run:
    """Return the turns of files and folders together, in time order, each billed response once.

    Of a folder, every file below it is read whose name ends as a known format's and that is of that format.
    A `*.jsonl` file of no known format is named in a warning. Raises InputError for what is missing, empty,
    malformed or of no known format.
    """
    warnings: list[str] = []
    chosen: dict[Path, tuple[Path, TranscriptReader]] = {}
    for path in paths:
        found = _files_below(path, warnings) if path.is_dir() else [(path, reader_of(path))]
        for file, reader in found:
            chosen.setdefault(file.resolve(), (file, reader))
    companions = {other.resolve() for file, reader in chosen.values() for other in _companions(reader, file)}
    runs = [_run_of(file, reader) for real, (file, reader) in chosen.items() if real not in companions]
    return merge(runs, warnings)


def _run_of(file: Path, reader: TranscriptReader) -> Run:
    try:
        return reader.read(file)
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise InputError(
            f"{file}: this begins as {reader.FORMAT}, but then holds something else "
            f"({type(error).__name__}: {error}). Was it edited or cut? If not, please report this, with the "
            "version of the tool that wrote it."
        ) from error


def merge(runs: Sequence[Run], warnings: Iterable[str] = ()) -> Run:
    """Return several runs as one. A response that a second file repeats is counted once.

    Transcripts of resumed and forked sessions hold earlier responses again, under their provider's ids; a
    recording and a transcript of one run tell of the same ones.
    """
    turns: list[Turn] = []
    notes = list(warnings)
    known: dict[object, list[_Counted]] = {}
    for run in sorted(runs, key=_shows_less):
        recorded = _is_recording(run)
        repeated = {
            index
            for index, turn in enumerate(run.turns)
            if any(_is_same(turn, recorded, other) for other in known.get(_identity(turn), ()))
        }
        repeated |= _rests_of(run, repeated)
        for turn in run.turns:
            known.setdefault(_identity(turn), []).append(_Counted(turn, recorded))
        turns += _without(run, repeated, offset=len(turns))
        if repeated:
            notes.append(
                f"{run.sources[0].file}: {len(repeated)} of its responses are in another file too; "
                "each is counted once."
            )
    notes += [warning for run in runs for warning in run.warnings]
    return Run(
        own.in_time_order(turns), tuple(source for run in runs for source in run.sources), tuple(notes)
    )


@dataclass(frozen=True, slots=True)
class _Counted:
    """A response that is counted already, and whether a recording of ours told of it."""

    turn: Turn
    recorded: bool


def _shows_less(run: Run) -> tuple[bool, bool]:
    """Order runs by how much they show of a call: recordings, then what tells each response's output."""
    return not _is_recording(run), any(turn.output_rest_in for turn in run.turns)


def _is_recording(run: Run) -> bool:
    return any(source.format == own.FORMAT for source in run.sources)


def _identity(turn: Turn) -> object:
    """Return what is alike wherever a response is told of; not every source has its final output."""
    usage = turn.usage
    counts = None if usage is None else (usage.input_tokens, usage.cache_read_tokens)
    return turn.provider, turn.id, counts


def _is_same(turn: Turn, recorded: bool, other: _Counted) -> bool:
    """Whether two responses of one identity are the same.

    A recording of ours may hold a test provider's ids, which start anew in every run; the time tells
    those apart. Of a call that was seen twice, in its process and by the proxy, the times overlap. A
    transcript's time is when a line was written, and may change in a copy.
    """
    apart = abs(turn.started_at - other.turn.started_at)
    if recorded and other.recorded:
        first = min(turn, other.turn, key=lambda seen: seen.started_at)
        return apart <= timedelta(seconds=first.duration_s or 0.0)
    if not recorded and not other.recorded:
        return True
    longest_s = max(turn.duration_s or 0.0, other.turn.duration_s or 0.0)
    return apart <= timedelta(seconds=longest_s + TOLD_WITHIN_S)


def _rests_of(run: Run, repeated: set[int]) -> set[int]:
    """Return the turns that only count what repeated ones lack."""
    needed = {turn.output_rest_in for index, turn in enumerate(run.turns) if index not in repeated}
    ended = {run.turns[index].output_rest_in for index in repeated} - needed - {None}
    return {index for index, turn in enumerate(run.turns) if turn.id in ended}


def _without(run: Run, repeated: set[int], offset: int) -> list[Turn]:
    """Return a run's turns less some, with bases as indices of a list in which the first is at `offset`."""
    place: dict[int, int] = {}
    for index in range(len(run.turns)):
        if index not in repeated:
            place[index] = offset + len(place)
    prompts = run.prompts() if repeated else []
    kept = []
    for index in place:
        turn = run.turns[index]
        if turn.base is not None and turn.base in place:
            turn = replace(turn, base=place[turn.base])
        elif turn.base is not None:
            turn = replace(turn, base=None, kept=0, added=tuple(prompts[index]))
        kept.append(turn)
    return kept


def _files_below(folder: Path, warnings: list[str]) -> list[tuple[Path, TranscriptReader]]:
    """Return the files below a folder that are of a known format; other `*.jsonl` files are warned of."""
    found, others = [], []
    endings = tuple(suffixes())
    for path in sorted(folder.rglob("*")):
        if not path.name.endswith(endings) or not path.is_file():
            continue
        if NOT_LOGS.intersection(path.relative_to(folder).parts):
            continue
        try:
            found.append((path, reader_of(path)))
        except UnknownFormatError:
            # A folder may hold any number of other *.json files.
            if path.suffix == ".jsonl":
                others.append(path)
    if not found:
        raise InputError(f"{folder} holds no file that tokenprof can read. It reads {known_formats()}.")
    if others:
        named = ", ".join(str(path.relative_to(folder)) for path in others[:LISTED_FILES])
        more = f" and {len(others) - LISTED_FILES} more" if len(others) > LISTED_FILES else ""
        warnings.append(f"{folder}: of no known format and left out: {named}{more}.")
    return found


def _companions(reader: TranscriptReader, path: Path) -> Sequence[Path]:
    of: Callable[[Path], Sequence[Path]] | None = getattr(reader, "companions", None)
    return of(path) if of else ()
