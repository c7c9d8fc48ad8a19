"""Where output goes: to standard output or a file, in the format that the file's name or a flag asks for."""

from __future__ import annotations

import argparse
import os
import stat
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from tokenprof.commands.console.values import choice, file_path, one_of
from tokenprof.facts.errors import InputError
from tokenprof.facts.inert_text import inert, inert_json, terminal_text

if TYPE_CHECKING:
    from rich.console import Console

SUFFIXES: Final[Mapping[str, tuple[str, ...]]] = {
    "text": (".txt",),
    "json": (".json",),
    "svg": (".svg",),
    "junit": (".xml",),
    "sarif": (".sarif", ".sarif.json"),
    "markdown": (".md",),
}
"""The endings of a file name by the format that they ask for."""

_ALSO: Final = {"sarif": (".json",)}
"""Further endings that a format is written with if a flag asks for it."""


def add_format(parser: argparse.ArgumentParser, formats: Sequence[str]) -> None:
    """Add `--format`, which is None unless given."""
    parser.add_argument(
        "--format",
        type=one_of(formats),
        metavar=choice(formats),
        help=f"output format (default: {formats[0]})",
    )
    parser.set_defaults(formats=tuple(formats))


def add_output(
    parser: argparse.ArgumentParser,
    formats: Sequence[str],
    suffixes: Mapping[str, tuple[str, ...]] = SUFFIXES,
) -> None:
    """Add `--format` and `-o`; the ending of the file's name picks the format if no flag does.

    The first of `formats` is the default. `suffixes` are the endings of each.
    """
    parser.add_argument(
        "--format",
        type=one_of(formats),
        metavar=choice(formats),
        help=f"output format (default: by the ending of -o, else {formats[0]})",
    )
    parser.add_argument(
        "-o", "--output", type=file_path, metavar="FILE", help="write to a file instead of standard output"
    )
    parser.set_defaults(formats=tuple(formats), suffixes=dict(suffixes))


def format_of(options: argparse.Namespace) -> str:
    """Return the format that the options ask for.

    Raises InputError if the ending of the output's name asks for another one than `--format`, or for none
    that the command writes.
    """
    formats: tuple[str, ...] = options.formats
    given: str | None = options.format
    output: Path | None = getattr(options, "output", None)
    if output is None:
        return given or formats[0]
    name = output.name.lower()
    suffixes: dict[str, tuple[str, ...]] = {**SUFFIXES, **options.suffixes}
    matching = [(len(end), form) for form, ends in suffixes.items() for end in ends if name.endswith(end)]
    asked = max(matching)[1] if matching else None
    if given is None:
        if asked in formats:
            return asked
        if not output.suffix:
            return formats[0]
        known = ", ".join(f"{form} ({suffixes[form][0]})" for form in formats)
        raise InputError(
            f"-o {output}: the ending {output.suffix} asks for no format that is written here: {known}. "
            "Rename the file, or give --format."
        )
    if asked is not None and asked != given and not name.endswith(_ALSO.get(given, ())):
        raise InputError(
            f"-o {output} asks for {asked}, and --format {given} for {given}; change one of the two."
        )
    return given


def require_writable(output: Path | None, inputs: Iterable[Path | None] = ()) -> None:
    """Raise InputError if a file cannot be written, or would overwrite one of the inputs or another log.

    Called before the work, so that nobody waits for a report that has no place to go.
    """
    if output is None:
        return
    for path in inputs:
        if path is not None and _is_same_file(path, output):
            raise InputError(f"-o {output} would overwrite a file that is read; name another file.")
    if output.is_file() and _is_log(output):
        raise InputError(f"-o {output} would overwrite a recording or a log; name another file.")
    if output.is_dir():
        raise InputError(f"-o {output} is a folder; name a file in it.")
    if not output.parent.is_dir():
        raise InputError(f"-o {output}: there is no folder {output.parent}; create it first.")
    if not os.access(output if output.exists() else output.parent, os.W_OK):
        raise InputError(f"-o {output} cannot be written (permission denied); name another file.")


def _is_log(path: Path) -> bool:
    """Whether a file is one that a folder among the inputs is read for."""
    from tokenprof.reading.formats import reader_of

    try:
        reader_of(path)
    except InputError:
        return False
    return True


def _is_same_file(path: Path, output: Path) -> bool:
    return path == output or (path.exists() and output.exists() and path.samefile(output))


def put(output: Path | None, data: str | bytes) -> None:
    """Write to a file, or to standard output. Raises InputError if it cannot be written."""
    put_parts(output, [data])


def put_parts(output: Path | None, parts: Iterable[str | bytes]) -> None:
    """Write one part after the other, as `put` does. No file is made before the first part is there."""
    if output is None:
        for part in parts:
            emit(part)
        return
    waiting = iter(parts)
    first = next(waiting, b"")
    try:
        with output.open("wb") as file:
            for part in chain([first], waiting):
                file.write(part.encode() if isinstance(part, str) else part)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError(f"-o {output} cannot be written ({reason}); name another file.") from error


def goes_into_a_file(stream: IO[str]) -> bool:
    """Whether what is written to a stream stays in a file: `> report.txt`."""
    try:
        return stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
    except (OSError, ValueError, AttributeError):
        return False


def json_text(data: object) -> bytes:
    """Return data as indented JSON with a newline at its end."""
    import orjson

    options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE | orjson.OPT_SERIALIZE_NUMPY
    return inert_json(orjson.dumps(data, option=options))


def drawn(draw: Callable[[Console], None], *, to_error: bool = False, **console: Any) -> str:
    """Return what `draw` prints to a console that is like standard output (or standard error)."""
    from rich.console import Console

    page = Console(stderr=to_error, **console)
    with page.capture() as captured:
        draw(page)
    return captured.get()


def emit(data: str | bytes) -> None:
    """Write to standard output at once. A reader that has gone, such as `head`, is not an error.

    Raises InputError if standard output cannot be written for another reason, such as a full disk.
    """
    stream = sys.stdout
    if stream is None:
        return
    try:
        if isinstance(data, bytes):
            stream.flush()
            stream.buffer.write(data)
            stream.buffer.flush()
        else:
            stream.write(_in_encoding_of(stream, terminal_text(data)))
            stream.flush()
    except BrokenPipeError:
        _give_up(stream)
    except OSError as error:
        _give_up(stream)
        reason = (error.strerror or str(error)).lower()
        raise InputError(f"Standard output cannot be written ({reason}).") from error


def say(sentence: str) -> None:
    """Write a sentence of our own to standard error, after the name of the command.

    It may quote what was given, such as an address with a password, and the logs of CI are read by others.
    """
    from tokenprof.facts.secrets.masks import masked_text

    write_error(f"tokenprof: {inert(masked_text(sentence))}\n")


def write_error(text: str) -> None:
    """Write to standard error; one that is closed is not an error."""
    stream = sys.stderr
    if stream is None:
        return
    try:
        stream.write(_in_encoding_of(stream, text))
        stream.flush()
    except OSError:
        _give_up(stream)


def _in_encoding_of(stream: IO[str], text: str) -> str:
    """Return text with what the stream's encoding lacks replaced by question marks."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, "replace").decode(encoding)


def _give_up(stream: IO[str]) -> None:
    """Point a stream that nobody reads at nothing: the interpreter flushes it once more when it ends."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
