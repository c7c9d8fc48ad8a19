"""Logs at an address such as `s3://bucket/logs`, through fsspec."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from tokenprof.data_classes.frozen import frozen
from tokenprof.store.writing.remote_folder import file_system, reaching

_SUBAGENTS: Final = "subagents"
_AGENT: Final = "agent-"


@frozen
class RemoteLog:
    """The files of one log: the main one first. A session keeps its subagents' files with it."""

    files: tuple[str, ...]
    bytes: int


def remote_logs(address: str, endings: Sequence[str]) -> Iterator[RemoteLog]:
    """Yield the logs below an address. The files of Claude Code's subagents go with their session.

    Which format a file has is found out where it is read.
    """
    fs, root = file_system(address)
    with reaching(address):
        found = fs.find(root, detail=True)
    sizes = {path: int(info["size"] or 0) for path, info in found.items()}
    files = sorted(path for path in sizes if path.endswith(tuple(endings)))
    agents = [path for path in files if _is_agent(path)]
    below: dict[str, list[str]] = {}
    for path in agents:
        below.setdefault(_home(path), []).append(path)
    taken: set[str] = set()
    for path in files:
        if _is_agent(path):
            continue
        session = str(PurePosixPath(path).parent / PurePosixPath(path).name.split(".")[0])
        own = [*below.get(session, ()), *below.get(str(PurePosixPath(path).parent), ())]
        taken.update(own)
        listed = (path, *own)
        yield RemoteLog(
            tuple(fs.unstrip_protocol(each) for each in listed), sum(sizes[each] for each in listed)
        )
    for path in agents:
        if path not in taken:
            yield RemoteLog((fs.unstrip_protocol(path),), sizes[path])


def _is_agent(path: str) -> bool:
    return PurePosixPath(path).name.startswith(_AGENT)


def _home(path: str) -> str:
    """Return the session folder of a subagent's file; in older versions, the folder it is in."""
    parts = PurePosixPath(path).parts
    if _SUBAGENTS in parts:
        return str(PurePosixPath(*parts[: parts.index(_SUBAGENTS)]))
    return str(PurePosixPath(path).parent)


def fetch(log: RemoteLog, folder: Path) -> Path:
    """Copy the files of a log below a folder, placed to each other as they were; return the main one.

    They are in a folder of the name that theirs has, because that is the project of a log which names none.
    """
    base = PurePosixPath(log.files[0].partition("://")[2]).parent
    home = folder / base.name
    for address in log.files:
        fs, path = file_system(address)
        at = PurePosixPath(address.partition("://")[2])
        target = home / (at.relative_to(base) if at.is_relative_to(base) else at.name)
        target.parent.mkdir(parents=True, exist_ok=True)
        with reaching(address):
            fs.get_file(path, str(target))
    return home / PurePosixPath(log.files[0]).name
