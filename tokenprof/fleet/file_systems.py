"""Files wherever they are: on this machine, or at an address such as `s3://bucket/logs` through fsspec."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from tokenprof.store.writing.store_folder import file_system

_SUBAGENTS: Final = "subagents"
_AGENT: Final = "agent-"


@dataclass(frozen=True, slots=True)
class RemoteLog:
    """The files of one log: the main one first. A session keeps its subagents' files with it."""

    files: tuple[str, ...]
    bytes: int


def remote_logs(address: str, endings: Sequence[str]) -> Iterator[RemoteLog]:
    """Yield the logs below an address. The files of Claude Code's subagents go with their session.

    Which format a file has is found out where it is read.
    """
    fs, root = file_system(address)
    sizes = {path: int(info["size"] or 0) for path, info in fs.find(root, detail=True).items()}
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
    """Copy the files of a log to a folder, placed to each other as they were; return the main one."""
    base = PurePosixPath(log.files[0].partition("://")[2]).parent
    for address in log.files:
        fs, path = file_system(address)
        at = PurePosixPath(address.partition("://")[2])
        target = folder / (at.relative_to(base) if at.is_relative_to(base) else at.name)
        target.parent.mkdir(parents=True, exist_ok=True)
        fs.get_file(path, str(target))
    return folder / PurePosixPath(log.files[0]).name


def put(address: str, data: bytes) -> int:
    """Write a file whole, in one request where the file system allows it. Returns its size."""
    fs, path = file_system(address)
    fs.makedirs(str(PurePosixPath(path).parent), exist_ok=True)
    fs.pipe_file(path, data)
    return len(data)


def get(address: str) -> bytes | None:
    """Return the bytes of a file; None if it does not exist."""
    fs, path = file_system(address)
    try:
        return bytes(fs.cat_file(path))
    except FileNotFoundError:
        return None
