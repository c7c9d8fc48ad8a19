"""What a store knows about the logs that it has read, and what has become of their files since."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.types import Run
from tokenprof.reading.log_bytes import log_stem
from tokenprof.store.ingest.file_identity import FileIdentity, identity_of_row
from tokenprof.store.ingest.turn_columns import LogName, project_of
from tokenprof.store.schema.columns import LOGS

if TYPE_CHECKING:
    import pyarrow as pa

LogState = Literal["present", "gone", "unreadable", "not_a_log"]


@frozen
class KnownLog:
    """A log as a store knows it; the fields are the columns of the table `logs`."""

    log_id: int
    source: str
    format: str = ""
    project: str = ""
    session: str = ""
    state: LogState = "present"
    files: tuple[FileIdentity, ...] = ()
    turns: int = 0
    missing_calls: int = 0
    warnings: tuple[str, ...] = ()
    error: str | None = None
    first_at: datetime | None = None
    last_at: datetime | None = None
    generation: int = 0

    @property
    def name(self) -> LogName:
        """How its rows are labelled."""
        return LogName(self.log_id, self.project, self.session, self.format)

    @property
    def counts(self) -> bool:
        """Whether its turns count: it was read, and its file may since have been deleted."""
        return self.state in ("present", "gone")

    def is_untouched(self) -> bool:
        """Return whether its files are as they were, by what the file system says without opening them."""
        try:
            return bool(self.files) and all(each.looks_like(Path(each.file).stat()) for each in self.files)
        except OSError:
            return False


@dataclass(slots=True)
class KnownLogs:
    """The logs of a store by their number. Of the logs of one path, at most one is not gone."""

    by_id: dict[int, KnownLog] = field(default_factory=dict)

    def __iter__(self) -> Iterator[KnownLog]:
        return iter(self.by_id.values())

    def put(self, log: KnownLog) -> None:
        """Add a log, or another state of it."""
        self.by_id[log.log_id] = log

    def drop(self, log: KnownLog) -> None:
        """Forget a log: its rows no longer count."""
        self.by_id.pop(log.log_id, None)

    def by_source(self) -> dict[str, KnownLog]:
        """Return the newest log of each path."""
        return {
            log.source: log for log in sorted(self, key=lambda log: (log.state != "gone", log.generation))
        }

    def table(self) -> pa.Table:
        """Return the logs as the store writes them."""
        return logs_table(sorted(self, key=lambda log: (log.source, log.generation)))


def filled(log: KnownLog, run: Run, project: str | None = None) -> KnownLog:
    """Return a log with what its run shows; `project` goes before the tag and the folder."""
    project = project or project_of(run, Path(log.source).parent.name or "files")
    return replace(
        log,
        format=run.sources[0].format if run.sources else log.format,
        project=project,
        session=f"{project}/{log_stem(Path(log.source))}",
        turns=len(run.turns),
        missing_calls=sum(problem.calls for problem in run.problems),
        warnings=run.warnings,
        first_at=min((turn.started_at for turn in run.turns), default=None),
        last_at=max((turn.started_at for turn in run.turns), default=None),
    )


def logs_table(logs: Sequence[KnownLog]) -> pa.Table:
    """Return logs as rows of the table `logs`."""
    # A process that only reads logs does without Arrow.
    from tokenprof.store.schema.arrow_tables import table_of

    names = [column.name for column in LOGS.columns if column.type not in ("files", "strings")]
    columns: dict[str, list[object]] = {name: [getattr(log, name) for log in logs] for name in names}
    columns["files"] = [[each.as_row() for each in log.files] for log in logs]
    columns["warnings"] = [list(log.warnings) for log in logs]
    return table_of("logs", columns)


def known_logs(rows: Iterable[Mapping[str, Any]]) -> KnownLogs:
    """Return the logs that rows of the table `logs` hold."""
    found = KnownLogs()
    for row in rows:
        files = tuple(identity_of_row(each) for each in row["files"])
        found.put(KnownLog(**{**row, "files": files, "warnings": tuple(row["warnings"])}))
    return found
